"""Descriptor chains: one request of a driver, as the pieces of memory that it may be read from and written to.

Read `machine/seams.py` before this file and `ring.py` after it. Everything here comes from a guest and is believed only
after a check: what breaks a rule becomes a `DriverError` that names the rule.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from arm_hyp.machine.seams import BusError, GuestMemory

MAX_CHAIN_BYTES: Final = 1 << 32
"""No chain may describe more. Ref: VIRTIO 1.2, 2.7.5.2."""

DESCRIPTOR_BYTES: Final = 16
_DESCRIPTOR = struct.Struct("<QIHH")
_NEXT, _WRITE, _INDIRECT = 1, 2, 4


class Fault(Enum):
    """The rules that a driver can break. The value is the sentence for people."""

    WILD_ADDRESS = "an address is not RAM"
    QUEUE_SIZE = "the queue size is not a power of two within the limit"
    MISALIGNED = "a part of the queue is not aligned"
    STATUS_ORDER = "DRIVER_OK is set although FEATURES_OK is not"
    AVAILABLE_INDEX = "the available index is ahead by more than the queue size"
    HEAD_OUT_OF_RANGE = "a chain starts outside the descriptor table"
    NEXT_OUT_OF_RANGE = "a descriptor's successor lies outside its table"
    LOOP = "a chain of descriptors loops"
    CHAIN_TOO_LONG = "a chain has more descriptors than the queue"
    CHAIN_TOO_BIG = "a chain describes more bytes than this queue takes"
    READ_AFTER_WRITE = "a device-readable descriptor follows a device-writable one"
    INDIRECT_NOT_NEGOTIATED = "an indirect table is used although the feature is not negotiated"
    INDIRECT_NESTED = "an indirect table refers to another one"
    INDIRECT_WITH_NEXT = "a descriptor of an indirect table has a successor"
    INDIRECT_LENGTH = "an indirect table's length is not a positive multiple of 16"
    MALFORMED_REQUEST = "a request lacks a part that it needs"


class DriverError(Exception):
    """Raised when a driver breaks a rule of virtio: the device stops until the driver resets it."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault.name}: {fault.value}" + (f" ({detail})" if detail else ""))
        self.fault = fault


class DriverMemory:
    """Guest memory at addresses that a driver chose. Raises: DriverError(WILD_ADDRESS) instead of BusError."""

    def __init__(self, memory: GuestMemory) -> None:
        self._memory = memory

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read RAM."""
        try:
            return self._memory.read(address, size_bytes)
        except BusError as error:
            raise DriverError(Fault.WILD_ADDRESS, f"reading {size_bytes} bytes at {address:#x}") from error

    def write(self, address: int, data: bytes) -> None:
        """Write RAM."""
        try:
            self._memory.write(address, data)
        except BusError as error:
            raise DriverError(Fault.WILD_ADDRESS, f"writing {len(data)} bytes at {address:#x}") from error

    def read_u16(self, address: int) -> int:
        """Read a little-endian halfword."""
        return int.from_bytes(self.read(address, 2), "little")

    def write_u16(self, address: int, value: int) -> None:
        """Write a little-endian halfword."""
        self.write(address, value.to_bytes(2, "little"))


class Piece(NamedTuple):
    """A stretch of guest memory."""

    address: int
    size_bytes: int


class Scatter:
    """Pieces of guest memory that read and write like one. Raises: ValueError past its end, DriverError."""

    def __init__(self, memory: DriverMemory, pieces: Sequence[Piece]) -> None:
        self._memory, self._pieces = memory, tuple(pieces)
        self.size_bytes = sum(piece.size_bytes for piece in self._pieces)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Read bytes."""
        return b"".join(self._memory.read(*piece) for piece in self._within(offset, size_bytes))

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes."""
        done = 0
        for address, size_bytes in self._within(offset, len(data)):
            self._memory.write(address, data[done : done + size_bytes])
            done += size_bytes

    def _within(self, offset: int, size_bytes: int) -> Iterator[Piece]:
        """Yield the pieces between two offsets, none of them empty."""
        if offset < 0 or offset + size_bytes > self.size_bytes:
            raise ValueError(f"{size_bytes} bytes at {offset} are not within {self.size_bytes} bytes")
        end, start = offset + size_bytes, 0
        for address, length in self._pieces:
            low, high = max(offset, start), min(end, start + length)
            if low < high:
                yield Piece(address + low - start, high - low)
            start += length


@dataclass(frozen=True, slots=True)
class Chain:
    """A request: what the device may read, and what it may write. `head` names the chain to the driver."""

    head: int
    readable: Scatter
    writable: Scatter


@dataclass(frozen=True, slots=True)
class ChainRules:
    """What this queue allows in a chain. `max_bytes` bounds readable and writable bytes together."""

    max_descriptors: int
    max_bytes: int = MAX_CHAIN_BYTES
    indirect: bool = False


class Descriptor(NamedTuple):
    """One entry of a descriptor table. Ref: VIRTIO 1.2, 2.7.5 (virtq_desc)."""

    address: int
    size_bytes: int
    flags: int
    next: int

    @property
    def piece(self) -> Piece:
        """Return the memory described."""
        return Piece(self.address, self.size_bytes)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of descriptors: the queue's own, or an indirect one."""

    memory: DriverMemory
    address: int
    entries: int
    is_indirect: bool = False

    def fetch(self, index: int) -> Descriptor:
        """Read an entry. Raises: DriverError(NEXT_OUT_OF_RANGE or WILD_ADDRESS)."""
        if index >= self.entries:
            raise DriverError(Fault.NEXT_OUT_OF_RANGE, f"{index} of {self.entries}")
        raw = self.memory.read(self.address + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES)
        return Descriptor(*_DESCRIPTOR.unpack(raw))


