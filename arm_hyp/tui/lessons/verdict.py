"""A verdict as lines of text: what passed, and for what did not where, what happened, what should have, and why.

Read `course/verdict.py` before this file, `tui/lessons/screens.py` after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from arm_hyp.course.verdict import Feedback, LessonResult, TaskResult
from arm_hyp.tui.lessons.markdown import inline
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.text import flowed

_ROLES: Final = {"passed": "good", "failed": "bad", "not graded": "changed"}
_NAMES: Final = ("yours:", "expected:", "happened:", "where:", "why:", "remark:")
_LINE_ROLES: Final = {"yours:": "bad", "happened:": "bad", "remark:": "changed", "expected:": "good", "why:": "strong"}
_COMMAND: Final = re.compile(r"(?<!`)\barm-hyp [^`;]+$")
"""A command at the end of a line of feedback: on the screen a key stands in its place."""
_NOTHING_NEW: Final = ("another answer", "another number")
"""What is expected where an answer is wrong: that it was wrong is said already."""
_NAME_CELLS: Final = 10
_MOST_PRINTED: Final = 3


def first_failed(result: LessonResult) -> TaskResult | None:
    """Return the first task that is not passed."""
    return next((task for task in result.tasks if task.status != "passed"), None)


def failed_run(result: LessonResult) -> Feedback | None:
    """Return the first feedback that has a recording."""
    told = (check.feedback for task in result.tasks for check in task.checks)
    return next((feedback for feedback in told if feedback is not None and feedback.recording), None)


def verdict_title(result: LessonResult, *, is_last: bool) -> str:
    """Say in a few words what came of it; `is_last`: no task of the lesson is open now."""
    if result.status == "passed" and is_last:
        return "passed, and the whole lesson with it"
    return {"passed": "passed", "failed": "not yet", "not graded": "not graded"}[result.status]


def verdict_lines(result: LessonResult, width: int, look: Look) -> list[Text]:
    """Return a verdict in lines of at most `width` cells: of the tasks that fail, only the first is explained."""
    made: list[Text] = []
    explained = first_failed(result)
    for task in result.tasks:
        made.append(_head(task, look))
        if task is explained or len(result.tasks) == 1:
            made += _checks(task, width, look)
        made += _lines(task.remark_lines, width, look)
    return made


def _mark(status: str, look: Look) -> tuple[str, object]:
    glyph = look.glyphs.fine if status == "passed" else look.glyphs.fault if status == "failed" else look.glyphs.ring
    return f"{glyph} {status}  ", look.style(_ROLES[status])


def _head(task: TaskResult, look: Look) -> Text:
    points = f"  {task.earned:g} of {task.points:g} point{'s' * (task.points != 1)}"
    return Text.assemble(_mark(task.status, look), (task.title, look.style("strong")), (points, look.style("dim")))  # type: ignore[arg-type]


def _checks(task: TaskResult, width: int, look: Look) -> Iterator[Text]:
    told: Feedback | None = None
    for check in task.checks:
        if len(task.checks) > 1 or (check.status != "passed" and check.title != task.title):
            head = Text.assemble("  ", _mark(check.status, look), (visible(check.title), look.style("text")))  # type: ignore[arg-type]
            yield from flowed(head, width, 4)
        if check.feedback is not None and check.feedback != told:
            yield from _lines(check.feedback.lines(), width, look)
            told = check.feedback
    for line in task.printed.splitlines()[:_MOST_PRINTED]:
        yield from flowed(Text(f"  your file printed: {visible(line)}", look.style("dim")), width, 4)


def _lines(parts: Sequence[str], width: int, look: Look) -> Iterator[Text]:
    """Give feedback or remarks, with space around them where there are any."""
    told = [text for part in parts for line in part.splitlines() for text in _told(line, width, look)]
    yield from (Text(), *told, Text()) if told else ()


def _told(line: str, width: int, look: Look) -> Iterator[Text]:
    """Give one line of feedback: its name in a column, and what goes on below it."""
    words = _COMMAND.sub(r"`\g<0>`", line.strip())
    if words.removeprefix("expected:").strip() in _NOTHING_NEW:
        return
    name = next((name for name in _NAMES if words.startswith(name)), "")
    is_below = line.startswith(" " * _NAME_CELLS)
    if not name and not is_below:
        yield from flowed(Text("  ") + inline(visible(words), look, "dim"), width, 4)
        return
    role = _LINE_ROLES.get(name, "text")
    lead = Text(f"  {name:<{_NAME_CELLS}}", look.style("dim"))
    yield from flowed(lead + inline(visible(words.removeprefix(name).strip()), look, role), width, _NAME_CELLS + 2)
