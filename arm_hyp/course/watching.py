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

    A save may come while a check runs.
    """
    saves = Saves(classroom, lesson)
    yield classroom.check(lesson, seed=seed)
    for _ in wakes:
        tasks = saves.tasks()
        if tasks:
            yield classroom.check(lesson, seed=seed, tasks=tasks)
        if all(classroom.has_passed(lesson, task) for task in lesson.tasks):
            return


class Saves:
    """What of a lesson's files was saved since the last look.

    Files are compared by what they hold: editors write twice, by another name, or what was there.
    """

    def __init__(self, classroom: Classroom, lesson: Lesson) -> None:
        self._classroom, self._lesson = classroom, lesson
        self._seen = _contents(classroom, lesson)

    def tasks(self) -> list[str]:
        """Return the tasks whose files have changed since the last call."""
        now = _contents(self._classroom, self._lesson)
        changed = {name for name, text in now.items() if text != self._seen[name]}
        self._seen = now
        return concerned(self._lesson, changed)


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
