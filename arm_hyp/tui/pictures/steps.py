"""A run as a row of pictures: one at its start, at each exception or instruction, and at its end.

Read `tui/picture.py` before this file; `pictures/cast.py` and `pictures/page.py`, which write them, after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.errors import UserError
from arm_hyp.timeline.position import START, Position
from arm_hyp.tui.picture import Painter
from arm_hyp.tui.places import end_of
from arm_hyp.tui.sentences import title

KINDS: Final = ("exceptions", "instructions")
MOST_STEPS: Final = 2000
"""More would make a page that browsers are slow with, and nobody looks at."""


class Picture(NamedTuple):
    """One step: where it is, what happened there in a line, and the screen."""

    position: Position
    label: str
    lines: list[Text]


@dataclass
class Steps:
    """Which steps of a run: from a position on, up to another; `is_cut` tells if there are more than `most`.

    A step is an exception, or a single instruction or event.
    """

    is_single: bool = False
    start: Position = START
    end: Position | None = None
    most: int = MOST_STEPS
    is_cut: bool = False


async def pictures(painter: Painter, steps: Steps, tell: Callable[[float], None]) -> AsyncIterator[Picture]:
    """Give the pictures of an opened recording. `tell` hears which share of the run is done. Raises: UserError."""
    driver = painter.driver
    last = end_of(driver.now)
    end = last if steps.end is None else min(steps.end, last)
    if steps.start > last:
        raise UserError(f"--from {steps.start}", f"the run ends at {last}", "begin earlier")
    if steps.start > end:
        raise UserError(f"--until {steps.end}", "nothing lies before it that is asked for", "end later")
    await driver.go(last)  # then each picture shows what is to come, too
    await driver.go(steps.start)
    await painter.forget()
    move = driver.step if steps.is_single else driver.next_trap
    for _ in range(steps.most - 1):
        here = driver.now.position
        yield _picture(painter)
        tell(here.n / max(end.n, 1))
        if here >= end:
            return
        await move()
        if driver.now.position > end or driver.now.position == here:
            await driver.go(end)
    steps.is_cut = driver.now.position < end
    yield _picture(painter)


def _picture(painter: Painter) -> Picture:
    """Paint what is seen; in place of the keys, which would do nothing in a picture, it says what it shows."""
    view = painter.driver.now
    label = title(view)
    return Picture(view.position, label, painter.lines(label))
