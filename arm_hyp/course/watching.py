"""The tasks of a lesson checked at every save.

Read `course/classroom.py` before this file; `arm-hyp lesson watch` and the terminal use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from arm_hyp.course.classroom import Classroom
from arm_hyp.course.files import read_text
from arm_hyp.course.manifest import ANSWERS, Lesson
from arm_hyp.course.verdict import LessonResult
from arm_hyp.errors import UserError


def watch_lesson(classroom: Classroom, lesson: Lesson, wakes: Iterable[object], *, seed: int) -> Iterator[LessonResult]:
    """Check all tasks now, and at each wake those whose files have changed; end when all are passed.

    Files are compared by what they hold: editors write twice, by another name, or what was there, and a save may come
    while a check runs.
    """
    seen = _contents(classroom, lesson)
    yield classroom.check(lesson, seed=seed)
    for _ in wakes:
        now = _contents(classroom, lesson)
        tasks = concerned(lesson, {name for name, text in now.items() if text != seen[name]})
        seen = now
        if tasks:
            yield classroom.check(lesson, seed=seed, tasks=tasks)
        if all(classroom.has_passed(lesson, task) for task in lesson.tasks):
            return


def concerned(lesson: Lesson, files: set[str]) -> list[str]:
    """Return the tasks that look at any of some files."""
    return [task.name for task in lesson.tasks if files & set(task.files or (ANSWERS,))]


def _contents(classroom: Classroom, lesson: Lesson) -> dict[str, str | None]:
    """Return the texts of the files that tasks look at; None for one that cannot be read."""
    folder = classroom.workspace.of(lesson)
    names = {name for task in lesson.tasks for name in task.files or (ANSWERS,)}

    def text(name: str) -> str | None:
        try:
            return read_text(folder / name)
        except UserError:
            return None

    return {name: text(name) for name in names}
