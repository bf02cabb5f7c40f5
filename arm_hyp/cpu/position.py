"""Where a run stands: one count of retired instructions for all CPUs of a machine, and the numbering of its events.

Read `events.py` before this file and `cpu/core.py` after it. CPUs run in turns, so there is always one that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core


Told = tuple[int, int, int, int, int, int | None, int, int, int | None]
"""An exception: n, seq, CPU, the level it was taken to, its kind as a number, ESR, ELR, SPSR, FAR.

For a return: n, seq, CPU, the level it was done at, -1, None, ELR, SPSR, None.
"""


class Position:
    """The position (n, seq) of a machine: `running` is the CPU whose turn it is, `others` what the rest retired.

    An observer may set `journal`, which is then told every exception and return, far cheaper than by a sink; `turned`,
    told at each turn of a CPU, and where it goes on, the count there; and `stop_at`, the position behind which no
    instruction shall run, or `stops_on_grid`, to stop at exits where the hypervisor empties the TLBs. `is_reached` says
    that such a place has come.
    """

    __slots__ = ("is_reached", "journal", "last_n", "others", "running", "seq", "stop_at", "stops_on_grid", "turned")

    def __init__(self) -> None:
        self.running: Core | None = None
        self.others, self.last_n, self.seq = 0, -1, 0
        self.journal: Callable[[Told], None] | None = None
        self.turned: Callable[[Core, int], None] | None = None
        self.stop_at: tuple[int, int] | None = None
        self.stops_on_grid = self.is_reached = False

    def turn(self, core: Core) -> None:
        """Give the turn to a CPU."""
        if self.running is not core:
            self.others = self.retired - core.retired
            self.running = core
        if self.turned is not None:
            self.turned(core, self.retired)

    @property
    def retired(self) -> int:
        """Instructions retired by the machine, also while a CPU runs."""
        return self.others + self.running.retired if self.running is not None else 0

    def at(self, n: int, numbered: bool) -> tuple[int, int]:
        """Return (n, seq) for an event at `n`; numbered ones (exceptions, returns, effects) get a seq of their own.

        The others leave no mark: without a sink nobody asks for theirs.
        """
        if not numbered:
            return n, self.seq if n == self.last_n else 0
        if n != self.last_n:
            self.last_n, self.seq = n, 0
        self.seq += 1
        if self.stop_at is not None and (n, self.seq) >= self.stop_at:
            self._reach()
        return n, self.seq

    def come_to_grid(self) -> None:
        """Stop here if an observer wants to at such places."""
        if self.stops_on_grid:
            self._reach()

    def _reach(self) -> None:
        if self.running is not None:
            self.is_reached = True
            self.running.request_stop()
