"""The generic timers of one CPU: its counters, its timers, and the event stream.

Read `machine/clock.py` and `machine/seams.py` before this file, `machine/gic*.py` (where the lines end) after it.
Every timer is one row of `TIMERS`: the same class serves all five. A condition becomes true by comparison only, so a
deadline is computed when a register is written, never by polling.

Ref: Arm ARM D11.2 (the AArch64 view of the Generic Timer); board: the system counter ticks at 62.5 MHz.
Simplified: CNTPCT_EL0 never wraps, because 2^64 ticks are 9,000 years of virtual time. No FEAT_ECV (no CNTPOFF_EL2,
no self-synchronised counter views), no Secure EL2 timers: ID registers do not claim them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.board import COUNTER_FREQUENCY_HZ
from arm_hyp.machine.clock import NS_PER_TICK
from arm_hyp.machine.seams import Clock, CpuView, IrqLine, no_line

ENABLE, IMASK, ISTATUS = 1, 2, 4
"""CNT*_CTL<0>, <1>, <2>."""
_M64: Final = (1 << 64) - 1
_M32: Final = (1 << 32) - 1
_HCR_E2H, _HCR_TGE = 1 << 34, 1 << 27
_EVNTEN, _EVNTDIR = 1 << 2, 1 << 3

CNTKCTL_BITS: Final = 0x3FF
"""CNTKCTL_EL1: EL0PTEN <9>, EL0VTEN <8>, EVNTI <7:4>, EVNTDIR <3>, EVNTEN <2>, EL0VCTEN <1>, EL0PCTEN <0>."""
CNTHCTL_BITS: Final = 0x0FF
"""CNTHCTL_EL2 with HCR_EL2.E2H = 0: EVNTI <7:4>, EVNTDIR <3>, EVNTEN <2>, EL1PCEN <1>, EL1PCTEN <0>."""
CNTHCTL_BITS_E2H: Final = 0xFFF
"""CNTHCTL_EL2 with HCR_EL2.E2H = 1: as CNTKCTL_EL1, and EL1PTEN <11>, EL1PCTEN <10>."""


class TimerRow(NamedTuple):
    """One timer: its name and that of its line, the suffix of its registers, its feature, which counter it follows."""

    name: str
    suffix: str
    feature: str
    is_virtual: bool


TIMERS: Final = (
    TimerRow("CNTV", "EL0", "", True),
    TimerRow("CNTP", "EL0", "", False),
    TimerRow("CNTHP", "EL2", "", False),
    TimerRow("CNTHV", "EL2", "VHE", False),
    TimerRow("CNTPS", "EL1", "", False),
)
"""All timers. CNTHV, the EL2 *virtual* timer, has the fixed virtual offset 0. Ref: Arm ARM D11.2.4, CNTHV_CTL_EL2."""


class Timer:
    """One timer: a comparator on a counter. `count` gives the 64-bit counter that it follows.

    The condition is (Counter - Offset)<63:0> >= CompareValue, both unsigned. Ref: Arm ARM D11.2.4, "Operation of the
    CompareValue views of the timers". While it is disabled ISTATUS, UNKNOWN by the architecture, reads as 0.
    """

    __slots__ = ("_clock", "_count", "_line", "ctl", "cval", "deadline_tick", "level")

    def __init__(self, clock: Clock, count: Callable[[], int], line: IrqLine) -> None:
        self._clock, self._count, self._line = clock, count, line
        self.ctl = self.cval = 0
        self.level = False
        self.deadline_tick: int | None = None

    def read_ctl(self) -> int:
        """Read CNT*_CTL."""
        return self.ctl | ISTATUS if self.ctl & ENABLE and self._count() >= self.cval else self.ctl

    def read_tval(self) -> int:
        """Read CNT*_TVAL: the low 32 bits of what is missing to the compare value."""
        return self.cval - self._count() & _M32

    def write_ctl(self, value: int) -> None:
        """Write CNT*_CTL; ISTATUS is read-only, <63:3> are RES0."""
        self.ctl = value & (ENABLE | IMASK)

    def write_cval(self, value: int) -> None:
        """Write CNT*_CVAL, 64 bits."""
        self.cval = value

    def write_tval(self, value: int) -> None:
        """Write CNT*_TVAL: a signed 32-bit distance from now."""
        distance = (value & _M32 ^ 1 << 31) - (1 << 31)
        self.cval = self._count() + distance & _M64

    def settle(self, force: bool = False) -> None:
        """Drive the line and find the tick at which it changes next; None if that lies beyond the counter's end."""
        self.deadline_tick, level = None, False
        if self.ctl & (ENABLE | IMASK) == ENABLE:
            count = self._count()
            level = count >= self.cval
            distance = self.cval - count if not level else (1 << 64) - count
            at = self._clock.ticks + distance
            self.deadline_tick = at if at <= _M64 and (self.cval or not level) else None
        if level is not self.level or force:
            self.level = level
            self._line(level)


