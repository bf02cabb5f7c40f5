"""Active priorities: which group priorities a CPU interface has acknowledged and not yet dropped.

Read `arch/gic.py` before this file and `machine/gic/distributor.py` after it. The physical and the virtual CPU
interfaces use it, one object for each group.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch.gic import (
    IDLE_PRIORITY,
    active_priority_index,
    active_priority_of,
    active_priority_words,
)

_WORD: Final = 0xFFFF_FFFF


class ActivePriorities:
    """The active priorities registers of one group: a bit for each group priority, bit 0 the most urgent.

    Ref: IHI 0069 4.8.4 and ICC_AP0R<n>_EL1; IHI 0048, GICC_APRn and GICC_NSAPRn.
    """

    __slots__ = ("_bits", "_priority_bits", "_running")

    def __init__(self, priority_bits: int) -> None:
        self._priority_bits = priority_bits
        self._set(0)

    def _set(self, bits: int) -> None:
        self._bits = bits
        lowest = (bits & -bits).bit_length() - 1
        self._running = active_priority_of(lowest, self._priority_bits) if bits else IDLE_PRIORITY

    @property
    def any(self) -> bool:
        """Tell whether any priority is active."""
        return self._bits != 0

    @property
    def running_priority(self) -> int:
        """The most urgent active group priority <7:0>, or 0xff when nothing is active."""
        return self._running

    def activate(self, group_priority: int) -> None:
        """Add a group priority: its interrupt was acknowledged."""
        self._set(self._bits | 1 << active_priority_index(group_priority, self._priority_bits))

    def drop_highest(self) -> None:
        """Drop the most urgent active priority, if there is one: its interrupt ended."""
        self._set(self._bits & self._bits - 1)

    def register(self, n: int) -> int:
        """Return APR<n>, 32 bits; a register that this number of priority bits does not need is 0."""
        return self._bits >> 32 * n & _WORD

    def set_register(self, n: int, value: int) -> None:
        """Write APR<n>; ignored where `register` tells always 0."""
        if n < active_priority_words(self._priority_bits):
            self._set(self._bits & ~(_WORD << 32 * n) | (value & _WORD) << 32 * n)

    def snapshot(self) -> int:
        """Return the state: all registers as one number."""
        return self._bits

    def restore(self, state: int) -> None:
        """Take a state back."""
        self._set(state)


def running_priority(group0: ActivePriorities, group1: ActivePriorities) -> int:
    """Return the running priority of a CPU interface: the most urgent of both groups, 0xff if idle.

    Ref: IHI 0069, pseudocode GetHighestActivePriority.
    """
    return min(group0.running_priority, group1.running_priority)


def highest_active_group(group0: ActivePriorities, group1: ActivePriorities) -> int | None:
    """Return the group of the running priority (Group 0 if both have it), or None if idle.

    Ref: IHI 0069, pseudocode GetHighestActiveGroup.
    """
    if not group0.any and not group1.any:
        return None
    return 0 if group0.running_priority <= group1.running_priority else 1
