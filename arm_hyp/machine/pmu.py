"""The performance monitors (PMUv3) of one CPU: the cycle counter, and event counters for what this machine can count.

Read `machine/clock.py` and `machine/seams.py` before this file. A cycle is one ns of virtual time, so one instruction
of any CPU of the machine, or idle time: cycles go on while the CPU waits. Everything repeats exactly.

A counter that runs is a reading of its source at which it overflows, so no time passes "inside" it: looking at it, or
asking for deadlines, changes nothing.

Ref: Arm ARM, The Performance Monitors Extension; AArch64.CheckForPMUOverflow; the registers by their names.
Simplified: counters count at every EL and in both Security states: the filter bits of PMCCFILTR_EL0 and PMEVTYPER<n>
(P, U, NSK, NSU, NSH, M), PMCR_EL0.DP and MDCR_EL2.HPMD are kept without effect. Event counters are 32 bits wide; CHAIN
and export (PMCR_EL0.X, RAZ/WI) are not there. PMCR_EL0.D is RES0 and LC is RES1, as on every AArch64-only CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.seams import Clock, CpuView, IrqLine, no_line

SW_INCR, INST_RETIRED, CPU_CYCLES = 0x00, 0x08, 0x11
EVENTS: Final = (SW_INCR, INST_RETIRED, CPU_CYCLES)
"""The events that count; a counter of any other event stands still. PMCEID0_EL0 says so."""
PMCEID0: Final = sum(1 << event for event in EVENTS)
CYCLE: Final = 31
"""The number of the cycle counter in PMCNTENSET_EL0, PMOVSSET_EL0, PMINTENSET_EL1 and PMSELR_EL0."""

_E, _P, _C, _DP = 1 << 0, 1 << 1, 1 << 2, 1 << 5
_KEPT: Final = _E | _DP
_FILTERS: Final = 0xFC00_0000
_HPME, _HPMN = 1 << 7, 0x1F
PMUSERENR_BITS: Final = 0xF
"""PMUSERENR_EL0: ER <3>, CR <2>, SW <1>, EN <0>."""


class Counter:
    """One counter of 32 or 64 bits, standing at a value, or running with a source until its reading `end`."""

    __slots__ = ("_modulus", "_value", "end", "source")

    def __init__(self, width_bits: int) -> None:
        self._modulus = 1 << width_bits
        self._value = self.end = 0
        self.source: Callable[[], int] | None = None

    def read(self) -> int:
        """Return the value, up to date."""
        return self._value if self.source is None else (self.source() - self.end) % self._modulus

    def write(self, value: int) -> None:
        """Set the value; bits that do not fit are dropped."""
        self._value = value % self._modulus
        if self.source is not None:
            self.end = self.source() + self._modulus - self._value

    def run(self, source: Callable[[], int] | None) -> None:
        """Count with this source from now on, or stand still."""
        if source is not self.source:
            value = self.read()
            self.source = source
            self.write(value)

    def take_overflow(self) -> bool:
        """Tell whether it has overflowed since the last call."""
        if self.source is None or self.source() < self.end:
            return False
        self.end += ((self.source() - self.end) // self._modulus + 1) * self._modulus
        return True

    def increment(self) -> bool:
        """Add 1 to a counter that stands still; tell whether it overflows."""
        self._value = (self._value + 1) % self._modulus
        return self._value == 0


class Pmu:
    """The PMU of one CPU. `pmcr` is PMCR_EL0 as the ID policy has it: IMP, IDCODE, N and LC are taken from there.

    `retired` counts the instructions of this CPU, and never grows faster than virtual time; `irq` is the overflow
    interrupt. PMUSERENR_EL0 and MDCR_EL2 are control registers: traps are decided elsewhere, MDCR_EL2.{HPMN,HPME} here.
    """

    def __init__(
        self,
        clock: Clock,
        retired: Callable[[], int],
        cpu_view: CpuView,
        pmcr: int,
        features: frozenset[str] = frozenset(),
        irq: IrqLine = no_line,
    ) -> None:
        self._clock, self._retired, self._cpu, self._irq = clock, retired, cpu_view, irq
        self._fixed, self.count = pmcr & ~_KEPT & ~(0x1F << 11), pmcr >> 11 & 0x1F
        self._type_bits = _FILTERS | (0xFFFF if "PMUv3p1" in features else 0x3FF)
        self._sources: dict[int, Callable[[], int]] = {CPU_CYCLES: lambda: clock.now_ns, INST_RETIRED: retired}
        self._control = self._enabled = self._overflows = self._interrupts = self._selected = self._filter = 0
        self._types = [0] * self.count
        self.counters = {n: Counter(32) for n in range(self.count)} | {CYCLE: Counter(64)}
        self._armed: list[Counter] = []
        self._level = False

    # --- which counters, and are they enabled ------------------------------------------------------------------------

    def _own(self) -> int:
        """Return how many event counters the present EL may use: MDCR_EL2.HPMN below EL2. Ref: PMCR_EL0.N."""
        limit = self._cpu.control("mdcr_el2") & _HPMN if self._cpu.el < 2 else self.count
        return min(limit, self.count)

    def _visible(self) -> int:
        return 1 << CYCLE | (1 << self._own()) - 1

    def _on(self) -> int:
        """Return the counters that PMCR_EL0.E or MDCR_EL2.HPME turns on, as a mask. Ref: CheckForPMUOverflow."""
        mdcr = self._cpu.control("mdcr_el2")
        low = 1 << CYCLE | (1 << (mdcr & _HPMN)) - 1
        return (low if self._control & _E else 0) | (~low & (1 << CYCLE) - 1 if mdcr & _HPME else 0)

    # --- time --------------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Note the overflows up to the present virtual time, and drive the line."""
        if self._catch_up():
            self._settle()

    def _catch_up(self) -> bool:
        overflows = sum(1 << n for n, counter in self.counters.items() if counter.take_overflow())
        self._overflows |= overflows
        return bool(overflows)

    def _settle(self, force: bool = False) -> None:
        """Start and stop counters, drive the line, and find the counters whose overflow would raise it."""
        on = self._on()
        self._run_counters(on & self._enabled)
        wanted = on & self._interrupts
        level = bool(wanted & self._overflows)
        self._armed = [c for n, c in self.counters.items() if wanted >> n & 1 and c.source is not None and not level]
        if level is not self._level or force:
            self._level = level
            self._irq(level)

    def _run_counters(self, counting: int) -> None:
        self.counters[CYCLE].run(self._sources[CPU_CYCLES] if counting >> CYCLE & 1 else None)
        for n, event in enumerate(self._types):
            self.counters[n].run(self._sources.get(event & ~_FILTERS) if counting >> n & 1 else None)

    def next_deadline_ns(self) -> int | None:
        """Return the earliest virtual time at which an overflow can raise the line, or None.

        A counter of instructions gets there on time only if this CPU never waits; if it is not there yet, ask again.
        """
        now_ns, retired = self._clock.now_ns, self._retired
        ends = [now_ns + c.end - retired() if c.source is retired else c.end for c in self._armed]
        return min(ends, default=None)

    def next_idle_deadline_ns(self) -> int | None:
        """Return the same for a CPU that retires nothing: counters of instructions stand still."""
        return min((c.end for c in self._armed if c.source is not self._retired), default=None)

    def control_written(self, name: str) -> None:
        """Follow a write of MDCR_EL2."""
        if name == "mdcr_el2":
            self._catch_up()
            self._settle()

    def filter_control(self, name: str, old: int, new: int) -> int:
        """Return what a write of PMUSERENR_EL0 really keeps."""
        return new & PMUSERENR_BITS if name == "pmuserenr_el0" else new

    # --- registers ---------------------------------------------------------------------------------------------------

    def ports(self) -> dict[Encoding, RegisterPort]:
        """Return the registers by encoding, ready for a core; of the numbered ones those below PMCR_EL0.N."""
        ports = {
            "PMCR_EL0": self._port(self._read_control, self._write_control),
            "PMSELR_EL0": RegisterPort(lambda: self._selected, self._select),
            "PMSWINC_EL0": RegisterPort(None, self._changing(self._software_increment)),
            "PMCEID0_EL0": RegisterPort(lambda: PMCEID0, None),
            "PMCEID1_EL0": RegisterPort(lambda: 0, None),
            "PMXEVTYPER_EL0": self._port(self._read_selected_type, self._write_selected_type),
            "PMXEVCNTR_EL0": self._port(self._read_selected_event, self._write_selected_event),
            "PMCCNTR_EL0": self._counter_port(CYCLE),
            "PMCCFILTR_EL0": self._type_port(CYCLE),
        }
        for base, field in (("PMCNTEN", "_enabled"), ("PMOVS", "_overflows"), ("PMINTEN", "_interrupts")):
            el = 1 if base == "PMINTEN" else 0
            ports |= {f"{base}SET_EL{el}": self._set_port(field), f"{base}CLR_EL{el}": self._clear_port(field)}
        for n in range(self.count):
            ports |= {f"PMEVCNTR{n}_EL0": self._counter_port(n), f"PMEVTYPER{n}_EL0": self._type_port(n)}
        return {by_name(name).encoding: port for name, port in ports.items()}

    def _changing(self, write: Callable[[int], None]) -> Callable[[int], None]:
        def write_between(value: int) -> None:
            self._catch_up()
            write(value)
            self._settle()

        return write_between

    def _port(self, read: Callable[[], int], write: Callable[[int], None]) -> RegisterPort:
        return RegisterPort(read, self._changing(write))

    def _read_control(self) -> int:
        return self._fixed | self._own() << 11 | self._control

    def _write_control(self, value: int) -> None:
        """Write PMCR_EL0: E and DP are kept; C and P set counters to 0 and leave their overflow flags."""
        self._control = value & _KEPT
        if value & _C:
            self.counters[CYCLE].write(0)
        for n in range(self._own() if value & _P else 0):
            self.counters[n].write(0)

    def _set_port(self, field: str) -> RegisterPort:
        def write(value: int) -> None:
            setattr(self, field, getattr(self, field) | value & self._visible())

        return self._port(self._mask_reader(field), write)

    def _clear_port(self, field: str) -> RegisterPort:
        def write(value: int) -> None:
            setattr(self, field, getattr(self, field) & ~(value & self._visible()))

        return self._port(self._mask_reader(field), write)

    def _mask_reader(self, field: str) -> Callable[[], int]:
        def read() -> int:
            self.update()
            return int(getattr(self, field)) & self._visible()

        return read

    def _counter_port(self, n: int) -> RegisterPort:
        counter = self.counters[n]
        return self._port(counter.read, counter.write)

    def _type_port(self, n: int) -> RegisterPort:
        return self._port(lambda: self._read_type(n), lambda value: self._write_type(n, value))

    def _read_type(self, n: int) -> int:
        return self._filter if n == CYCLE else self._types[n]

    def _write_type(self, n: int, value: int) -> None:
        if n == CYCLE:
            self._filter = value & _FILTERS
        else:
            self._types[n] = value & self._type_bits

    def _select(self, value: int) -> None:
        self._selected = value & 0x1F

    def _read_selected_type(self) -> int:
        """Read PMXEVTYPER_EL0: PMCCFILTR_EL0 where PMSELR_EL0.SEL is 31; RAZ/WI where there is no such counter."""
        chosen = self._selected
        return self._read_type(chosen) if self._visible() >> chosen & 1 else 0

    def _write_selected_type(self, value: int) -> None:
        if self._visible() >> self._selected & 1:
            self._write_type(self._selected, value)

    def _read_selected_event(self) -> int:
        """Read PMXEVCNTR_EL0: RAZ/WI for 31 and where there is no such counter (CONSTRAINED UNPREDICTABLE)."""
        return self.counters[self._selected].read() if self._selected < self._own() else 0

    def _write_selected_event(self, value: int) -> None:
        if self._selected < self._own():
            self.counters[self._selected].write(value)

    def _software_increment(self, value: int) -> None:
        """Write PMSWINC_EL0: add 1 to each chosen counter that is enabled and counts SW_INCR."""
        counting = value & self._visible() & self._on() & self._enabled
        for n, event in enumerate(self._types):
            if counting >> n & 1 and event & ~_FILTERS == SW_INCR and self.counters[n].increment():
                self._overflows |= 1 << n

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state; the counters' values are those of now."""
        self.update()
        return {
            "control": self._control,
            "enabled": self._enabled,
            "overflows": self._overflows,
            "interrupts": self._interrupts,
            "selected": self._selected,
            "filter": self._filter,
            "types": list(self._types),
            "values": [counter.read() for counter in self.counters.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive the line; clock, instruction count and MDCR_EL2 must be restored before."""
        self._control, self._enabled, self._overflows = state["control"], state["enabled"], state["overflows"]
        self._interrupts, self._selected, self._filter = state["interrupts"], state["selected"], state["filter"]
        self._types = list(state["types"])
        for counter, value in zip(self.counters.values(), state["values"], strict=True):
            counter.write(value)
        self._settle(force=True)