def walk_chain(table: Table, head: int, rules: ChainRules) -> Chain:
    """Follow a chain from its head. Raises: DriverError. Ref: VIRTIO 1.2, 2.7.5, 2.7.4.2, 2.7.17."""
    readable: list[Piece] = []
    writable: list[Piece] = []
    total_bytes = 0
    for descriptor in _descriptors(table, head, rules):
        if not descriptor.flags & _WRITE and writable:
            raise DriverError(Fault.READ_AFTER_WRITE, f"chain {head}")
        (writable if descriptor.flags & _WRITE else readable).append(descriptor.piece)
        total_bytes += descriptor.size_bytes
        if total_bytes > rules.max_bytes:
            raise DriverError(Fault.CHAIN_TOO_BIG, f"chain {head}: over {rules.max_bytes} bytes")
    return Chain(head, Scatter(table.memory, readable), Scatter(table.memory, writable))


def _descriptors(table: Table, head: int, rules: ChainRules) -> Iterator[Descriptor]:
    """Yield the descriptors of buffers in order: zero or more direct ones, then perhaps those of one indirect table."""
    index, seen, count = head, set[int](), 0
    while True:
        if index in seen:
            raise DriverError(Fault.LOOP, f"chain {head} comes back to {index}")
        seen.add(index)
        descriptor = table.fetch(index)
        if descriptor.flags & _INDIRECT:
            table, index, seen = _indirect_table(table, descriptor, rules), 0, set()
            continue
        count += 1
        if count > rules.max_descriptors:
            raise DriverError(Fault.CHAIN_TOO_LONG, f"chain {head}: over {rules.max_descriptors}")
        yield descriptor
        if not descriptor.flags & _NEXT:
            return
        index = descriptor.next


def _indirect_table(table: Table, descriptor: Descriptor, rules: ChainRules) -> Table:
    """Return the table that a descriptor refers to; its write flag means nothing. Ref: VIRTIO 1.2, 2.7.5.3."""
    if not rules.indirect:
        raise DriverError(Fault.INDIRECT_NOT_NEGOTIATED)
    if table.is_indirect:
        raise DriverError(Fault.INDIRECT_NESTED)
    if descriptor.flags & _NEXT:
        raise DriverError(Fault.INDIRECT_WITH_NEXT)
    entries, rest = divmod(descriptor.size_bytes, DESCRIPTOR_BYTES)
    if not entries or rest:
        raise DriverError(Fault.INDIRECT_LENGTH, f"{descriptor.size_bytes} bytes")
    return Table(table.memory, descriptor.address, entries, is_indirect=True)
