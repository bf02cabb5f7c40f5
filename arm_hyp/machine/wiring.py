"""The board put together: which device is where, and which line leads to which interrupt.

Read `machine/board.py`, `machine/bus.py` and `machine/peripherals.py` before this file, `machine/machine.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.id_policy import LIST_REGISTERS, id_value
from arm_hyp.arch.sysregs import by_name
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine import board
from arm_hyp.machine.agenda import Agenda
from arm_hyp.machine.bus import Bus
from arm_hyp.machine.cpus import Cpus
from arm_hyp.machine.debug_registers import DebugRegisters
from arm_hyp.machine.flash_wiring import Flash
from arm_hyp.machine.gic_wiring import add_gic
from arm_hyp.machine.peripherals import Peripherals, Surroundings
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S
from arm_hyp.machine.pmu import Pmu
from arm_hyp.machine.randomness import RandomNumbers
from arm_hyp.machine.seams import Clock, GuestMemory, Stateful
from arm_hyp.machine.timers import GenericTimers

if TYPE_CHECKING:
    from arm_hyp.machine.virtio.drive import BlockBackend

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
    list_registers: int = LIST_REGISTERS
    rtc_epoch_s: int = DEFAULT_EPOCH_S
    drives: tuple[BlockBackend, ...] = ()
    has_rng: bool = False
    has_virtio_console: bool = False
    flash: bytes = b""


_EL1_HAS_TIMERS: Final = 3
"""CNTHCTL_EL2.{EL1PCEN, EL1PCTEN}: nobody is at EL2 who could give them to EL1."""


def _then(port: RegisterPort, action: Callable[[], None]) -> RegisterPort:
    """Have something done after each write of a register: the agenda looks at the deadlines, for example."""
    inner = port.write
    if inner is None:
        return port

    def write(value: int) -> None:
        inner(value)
        action()

    return RegisterPort(port.read, write)


class Board:
    """The devices of one machine, connected to its CPUs. `stateful` is everything that a snapshot needs, by name."""

    def __init__(
        self,
        options: Options,
        cpus: Cpus,
        clock: Clock,
        agenda: Agenda,
        output: Callable[[int], None],
        memory: GuestMemory,
        virtio_output: Callable[[bytes], None],
    ) -> None:
        self._options, self._cpus, self._clock, self._agenda = options, cpus, clock, agenda
        self.bus = Bus()
        self.stateful: dict[str, Stateful] = {}
        self.gic = add_gic(options, cpus, self.bus, self.stateful)
        self.timers = [self._add_timers(core) for core in cpus.cores]
        for core in cpus.cores:
            self._add_pmu(core)
            self._add_plain_registers(core)
        around = Surroundings(self.gic.spi, memory, clock, agenda, output, virtio_output)
        self.peripherals = Peripherals(options, around, self.bus, self.stateful)
        self.flash = Flash(options.flash, cpus.cores) if options.flash else None
        if self.flash is not None:
            self.flash.add_to(self.bus)
            self.stateful["flash"] = self.flash
        self.bus.attach(cpus.cores)
        self._inside_cpus = self._state_inside_cpus()
        cpus.at_reset = self._reset_inside_cpu
        if self.flash is not None:
            self.flash.attach()

    # --- what each CPU has -------------------------------------------------------------------------------------------

    def _add_timers(self, core: Core) -> GenericTimers:
        lines = {name: self.gic.ppi(core.index, intid) for name, intid in TIMER_INTIDS.items()}
        timers = GenericTimers(self._clock, self._cpus.views[core.index], core.features, lines)
        for encoding, port in timers.ports().items():
            core.registers.ports[encoding] = _then(port, self._agenda.changed)
        core.counters.now_ns, core.counters.offset = lambda: self._clock.now_ns, lambda: timers.cntvoff
        offset = by_name("CNTVOFF_EL2").encoding
        core.registers.ports[offset] = _then(core.registers.ports[offset], core.counters.offset_changed)
        for name in ("cnthctl_el2", "cntkctl_el1"):
            core.controls.filters[name] = timers.filter_control
        if core.start_el == 1:
            core.controls.write("cnthctl_el2", _EL1_HAS_TIMERS)
        self._agenda.add(timers)
        self.stateful[f"timers-{core.index}"] = timers
        return timers

    def _add_pmu(self, core: Core) -> None:
        irq = self.gic.ppi(core.index, board.INTID_PMU)
        view, pmcr = self._cpus.views[core.index], id_value("PMCR_EL0", core.model, core.gic)
        pmu = Pmu(self._clock, lambda: core.retired, view, pmcr, core.features, irq)
        for encoding, port in pmu.ports().items():
            core.registers.ports[encoding] = _then(port, self._agenda.changed)
        core.controls.filters["pmuserenr_el0"] = pmu.filter_control

        def mdcr_written(name: str) -> None:
            pmu.control_written(name)
            self._agenda.changed()

        core.controls.watchers["mdcr_el2"] = mdcr_written
        self._agenda.add(pmu, pmu.next_idle_deadline_ns)
        self.stateful[f"pmu-{core.index}"] = pmu

    def _add_plain_registers(self, core: Core) -> None:
        debug, random = DebugRegisters(), RandomNumbers(core.index)
        core.registers.ports.update(debug.ports())
        self.stateful[f"debug-{core.index}"] = debug
        if "RNG" in core.features:
            core.registers.ports.update(random.ports())
            self.stateful[f"random-{core.index}"] = random

    def _state_inside_cpus(self) -> dict[str, Any]:
        names = ("timers", "pmu", "debug", *(("gic-virtual",) if self._options.gic == 3 else ()))
        keys = [f"{name}-{core.index}" for core in self._cpus.cores for name in names]
        return {key: self.stateful[key].snapshot() for key in keys}

    def _reset_inside_cpu(self, core: Core) -> None:
        """Reset what is inside a CPU together with it. The rest of the board goes on.

        The CPU interface of a GICv2 is part of the GIC, that of a GICv3 part of the CPU. Ref: IHI 0069 2.3.
        """
        for key, state in self._inside_cpus.items():
            if key.endswith(f"-{core.index}"):
                self.stateful[key].restore(state)
        self.gic.reset_cpu_interface(core.index)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state of every device, by name."""
        return {name: device.snapshot() for name, device in self.stateful.items()}

    def reset(self, power_on: dict[str, Any]) -> None:
        """Reset every device to its state at power-on; what was written to drives and flash lasts."""
        written = [drive.snapshot() for drive in self._options.drives]
        flash = None if self.flash is None else self.flash.snapshot()
        self.restore(power_on)
        for drive, state in zip(self._options.drives, written, strict=True):
            drive.restore(state)
        if self.flash is not None and flash is not None:
            self.flash.restore(flash)
            self.flash.reset()

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. The clock and the CPUs must have been restored before."""
        for name, device in self.stateful.items():
            device.restore(state[name])