class GenericTimers:
    """Counters, timers and event stream of one CPU. `lines` holds a line by timer name; absent ones lead nowhere.

    `features` are those of the CPU model: with "VHE" there is CNTHV, and the virtual offset depends on where one reads.
    CNTHCTL_EL2 and CNTKCTL_EL1 are control registers, read through `cpu_view`; access traps are decided elsewhere.
    """

    def __init__(
        self, clock: Clock, cpu_view: CpuView, features: frozenset[str], lines: Mapping[str, IrqLine] | None = None
    ) -> None:
        self._clock, self._cpu, self._has_vhe = clock, cpu_view, "VHE" in features
        self.cntvoff, self.cntfrq = 0, COUNTER_FREQUENCY_HZ
        self._deadline_ns: int | None = None
        self._rows = [row for row in TIMERS if not row.feature or row.feature in features]
        self.timers = {row.name: self._make(row, (lines or {}).get(row.name, no_line)) for row in self._rows}

    def _make(self, row: TimerRow, line: IrqLine) -> Timer:
        return Timer(self._clock, self._virtual_count if row.is_virtual else self._physical_count, line)

    # --- counters ----------------------------------------------------------------------------------------------------

    def _physical_count(self) -> int:
        return self._clock.ticks

    def _virtual_count(self) -> int:
        return self._clock.ticks - self.cntvoff & _M64

    def _virtual_count_vhe(self) -> int:
        """Read CNTVCT_EL0 where FEAT_VHE is: at EL2 with E2H, and at EL0 with E2H and TGE, the offset is 0.

        Ref: Arm ARM, CNTVCT_EL0 (accessor pseudocode).
        """
        hcr = self._cpu.control("hcr_el2")
        if hcr & _HCR_E2H:
            el = self._cpu.el
            if el == 2 or (el == 0 and hcr & _HCR_TGE):
                return self._clock.ticks
        return self._clock.ticks - self.cntvoff & _M64

    def _set_offset(self, value: int) -> None:
        self.cntvoff = value
        self._settle_all()

    def _set_frequency(self, value: int) -> None:
        self.cntfrq = value & _M32

    # --- registers ---------------------------------------------------------------------------------------------------

    def ports(self) -> dict[Encoding, RegisterPort]:
        """Return the registers by encoding, ready for a core. A CNTVCT_EL0 read is one call, and two with VHE."""
        virtual = self._virtual_count_vhe if self._has_vhe else self._virtual_count
        rows = {
            "CNTPCT_EL0": RegisterPort(self._physical_count, None),
            "CNTVCT_EL0": RegisterPort(virtual, None),
            "CNTVOFF_EL2": RegisterPort(lambda: self.cntvoff, self._set_offset),
            "CNTFRQ_EL0": RegisterPort(lambda: self.cntfrq, self._set_frequency),
        }
        for row in self._rows:
            rows |= self._timer_ports(row, self.timers[row.name])
        return {by_name(name).encoding: port for name, port in rows.items()}

    def _timer_ports(self, row: TimerRow, timer: Timer) -> dict[str, RegisterPort]:
        def settled(write: Callable[[int], None]) -> Callable[[int], None]:
            def write_and_settle(value: int) -> None:
                write(value)
                timer.settle()
                self._find_deadline()

            return write_and_settle

        return {
            f"{row.name}_CTL_{row.suffix}": RegisterPort(timer.read_ctl, settled(timer.write_ctl)),
            f"{row.name}_CVAL_{row.suffix}": RegisterPort(lambda: timer.cval, settled(timer.write_cval)),
            f"{row.name}_TVAL_{row.suffix}": RegisterPort(timer.read_tval, settled(timer.write_tval)),
        }

    def filter_control(self, name: str, old: int, new: int) -> int:
        """Return what a write of CNTHCTL_EL2 or CNTKCTL_EL1 really keeps: their RES0 bits stay 0."""
        if name == "cntkctl_el1":
            return new & CNTKCTL_BITS
        if name == "cnthctl_el2":
            return new & (CNTHCTL_BITS_E2H if self._cpu.control("hcr_el2") & _HCR_E2H else CNTHCTL_BITS)
        return new

    # --- time --------------------------------------------------------------------------------------------------------

    def next_deadline_ns(self) -> int | None:
        """Return the virtual time at which a line of a timer changes next, or None if none ever does."""
        return self._deadline_ns

    def update(self) -> None:
        """Bring the lines up to the present virtual time."""
        if self._deadline_ns is not None and self._clock.now_ns >= self._deadline_ns:
            self._settle_all()

    def _settle_all(self, force: bool = False) -> None:
        for timer in self.timers.values():
            timer.settle(force)
        self._find_deadline()

    def _find_deadline(self) -> None:
        ticks = [timer.deadline_tick for timer in self.timers.values() if timer.deadline_tick is not None]
        self._deadline_ns = min(ticks) * NS_PER_TICK if ticks else None

    # --- the event stream --------------------------------------------------------------------------------------------

    def next_event_ns(self) -> int | None:
        """Return the virtual time, after now, of the next event of the event streams, or None if both are off.

        CNTKCTL_EL1 takes a bit of the virtual counter as EL1 sees it, and is without effect while HCR_EL2.{E2H,TGE} is
        {1,1}; CNTHCTL_EL2 takes a bit of the physical counter. Ref: Arm ARM D11.2.3, CNTKCTL_EL1.EVNTEN.
        """
        hcr = self._cpu.control("hcr_el2")
        host = self._has_vhe and hcr & (_HCR_E2H | _HCR_TGE) == _HCR_E2H | _HCR_TGE
        streams = [(self._cpu.control("cnthctl_el2"), self._physical_count())]
        if not host:
            streams.append((self._cpu.control("cntkctl_el1"), self._virtual_count()))
        distances = [ticks_to_event(control, count) for control, count in streams if control & _EVNTEN]
        return (self._clock.ticks + min(distances)) * NS_PER_TICK if distances else None

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        timers = {name: {"ctl": timer.ctl, "cval": timer.cval} for name, timer in self.timers.items()}
        return {"cntvoff": self.cntvoff, "cntfrq": self.cntfrq, "timers": timers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive the lines; the clock must have been restored before."""
        self.cntvoff, self.cntfrq = state["cntvoff"], state["cntfrq"]
        for name, values in state["timers"].items():
            self.timers[name].ctl, self.timers[name].cval = values["ctl"], values["cval"]
        self._settle_all(force=True)


def ticks_to_event(control: int, count: int) -> int:
    """Return the ticks from `count` to the next event: bit EVNTI <7:4> of the counter rises, or falls with EVNTDIR."""
    half = 1 << (control >> 4 & 0xF)
    phase = 0 if control & _EVNTDIR else half
    return (phase - count - 1) % (2 * half) + 1
