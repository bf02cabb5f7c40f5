"""Where a load or store accesses memory, and what it writes back to its base register.

Read `arch/load_store.py` before this file: it says how much is accessed, this one says where. Then read
`hypervisor/mmio_decode.py`, which puts both together.

Ref: Arm ARM C1.3.3 "Load/Store addressing modes", C4.1.94 "Loads and Stores".
Simplified: LDRAA and LDRAB authenticate their base with keys that are not in the instruction; they have no row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from arm_hyp.arch.load_store import load_store_access

_MASK64: Final = (1 << 64) - 1
_MASK32: Final = (1 << 32) - 1


class Mode(Enum):
    """When the base register changes."""

    OFFSET = "base + offset"
    PRE_INDEX = "base + offset, which becomes the base"
    POST_INDEX = "base; then base + offset becomes the base"


@dataclass(frozen=True, slots=True)
class Addressing:
    """One addressing mode with its operands.

    `base` is a register, 31 meaning SP; None means the PC. The offset is `immediate` (signed, in bytes), or else the
    register `index` (31 meaning zero), extended by `option` and shifted left by `shift`.
    """

    base: int | None
    mode: Mode = Mode.OFFSET
    immediate: int = 0
    index: int | None = None
    option: int = 0b011
    shift: int = 0

    def address(self, base: int, index: int = 0) -> int:
        """Return the address of the first byte from the values of the base and index registers."""
        return base if self.mode is Mode.POST_INDEX else self._sum(base, index)

    def written_back(self, base: int, index: int = 0) -> int | None:
        """Return what the base register holds afterwards, None if it does not change."""
        return None if self.mode is Mode.OFFSET else self._sum(base, index)

    def _sum(self, base: int, index: int) -> int:
        offset = self.immediate if self.index is None else _EXTEND[self.option](index) << self.shift
        return base + offset & _MASK64


def _signed(value: int, bits: int) -> int:
    sign = 1 << bits - 1
    return (value & (1 << bits) - 1 ^ sign) - sign


_EXTEND: Final[dict[int, Callable[[int], int]]] = {  # Ref: pseudocode DecodeRegExtend; the others are not allotted
    0b010: lambda value: value & _MASK32,  # UXTW
    0b011: lambda value: value,  # LSL
    0b110: lambda value: _signed(value, 32),  # SXTW
    0b111: lambda value: value,  # SXTX
}


def _base(word: int) -> int:
    return word >> 5 & 31


def _base_only(word: int, size_bytes: int) -> Addressing:
    return Addressing(_base(word))


def _literal(word: int, size_bytes: int) -> Addressing:
    return Addressing(None, immediate=_signed(word >> 5, 19) * 4)


def _unsigned_immediate(word: int, size_bytes: int) -> Addressing:
    return Addressing(_base(word), immediate=(word >> 10 & 0xFFF) * size_bytes)


def _unscaled(word: int, size_bytes: int) -> Addressing:
    return Addressing(_base(word), immediate=_signed(word >> 12, 9))


def _imm9(word: int, size_bytes: int) -> Addressing:
    mode = {1: Mode.POST_INDEX, 3: Mode.PRE_INDEX}.get(word >> 10 & 3, Mode.OFFSET)
    return Addressing(_base(word), mode, _signed(word >> 12, 9))


def _register_offset(word: int, size_bytes: int) -> Addressing:
    shift = size_bytes.bit_length() - 1 if word >> 12 & 1 else 0
    return Addressing(_base(word), index=word >> 16 & 31, option=word >> 13 & 7, shift=shift)


def _pair(word: int, size_bytes: int) -> Addressing:
    mode = {1: Mode.POST_INDEX, 3: Mode.PRE_INDEX}.get(word >> 23 & 3, Mode.OFFSET)
    return Addressing(_base(word), mode, _signed(word >> 15, 7) * (size_bytes // 2))


def _structure_post(word: int, size_bytes: int) -> Addressing:
    rm = word >> 16 & 31
    if rm == 31:
        return Addressing(_base(word), Mode.POST_INDEX, size_bytes)
    return Addressing(_base(word), Mode.POST_INDEX, index=rm)


_TABLE: Final[tuple[tuple[int, int, Callable[[int, int], Addressing]], ...]] = (
    # mask, value, reader of (word, bytes of the whole access); the first row that matches wins
    (0x3B00_0000, 0x1800_0000, _literal),
    (0x3F20_0C00, 0x1900_0000, _unscaled),  # LDAPUR, STLUR
    (0x3A00_0000, 0x2800_0000, _pair),
    (0x3B00_0000, 0x3900_0000, _unsigned_immediate),
    (0x3B20_0000, 0x3800_0000, _imm9),
    (0x3B20_0C00, 0x3820_0800, _register_offset),
    (0x3F20_0C00, 0x3820_0000, _base_only),  # atomics, LDAPR
    (0xBFA0_0000, 0x0C80_0000, _structure_post),
    (0xBF80_0000, 0x0D80_0000, _structure_post),
    (0xBE00_0000, 0x0C00_0000, _base_only),  # structures without post-index
    (0x3F00_0000, 0x0800_0000, _base_only),  # exclusive, ordered, compare and swap
)


def load_store_address(word: int) -> Addressing | None:
    """Return how a load or store finds its address; None for any other word, and for LDRAA and LDRAB."""
    access = load_store_access(word)
    if access is None:
        return None
    for mask, value, reader in _TABLE:
        if word & mask == value:
            return reader(word, access.size_bytes)
    return None
