"""How fast a run is shown: so many steps or traps a second, or as fast as it goes.

Read nothing before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Speed(NamedTuple):
    """One speed: what a beat does (`step`, `trap`, or `run` for a slice of the run), and how long it lasts."""

    name: str
    beat: str
    seconds: float


SPEEDS: Final = (
    Speed("2 steps/s", "step", 0.5),
    Speed("10 steps/s", "step", 0.1),
    Speed("1 trap/s", "trap", 1.0),
    Speed("4 traps/s", "trap", 0.25),
    Speed("full", "run", 0.15),
)
CALM: Final = 3
FULL: Final = 4
