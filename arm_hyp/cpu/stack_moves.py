"""Additions and subtractions that write SP, done here: they are sites, since they may misalign it.

Read `cpu/alignment.py` before this file and `cpu/system.py` after it. Having the core execute one costs ten times more.

Ref: Arm ARM C6.2, ADD and SUB (immediate), ADD and SUB (extended register); pseudocode AddWithCarry, ExtendReg.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

StackMove = Callable[["Core"], int]
"""`move(core)` returns the value that the instruction gives SP."""
_SP: Final = 31
_LONGEST_SHIFT: Final = 4


def decode_stack_move(word: int) -> StackMove | None:
    """Return what an ADD or SUB with SP as its destination does; None for any other instruction."""
    mask = (1 << 64) - 1 if word >> 31 else (1 << 32) - 1
    sign = -1 if word >> 30 & 1 else 1
    if word & 0x3F80_001F == 0x1100_001F:
        immediate = (word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)
        return partial(_add_immediate, word >> 5 & 31, sign * immediate, mask)
    if word & 0x3FE0_001F == 0x0B20_001F and word >> 10 & 7 <= _LONGEST_SHIFT:
        return partial(_add_register, word >> 5 & 31, word >> 16 & 31, sign, word >> 13 & 7, word >> 10 & 7, mask)
    return None


def _base(core: Core, register: int) -> int:
    return core.sp if register == _SP else core.x(register)


def _add_immediate(base: int, amount: int, mask: int, core: Core) -> int:
    return _base(core, base) + amount & mask


def _add_register(base: int, register: int, sign: int, option: int, shift: int, mask: int, core: Core) -> int:
    return _base(core, base) + sign * (extend(core.x(register), option) << shift) & mask


def extend(value: int, option: int) -> int:
    """Extend the low 8, 16, 32 or 64 bits of a value by its option<2:0>: unsigned, or signed with <2> set."""
    width_bits = 8 << (option & 3)
    low = value & (1 << width_bits) - 1
    return low - (1 << width_bits) if option >> 2 and low >> width_bits - 1 else low
