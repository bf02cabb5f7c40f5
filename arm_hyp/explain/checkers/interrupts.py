"""HYP008 and HYP010: an interrupt that is ended but never deactivated, and one whose handler returns without an end.

Read `gic_actions.py` and `vcpus.py` before this file. With EOImode = 1, EOIR only drops the running priority: the
interrupt stays active, and comes no more, until DIR deactivates it, or a guest by a list register with HW = 1. Without
EOIR the running priority stays, and nothing of the same or a lesser priority comes any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from arm_hyp.arch.gic import FIRST_SPI
from arm_hyp.events import DeviceAccess, Ended, Event, ExceptionReturned, ExceptionTaken, RegisterAccess
from arm_hyp.explain.checkers.gic_actions import action_of
from arm_hyp.explain.checkers.model import Hear, Place, Report, Witness
from arm_hyp.explain.checkers.vcpus import Cpu, Loaded
from arm_hyp.kvm_events import KvmEntry
from arm_hyp.machine.gic import virtual_list as lists

DEPTH: Final = 64
"""So many handlers are remembered on one CPU at one level."""


class Interrupt(NamedTuple):
    """A physical interrupt by CPU (-1: of an SPI) and INTID, or a virtual one, of a CPU or vCPU."""

    owner: Cpu
    intid: int
    is_virtual: bool


class Handled(NamedTuple):
    """An interrupt that a handler has acknowledged, or ended: where, and in which run of the handler."""

    place: Place
    handler: int


class Frames:
    """The handlers that run on one CPU at one level, the innermost last: each by its number and its ELR_ELx."""

    def __init__(self) -> None:
        self._frames: list[tuple[int, int]] = []

    def push(self, number: int, elr: int) -> None:
        """Enter a handler. One that never returned, as it switched to another context, is forgotten in the end."""
        self._frames = [*self._frames[1 - DEPTH :], (number, elr)]

    @property
    def innermost(self) -> int | None:
        """The number of the handler that runs."""
        return self._frames[-1][0] if self._frames else None

    def pop(self, elr: int) -> int | None:
        """Leave to an address; return the number of the handler if that is where the innermost one came from."""
        if self._frames and self._frames[-1][1] == elr:
            return self._frames.pop()[0]
        found = next((frame for frame in reversed(self._frames) if frame[1] == elr), None)
        if found is not None:
            self._frames.remove(found)
        return None


class Interrupts:
    """Follows each interrupt from its acknowledge to the return of its handler."""

    codes: ClassVar[tuple[str, ...]] = ("HYP008", "HYP010")

    def __init__(self, witness: Witness, report: Report) -> None:
        self._witness, self._report, self._loaded = witness, report, Loaded()
        self._frames: dict[tuple[int, int], Frames] = {}  # by CPU and level
        self._exceptions = 0
        self._acknowledged: dict[Interrupt, Handled] = {}
        self._ended: dict[Interrupt, Handled] = {}  # not deactivated by DIR; its handler runs
        self._left_active: dict[Interrupt, Place] = {}  # and its handler has returned

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what is heard."""
        return {
            ExceptionTaken: self._taken,
            ExceptionReturned: self._returned,
            RegisterAccess: self._accessed,
            DeviceAccess: self._accessed,
            KvmEntry: self._loaded.enter,
            Ended: self._end,
        }

    def _taken(self, event: ExceptionTaken) -> None:
        self._exceptions += 1
        self._frames.setdefault((event.cpu, event.to_el), Frames()).push(self._exceptions, event.elr)

    def _accessed(self, event: RegisterAccess | DeviceAccess) -> None:
        action = action_of(event, self._witness)
        if action is None:
            return
        owner = self._loaded.at(event) if action.is_virtual else event.cpu
        private = action.is_virtual or action.intid < FIRST_SPI
        interrupt = Interrupt(owner if private else -1, action.intid, action.is_virtual)
        if action.register == "IAR":
            self._forget(interrupt)
            frames = self._frames.get((event.cpu, event.el))
            if frames is not None and frames.innermost is not None:
                self._acknowledged[interrupt] = Handled(Place.of(event), frames.innermost)
        elif action.register == "EOIR":
            handled = self._acknowledged.pop(interrupt, None)
            if handled is not None:
                self._ended[interrupt] = handled._replace(place=Place.of(event))
        else:
            self._forget(interrupt)

    def _forget(self, interrupt: Interrupt) -> None:
        for known in (self._acknowledged, self._ended, self._left_active):
            known.pop(interrupt, None)

    def _returned(self, event: ExceptionReturned) -> None:
        frames = self._frames.get((event.cpu, event.from_el))
        handler = None if frames is None else frames.pop(event.elr)
        if handler is None:
            return
        for interrupt in _of(handler, self._acknowledged):
            self._acknowledged.pop(interrupt)
            what = f"INTID {interrupt.intid} was acknowledged and its handler returns without writing EOIR"
            self._report("HYP010", event, f"{what}: the running priority stays, and holds back what comes next")
        for interrupt in _of(handler, self._ended):
            handled = self._ended.pop(interrupt)
            if self._is_active(interrupt, event.cpu):
                self._left_active[interrupt] = handled.place

    def _is_active(self, interrupt: Interrupt, cpu: int) -> bool:
        if not interrupt.is_virtual:
            return self._witness.is_active(cpu, interrupt.intid)
        of_cpu = self._witness.list_registers(cpu)
        return any(lr & lists.ACTIVE_BIT and lists.virtual_intid_of(lr) == interrupt.intid for lr in of_cpu)

    def _end(self, event: Ended) -> None:
        """Judge at the end of the run: until then somebody might deactivate what is still active."""
        for interrupt, place in self._left_active.items():
            if interrupt.is_virtual or self._stays_active(interrupt.intid, place.cpu):
                self._report("HYP008", place, _never(interrupt.intid))

    def _stays_active(self, intid: int, cpu: int) -> bool:
        return self._witness.is_active(cpu, intid) and not self._is_linked(intid)

    def _is_linked(self, intid: int) -> bool:
        """Tell whether a guest will deactivate a physical interrupt: a list register with HW = 1 names it."""
        registers = [lr for cpu in range(self._witness.cpus) for lr in self._witness.list_registers(cpu)]
        return any(
            lr & lists.HW_BIT and lists.state_of(lr) and lists.physical_intid_of(lr) == intid for lr in registers
        )


def _of(handler: int, handled: dict[Interrupt, Handled]) -> list[Interrupt]:
    return [interrupt for interrupt, known in handled.items() if known.handler == handler]


def _never(intid: int) -> str:
    return (
        f"EOImode is 1: this dropped the priority of INTID {intid}, and nobody deactivated it (DIR): it comes no more"
    )
