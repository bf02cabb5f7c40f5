"""The interrupt controller connected: its frames on the bus, its system registers and lines at the CPUs.

Read `machine/gic/gicv2.py`, `machine/gic/gicv3.py` and `machine/gic/virtual.py` before this file, `machine/wiring.py`
after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from arm_hyp.arch import interrupts
from arm_hyp.cpu.core import Core
from arm_hyp.machine import board
from arm_hyp.machine.bus import Bus
from arm_hyp.machine.cpus import Cpus
from arm_hyp.machine.gic.cpu_interface import CpuLines
from arm_hyp.machine.gic.virtual import VirtualInterface
from arm_hyp.machine.gic.virtual_control import VirtualLines
from arm_hyp.machine.seams import IrqLine, Stateful

if TYPE_CHECKING:
    from arm_hyp.machine.wiring import Options


class Gic(Stateful, Protocol):
    """What the board needs of an interrupt controller, whatever its version."""

    def spi(self, intid: int) -> IrqLine:
        """Return the input of an SPI."""

    def ppi(self, cpu: int, intid: int) -> IrqLine:
        """Return the input of a PPI of one CPU."""

    def deactivate(self, cpu: int, intid: int) -> None:
        """Deactivate an interrupt on behalf of a list register."""

    def reset_cpu_interface(self, cpu: int) -> None:
        """Reset what of the controller belongs to a CPU, as that CPU is reset."""


def line_into(core: Core, line: int) -> IrqLine:
    """Return an interrupt input of a CPU."""
    return lambda level: core.set_line(line, level)


def add_gic(options: Options, cpus: Cpus, bus: Bus, stateful: dict[str, Stateful]) -> Gic:
    """Make the interrupt controller of a board and connect it."""
    return _ADD[options.gic](options, cpus, bus, stateful)


def _physical_lines(cpus: Cpus) -> list[CpuLines]:
    irq, fiq = interrupts.LINE_IRQ, interrupts.LINE_FIQ
    return [CpuLines(line_into(core, irq), line_into(core, fiq)) for core in cpus.cores]


def _virtual_lines(gic: Gic, core: Core) -> VirtualLines:
    virq, vfiq = line_into(core, interrupts.LINE_VIRQ), line_into(core, interrupts.LINE_VFIQ)
    return VirtualLines(virq, vfiq, gic.ppi(core.index, board.INTID_MAINTENANCE))


def _deactivator(gic: Gic, cpu: int) -> Callable[[int], None]:
    return lambda intid: gic.deactivate(cpu, intid)


def _add_gicv2(options: Options, cpus: Cpus, bus: Bus, stateful: dict[str, Stateful]) -> Gic:
    from arm_hyp.machine.gic.gich import Gich  # here, and for GICv3: a board has one of the two
    from arm_hyp.machine.gic.gicv import Gicv
    from arm_hyp.machine.gic.gicv2 import Gicv2

    gic = Gicv2(_physical_lines(cpus))
    virtual = [
        VirtualInterface.gicv2(_virtual_lines(gic, core), _deactivator(gic, core.index), options.list_registers)
        for core in cpus.cores
    ]
    hypervisor, guest = [Gich(interface) for interface in virtual], [Gicv(interface) for interface in virtual]
    bus.add("gicd", board.GICD_BASE, board.PAGE_BYTES, gic.distributor)
    bus.add("gicc", board.GICC_BASE, board.GICC_BYTES, gic.cpu_interface)
    bus.add("gich", board.GICH_BASE, board.PAGE_BYTES, hypervisor.__getitem__)
    bus.add("gicv", board.GICV_BASE, board.GICC_BYTES, guest.__getitem__)
    _keep(stateful, gic, virtual)
    return gic


def _add_gicv3(options: Options, cpus: Cpus, bus: Bus, stateful: dict[str, Stateful]) -> Gic:
    from arm_hyp.machine.gic.gicv3 import FIXED_CONTROLS, Gicv3
    from arm_hyp.machine.gic.ich import ich_ports
    from arm_hyp.machine.gic.icv import icv_ports

    gic = Gicv3(_physical_lines(cpus), cpus.views)
    virtual = []
    for core, view in zip(cpus.cores, cpus.views, strict=True):
        lines, deactivate = _virtual_lines(gic, core), _deactivator(gic, core.index)
        interface = VirtualInterface.gicv3(view, lines, deactivate, options.list_registers)
        gic.connect_virtual(core.index, icv_ports(interface))
        core.registers.ports.update(gic.ports(core.index))
        core.registers.ports.update(ich_ports(interface))
        for name in FIXED_CONTROLS:
            core.controls.filters[name] = gic.filter_control
        core.controls.filters["ich_hcr_el2"] = interface.filter_control
        core.controls.watchers["ich_hcr_el2"] = interface.control_written
        virtual.append(interface)
    bus.add("gicd", board.GICD_BASE, board.GIC_FRAME_BYTES, gic.distributor())
    bus.add("gicr", board.GICR_BASE, board.GICR_BYTES_PER_CPU * len(cpus.cores), gic.redistributors())
    _keep(stateful, gic, virtual)
    return gic


def _keep(stateful: dict[str, Stateful], gic: Gic, virtual: list[VirtualInterface]) -> None:
    stateful["gic"] = gic
    stateful |= {f"gic-virtual-{index}": interface for index, interface in enumerate(virtual)}


_ADD: Final = {2: _add_gicv2, 3: _add_gicv3}
