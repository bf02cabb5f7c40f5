"""What grading says: frozen plain data, the same for the same work, seed and versions.

Read `course/verdict.py` before this file, `course/grading/grade.py` and `course/grading/formats.py` after it.
"""

from __future__ import annotations

import msgspec

from arm_hyp.course.verdict import LessonResult, Status


class SubmissionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one student's work came to. `problem` says why it could not be read; then there are no lessons."""

    name: str
    points: float
    lessons: tuple[LessonResult, ...] = ()
    problem: str = ""

    @property
    def status(self) -> Status:
        """Passed if all lessons did. What could not be read has failed."""
        found = {lesson.status for lesson in self.lessons}
        if self.problem or "failed" in found:
            return "failed"
        return "not graded" if "not graded" in found else "passed"

    @property
    def earned(self) -> float:
        """The points that were earned."""
        return round(sum(lesson.earned for lesson in self.lessons), 2)

    @property
    def is_graded(self) -> bool:
        """Whether every check came to a verdict."""
        statuses = (check.status for lesson in self.lessons for task in lesson.tasks for check in task.checks)
        return "not graded" not in statuses


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What all submissions came to. `versions` are those of the lessons, by name; `hidden` are names of checks."""

    title: str
    library_version: str
    seed: int
    versions: dict[str, int]
    submissions: tuple[SubmissionResult, ...]
    hidden: tuple[str, ...] = ()
