"""Where a run stands: one count of retired instructions for all CPUs of a machine, and the numbering of its events.

Read `events.py` before this file and `cpu/core.py` after it. CPUs run in turns, so there is always one that counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core


class Position:
    """The position (n, seq) of a machine: `running` is the CPU whose turn it is, `others` what the rest retired."""

    __slots__ = ("last_n", "others", "running", "seq")

    def __init__(self) -> None:
        self.running: Core | None = None
        self.others, self.last_n, self.seq = 0, -1, 0

    def turn(self, core: Core) -> None:
        """Give the turn to a CPU."""
        if self.running is not core:
            self.others = self.retired - core.retired
            self.running = core

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
        return n, self.seq
