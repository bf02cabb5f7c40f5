"""A model of a guest's virtio driver, which the other virtio tests use; and the tests of the model itself."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from arm_hyp.machine.seams import BusError
from arm_hyp.machine.virtio.device import VirtioDevice
from arm_hyp.machine.virtio.mmio import F_VERSION_1, MmioTransport, Reg, Status
from arm_hyp.machine.virtio.ring import F_EVENT_IDX, QueueLimits, RingLayout

RAM_BASE = 0x4000_0000
RAM_BYTES = 1 << 20
NEXT, WRITE, INDIRECT = 1, 2, 4
READY = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK


class Ram:
    """RAM that refuses everything outside, and remembers where it was written."""

    def __init__(self, size_bytes: int = RAM_BYTES) -> None:
        self.data = bytearray(size_bytes)
        self.writes: list[tuple[int, int]] = []

    def _offset(self, address: int, size_bytes: int) -> int:
        if not RAM_BASE <= address <= address + size_bytes <= RAM_BASE + len(self.data):
            raise BusError(f"{address:#x}: no RAM")
        return address - RAM_BASE

    def read(self, address: int, size_bytes: int) -> bytes:
        offset = self._offset(address, size_bytes)
        return bytes(self.data[offset : offset + size_bytes])

    def write(self, address: int, data: bytes) -> None:
        offset = self._offset(address, len(data))
        self.writes.append((address, len(data)))
        self.data[offset : offset + len(data)] = data

    def u16(self, address: int) -> int:
        return int.from_bytes(self.read(address, 2), "little")

    def set_u16(self, address: int, value: int) -> None:
        self.write(address, (value & 0xFFFF).to_bytes(2, "little"))


@dataclass
class Posted:
    """A chain that the driver has made: where its writable pieces are."""

    head: int
    descriptors: list[int]
    writable: list[tuple[int, int]]


@dataclass
class DriverQueue:
    """The driver's side of a split queue of `size` entries, laid out from `base` on; buffers follow."""

    ram: Ram
    base: int
    size: int
    available: int = 0
    used_seen: int = 0
    posted: dict[int, Posted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = list(range(self.size))
        driver_area = self.base + 16 * self.size
        device_area = driver_area + 6 + 2 * self.size + 3 & ~3
        self.layout = RingLayout(self.size, self.base, driver_area, device_area)
        self.heap = self.heap_base = device_area + 6 + 8 * self.size + 15 & ~15

    def buffer(self, size_bytes: int) -> int:
        address, self.heap = self.heap, self.heap + size_bytes
        return address

    def descriptor(self, index: int, address: int, size_bytes: int, flags: int, following: int = 0) -> None:
        self.describe(self.layout.descriptors, index, address, size_bytes, flags, following)

    def describe(self, table: int, index: int, address: int, size_bytes: int, flags: int, following: int = 0) -> None:
        self.ram.write(table + 16 * index, struct.pack("<QIHH", address, size_bytes, flags, following))

    def publish(self, head: int) -> None:
        ring = self.layout.driver_area + 4 + 2 * (self.available % self.size)
        self.ram.set_u16(ring, head)
        self.available = self.available + 1 & 0xFFFF
        self.ram.set_u16(self.layout.driver_area + 2, self.available)

    def _pieces(self, readable: list[bytes], writable: list[int]) -> list[tuple[int, int, int]]:
        pieces = []
        for data in readable:
            address = self.buffer(len(data))
            self.ram.write(address, data)
            pieces.append((address, len(data), 0))
        return pieces + [(self.buffer(size_bytes), size_bytes, WRITE) for size_bytes in writable]

    def post(
        self, readable: Sequence[bytes] = (), writable: Sequence[int] = (), *, direct: int | None = None
    ) -> Posted:
        """Make a chain available. From piece number `direct` on it lies in an indirect table."""
        pieces = self._pieces(list(readable), list(writable))
        direct = len(pieces) if direct is None else direct
        rest = pieces[direct:]
        entries = pieces[:direct]
        if rest:
            table = self.buffer(16 * len(rest))
            for number, (address, size_bytes, flags) in enumerate(rest):
                more = NEXT if number + 1 < len(rest) else 0
                self.describe(table, number, address, size_bytes, flags | more, number + 1 if more else 0)
            entries = [*entries, (table, 16 * len(rest), INDIRECT)]
        slots = [self.free.pop() for _ in entries]
        for number, (slot, (address, size_bytes, flags)) in enumerate(zip(slots, entries, strict=True)):
            last = number + 1 == len(slots)
            self.descriptor(slot, address, size_bytes, flags | (0 if last else NEXT), 0 if last else slots[number + 1])
        posted = Posted(slots[0], slots, [(address, size) for address, size, flags in pieces if flags & WRITE])
        self.posted[posted.head] = posted
        self.publish(posted.head)
        return posted

    def collect(self) -> list[tuple[int, int, bytes]]:
        """Take back what the device has used: head, length reported, and the whole writable part."""
        done = []
        while self.used_seen != self.ram.u16(self.layout.device_area + 2):
            entry = self.layout.device_area + 4 + 8 * (self.used_seen % self.size)
            head, length = struct.unpack("<II", self.ram.read(entry, 8))
            posted = self.posted.pop(head)
            self.free.extend(posted.descriptors)
            done.append((head, length, b"".join(self.ram.read(*piece) for piece in posted.writable)))
            self.used_seen = self.used_seen + 1 & 0xFFFF
        return done

    @property
    def avail_event(self) -> int:
        return self.ram.u16(self.layout.device_area + 4 + 8 * self.size)

    def set_used_event(self, value: int) -> None:
        self.ram.set_u16(self.layout.driver_area + 4 + 2 * self.size, value)

    def refuse_interrupts(self) -> None:
        self.ram.set_u16(self.layout.driver_area, 1)


class Rig:
    """A device behind its transport, RAM, an interrupt line, and the driver's steps."""

    def __init__(self, device: VirtioDevice) -> None:
        self.ram, self.line, self.reports = Ram(), False, list[str]()
        self.device = device
        self.transport = MmioTransport(device, self.ram, self._drive, self.reports.append)
        self.queues: list[DriverQueue] = []

    def _drive(self, level: bool) -> None:
        self.line = level

    def get(self, register: int) -> int:
        return self.transport.read(register, 4)

    def set(self, register: int, value: int) -> None:
        self.transport.write(register, 4, value)

    def offered(self) -> int:
        halves = []
        for sel in (0, 1):
            self.set(Reg.DeviceFeaturesSel, sel)
            halves.append(self.get(Reg.DeviceFeatures))
        return halves[0] | halves[1] << 32

    def negotiate(self, features: int) -> bool:
        self.set(Reg.Status, 0)
        self.set(Reg.Status, Status.ACKNOWLEDGE | Status.DRIVER)
        for sel in (0, 1):
            self.set(Reg.DriverFeaturesSel, sel)
            self.set(Reg.DriverFeatures, features >> 32 * sel & 0xFFFF_FFFF)
        self.set(Reg.Status, Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK)
        return bool(self.get(Reg.Status) & Status.FEATURES_OK)

    def set_up_queue(self, index: int, layout: RingLayout, ready: int = 1) -> None:
        self.set(Reg.QueueSel, index)
        self.set(Reg.QueueNum, layout.size)
        for low, high, value in (
            (Reg.QueueDescLow, Reg.QueueDescHigh, layout.descriptors),
            (Reg.QueueDriverLow, Reg.QueueDriverHigh, layout.driver_area),
            (Reg.QueueDeviceLow, Reg.QueueDeviceHigh, layout.device_area),
        ):
            self.set(low, value & 0xFFFF_FFFF)
            self.set(high, value >> 32)
        self.set(Reg.QueueReady, ready)

    def bring_up(self, features: int | None = None, size: int = 8) -> "Rig":
        """Do what a driver does, up to DRIVER_OK."""
        assert self.negotiate(self.offered() & ~F_EVENT_IDX if features is None else features | F_VERSION_1)
        room = RAM_BYTES // len(self.device.queues)
        self.queues = [DriverQueue(self.ram, RAM_BASE + room * index, size) for index in range(len(self.device.queues))]
        for index, queue in enumerate(self.queues):
            self.set_up_queue(index, queue.layout)
            assert self.get(Reg.QueueReady) == 1
        self.set(Reg.Status, READY)
        assert self.get(Reg.Status) == READY
        return self

    def kick(self, index: int = 0) -> None:
        self.set(Reg.QueueNotify, index)

    @property
    def needs_reset(self) -> bool:
        return bool(self.get(Reg.Status) & Status.DEVICE_NEEDS_RESET)


class Echo(VirtioDevice):
    """A device for tests: writes what it reads, backwards, into the same chain; its configuration can be written."""

    device_id = 42
    features = 1 << 3
    queues = (QueueLimits(64, 4096), QueueLimits(8))

    def __init__(self) -> None:
        super().__init__()
        self.served = self.resets = 0
        self.space = bytearray(range(0x10, 0x1A))

    def config(self) -> bytes:
        return bytes(self.space)

    def write_config(self, offset: int, data: bytes) -> None:
        self.space[offset : offset + len(data)] = data

    def notify(self, index: int) -> None:
        self.transport.serve(index, self._answer)

    def _answer(self, queue) -> None:
        for chain in queue.chains():
            data = chain.readable.read(0, chain.readable.size_bytes)[::-1][: chain.writable.size_bytes]
            chain.writable.write(0, data)
            queue.push(chain, len(data))
            self.served += 1

    def reset(self) -> None:
        self.resets += 1

    def snapshot(self) -> dict[str, int]:
        return {"served": self.served}

    def restore(self, state: dict[str, int]) -> None:
        self.served = state["served"]


def test_the_models_ram_refuses_what_lies_outside() -> None:
    ram = Ram(16)
    ram.write(RAM_BASE + 14, b"ab")
    assert ram.read(RAM_BASE + 14, 2) == b"ab"
    for address, size_bytes in ((RAM_BASE + 15, 2), (RAM_BASE - 1, 1), (RAM_BASE + 16, 1), (1 << 64, 1)):
        with pytest.raises(BusError):
            ram.read(address, size_bytes)
        with pytest.raises(BusError):
            ram.write(address, bytes(size_bytes))


def test_the_models_queue_areas_do_not_overlap() -> None:
    for size in (1, 2, 4, 256):
        queue = DriverQueue(Ram(), RAM_BASE, size)
        layout = queue.layout
        layout.check(QueueLimits(256))
        assert layout.descriptors + 16 * size <= layout.driver_area
        assert layout.driver_area + 6 + 2 * size <= layout.device_area
        assert layout.device_area + 6 + 8 * size <= queue.heap
