"""A lesson's `checks.py`: functions of its author that judge a task.

    from arm_hyp.course.checks import EC, Judge, check

    @check("skip", points=2, title="each WFI is skipped once")
    def skipped(judge: Judge) -> None:
        run = judge.run()
        run.expect_trap(EC.WFX, "sleep", count=judge.seeds["SEED_ROUNDS"], why="...")

Read `course/judge.py` before this file, `course/checking.py` after it. The file is the author's, and trusted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

from arm_hyp.arch.iss_classes import EC
from arm_hyp.course.files import read_text
from arm_hyp.course.judge import Judge
from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.manifest import Lesson, Task
from arm_hyp.course.verdict import Feedback
from arm_hyp.errors import UserError
from arm_hyp.timeline.position import Position

__all__ = ["EC", "Check", "Feedback", "Judge", "Position", "check", "checks_of", "read_checks"]

CHECKS: Final = "checks.py"
Function = Callable[[Judge], None]


class Check(NamedTuple):
    """One check of a task: `function` returns if it is passed, and else raises CheckFailed."""

    task: str
    name: str
    title: str
    points: int
    function: Function


_registry: list[Check] | None = None


def check(task: str, *, points: int = 1, title: str) -> Callable[[Function], Function]:
    """Make a function a check of a task. `title` says what it expects, in a clause; `points` what it is worth."""

    def register(function: Function) -> Function:
        if _registry is not None:
            _registry.append(Check(task, function.__name__, title, points, function))
        return function

    return register


def read_checks(lesson: Lesson) -> dict[str, list[Check]]:
    """Return the checks of each task, in order; tasks without one are judged by their kind. Raises: UserError."""
    path = lesson.folder / CHECKS
    found = checks_of(lesson, path) if path.exists() else {}
    return {task.name: found.get(task.name) or [_by_kind(task)] for task in lesson.tasks}


def checks_of(lesson: Lesson, path: Path) -> dict[str, list[Check]]:
    """Return the checks in a file, by task. Raises: UserError."""
    found = _run(path)
    names = [task.name for task in lesson.tasks]
    for each in found:
        if each.task not in names:
            raise UserError(f"{path}: {each.name}", f"checks {each.task}, and there is no such task")
        if each.points <= 0:
            raise UserError(f"{path}: {each.name}", f"{each.points} is no number of points")
    return {name: [each for each in found if each.task == name] for name in names}


def _by_kind(task: Task) -> Check:
    return Check(task.name, task.kind, task.title, task.points, KINDS[task.kind].judge)


def _run(path: Path) -> list[Check]:
    """Run a file of checks and return what it registered. Raises: UserError."""
    module = ModuleType(f"arm_hyp_checks_{path.parent.name}")
    module.__file__ = str(path)
    with _registering() as found:
        try:
            exec(compile(read_text(path), str(path), "exec"), module.__dict__)
        except UserError:
            raise
        except Exception as error:
            raise UserError(str(path), f"fails: {type(error).__name__}: {error}") from error
    return found


@contextlib.contextmanager
def _registering() -> Iterator[list[Check]]:
    global _registry
    before, _registry = _registry, []
    try:
        yield _registry
    finally:
        _registry = before
