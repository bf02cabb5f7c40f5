"""The virtio-mmio transport, version 2: registers, feature negotiation, device status and the interrupt.

Read `device.py` and a device before this file. A transport fills one slot of the bus; `empty_slot.py` fills the others.
Registers take aligned 32-bit accesses only: any other reads as zero and writes nothing, as do the holes between them.
The configuration space, from offset 0x100, takes any width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple

from arm_hyp.machine.seams import GuestMemory, IrqLine
from arm_hyp.machine.virtio.chain import DriverError, Fault
from arm_hyp.machine.virtio.device import VirtioDevice
from arm_hyp.machine.virtio.empty_slot import MAGIC, VENDOR_ID, VERSION
from arm_hyp.machine.virtio.ring import RING_FEATURES, QueueLimits, RingLayout, Virtqueue

CONFIG_OFFSET: Final = 0x100
F_VERSION_1: Final = 1 << 32
_WORD: Final = 0xFFFF_FFFF


class Reg(IntEnum):
    """The registers by offset. Ref: VIRTIO 1.2, 4.2.2, table 4.1."""

    MagicValue = 0x000
    Version = 0x004
    DeviceID = 0x008
    VendorID = 0x00C
    DeviceFeatures = 0x010
    DeviceFeaturesSel = 0x014
    DriverFeatures = 0x020
    DriverFeaturesSel = 0x024
    QueueSel = 0x030
    QueueNumMax = 0x034
    QueueNum = 0x038
    QueueReady = 0x044
    QueueNotify = 0x050
    InterruptStatus = 0x060
    InterruptACK = 0x064
    Status = 0x070
    QueueDescLow = 0x080
    QueueDescHigh = 0x084
    QueueDriverLow = 0x090
    QueueDriverHigh = 0x094
    QueueDeviceLow = 0x0A0
    QueueDeviceHigh = 0x0A4
    SHMSel = 0x0AC
    SHMLenLow = 0x0B0
    SHMLenHigh = 0x0B4
    SHMBaseLow = 0x0B8
    SHMBaseHigh = 0x0BC
    QueueReset = 0x0C0
    ConfigGeneration = 0x0FC


class Status(IntFlag):
    """The device status, <7:0>. Ref: VIRTIO 1.2, 2.1."""

    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    DEVICE_NEEDS_RESET = 64
    FAILED = 128


class Interrupt(IntFlag):
    """Why the line is high: InterruptStatus <1:0>."""

    USED_BUFFER = 1
    CONFIG_CHANGE = 2


def silent(message: str) -> None:
    """Report a driver's mistake to nobody."""


@dataclass(slots=True)
class QueueRegisters:
    """What a driver has set for one queue. The ring is made when it is first served."""

    num: int = 0
    desc: int = 0
    driver: int = 0
    device: int = 0
    ready: bool = False

    def layout(self) -> RingLayout:
        """Return where the queue lies."""
        return RingLayout(self.num, self.desc, self.driver, self.device)


class Access(NamedTuple):
    """How a register is read and written. None: it reads as zero, or a write is ignored."""

    read: Callable[[], int] | None = None
    write: Callable[[int], None] | None = None


