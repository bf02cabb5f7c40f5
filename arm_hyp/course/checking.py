"""A student's folder checked: every task by its checks, and for what fails the place where the run went astray.

Read `course/checks.py` before this file, `course/divergence.py` beside it, `course/classroom.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from arm_hyp import __version__
from arm_hyp.course.checks import Check, checks_of, read_checks
from arm_hyp.course.divergence import located
from arm_hyp.course.judge import Judge
from arm_hyp.course.judged_run import CheckFailed, NotGraded
from arm_hyp.course.manifest import DEFAULT_SEED, Lesson, Task
from arm_hyp.course.sandbox import Limits
from arm_hyp.course.verdict import CheckResult, Feedback, LessonResult, TaskResult
from arm_hyp.errors import UserError


def check_lesson(
    lesson: Lesson,
    submission: Path,
    *,
    seed: int = DEFAULT_SEED,
    tasks: Sequence[str] | None = None,
    points: Mapping[str, float] | None = None,
    recordings: Path | None = None,
    limits: Limits | None = None,
    extra: Path | None = None,
) -> LessonResult:
    """Check the tasks of a lesson in a student's folder. Raises: UserError, where the lesson itself is broken.

    `points` is what tasks are worth where it is not what the lesson says. `recordings` is a folder for the runs that
    fail; without one, where they part from the solution is not looked for. `extra` is a file of further checks.
    """
    checks = read_checks(lesson)
    if extra is not None:
        more = checks_of(lesson, extra)
        checks = {task: [*own, *more[task]] for task, own in checks.items()}
    asked = [task for task in lesson.tasks if tasks is None or task.name in tasks]
    found = tuple(
        _check_task(lesson, task, checks[task.name], submission, seed, recordings, limits, points or {})
        for task in asked
    )
    return LessonResult(
        lesson=lesson.name, lesson_version=lesson.head.version, library_version=__version__, seed=seed, tasks=found
    )


def _check_task(
    lesson: Lesson,
    task: Task,
    checks: Iterable[Check],
    submission: Path,
    seed: int,
    recordings: Path | None,
    limits: Limits | None,
    points: Mapping[str, float],
) -> TaskResult:
    with Judge(lesson, task, submission, seed, limits=limits) as judge:
        results = tuple(_check(judge, each, recordings) for each in checks)
        return TaskResult(
            task=task.name,
            title=task.title,
            points=points.get(task.name, task.points),
            checks=results,
            remarks=judge.remarks(),
            printed=judge.printed,
            confinement=judge.confinement,
        )


def _check(judge: Judge, check: Check, recordings: Path | None) -> CheckResult:
    made = CheckResult(name=check.name, title=check.title, points=check.points, status="passed")
    try:
        check.function(judge)
    except CheckFailed as failed:
        feedback = failed.feedback if recordings is None else located(judge, failed, recordings)
        return replace(made, status="failed", feedback=feedback)
    except NotGraded as error:
        return replace(made, status="not graded", feedback=Feedback(got=str(error), expected="a run in time"))
    except UserError:
        raise
    except Exception as error:
        where = f"{judge.lesson.name}/checks.py: {check.name}"
        raise UserError(where, f"fails itself: {type(error).__name__}: {error}", "tell the lesson's author") from error
    return made
