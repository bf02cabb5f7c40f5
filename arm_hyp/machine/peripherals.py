"""The devices beside CPUs, GIC and memory: what a board has of them, and a VM too.

Read `machine/board.py`, `machine/virtio_wiring.py` and the devices before this file; `machine/wiring.py` and
`hypervisor/vm_devices.py`, which make them, after it: they say what lines, clock and memory these have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from arm_hyp.machine import board
from arm_hyp.machine.agenda import Agenda, WithDeadlines
from arm_hyp.machine.pl011 import Pl011
from arm_hyp.machine.pl031 import Pl031
from arm_hyp.machine.pl061 import Pl061
from arm_hyp.machine.seams import Clock, Device, GuestMemory, IrqLine, Stateful
from arm_hyp.machine.virtio_wiring import VirtioSlots

if TYPE_CHECKING:
    from arm_hyp.machine.virtio.drive import BlockBackend


class PeripheralOptions(Protocol):
    """Which devices there are, and what the real-time clock starts with, in Unix seconds."""

    @property
    def drives(self) -> tuple[BlockBackend, ...]:
        """The disks, in the order of their slots."""

    @property
    def has_rng(self) -> bool:
        """Whether there is a virtio-rng."""

    @property
    def has_virtio_console(self) -> bool:
        """Whether the terminal is a virtio console."""

    @property
    def rtc_epoch_s(self) -> int:
        """What the real-time clock starts with."""


class AnyBus(Protocol):
    """Where devices go: the machine's bus, or a VM's."""

    def add(self, name: str, base: int, size_bytes: int, device: Device) -> None:
        """Add a device at an address."""


class Surroundings(NamedTuple):
    """What the devices are connected to. `output` takes what the UART sends, `virtio_output` what its console sends."""

    spi: Callable[[int], IrqLine]
    memory: GuestMemory
    clock: Clock
    agenda: Agenda
    output: Callable[[int], None]
    virtio_output: Callable[[bytes], None]


class Peripherals:
    """PL011, PL031, PL061 and 32 virtio-mmio slots, on a bus. Those that have state are added to `stateful`."""

    def __init__(
        self, options: PeripheralOptions, around: Surroundings, bus: AnyBus, stateful: dict[str, Stateful]
    ) -> None:
        self.uart = Pl011(around.output, around.spi(board.INTID_PL011))
        rtc = Pl031(around.clock, around.spi(board.INTID_PL031), options.rtc_epoch_s)
        around.agenda.add(rtc)
        devices: tuple[tuple[str, int, Device], ...] = (
            ("pl011", board.PL011_BASE, self.uart),
            ("pl031", board.PL031_BASE, WithDeadlines(rtc, around.agenda)),
            ("pl061", board.PL061_BASE, Pl061(around.spi(board.INTID_PL061))),
        )
        for name, base, device in devices:
            bus.add(name, base, board.PAGE_BYTES, device)
            stateful[name] = device
        slots = VirtioSlots(options, around.memory, around.spi, around.virtio_output)
        slots.add_to(bus, stateful)
        self._virtio_console = slots.console

    @property
    def console_name(self) -> str:
        """The device that the user's input goes to."""
        return "pl011" if self._virtio_console is None else "virtio-console"

    def accept_input(self, data: bytes) -> int:
        """Offer what the user typed to the console; return how many bytes it had room for."""
        if self._virtio_console is not None:
            return self._virtio_console.receive(data)
        accepted = data[: self.uart.room]
        for byte in accepted:
            self.uart.receive(byte)
        return len(accepted)
