"""What happens by itself and when: the deadlines of all devices on the one virtual clock.

Read `machine/seams.py` before this file and `machine/machine.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arm_hyp.machine.seams import Clock, Deadlines, Device


class Agenda:
    """The deadlines of a machine. `cut_short` is called when one comes before the end of the run that is planned."""

    def __init__(self, clock: Clock, cut_short: Callable[[], None]) -> None:
        self._clock, self._cut_short = clock, cut_short
        self._sources: list[Deadlines] = []
        self._idle_times: list[Callable[[], int | None]] = []
        self._planned_ns: int | None = None
        self._next_ns: int | None = None  # as it was when the sources were asked last

    def add(self, source: Deadlines, idle: Callable[[], int | None] | None = None) -> None:
        """Add a device that has deadlines; `idle` gives them while no CPU runs, if they differ then."""
        self._sources.append(source)
        self._idle_times.append(idle or source.next_deadline_ns)

    def next_ns(self) -> int | None:
        """Return the earliest deadline, in ns of virtual time, or None."""
        times = [at for source in self._sources if (at := source.next_deadline_ns()) is not None]
        self._next_ns = min(times) if times else None
        return self._next_ns

    def next_idle_ns(self) -> int | None:
        """Return the earliest deadline if no CPU runs until then."""
        times = [at for idle in self._idle_times if (at := idle()) is not None]
        return min(times) if times else None

    def plan(self, end_ns: int) -> None:
        """Note how far the CPU is about to run."""
        self._planned_ns = end_ns

    def time_passed(self, duration_ns: int) -> None:
        """Look at the deadlines again: time has passed in which no instruction retired."""
        if self._planned_ns is not None:
            self._planned_ns += duration_ns
            if self._next_ns is not None and self._next_ns < self._planned_ns:  # none has come closer
                self.changed()

    def update(self) -> None:
        """Bring every device up to the present."""
        for source in self._sources:
            source.update()

    def changed(self) -> None:
        """Look at the deadlines again: software may have set one."""
        at = self.next_ns()
        if at is not None and self._planned_ns is not None and at < self._planned_ns:
            self._planned_ns = at
            self._cut_short()


class WithDeadlines:
    """A device on the bus whose registers set deadlines: the agenda is told of every write."""

    def __init__(self, device: Device, agenda: Agenda) -> None:
        self._device, self._agenda = device, agenda
        self.read = device.read
        self.snapshot: Callable[[], dict[str, Any]] = device.snapshot
        self.restore: Callable[[dict[str, Any]], None] = device.restore

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register, and look at the deadlines again."""
        self._device.write(offset, size_bytes, value)
        self._agenda.changed()
