"""Where a step of a lesson points to, in the run that is looked at.

Read `tui/driver.py` and `course/text.py` before this file, `tui/lessons/app.py` after it.
"""

from __future__ import annotations

from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.position import START, parse_position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Found
from arm_hyp.tui.driver import Driver


async def go_to(driver: Driver, place: str, limit: int) -> None:
    """Go to a position, `start`, `end`, or where a condition holds first; to the start where it never does."""
    if place in ("", "start"):
        await driver.go(START)
    elif place == "end":
        await driver.end()
    elif place[0].isdigit():
        await driver.go(parse_position(place))
    else:
        parse_condition(place)
        await driver.go(START)
        found = await driver.ask(ask.Find((), (place,), is_back=False, limit=limit))
        if isinstance(found, Found) and found.words is None:
            await driver.go(START)
