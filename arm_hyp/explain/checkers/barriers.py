"""HYP011 and HYP012: what waits for a barrier. A control of translation for an ISB, TLB maintenance for a DSB.

Read `model.py` before this file, and `interrupts.py` for handlers within handlers.

An MSR takes effect for the instructions behind the next context synchronization event: ISB, an exception, an ERET. A
TLBI is complete, on this CPU and on others, when a DSB behind it is. This machine does both at once, silicon does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from arm_hyp.events import (
    Barrier,
    Ended,
    Event,
    ExceptionReturned,
    ExceptionTaken,
    Maintenance,
    RegisterAccess,
    TranslationWrite,
)
from arm_hyp.explain.checkers.model import Hear, Place, Report, Witness

PATIENCE: Final = 16
"""So many instructions may lie between an MSR and its ISB: other registers are written there, and nothing else done."""
TLBI_PATIENCE: Final = 64
"""So many instructions may lie between the last TLBI and its DSB."""
DEPTH: Final = 64
_COMPLETE_ALL: Final = frozenset({"dsb sy", "dsb ish", "dsb osh", "dsb ishnxs", "dsb oshnxs", "dsb synxs"})
_COMPLETE_LOCAL: Final = _COMPLETE_ALL | {"dsb nsh", "dsb nshnxs"}
"""Ref: Arm ARM B2.3.12: a DSB of loads and stores, in a domain that the TLBI reaches; stores alone do not do."""
_SHARED: Final = ("IS", "OS", "ISNXS", "OSNXS")
_SCTLR: Final = {("SCTLR_EL1", 1): 1, ("SCTLR_EL2", 2): 2, ("SCTLR_EL1", 2): 2}
"""By name and level: whose stage 1 it is. At EL2, EL1's name counts only under HCR_EL2.E2H."""
_M: Final = 1
_SCTLR_TRANSLATION: Final = 1 << 25 | 1 << 19 | _M
"""EE, WXN, M."""
_HCR_E2H: Final = 1 << 34


class Waiting(NamedTuple):
    """A write or a TLBI that waits for its barrier: `retired` counts the instructions of its CPU."""

    place: Place
    what: str
    retired: int


@dataclass
class OneCpu:
    """What waits on one CPU. `interrupted` has the TLBIs of the code that exceptions have left, with their ELR_ELx."""

    write: Waiting | None = None
    tlbi: Waiting | None = None
    interrupted: list[tuple[int, Waiting | None]] = field(default_factory=list)
    in_python: bool = False


