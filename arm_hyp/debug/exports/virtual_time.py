"""When an event happened. Not every event says so, but the one clock of the machine does, while it happens.

Read `machine/clock.py` before this file, `debug/exports/table.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable

from arm_hyp.events import Event
from arm_hyp.runner.runner import Runner

Clock = Callable[[Event], int]
"""`clock(event)`: the virtual time, in ns, of an event that is being told of now."""


def clock_of(runner: Callable[[], Runner]) -> Clock:
    """Return the clock of the machine that runs: to be asked about an event while it is emitted."""
    return lambda event: event.n + runner().machine.clock.idle_ns
