"""What `arm-hyp lesson` prints: standings, a text, a verdict. Plain lines, the same in a pipe as in a terminal.

Read `course/verdict.py` and `course/classroom.py` before this file, `cli/lesson.py` after it.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from arm_hyp.cli.lines import fold, terminal_columns
from arm_hyp.course.classroom import Classroom, Standing
from arm_hyp.course.manifest import Lesson, Task
from arm_hyp.course.text import Step

if TYPE_CHECKING:
    from arm_hyp.course.verdict import Feedback, LessonResult, TaskResult

_BAR: Final = 20
_INDENT: Final = "    "
_MOST_PRINTED: Final = 5
_SHOWN_TEXT: Final = 100
_AS_ABOVE: Final = 'for the same reason as "{}"'
_STATUS: Final = {"passed": "passed", "failed": "FAILED", "not graded": "not graded"}


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, at a terminal folded under their beginnings."""
    for line in folded(lines, terminal_columns()):
        print(line, flush=True)


def folded(lines: Iterable[str], columns: int | None) -> Iterator[str]:
    """Give lines folded under their beginnings."""
    return (fold(line, " " * (len(line) - len(line.lstrip()) + 2), columns) for line in lines)


def print_json(plain: Any) -> None:
    """Print plain data as the other commands do."""
    from arm_hyp.cli import explain_trap  # here: it brings all that explaining a trap needs

    explain_trap.print_json(plain)


def bar(passed: int, of: int) -> str:
    """Return a bar of progress."""
    full = _BAR * passed // of if of else 0
    return f"[{'#' * full}{'.' * (_BAR - full)}] {passed} of {of}"


def standings(found: Sequence[Standing]) -> Iterator[str]:
    """Give a line for each lesson, under the titles of the parts."""
    part = ""
    for one in found:
        if one.part and one.part != part:
            part = one.part
            yield part
        arrow = ">" if one.is_current else " "
        state = one.problem or f"{one.passed} of {one.tasks}{'  passed' if one.is_passed else ''}"
        yield f"{arrow} {one.name:<20} {one.title:<36} {state}".rstrip()
    yield f"  {bar(sum(one.is_passed for one in found), len(found))} lessons"


def begun(lesson: Lesson, folder: Path, made: Sequence[str]) -> Iterator[str]:
    """Say which lesson begins, and where its files are."""
    yield f"{lesson.name}: {lesson.head.title}"
    yield lesson.head.goal
    yield f"your files: {folder}" + (f" (new: {', '.join(made)})" if made else "")
    yield f"next: {_there(folder)}arm-hyp lesson show; arm-hyp lesson watch checks at every save"


def _there(folder: Path) -> str:
    """Say how one gets into a folder, if one is not there: what a text says is to be typed there."""
    is_here = folder.resolve() == Path.cwd().resolve()
    return "" if is_here else f"cd {shlex.quote(min(os.path.relpath(folder), str(folder), key=len))}, then "


def print_text(lesson: Lesson, steps: Sequence[Step]) -> None:
    """Print the text of steps, each with what its task asks."""
    print(f"# {lesson.head.title}\n")
    for step in steps:
        print(step_text(lesson, step, terminal_columns()), end="")


def step_text(lesson: Lesson, step: Step, columns: int | None) -> str:
    """Return a step with what its task asks, drawn for so many columns; without any as it was written."""
    title = f"## {step.title}\n\n" if step.title else ""
    text = f"{step.plain}\n\n" if columns is None else _drawn(step.plain, columns)
    task = "" if not step.task else "".join(f"{line}\n" for line in folded(asked(lesson.task(step.task)), columns))
    return title + text + task + ("\n" if task else "")


def _drawn(text: str, columns: int) -> str:
    from rich.console import Console  # here: a pipe needs neither
    from rich.markdown import Markdown

    console = Console(highlight=False, width=columns, force_terminal=sys.stdout.isatty())
    with console.capture() as captured:
        console.print(Markdown(text), "")
    return captured.get()


def asked(task: Task) -> Iterator[str]:
    """Say what a task asks, and how it is answered."""
    from arm_hyp.course.kinds.table import KINDS  # here: a list of lessons needs none

    kind = KINDS[task.kind]
    yield f"[{task.name}] {task.title} ({task.points} point{'s' * (task.points != 1)})"
    yield from (_INDENT + line for line in kind.asks(task))
    if kind.has_answer and not task.files:
        yield f"{_INDENT}answer: arm-hyp lesson answer {task.name} {_form(task)}"


def _form(task: Task) -> str:
    """Return what an answer looks like."""
    names = {"configure": "FIELD=NUMBER...", "tables": "INDEX=NUMBER..."}
    return "LETTER" if task.choices else names.get(task.kind, "ANSWER")


# --- a verdict --------------------------------------------------------------------------------------------------------


def result(classroom: Classroom, lesson: Lesson, made: LessonResult) -> Iterator[str]:
    """Give a verdict in lines, and what to do next: of the tasks that fail only the first is explained."""
    yield f"{lesson.name}, seed {made.seed}"
    runs = classroom.workspace.runs(lesson)
    explained = next((task for task in made.tasks if task.status != "passed"), None)
    for task in made.tasks:
        yield f"  {_STATUS[task.status]:<7} {task.task}: {task.title}  {task.earned:g}/{task.points:g}"
        yield from _reasons(task, runs) if task is explained else ()
        yield from (_INDENT * 3 + line for line in task.remark_lines)
    passed = sum(classroom.has_passed(lesson, task) for task in lesson.tasks)
    earned, points = classroom.points(lesson)
    yield f"{bar(passed, len(lesson.tasks))} tasks passed, {earned:g} of {points:g} points"
    if explained is not None:
        yield f"stuck? arm-hyp lesson hint {explained.task}"
    elif passed == len(lesson.tasks):
        yield "The lesson is passed. Next: arm-hyp lesson next; how others do it: arm-hyp lesson solution"


def _reasons(task: TaskResult, runs: Path) -> Iterator[str]:
    from arm_hyp.course.verdict import printable  # here: a list of lessons needs no machine

    told = dict[object, int]()
    for number, check in enumerate(task.checks):
        yield f"{_INDENT}{_STATUS[check.status]:<7} {check.title}"
        if check.feedback is not None:
            before = told.setdefault(_cause(check.feedback), number)
            found = (
                _feedback(check.feedback, runs) if before == number else (_AS_ABOVE.format(task.checks[before].title),)
            )
            yield from (_INDENT * 3 + line for line in found)
    for line in task.printed.splitlines()[:_MOST_PRINTED]:
        yield f"{_INDENT}your file printed: {printable(line[:_SHOWN_TEXT])}"


def _feedback(feedback: Feedback, runs: Path) -> Iterator[str]:
    yield from (line for part in feedback.lines() for line in part.splitlines())
    if feedback.recording:
        yield f"look at it: arm-hyp show {os.path.relpath(runs / feedback.recording)} --at {feedback.mark}"


def _cause(feedback: Feedback) -> tuple[object, ...]:
    """Return what makes two failures the same; where the run parts from the solution's is told with the first alone."""
    return feedback.got, feedback.expected, feedback.at, feedback.recording


def plain(made: LessonResult) -> dict[str, Any]:
    """Return a verdict as plain data."""
    totals = {"status": made.status, "earned": made.earned, "points": made.points}
    tasks = [_plain_task(task) for task in made.tasks]
    kept: dict[str, Any] = msgspec.to_builtins(made)
    return kept | totals | {"tasks": tasks}


def _plain_task(task: TaskResult) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(task)
    return kept | {"status": task.status, "earned": task.earned}