class Barriers:
    """Waits for the barrier after each TLBI and each write of a control."""

    codes: ClassVar[tuple[str, ...]] = ("HYP011", "HYP012")

    def __init__(self, witness: Witness, report: Report) -> None:
        self._witness, self._report = witness, report
        self._cpus = [OneCpu() for _ in range(witness.cpus)]
        names = ("SCTLR_EL1", "SCTLR_EL2")
        self._sctlr = {(cpu, el): witness.register(cpu, names[el - 1]) for cpu in range(witness.cpus) for el in (1, 2)}

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what is heard."""
        return {
            TranslationWrite: self._written,
            RegisterAccess: self._accessed,
            Maintenance: self._maintained,
            Barrier: self._barrier,
            ExceptionTaken: self._taken,
            ExceptionReturned: self._returned,
            Ended: self._ended,
        }

    # --- controls wait for an ISB ------------------------------------------------------------------------------------

    def _written(self, event: TranslationWrite) -> None:
        """Take a write of TTBR, TCR or MAIR, if this very level uses it now. VTTBR and VTCR: the ERET will do."""
        self._check_tlbi(event)
        of_el = int(event.register[-1])
        if of_el == event.el and event.register[0] != "V" and self._sctlr[event.cpu, of_el] & _M:
            self._wait_for_isb(event, event.register)

    def _accessed(self, event: RegisterAccess) -> None:
        self._check_tlbi(event)
        of_el = _SCTLR.get((event.register, event.el))
        if of_el is None or event.is_read or (event.register[-1] != str(event.el) and not self._has_e2h(event.cpu)):
            return
        old, self._sctlr[event.cpu, of_el] = self._sctlr[event.cpu, of_el], event.value
        if (old ^ event.value) & _SCTLR_TRANSLATION and (old | event.value) & _M:
            self._wait_for_isb(event, event.register)

    def _has_e2h(self, cpu: int) -> bool:
        return bool(self._witness.register(cpu, "HCR_EL2") & _HCR_E2H)

    def _wait_for_isb(self, event: Event, name: str) -> None:
        cpu = self._cpus[event.cpu]
        if cpu.write is None:
            cpu.write = Waiting(Place.of(event), name, self._witness.retired(event.cpu))

    def _synchronize(self, event: Event) -> None:
        cpu = self._cpus[event.cpu]
        waited, cpu.write = cpu.write, None
        if waited is None:
            return
        behind = self._witness.retired(event.cpu) - waited.retired
        if behind > PATIENCE:
            what = f"{waited.what} was written, and {behind:,} instructions ran without an ISB"
            self._report("HYP011", waited.place, f"{what}: each of them may have been translated the old way")

    # --- TLBIs wait for a DSB ----------------------------------------------------------------------------------------

    def _maintained(self, event: Maintenance) -> None:
        self._check_tlbi(event)
        cpu = self._cpus[event.cpu]
        if event.operation.startswith("TLBI") and not cpu.in_python:
            cpu.tlbi = Waiting(Place.of(event), event.operation, self._witness.retired(event.cpu))

    def _barrier(self, event: Barrier) -> None:
        cpu = self._cpus[event.cpu]
        if event.instruction == "isb":
            self._synchronize(event)
            self._use_tlb(event, "an ISB follows")
        cpu.tlbi = _left_of(cpu.tlbi, event.instruction)
        cpu.interrupted = [(elr, _left_of(tlbi, event.instruction)) for elr, tlbi in cpu.interrupted]
        self._check_tlbi(event)

    def _check_tlbi(self, event: Event) -> None:
        waited = self._cpus[event.cpu].tlbi
        behind = 0 if waited is None else self._witness.retired(event.cpu) - waited.retired
        if behind > TLBI_PATIENCE:
            self._use_tlb(event, f"{behind:,} instructions ran since")

    def _use_tlb(self, event: Event, how: str) -> None:
        cpu = self._cpus[event.cpu]
        waited, cpu.tlbi = cpu.tlbi, None
        if waited is not None:
            what = f"{waited.what.lower()} was not completed by a DSB, and {how}"
            self._report("HYP012", waited.place, f"{what}: the old translations may still be used")

    # --- exceptions --------------------------------------------------------------------------------------------------

    def _taken(self, event: ExceptionTaken) -> None:
        self._synchronize(event)
        self._check_tlbi(event)
        cpu = self._cpus[event.cpu]
        cpu.in_python = event.python
        cpu.interrupted = [*cpu.interrupted[1 - DEPTH :], (event.elr, cpu.tlbi)]
        cpu.tlbi = None

    def _returned(self, event: ExceptionReturned) -> None:
        """Go back to where an exception came from: its TLBI waits on. What was not completed here, never will be."""
        self._synchronize(event)
        self._use_tlb(event, f"the ERET to EL{event.to_el} follows")
        cpu = self._cpus[event.cpu]
        cpu.in_python = False
        found = next((frame for frame in reversed(cpu.interrupted) if frame[0] == event.elr), None)
        if found is not None:
            cpu.interrupted.remove(found)
            waited = found[1]
            cpu.tlbi = waited and waited._replace(retired=self._witness.retired(event.cpu))

    def _ended(self, event: Ended) -> None:
        self._synchronize(event)
        self._check_tlbi(event)


def _left_of(tlbi: Waiting | None, barrier: str) -> Waiting | None:
    """Return what a barrier leaves of a TLBI: it completes one of this CPU alone more easily than a shared one."""
    if tlbi is None:
        return None
    completing = _COMPLETE_ALL if tlbi.what.endswith(_SHARED) else _COMPLETE_LOCAL
    return None if barrier in completing else tlbi
