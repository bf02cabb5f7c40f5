"""How a view is made: panels say what they want, all of it is read at once, and what that leads to after it.

Read `tui/view.py`, `tui/panels/panel.py` and `tui/link.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from arm_hyp.timeline.process.answers import Answer, DescriptionAnswer, SeveralAnswer, StatusAnswer
from arm_hyp.timeline.process.messages import (
    CPU0,
    Description,
    Gic,
    Memory,
    Message,
    OneReading,
    Registers,
    Several,
    Status,
    Whose,
)
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import Subject, View, trap_of

Ask = Callable[[Message], Awaitable[Answer]]
MOST_ROUNDS: Final = 4
"""What to read may depend on what was read: registers, then memory there, then where it points."""
_COMPARED: Final = (Registers, Memory, Gic)
"""What panels compare with the last view."""


class NotAnswered(Exception):
    """The machine did not answer as it should: it was ended, or is closed. `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


async def read_subject(ask: Ask, *, is_recording: bool = False) -> Subject:
    """Read what does not change in a run. Raises: NotAnswered."""
    found = await ask(Description())
    if not isinstance(found, DescriptionAnswer):
        raise NotAnswered(found)
    return Subject.of(found, is_recording=is_recording)


async def gather(
    ask: Ask,
    subject: Subject,
    panels: Iterable[Panel],
    *,
    whose: Whose | None = None,
    last: View | None = None,
    is_running: bool = False,
) -> View:
    """Read all that some panels want, at the cursor. `last` is what the user has seen before. Raises: NotAnswered."""
    first = await _several(ask, [Status()])
    status = first[Status()]
    if not isinstance(status, StatusAnswer):
        raise NotAnswered(status)
    looked_at = whose or (last.whose if last is not None else CPU0)
    seen = subject.seen_by(_vm_of(looked_at, status))
    view = View(seen, status, looked_at, first, _state_of(last, status), is_running)
    chosen = list(panels)
    for _ in range(MOST_ROUNDS):
        wanted = [trap_of(view), *(message for panel in chosen for message in panel.wants(view))]
        missing = [message for message in dict.fromkeys(wanted) if message not in view.answers]
        if not missing:
            break
        view = replace(view, answers={**view.answers, **await _several(ask, missing)})
    return view


def _vm_of(whose: Whose, status: StatusAnswer) -> int | None:
    """Return the VM that is looked at: on a physical CPU the one whose vCPU is loaded there."""
    if whose.vm is not None:
        return whose.vm
    return next((cpu.vm for cpu in status.cpus if cpu.index == whose.index), None)


async def _several(ask: Ask, wanted: list[OneReading]) -> Mapping[Message, Answer]:
    found = await ask(Several(tuple(wanted)))
    if not isinstance(found, SeveralAnswer):
        raise NotAnswered(found)
    return dict(zip(wanted, found.answers, strict=True))


def _state_of(last: View | None, status: StatusAnswer) -> Mapping[Message, Answer]:
    """Return the state in the last view, to show what changed; where nothing moved, what it was compared with."""
    if last is None:
        return {}
    if last.status.position == status.position and last.status.branch == status.branch:
        return last.before
    return {message: answer for message, answer in last.answers.items() if isinstance(message, _COMPARED)}
