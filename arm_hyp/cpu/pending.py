"""How far the core may run while an interrupt is pending but masked.

Read `arch/interrupts.py` before this file and `cpu/core.py` after it. The interrupt is due right after the instruction
that unmasks it. Writes of PSTATE.{D,A,I,F} are not sites, since software does them all the time; only while something
waits for one is the code looked at, one straight run of instructions after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from arm_hyp.arch.instructions import SystemInstruction

LOOKAHEAD_BYTES: Final = 128
_CLASS_MASK: Final = 0x1C00_0000
_BRANCH_OR_SYSTEM: Final = 0x1400_0000
"""Branches, exception generating and system instructions: op0<28:26> = 0b101. Ref: Arm ARM C4.1."""


def plain_length(words: Sequence[int]) -> int:
    """Return how many instructions at the start can neither branch nor change the interrupt masks."""
    for index, word in enumerate(words):
        if word & _CLASS_MASK == _BRANCH_OR_SYSTEM:
            return index
    return max(len(words) - 1, 0)


def writes_masks(instruction: SystemInstruction) -> bool:
    """Tell whether an MSR (immediate) is one of DAIFSet and DAIFClr."""
    return (instruction.op1, instruction.op2) in ((3, 6), (3, 7))
