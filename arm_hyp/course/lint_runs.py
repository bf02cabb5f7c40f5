"""What is wrong with a lesson that only its runs show: every start fails, every solution passes, every mutant is told.

Read `course/checking.py` before this file; `course/lint.py` calls it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from arm_hyp.course.checking import check_lesson
from arm_hyp.course.configured import has_machine
from arm_hyp.course.files import read_text
from arm_hyp.course.judge import Judge
from arm_hyp.course.judged_run import CheckFailed, NotGraded
from arm_hyp.course.manifest import SOLUTION, START, Lesson
from arm_hyp.course.text import Step
from arm_hyp.course.verdict import LessonResult, TaskResult
from arm_hyp.errors import UserError
from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.position import Position, parse_position
from arm_hyp.timeline.search import Search

LEAST_MUTANTS: Final = 3
WRONG: Final = "wrong"
FEEDBACK: Final = "feedback.txt"


def run_problems(lesson: Lesson, steps: Iterable[Step], seeds: Sequence[int]) -> Iterator[str]:
    """Give what is wrong with how a lesson's start, solution and mutants are judged, and with places in its text."""
    result = _checked(lesson, seeds[0], START)
    for task in result.tasks:
        if task.earned:
            yield f"start: earns {task.earned:g} of {task.points:g} points of {task.task}"
    for seed in seeds:
        for task in _checked(lesson, seed, SOLUTION).tasks:
            if task.status != "passed":
                yield f"solution: {task.task} {task.status} with seed {seed}: {_told(task)}"
            for each in task.remarks:
                yield f"solution: {task.task} breaks {each.code} with seed {seed}, at {each.place}: {each.text}"
    mutants = sorted(path for path in (lesson.folder / WRONG).glob("*") if path.is_dir())
    if len(mutants) < LEAST_MUTANTS:
        yield f"{WRONG}/: has {len(mutants)} mutants; {LEAST_MUTANTS} are needed"
    for mutant in mutants:
        yield from (f"{WRONG}/{mutant.name}: {problem}" for problem in _mutant(lesson, mutant, seeds[0]))
    for step in steps:
        yield from _place(lesson, step, seeds[0])


def _checked(lesson: Lesson, seed: int, *folders: str) -> LessonResult:
    """Check what lies in folders of the lesson, each over the ones before."""
    with tempfile.TemporaryDirectory(prefix="arm-hyp-lint-") as name:
        for folder in folders:
            if (lesson.folder / folder).is_dir():
                shutil.copytree(lesson.folder / folder, name, dirs_exist_ok=True)
        return check_lesson(lesson, Path(name), seed=seed)


def _mutant(lesson: Lesson, mutant: Path, seed: int) -> Iterator[str]:
    """A mutant is the solution with some files replaced. Each line of its feedback.txt must be told."""
    wanted = [" ".join(line.split()) for line in read_text(mutant / FEEDBACK).splitlines() if line.strip()]
    if not wanted:
        yield f"{FEEDBACK} is empty; say what a student is told"
    result = _checked(lesson, seed, SOLUTION, f"{WRONG}/{mutant.name}")
    if result.status == "passed":
        yield "passes"
        return
    told = " ".join(_told(task) for task in result.tasks)
    yield from (f"is not told {line!r}; it is told: {told}" for line in wanted if line not in told)


def _told(task: TaskResult) -> str:
    """Return all that is told of a task's failed checks, and its remarks, as one line."""
    lines = [line for check in task.checks if check.feedback for line in check.feedback.lines()]
    return " ".join(" ".join((*lines, *task.remark_lines)).split())


def _place(lesson: Lesson, step: Step, seed: int) -> Iterator[str]:
    """Look whether the place that a step points to comes in the solution's run."""
    name = step.task or step.run
    if step.go in ("", "start", "end") or name not in [task.name for task in lesson.tasks]:
        return
    if not has_machine(lesson, lesson.task(name)):
        yield f"text.md: {step.title}: @go {step.go}: {name} has no machine"
        return
    with Judge(lesson, lesson.task(name), lesson.folder / SOLUTION, seed, is_trusted=True) as judge:
        if not _is_reached(judge, step.go):
            yield f"text.md: {step.title}: @go {step.go}: the solution's run does not get there"


def _is_reached(judge: Judge, place: str) -> bool:
    try:
        timeline = judge.run().timeline
    except (CheckFailed, NotGraded):
        return False
    try:
        return timeline.frontier >= parse_position(place)
    except UserError:
        timeline.seek(Position(0))
        return Search(timeline).forward_to([parse_condition(place)], timeline.frontier.n) is not None
