"""The split virtqueue, seen from the device: take the driver's chains, hand them back used, know when to interrupt.

Read `chain.py` before this file and `device.py` after it. The queue is three areas in guest memory: the descriptor
table, the driver area (the available ring) and the device area (the used ring). Nothing here knows the transport.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arm_hyp.machine.seams import GuestMemory
from arm_hyp.machine.virtio.chain import (
    MAX_CHAIN_BYTES,
    Chain,
    ChainRules,
    DriverError,
    DriverMemory,
    Fault,
    Table,
    walk_chain,
)

MAX_QUEUE_SIZE: Final = 1 << 15
"""The most descriptors that a split virtqueue can have. Ref: VIRTIO 1.2, 2.7."""

F_INDIRECT_DESC: Final = 1 << 28
F_EVENT_IDX: Final = 1 << 29
RING_FEATURES: Final = F_INDIRECT_DESC | F_EVENT_IDX
"""The feature bits that this file implements."""

_NO_INTERRUPT = 1
_RING_OFFSET = 4
_INDEX_OFFSET = 2
_MASK = 0xFFFF
_USED = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What a device allows on one of its queues: descriptors (a power of two), and bytes in one chain."""

    max_size: int
    max_chain_bytes: int = MAX_CHAIN_BYTES


@dataclass(frozen=True, slots=True)
class RingLayout:
    """Where the driver put a queue, and how many entries it has."""

    size: int
    descriptors: int
    driver_area: int
    device_area: int

    def check(self, limits: QueueLimits) -> None:
        """Refuse a bad size or alignment. Raises: DriverError. Ref: VIRTIO 1.2, 2.7."""
        if not 0 < self.size <= min(limits.max_size, MAX_QUEUE_SIZE) or self.size & self.size - 1:
            raise DriverError(Fault.QUEUE_SIZE, f"{self.size}, at most {limits.max_size}")
        if self.descriptors % 16 or self.driver_area % 2 or self.device_area % 4:
            areas = f"{self.descriptors:#x}, {self.driver_area:#x}, {self.device_area:#x}"
            raise DriverError(Fault.MISALIGNED, areas)


class Virtqueue:
    """One split virtqueue that a driver has made ready. `features` are those negotiated.

    Raises: DriverError, from every method that touches guest memory, and for a layout that is not allowed.
    Ref: VIRTIO 1.2, 2.7.
    """

    def __init__(self, memory: GuestMemory, layout: RingLayout, features: int, limits: QueueLimits) -> None:
        layout.check(limits)
        self.layout, self._memory = layout, DriverMemory(memory)
        self._table = Table(self._memory, layout.descriptors, layout.size)
        self._rules = ChainRules(layout.size, limits.max_chain_bytes, bool(features & F_INDIRECT_DESC))
        self._event_idx = bool(features & F_EVENT_IDX)
        self._next_available = self._next_used = self._announced = 0

    def pending(self) -> int:
        """Return how many chains the driver has made available and the device has not taken."""
        count = (self._memory.read_u16(self.layout.driver_area + _INDEX_OFFSET) - self._next_available) & _MASK
        if count > self.layout.size:
            raise DriverError(Fault.AVAILABLE_INDEX, f"{count} ahead, queue size {self.layout.size}")
        return count

    def pop(self) -> Chain | None:
        """Take the next chain, or ask the driver to notify of the next one and return None."""
        if not self.pending():
            self._ask_for_notification()
            return None
        return self._take()

    def chains(self) -> Iterator[Chain]:
        """Take all chains that are available now.

        What becomes available meanwhile waits for the next notification: a driver that has the device write its own
        available ring cannot keep it busy for ever.
        """
        for _ in range(self.pending()):
            yield self._take()
        self._ask_for_notification()

    def push(self, chain: Chain, written_bytes: int) -> None:
        """Hand a chain back; `written_bytes` counts from the start of its writable part. Ref: VIRTIO 1.2, 2.7.8."""
        base = self.layout.device_area
        slot = self._next_used % self.layout.size
        self._memory.write(base + _RING_OFFSET + 8 * slot, _USED.pack(chain.head, written_bytes & 0xFFFF_FFFF))
        self._next_used = (self._next_used + 1) & _MASK
        self._memory.write_u16(base + _INDEX_OFFSET, self._next_used)

    def take_interrupt(self) -> bool:
        """Tell whether the driver wants an interrupt for what was pushed since the last call.

        Ref: VIRTIO 1.2, 2.7.7 (VIRTQ_AVAIL_F_NO_INTERRUPT, used_event).
        """
        old, new = self._announced, self._next_used
        self._announced = new
        if old == new:
            return False
        if not self._event_idx:
            return not self._memory.read_u16(self.layout.driver_area) & _NO_INTERRUPT
        used_event = self._memory.read_u16(self.layout.driver_area + _RING_OFFSET + 2 * self.layout.size)
        return (new - used_event - 1) & _MASK < (new - old) & _MASK

    def _take(self) -> Chain:
        slot = self._next_available % self.layout.size
        head = self._memory.read_u16(self.layout.driver_area + _RING_OFFSET + 2 * slot)
        if head >= self.layout.size:
            raise DriverError(Fault.HEAD_OUT_OF_RANGE, f"{head} of {self.layout.size}")
        chain = walk_chain(self._table, head, self._rules)
        self._next_available = (self._next_available + 1) & _MASK
        return chain

    def _ask_for_notification(self) -> None:
        """Set avail_event, so that the very next chain is notified. Ref: VIRTIO 1.2, 2.7.10."""
        if self._event_idx:
            event = self.layout.device_area + _RING_OFFSET + 8 * self.layout.size
            self._memory.write_u16(event, self._next_available)

    def snapshot(self) -> dict[str, int]:
        """Return how far both rings are."""
        return {"available": self._next_available, "used": self._next_used, "announced": self._announced}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back."""
        self._next_available, self._next_used = state["available"], state["used"]
        self._announced = state["announced"]
