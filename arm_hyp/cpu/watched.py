"""The values that a watch can look at: registers by name, and where the core keeps them.

Read `cpu/live_words.py` and `cpu/system_registers.py` before this file and `cpu/watching.py` after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from unicorn import arm64_const as a64

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers import layout_of
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu import entry
from arm_hyp.cpu.batch import RegisterId
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.core_registers import X_REGISTERS
from arm_hyp.cpu.live_words import live_words, pstate_level_word

Value = int | bytes
BYTES: Final = 8
"""Of a word that is looked at."""
_ALL_BITS: Final = (1 << 64) - 1
_HCR_E2H: Final = 1 << 34
_ACKNOWLEDGES: Final = re.compile(r"IC[CV]_IAR[01]_EL1|ICC_NMIAR1_EL1")
"""Reading one of these changes the state of the GIC."""
_ONLY_BY_MSR: Final = re.compile(
    r"(TTBR[01]|TCR|A?MAIR|VBAR|TPIDR|TPIDRRO|ESR|FAR|ELR|SPSR|AFSR[01]|CONTEXTIDR|HPFAR|VTTBR|VTCR)_EL[0-2]"
)
"""The core changes these when software writes them, and in no other way: exceptions and returns are ours."""
_EL_SP, _SP = 0xD, 1
"""PSTATE.EL and SP."""
_BANKS: Final = {"SP_EL0": 0, "SP_EL1": 1, "SP_EL2": 2}


class Guard(NamedTuple):
    """Another eight bytes, and what those of their bits that matter are to be."""

    address: int
    mask: int
    value: int


class Word(NamedTuple):
    """Eight bytes in the memory of this process, and which of their bits matter; only while the guard holds, if any."""

    address: int
    mask: int
    guard: Guard | None = None


class RegisterValue:
    """A register of a core, or a field of it, that can be read again and again.

    Raises: KeyError if there is none of that name, ValueError if it cannot be looked at without a trace.
    """

    def __init__(self, core: Core, name: str, field: str | None = None) -> None:
        self._core, self.name = core, name.upper()
        self._held: tuple[RegisterId, ...] | None = ()
        self._whole = self._reader()
        self._shift, self._mask = (0, -1) if field is None else self._field(field)

    def read(self) -> int:
        """Return the value."""
        return self._whole() >> self._shift & self._mask

    def words(self) -> list[Word] | None:
        """Return where the core itself may change it; nowhere, if only Python does, None if that is not known."""
        live = self._core.native.live_context
        if self.name in _BANKS:
            return self._bank_words(live)
        found = [live_words(self._core.model, register) for register in self._held or ()]
        if self._held is None or (live is None and self._held):
            return None
        if any(offsets is None for offsets in found):
            return None
        return [Word((live or 0) + offset, _ALL_BITS) for offsets in found for offset in offsets or ()]

    def _bank_words(self, live: int | None) -> list[Word] | None:
        """Return the words of SP_ELx: the bank, and the current SP while that is the bank in use."""
        model, number = self._core.model, _BANKS[self.name]
        bank, current = live_words(model, entry.SP_BANKS[number]), live_words(model, a64.UC_ARM64_REG_SP)
        level = pstate_level_word(model)
        if live is None or bank is None or current is None or level is None:
            return None
        selected = number << 2 | 1 if number else 0
        guard = Guard(live + level[0], (_EL_SP if number else _SP) << level[1], selected << level[1])
        in_use = [Word(live + offset, _ALL_BITS, guard) for offset in current]
        return in_use + [Word(live + offset, _ALL_BITS) for offset in bank]

    def written_by(self) -> Encoding | None:
        """Return the encoding if nothing in the core but an MSR with it changes this register; None if that is open."""
        if self._held and _ONLY_BY_MSR.fullmatch(self.name):
            return sysregs.by_name(self.name).encoding
        return None

    def _field(self, field: str) -> tuple[int, int]:
        e2h = bool(self._core.controls.values.hcr_el2 & _HCR_E2H)
        layout = layout_of(self.name, e2h=e2h)
        if layout is None:
            raise KeyError(f"{self.name} has no fields")
        known = {each.name.upper(): each.name for each in layout.FIELDS}
        of = layout.field(known.get(field.upper(), field))
        return of.lsb, of.max

    def _reader(self) -> Callable[[], int]:
        core, name = self._core, self.name
        if match := re.fullmatch(r"X(\d|[12]\d|30)", name):
            number = int(match[1])
            self._held = (X_REGISTERS[number],)
            return lambda: core.x(number)
        if match := re.fullmatch(r"[QV](\d|[12]\d|3[01])", name):
            vector = a64.UC_ARM64_REG_Q0 + int(match[1])
            self._held = (vector,)
            return lambda: core.native.read(vector)
        if name == "SP":
            self._held = (a64.UC_ARM64_REG_SP,)
            return lambda: core.sp
        if name in ("PSTATE", "CPSR"):
            self._held = (a64.UC_ARM64_REG_PSTATE,)
            return lambda: core.pstate
        if name in _BANKS:
            self._held = (a64.UC_ARM64_REG_SP, entry.SP_BANKS[_BANKS[name]])
            return lambda: _bank(core, _BANKS[name])
        return self._system_reader()

    def _system_reader(self) -> Callable[[], int]:
        core, encoding = self._core, sysregs.by_name(self.name).encoding
        if _ACKNOWLEDGES.fullmatch(self.name):
            raise ValueError(f"reading {self.name} acknowledges an interrupt")
        if core.registers.read(encoding) is None:
            raise ValueError(f"this machine has no {self.name}")
        self._held = (encoding,) if core.registers.is_native(encoding) else ()
        return lambda: core.registers.read(encoding) or 0


def _bank(core: Core, bank: int) -> int:
    """Read SP_ELx: the bank in use lies in the current SP."""
    return core.sp if entry.bank(core.pstate) == bank else core.native.read(entry.SP_BANKS[bank])
