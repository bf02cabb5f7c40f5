"""The board put together: which device is where, and which line leads to which interrupt.

Read `machine/board.py`, `machine/bus.py` and the devices before this file, `machine/machine.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from arm_hyp.arch import interrupts
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.system import RegisterPort
from arm_hyp.machine import board
from arm_hyp.machine.agenda import Agenda, WithDeadlines
from arm_hyp.machine.bus import Bus
from arm_hyp.machine.cpus import Cpus
from arm_hyp.machine.gic.cpu_interface import CpuLines
from arm_hyp.machine.gic.gich import Gich
from arm_hyp.machine.gic.gicv import Gicv
from arm_hyp.machine.gic.gicv2 import Gicv2
from arm_hyp.machine.gic.virtual import VirtualInterface
from arm_hyp.machine.gic.virtual_control import VirtualLines
from arm_hyp.machine.pl011 import Pl011
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S, Pl031
from arm_hyp.machine.pl061 import Pl061
from arm_hyp.machine.seams import Clock, Device, IrqLine
from arm_hyp.machine.timers import GenericTimers

TIMER_INTIDS: Final[Mapping[str, int]] = {
    "CNTV": board.INTID_VIRTUAL_TIMER,
    "CNTP": board.INTID_PHYSICAL_TIMER,
    "CNTHP": board.INTID_HYP_TIMER,
    "CNTHV": board.INTID_HYP_VIRTUAL_TIMER,
    "CNTPS": board.INTID_SECURE_TIMER,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a board is made of. Memory in bytes; `start_el` is where software begins; `rtc_epoch_s` in Unix seconds."""

    model: str = "a72"
    start_el: int = 2
    memory_bytes: int = 256 << 20
    gic: int = 2
    cpus: int = 1
    list_registers: int = 4
    rtc_epoch_s: int = DEFAULT_EPOCH_S


class Stateful(Protocol):
    """Anything with state of its own."""

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""


def line_into(core: Core, line: int) -> IrqLine:
    """Return an interrupt input of a CPU."""
    return lambda level: core.set_line(line, level)


class Board:
    """The devices of one machine, connected to its CPUs. `stateful` is everything that a snapshot needs, by name."""

    def __init__(
        self, options: Options, cpus: Cpus, clock: Clock, agenda: Agenda, output: Callable[[int], None]
    ) -> None:
        self._options, self._cpus, self._clock, self._agenda = options, cpus, clock, agenda
        self.bus = Bus()
        self.stateful: dict[str, Stateful] = {}
        self.gic = self._add_gic()
        self.timers = [self._add_timers(core) for core in cpus.cores]
        self.uart = Pl011(output, self.gic.spi(board.INTID_PL011))
        self.rtc = Pl031(clock, self.gic.spi(board.INTID_PL031), options.rtc_epoch_s)
        self.gpio = Pl061(self.gic.spi(board.INTID_PL061))
        agenda.add(self.rtc)
        self._add_device("pl011", board.PL011_BASE, board.PAGE_BYTES, self.uart)
        self._add_device("pl031", board.PL031_BASE, board.PAGE_BYTES, WithDeadlines(self.rtc, agenda))
        self._add_device("pl061", board.PL061_BASE, board.PAGE_BYTES, self.gpio)
        self.bus.attach(cpus.cores)

    def _add_device(self, name: str, base: int, size_bytes: int, device: Device) -> None:
        self.bus.add(name, base, size_bytes, device)
        self.stateful[name] = device

    # --- the interrupt controller ------------------------------------------------------------------------------------

    def _add_gic(self) -> Gicv2:
        lines = [
            CpuLines(line_into(core, interrupts.LINE_IRQ), line_into(core, interrupts.LINE_FIQ))
            for core in self._cpus.cores
        ]
        return self._add_gicv2(lines)

    def _virtual_lines(self, gic: Gicv2, core: Core) -> VirtualLines:
        virq, vfiq = line_into(core, interrupts.LINE_VIRQ), line_into(core, interrupts.LINE_VFIQ)
        return VirtualLines(virq, vfiq, gic.ppi(core.index, board.INTID_MAINTENANCE))

    def _add_gicv2(self, lines: Sequence[CpuLines]) -> Gicv2:
        gic = Gicv2(lines)
        self.stateful["gic"] = gic
        virtual = [self._virtual_interface(gic, core) for core in self._cpus.cores]
        hypervisor, guest = [Gich(interface) for interface in virtual], [Gicv(interface) for interface in virtual]
        self.bus.add("gicd", board.GICD_BASE, board.PAGE_BYTES, gic.distributor)
        self.bus.add("gicc", board.GICC_BASE, board.GICC_BYTES, gic.cpu_interface)
        self.bus.add("gich", board.GICH_BASE, board.PAGE_BYTES, hypervisor.__getitem__)
        self.bus.add("gicv", board.GICV_BASE, board.GICC_BYTES, guest.__getitem__)
        self.stateful |= {f"gic-virtual-{index}": interface for index, interface in enumerate(virtual)}
        return gic

    def _virtual_interface(self, gic: Gicv2, core: Core) -> VirtualInterface:
        lines, index = self._virtual_lines(gic, core), core.index
        return VirtualInterface.gicv2(lines, lambda intid: gic.deactivate(index, intid), self._options.list_registers)

    # --- what each CPU has -------------------------------------------------------------------------------------------

    def _add_timers(self, core: Core) -> GenericTimers:
        lines = {name: self.gic.ppi(core.index, intid) for name, intid in TIMER_INTIDS.items()}
        timers = GenericTimers(self._clock, self._cpus.views[core.index], core.features, lines)
        for encoding, port in timers.ports().items():
            core.system.ports[encoding] = self._noticed(port)
        for name in ("cnthctl_el2", "cntkctl_el1"):
            core.controls.filters[name] = timers.filter_control
        self._agenda.add(timers)
        self.stateful[f"timers-{core.index}"] = timers
        return timers

    def _noticed(self, port: RegisterPort) -> RegisterPort:
        """Have the agenda look at the deadlines after each write of a register."""
        if port.write is None:
            return port
        inner, changed = port.write, self._agenda.changed

        def write(value: int) -> None:
            inner(value)
            changed()

        return RegisterPort(port.read, write)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state of every device, by name."""
        return {name: device.snapshot() for name, device in self.stateful.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. The clock and the CPUs must have been restored before."""
        for name, device in self.stateful.items():
            device.restore(state[name])
