"""The GIC's constants and rules of priority, as pure functions.

Read `arch/registers/gic.py` (the CPU interface's fields) before this file and `machine/gic/priority.py` after it.

A priority is 8 bits, 0 the most urgent. An implementation keeps the upper `priority_bits` of them; the others are
RAZ/WI. A binary point splits a priority into the *group priority* (upper bits), which alone decides about preemption,
and the subpriority.

Ref: IHI 0048 (GICv2) 3.3, IHI 0069 (GICv3) 4.8.
"""

from __future__ import annotations

from typing import Final

FIRST_PPI: Final = 16
FIRST_SPI: Final = 32
SPI_COUNT: Final = 256
INTID_COUNT: Final = FIRST_SPI + SPI_COUNT
"""The INTIDs of the board, as on QEMU's `virt`: 16 SGIs, 16 PPIs, 256 SPIs."""

FIRST_SPECIAL: Final = 1020
INTID_GROUP1_SECURE: Final = 1020
INTID_GROUP1_NON_SECURE: Final = 1021
INTID_OTHER_GROUP: Final = 1022
"""GICv2: the interrupt is of Group 1 and this register does not acknowledge it (GICC_CTLR.AckCtl is 0)."""
INTID_SPURIOUS: Final = 1023

IDLE_PRIORITY: Final = 0xFF
"""The running priority when nothing is active."""
_MAX_PREEMPTION_BITS: Final = 7


def is_special(intid: int) -> bool:
    """Tell whether an INTID is one of 1020 to 1023, which name no interrupt."""
    return FIRST_SPECIAL <= intid <= INTID_SPURIOUS


def priority_mask(priority_bits: int) -> int:
    """Return the bits <7:0> that an implementation with 4 to 8 bits of priority keeps; the others are RAZ/WI."""
    return 0xFF << (8 - priority_bits) & 0xFF


def preemption_bits(priority_bits: int) -> int:
    """Return how many bits a group priority has at most: all bits of the priority, but never more than 7.

    Ref: IHI 0069, ICH_VTR_EL2.PREbits; IHI 0048 3.3.3: with binary point 0 the group priority is <7:1>.
    """
    return min(priority_bits, _MAX_PREEMPTION_BITS)


def minimum_bpr(priority_bits: int, group: int) -> int:
    """Return the smallest binary point of a group: that of Group 1 is one more than that of Group 0.

    Ref: IHI 0069, ICC_BPR0_EL1 and ICC_BPR1_EL1; IHI 0048, GICC_BPR and GICC_ABPR.
    """
    return _MAX_PREEMPTION_BITS - preemption_bits(priority_bits) + group


def clamp_bpr(value: int, priority_bits: int, group: int) -> int:
    """Return what BPR<2:0> keeps of a written value: too small a value becomes the minimum."""
    return max(value & 7, minimum_bpr(priority_bits, group))


def group_priority_mask(bpr: int, group: int) -> int:
    """Return the bits of a priority that form the group priority.

    Group 0 (and Group 1 under CBPR, which uses Group 0's binary point): <7:bpr+1>. Group 1 with a binary point of its
    own: <7:bpr>. Ref: IHI 0069 4.8.3, table of the two groups' binary points; IHI 0048 3.3.3.
    """
    return 0xFF << (bpr + 1 - group) & 0xFF


def group_priority(priority: int, group: int, bpr0: int, bpr1: int, cbpr: bool) -> int:
    """Return the group priority of an interrupt, as its CPU interface's binary points split it.

    `bpr0` is ICC_BPR0_EL1 or GICC_BPR, `bpr1` is ICC_BPR1_EL1 or GICC_ABPR. Ref: IHI 0069, pseudocode PriorityGroup.
    """
    if group == 0 or cbpr:
        return priority & group_priority_mask(bpr0, 0)
    return priority & group_priority_mask(bpr1, 1)


def common_bpr1(bpr0: int) -> int:
    """Return what Group 1's binary point reads as under CBPR: Group 0's plus one, at most 7.

    Ref: IHI 0069, ICC_BPR1_EL1, accesses from Non-secure EL1 and EL2 with ICC_CTLR_EL1.CBPR = 1.
    """
    return min(bpr0 + 1, 7)


def active_priority_index(priority: int, priority_bits: int) -> int:
    """Return the bit of APR0, APR1, ... (taken as one number) that stands for a group priority."""
    return priority >> (8 - preemption_bits(priority_bits))


def active_priority_of(index: int, priority_bits: int) -> int:
    """Return the group priority <7:0> that a bit of the active priorities registers stands for."""
    return index << (8 - preemption_bits(priority_bits))


def active_priority_words(priority_bits: int) -> int:
    """Return how many 32-bit active priorities registers there are: 1, 2 or 4."""
    return max(1, (1 << preemption_bits(priority_bits)) // 32)
