"""The machine's one virtual clock.

Read `machine/seams.py` before this file, `machine/timers.py` (counters and timers) after it. Virtual time in ns is the
number of instructions retired, plus the time spent idle, plus a constant for each exit that Python at EL2 handled;
counters tick at 62.5 MHz. No device reads the host's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

NS_PER_TICK: Final = 16


class VirtualClock:
    """Virtual time. `retired` tells the instructions retired by the machine; `idle_ns` is all other time."""

    def __init__(self, retired: Callable[[], int]) -> None:
        self._retired, self.idle_ns = retired, 0

    @property
    def now_ns(self) -> int:
        """Virtual time since reset, in ns."""
        return self._retired() + self.idle_ns

    @property
    def ticks(self) -> int:
        """The system counter, in ticks of 16 ns."""
        return (self._retired() + self.idle_ns) // NS_PER_TICK

    def snapshot(self) -> dict[str, int]:
        """Return the state."""
        return {"idle_ns": self.idle_ns}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back."""
        self.idle_ns = state["idle_ns"]
