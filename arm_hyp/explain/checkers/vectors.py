"""HYP005 and HYP006: an exception that nobody prepared for, and EL3's registers, which EL2 does not have.

Read `model.py` and `vcpus.py` before this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from arm_hyp.arch.instructions import InstructionKind, decode_system
from arm_hyp.arch.sysregs import name_of
from arm_hyp.events import Event, ExceptionTaken, RegisterAccess
from arm_hyp.explain.checkers.model import Hear, Report, Witness
from arm_hyp.explain.checkers.vcpus import Cpu, Loaded
from arm_hyp.kvm_events import KvmEntry

_VECTORS_BYTES: Final = 0x800
_LEVELS_WRITTEN: Final = {
    ("VBAR_EL1", 1): (1,),
    ("VBAR_EL1", 2): (1, 2),
    ("VBAR_EL12", 2): (1,),
    ("VBAR_EL2", 2): (2,),
}
"""By the register's name and the level that writes it."""
_REGISTER_MOVES: Final = frozenset({InstructionKind.MSR, InstructionKind.MRS})
_UNKNOWN: Final = 0
_EL3: Final = 6
"""op1 of the registers of EL3."""


class Vectors:
    """Knows who has written a vector base, and reads the instructions that were UNDEFINED."""

    codes: ClassVar[tuple[str, ...]] = ("HYP005", "HYP006")

    def __init__(self, witness: Witness, report: Report) -> None:
        self._report, self._loaded = report, Loaded()
        self._written: set[tuple[Cpu, int]] = set()  # by whom, and of which level
        self._reported: set[tuple[Cpu, int]] = set()

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what is heard."""
        return {RegisterAccess: self._accessed, ExceptionTaken: self._taken, KvmEntry: self._loaded.enter}

    def _accessed(self, event: RegisterAccess) -> None:
        """Simplified: VBAR_EL1 by its name at EL2 counts for both levels, whether HCR_EL2.E2H redirects it or not."""
        if not event.is_read:
            levels = _LEVELS_WRITTEN.get((event.register, event.el), ())
            self._written.update((self._loaded.at(event), level) for level in levels)

    def _taken(self, event: ExceptionTaken) -> None:
        if event.ec == _UNKNOWN and event.instruction is not None:
            self._undefined(event, event.instruction)
        key = self._loaded.at(event), event.to_el
        if event.vector < _VECTORS_BYTES and not event.python and key not in self._written | self._reported:
            self._reported.add(key)
            text = f"nobody has written VBAR_EL{event.to_el}, so the exception enters at {event.vector:#x}"
            self._report("HYP005", event, f"{text}, where no handler is")

    def _undefined(self, event: ExceptionTaken, word: int) -> None:
        found = decode_system(word)
        if found is not None and found.kind in _REGISTER_MOVES and found.op1 == _EL3:
            name = name_of(found.encoding, found.is_read)
            text = f"{name} belongs to EL3 and is UNDEFINED at EL{event.from_el}"
            self._report("HYP006", event, f"{text}: the access does nothing but raise an exception to EL{event.to_el}")