class MmioTransport:
    """A virtio device on the bus. `report` hears what a driver did wrong, in one line.

    Ref: VIRTIO 1.2, 4.2. Simplified: VIRTIO_F_RING_RESET is not offered (QueueReset is reserved then), nor any shared
    memory region; a status bit stays set until reset, even if the driver writes it as zero.
    """

    def __init__(
        self, device: VirtioDevice, memory: GuestMemory, irq: IrqLine, report: Callable[[str], None] = silent
    ) -> None:
        self.device, self._memory, self._irq, self._report = device, memory, irq, report
        self._offered = device.features | RING_FEATURES | F_VERSION_1
        self._generation = 0
        self._clear()
        self._registers = self._register_table()
        device.attach(self)

    def _clear(self) -> None:
        """Set everything that a reset of the device resets."""
        self._status, self._interrupts, self.driver_features = Status(0), Interrupt(0), 0
        self._device_features_sel = self._driver_features_sel = self._queue_sel = 0
        self._queues = [QueueRegisters() for _ in self.device.queues]
        self._rings: dict[int, Virtqueue] = {}

    # The bus

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register, or the configuration space: all ones beyond its end."""
        if offset >= CONFIG_OFFSET:
            return self._read_config(offset - CONFIG_OFFSET, size_bytes)
        access = self._registers.get(offset)
        return access.read() if access and access.read and size_bytes == 4 else 0

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register, or the configuration space as far as the device lets it be written."""
        if offset >= CONFIG_OFFSET:
            self._write_config(offset - CONFIG_OFFSET, value.to_bytes(size_bytes, "little"))
            return
        access = self._registers.get(offset)
        if access and access.write and size_bytes == 4:
            access.write(value)

    def _read_config(self, offset: int, size_bytes: int) -> int:
        config = self.device.config()
        if offset + size_bytes > len(config):
            return (1 << 8 * size_bytes) - 1
        return int.from_bytes(config[offset : offset + size_bytes], "little")

    def _write_config(self, offset: int, data: bytes) -> None:
        if offset + len(data) <= len(self.device.config()):
            self.device.write_config(offset, data)

    def _register_table(self) -> dict[int, Access]:
        """Return the way to every register."""
        ones = Access(read=lambda: _WORD)
        return {
            Reg.MagicValue: Access(read=lambda: MAGIC),
            Reg.Version: Access(read=lambda: VERSION),
            Reg.DeviceID: Access(read=lambda: self.device.device_id),
            Reg.VendorID: Access(read=lambda: VENDOR_ID),
            Reg.DeviceFeatures: Access(read=self._read_device_features),
            Reg.DeviceFeaturesSel: Access(write=self._write_device_features_sel),
            Reg.DriverFeatures: Access(write=self._write_driver_features),
            Reg.DriverFeaturesSel: Access(write=self._write_driver_features_sel),
            Reg.QueueSel: Access(write=self._write_queue_sel),
            Reg.QueueNumMax: Access(read=self._read_queue_num_max),
            Reg.QueueNum: Access(write=lambda value: self._set_in_queue("num", value, _WORD)),
            Reg.QueueReady: Access(read=self._read_queue_ready, write=self._write_queue_ready),
            Reg.QueueNotify: Access(write=self._notify),
            Reg.InterruptStatus: Access(read=lambda: int(self._interrupts)),
            Reg.InterruptACK: Access(write=lambda value: self._set_interrupts(self._interrupts & ~value)),
            Reg.Status: Access(read=lambda: int(self._status), write=self._write_status),
            Reg.QueueDescLow: self._half("desc", 0),
            Reg.QueueDescHigh: self._half("desc", 32),
            Reg.QueueDriverLow: self._half("driver", 0),
            Reg.QueueDriverHigh: self._half("driver", 32),
            Reg.QueueDeviceLow: self._half("device", 0),
            Reg.QueueDeviceHigh: self._half("device", 32),
            Reg.SHMSel: Access(),
            Reg.SHMLenLow: ones,
            Reg.SHMLenHigh: ones,
            Reg.SHMBaseLow: ones,
            Reg.SHMBaseHigh: ones,
            Reg.QueueReset: Access(),
            Reg.ConfigGeneration: Access(read=lambda: self._generation),
        }

    # Features. Ref: VIRTIO 1.2, 2.2 and 3.1.1

    def _read_device_features(self) -> int:
        sel = self._device_features_sel
        return self._offered >> 32 * sel & _WORD if sel < 2 else 0

    def _write_device_features_sel(self, value: int) -> None:
        self._device_features_sel = value

    def _write_driver_features_sel(self, value: int) -> None:
        self._driver_features_sel = value

    def _write_driver_features(self, value: int) -> None:
        """Take half of the driver's features, unless they are settled. There are none from bit 64 on."""
        sel = self._driver_features_sel
        if sel < 2 and not self._status & Status.FEATURES_OK:
            kept = self.driver_features & ~(_WORD << 32 * sel)
            self.driver_features = kept | value << 32 * sel

    def _features_acceptable(self) -> bool:
        return not self.driver_features & ~self._offered and bool(self.driver_features & F_VERSION_1)

    # Status. Ref: VIRTIO 1.2, 2.1

    def _write_status(self, value: int) -> None:
        """Take the bits that the driver sets; zero resets the device."""
        if not value & 0xFF:
            self._reset()
            return
        added = Status(value & 0xFF) & ~self._status & ~Status.DEVICE_NEEDS_RESET
        if added & Status.FEATURES_OK and not self._features_acceptable():
            self._report(f"{self._name}: FEATURES_OK refused, features {self.driver_features:#x}")
            added &= ~Status.FEATURES_OK
        self._status |= added
        if added & Status.DRIVER_OK:
            self._start()

    def _start(self) -> None:
        """Begin to serve. Buffers that were notified too early are looked at now."""
        if not self._status & Status.FEATURES_OK:
            self._fail(DriverError(Fault.STATUS_ORDER))
            return
        for index in range(len(self._queues)):
            self._notify(index)

    def _reset(self) -> None:
        self._clear()
        self._irq(False)
        self.device.reset()

    def _fail(self, error: DriverError) -> None:
        """Stop until the driver resets the device. Ref: VIRTIO 1.2, 2.1.2."""
        self._report(f"{self._name}: {error}")
        self._status |= Status.DEVICE_NEEDS_RESET
        if self._status & Status.DRIVER_OK:
            self._set_interrupts(self._interrupts | Interrupt.CONFIG_CHANGE)

    @property
    def _name(self) -> str:
        return type(self.device).__name__

    def _running(self) -> bool:
        return self._status & (Status.DRIVER_OK | Status.DEVICE_NEEDS_RESET) == Status.DRIVER_OK

    # Interrupts

    def _set_interrupts(self, interrupts: Interrupt) -> None:
        self._interrupts = interrupts
        self._irq(bool(interrupts))

    def config_changed(self) -> None:
        """Count the change, and interrupt the driver if it runs. Ref: VIRTIO 1.2, 2.3 and 2.5."""
        self._generation = self._generation + 1 & _WORD
        if self._running():
            self._set_interrupts(self._interrupts | Interrupt.CONFIG_CHANGE)

    # Queues

    def _selected(self) -> QueueRegisters | None:
        return self._queues[self._queue_sel] if self._queue_sel < len(self._queues) else None

    def _limits(self, index: int) -> QueueLimits:
        return self.device.queues[index]

    def _write_queue_sel(self, value: int) -> None:
        self._queue_sel = value

    def _read_queue_num_max(self) -> int:
        return self._limits(self._queue_sel).max_size if self._selected() else 0

    def _half(self, field: str, shift: int) -> Access:
        """Return the way to one half of an address."""
        return Access(write=lambda value: self._set_in_queue(field, value << shift, _WORD << shift))

    def _set_in_queue(self, field: str, value: int, mask: int) -> None:
        """Change bits of a field of the selected queue, unless it is ready."""
        queue = self._selected()
        if queue and not queue.ready:
            setattr(queue, field, getattr(queue, field) & ~mask | value)

    def _read_queue_ready(self) -> int:
        queue = self._selected()
        return int(bool(queue and queue.ready))

    def _write_queue_ready(self, value: int) -> None:
        """Make the selected queue ready if its layout is allowed, or stop it and forget its progress."""
        queue = self._selected()
        if not queue:
            return
        if not value & 1:
            queue.ready = False
            self._rings.pop(self._queue_sel, None)
            return
        try:
            queue.layout().check(self._limits(self._queue_sel))
        except DriverError as error:
            self._fail(error)
            return
        queue.ready = True

    def _notify(self, index: int) -> None:
        """Let the device look at a queue, if there is one and the device runs."""
        if index < len(self._queues) and self._running():
            self.device.notify(index)

    def serve(self, index: int, handler: Callable[[Virtqueue], None]) -> None:
        """Call the handler with a queue, if it is ready and the device runs. Interrupt the driver if it wants that."""
        if not self._running() or not self._queues[index].ready:
            return
        try:
            ring = self._ring(index)
            handler(ring)
            wanted = ring.take_interrupt()
        except DriverError as error:
            self._fail(error)
            return
        if wanted:
            self._set_interrupts(self._interrupts | Interrupt.USED_BUFFER)

    def _ring(self, index: int) -> Virtqueue:
        if index not in self._rings:
            layout = self._queues[index].layout()
            self._rings[index] = Virtqueue(self._memory, layout, self.driver_features, self._limits(index))
        return self._rings[index]

    # State

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the transport, of its rings and of the device."""
        return {
            "status": int(self._status),
            "interrupts": int(self._interrupts),
            "generation": self._generation,
            "driver_features": self.driver_features,
            "selectors": [self._device_features_sel, self._driver_features_sel, self._queue_sel],
            "queues": [asdict(queue) for queue in self._queues],
            "rings": [ring and ring.snapshot() for ring in map(self._rings.get, range(len(self._queues)))],
            "device": {"id": self.device.device_id, "state": self.device.snapshot()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive the line. Raises: ValueError if it is of another kind of device."""
        if state["device"]["id"] != self.device.device_id:
            raise ValueError(f"the state is of virtio device {state['device']['id']}, not of {self._name}")
        self.device.restore(state["device"]["state"])
        self._status, self._generation = Status(state["status"]), state["generation"]
        self.driver_features = state["driver_features"]
        self._device_features_sel, self._driver_features_sel, self._queue_sel = state["selectors"]
        self._queues = [QueueRegisters(**queue) for queue in state["queues"]]
        self._rings = {}
        for index, ring in enumerate(state["rings"]):
            if ring is not None:
                self._ring(index).restore(ring)
        self._set_interrupts(Interrupt(state["interrupts"]))
