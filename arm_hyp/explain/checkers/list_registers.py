"""HYP007 and HYP009: a list register that is overwritten unread, and one that is linked to an interrupt of nobody.

Read `gic_actions.py` and `machine/gic/virtual_list.py` before this file. While the guest runs, the hardware changes the
state of list registers: what EL2 has written there before is history at the next exit. Who overwrites one without a
look loses an interrupt that the guest has not ended, or has not even seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from arm_hyp.events import DeviceAccess, Event, ExceptionReturned, ExceptionTaken, RegisterAccess
from arm_hyp.explain.checkers.gic_actions import ListAccess, list_access_of
from arm_hyp.explain.checkers.model import Hear, Report, Witness
from arm_hyp.machine.gic import virtual_list as lists
from arm_hyp.machine.gic.gich import decode_gich_lr

_STATES: Final = ("invalid", "pending", "active", "pending and active")
_Access = RegisterAccess | DeviceAccess


def _written(event: _Access) -> int:
    """Return what is written, in the layout of ICH_LR<n>_EL2."""
    return event.value if isinstance(event, RegisterAccess) else decode_gich_lr(event.value)


class ListRegisters:
    """Compares what list registers held at the exit with what EL2 writes there, if it has not looked."""

    codes: ClassVar[tuple[str, ...]] = ("HYP007", "HYP009")

    def __init__(self, witness: Witness, report: Report) -> None:
        self._witness, self._report = witness, report
        self._held: dict[int, list[int]] = {}  # by CPU: what was there when the guest was left
        self._known: dict[int, set[int]] = {}  # by CPU: the list registers that EL2 has read or written since
        self._linked: set[tuple[int, int]] = set()  # reported, and not mended yet

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what is heard."""
        return {
            ExceptionTaken: self._taken,
            ExceptionReturned: self._returned,
            RegisterAccess: self._accessed,
            DeviceAccess: self._accessed,
        }

    def _taken(self, event: ExceptionTaken) -> None:
        if event.to_el == 2 and event.from_el < 2 and not event.python:
            self._held[event.cpu] = self._witness.list_registers(event.cpu)
            self._known[event.cpu] = set()

    def _accessed(self, event: _Access) -> None:
        access = list_access_of(event)
        if access is None:
            return
        known = self._known.setdefault(event.cpu, set())
        if not access.is_read and access.n not in known:
            self._overwritten(event, access)
        known.add(access.n)

    def _overwritten(self, event: _Access, access: ListAccess) -> None:
        held = self._held.get(event.cpu, [])
        old, new = held[access.n] if access.n < len(held) else 0, _written(event)
        is_same = lists.virtual_intid_of(old) == lists.virtual_intid_of(new)
        lost = lists.state_of(old) & ~(lists.state_of(new) if is_same else 0)
        if lost:
            what = f"list register {access.n} held INTID {lists.virtual_intid_of(old)}, {_STATES[lists.state_of(old)]}"
            self._report("HYP007", event, f"{what}, and is overwritten unread: the guest's interrupt is lost")

    # --- linked ------------------------------------------------------------------------------------------------------

    def _returned(self, event: ExceptionReturned) -> None:
        """Look at what the guest gets: a list register with HW = 1 must be linked to an active interrupt."""
        if event.from_el != 2 or event.to_el == 2:
            return
        for n, lr in enumerate(self._witness.list_registers(event.cpu)):
            intid = lists.physical_intid_of(lr)
            wrong = bool(lr & lists.HW_BIT and lists.state_of(lr)) and not self._witness.is_active(event.cpu, intid)
            if wrong and (event.cpu, n) not in self._linked:
                what = f"list register {n} has HW = 1 and pINTID {intid}, but that interrupt is not active"
                self._report("HYP009", event, f"{what}: nothing holds it back while the guest handles it")
            (self._linked.add if wrong else self._linked.discard)((event.cpu, n))
