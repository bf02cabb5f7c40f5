"""The machine's one virtual clock, and the counters that software reads.

Read `cpu/core.py` before this file. Virtual time in ns is the number of instructions retired plus the time spent idle;
counters tick at 62.5 MHz. No device reads the host's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system import RegisterPort

COUNTER_FREQUENCY_HZ: Final = 62_500_000
NS_PER_TICK: Final = 16


class VirtualClock:
    """Virtual time. `retired` tells the instructions retired by the machine."""

    def __init__(self, retired: Callable[[], int]) -> None:
        self._retired, self.idle_ns = retired, 0

    @property
    def now_ns(self) -> int:
        """Virtual time since reset, in ns."""
        return self._retired() + self.idle_ns

    @property
    def ticks(self) -> int:
        """The system counter, in ticks of 16 ns."""
        return self.now_ns // NS_PER_TICK

    def snapshot(self) -> dict[str, int]:
        """Return the state."""
        return {"idle_ns": self.idle_ns}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back."""
        self.idle_ns = state["idle_ns"]


class Counters:
    """The physical and the virtual counter of one CPU, and CNTVOFF_EL2 between them.

    Ref: Arm ARM D11.2 (the system counter), D11.2.4 (CNTVOFF_EL2).
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self.cntvoff, self.cntfrq = clock, 0, COUNTER_FREQUENCY_HZ

    def ports(self) -> dict[Encoding, RegisterPort]:
        """Return the registers by encoding, ready for a core."""
        rows = {
            "CNTPCT_EL0": RegisterPort(lambda: self._clock.ticks, None),
            "CNTVCT_EL0": RegisterPort(lambda: (self._clock.ticks - self.cntvoff) & (1 << 64) - 1, None),
            "CNTVOFF_EL2": RegisterPort(lambda: self.cntvoff, self._set_offset),
            "CNTFRQ_EL0": RegisterPort(lambda: self.cntfrq, self._set_frequency),
        }
        return {by_name(name).encoding: port for name, port in rows.items()}

    def _set_offset(self, value: int) -> None:
        self.cntvoff = value

    def _set_frequency(self, value: int) -> None:
        self.cntfrq = value & 0xFFFF_FFFF

    def snapshot(self) -> dict[str, int]:
        """Return the state."""
        return {"cntvoff": self.cntvoff, "cntfrq": self.cntfrq}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back."""
        self.cntvoff, self.cntfrq = state["cntvoff"], state["cntfrq"]
