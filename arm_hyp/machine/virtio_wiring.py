"""The virtio-mmio slots connected: drives first, then the random numbers, then the console; the others are empty.

Read `machine/virtio/__init__.py` before this file and `machine/peripherals.py` after it. Devices take the slots from 0
up, in the order of the command line, so that Linux calls the first drive vda. (QEMU fills its slots from 31 down.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from arm_hyp.machine import board
from arm_hyp.machine.seams import Device, GuestMemory, IrqLine, Stateful
from arm_hyp.machine.virtio.empty_slot import EmptySlot

if TYPE_CHECKING:
    from arm_hyp.machine.peripherals import AnyBus, PeripheralOptions
    from arm_hyp.machine.virtio.console import VirtioConsole
    from arm_hyp.machine.virtio.device import VirtioDevice


class VirtioSlots:
    """The 32 slots of a board. `console` is the virtio console, if the board has one."""

    def __init__(
        self,
        options: PeripheralOptions,
        memory: GuestMemory,
        spi: Callable[[int], IrqLine],
        output: Callable[[bytes], None],
    ) -> None:
        self.console: VirtioConsole | None = None
        self._slots: list[Device] = []
        if options.drives or options.has_rng or options.has_virtio_console:
            self._fill(options, memory, spi, output)
        self.used = len(self._slots)
        self._slots += [EmptySlot() for _ in range(board.VIRTIO_SLOTS - self.used)]

    def _fill(
        self,
        options: PeripheralOptions,
        memory: GuestMemory,
        spi: Callable[[int], IrqLine],
        output: Callable[[bytes], None],
    ) -> None:
        from arm_hyp.machine.virtio.console import VirtioConsole  # here: a board of empty slots is made sooner
        from arm_hyp.machine.virtio.mmio import MmioTransport

        self.console = VirtioConsole(output) if options.has_virtio_console else None
        for slot, device in enumerate(self._devices(options)):
            self._slots.append(MmioTransport(device, memory, spi(board.INTID_VIRTIO + slot)))

    def _devices(self, options: PeripheralOptions) -> list[VirtioDevice]:
        from arm_hyp.machine.virtio.blk import VirtioBlk
        from arm_hyp.machine.virtio.rng import VirtioRng

        devices: list[VirtioDevice] = [VirtioBlk(drive, f"drive-{n}") for n, drive in enumerate(options.drives)]
        if options.has_rng:
            devices.append(VirtioRng())
        if self.console is not None:
            devices.append(self.console)
        return devices

    def add_to(self, bus: AnyBus, stateful: dict[str, Stateful]) -> None:
        """Put the slots on the bus, and those with a device among what has state."""
        for slot, (name, device) in enumerate(self._named()):
            bus.add(name, board.VIRTIO_BASE + slot * board.VIRTIO_BYTES, board.VIRTIO_BYTES, device)
            if slot < self.used:
                stateful[name] = device

    def _named(self) -> Iterator[tuple[str, Device]]:
        return ((f"virtio-{slot}", device) for slot, device in enumerate(self._slots))
