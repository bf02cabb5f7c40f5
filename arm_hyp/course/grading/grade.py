"""One submission graded: every lesson that counts, by its own checks and the teacher's hidden ones.

Read `course/checking.py`, `course/grading/results.py` and `course/grading/submissions.py` before this file,
`course/grading/worker.py` after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from arm_hyp import __version__
from arm_hyp.course.catalogue import Catalogue, open_catalogue
from arm_hyp.course.checking import check_lesson
from arm_hyp.course.checks import CHECKS, checks_of
from arm_hyp.course.grading.results import SubmissionResult
from arm_hyp.course.grading.submissions import opened
from arm_hyp.course.manifest import ANSWERS, Lesson
from arm_hyp.course.sandbox import Limits
from arm_hyp.course.verdict import CheckResult, Feedback, LessonResult, TaskResult
from arm_hyp.errors import UserError

DEFAULT_SEED: Final = 1
"""Not the one that students check with."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What grading is a function of, beside the submissions. `lessons` counts (empty: the whole course).

    `course` is the folder of the lessons (empty: the program's own), `hidden` one with `NAME/checks.py` for some of
    them, `recordings` one for the runs that fail.
    """

    lessons: tuple[str, ...] = ()
    course: str = ""
    hidden: str = ""
    recordings: str = ""
    seed: int = DEFAULT_SEED
    limits: Limits = Limits()


class Grader:
    """Grades submissions, one at a time."""

    def __init__(self, settings: Settings) -> None:
        """Read the course. Raises: UserError if it, or a lesson that counts, is broken."""
        self.settings = settings
        self.catalogue: Catalogue = open_catalogue(settings.course)
        names = settings.lessons or self.catalogue.names
        self.lessons: tuple[Lesson, ...] = tuple(map(self.catalogue.lesson, names))
        self.hidden = {lesson.name: path for lesson in self.lessons if (path := self._hidden(lesson)) is not None}
        self.points = round(sum(sum(self.catalogue.points(lesson).values()) for lesson in self.lessons), 2)

    def _hidden(self, lesson: Lesson) -> Path | None:
        path = Path(self.settings.hidden) / lesson.name / CHECKS
        return path if self.settings.hidden and path.is_file() else None

    def hidden_checks(self) -> tuple[str, ...]:
        """Return the names of the hidden checks as LESSON/TASK/CHECK. Raises: UserError if their file is broken."""
        return tuple(
            f"{lesson.name}/{task}/{check.name}"
            for lesson in self.lessons
            if lesson.name in self.hidden
            for task, checks in checks_of(lesson, self.hidden[lesson.name]).items()
            for check in checks
        )

    def grade(self, name: str, path: Path) -> SubmissionResult:
        """Grade one submission. Raises nothing that it can cause."""
        try:
            with opened(path) as folder:
                found = tuple(self._lesson(lesson, self._folder(folder, lesson), name) for lesson in self.lessons)
                return SubmissionResult(name=name, points=self.points, lessons=found)
        except UserError as error:
            cause = str(UserError(Path(error.thing).name, error.cause, error.way_out))
            return SubmissionResult(name=name, points=self.points, problem=cause)

    def _folder(self, folder: Path, lesson: Lesson) -> Path:
        """Return where a lesson's files are: in a folder of its name, or right here if they lie here.

        Raises: UserError for a link, which could lead to a solution.
        """
        inside = folder / lesson.name
        if not inside.resolve().is_relative_to(folder.resolve()):
            raise UserError(str(inside), "leads out of its folder", "hand in the files themselves")
        if inside.is_dir() or len(self.lessons) > 1:
            return inside
        own = {ANSWERS, *(name for task in lesson.tasks for name in task.files)}
        return folder if any((folder / name).exists() for name in own) or folder.name == lesson.name else inside

    def _lesson(self, lesson: Lesson, folder: Path, name: str) -> LessonResult:
        recordings = self.settings.recordings
        try:
            return check_lesson(
                lesson,
                folder,
                seed=self.settings.seed,
                points=self.catalogue.points(lesson),
                recordings=Path(recordings, _as_folder(name), lesson.name) if recordings else None,
                limits=self.settings.limits,
                extra=self.hidden.get(lesson.name),
            )
        except UserError as error:
            return self.ungraded(lesson, str(error))

    def ungraded(self, lesson: Lesson, why: str) -> LessonResult:
        """Return the result of a lesson that nobody could judge."""
        points = self.catalogue.points(lesson)
        told = Feedback(got=why, expected="a verdict")
        tasks = tuple(
            TaskResult(
                task=task.name,
                title=task.title,
                points=points[task.name],
                checks=(CheckResult(name=task.name, title=task.title, points=1, status="not graded", feedback=told),),
            )
            for task in lesson.tasks
        )
        return LessonResult(
            lesson=lesson.name,
            lesson_version=lesson.head.version,
            library_version=__version__,
            seed=self.settings.seed,
            tasks=tasks,
        )

    def nobody(self, name: str, why: str) -> SubmissionResult:
        """Return the result of a submission that nobody could judge."""
        lessons = tuple(self.ungraded(lesson, why) for lesson in self.lessons)
        return SubmissionResult(name=name, points=self.points, lessons=lessons)


def _as_folder(name: str) -> str:
    """Return a name of a submission, which may be a path, as the name of one folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name).strip(".") or "_"
