"""What a check says: frozen plain data, for lines, the terminal and grading.

Read `course/manifest.py` before this file, `course/judge.py` after it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from arm_hyp.timeline.position import Position

Status = Literal["passed", "failed", "not graded"]


def printable(text: str) -> str:
    """Return a text that a student may have had a hand in, without control characters but the ends of lines."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong: where in the run and at which instruction, what happened, what should have, and why.

    `divergence` says where the run first differs from that of the solution, in lines. `recording` is the file, beside
    the student's, that holds the run; `mark` names that place there.
    """

    got: str
    expected: str
    why: str = ""
    at: Position | None = None
    place: str = ""
    divergence: tuple[str, ...] = ()
    recording: str = ""
    mark: str = ""

    def lines(self) -> tuple[str, ...]:
        """Return all of it in lines, with letters only that every terminal and format can take."""
        at = "" if self.at is None else f"at {self.at}"
        found = (
            ("where", "  ".join(filter(None, (at, self.place)))),
            ("happened", self.got),
            ("expected", self.expected),
            ("why", self.why),
        )
        told = [f"{name + ':':<10}{_indented(text)}" for name, text in found if text]
        return tuple(map(printable, (*told, *self.divergence)))


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 10)


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of `docs/checks.md` that a run breaks: by which instruction, and in a sentence how. It costs no points."""

    code: str
    text: str
    at: Position
    place: str

    def lines(self) -> tuple[str, ...]:
        """Return all of it in lines, as those of a feedback."""
        told = f"{self.code} at {self.place}\n{self.text}\nmore: arm-hyp explain {self.code}"
        return (f"{'remark:':<10}{_indented(told)}",)


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check said. `points` is what it is worth."""

    name: str
    title: str
    points: int
    status: Status
    feedback: Feedback | None = None


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """What all checks of a task said. `points` is what the task is worth, `earned` what was earned of it.

    `remarks` are rules that the student's runs break, whatever the checks say. `printed` is what file and handlers
    wrote; `confinement` says in sentences how their code was held.
    """

    task: str
    title: str
    points: float
    checks: tuple[CheckResult, ...]
    remarks: tuple[Remark, ...] = ()
    printed: str = ""
    confinement: tuple[str, ...] = ()

    @property
    def remark_lines(self) -> tuple[str, ...]:
        """All remarks in lines."""
        return tuple(line for remark in self.remarks for part in remark.lines() for line in part.splitlines())

    @property
    def status(self) -> Status:
        """Passed if all checks did; failed if one failed."""
        found = {check.status for check in self.checks}
        return "failed" if "failed" in found else "not graded" if "not graded" in found else "passed"

    @property
    def earned(self) -> float:
        """The points of the checks that passed, scaled to what the task is worth."""
        passed = sum(check.points for check in self.checks if check.status == "passed")
        return round(self.points * passed / sum(check.points for check in self.checks), 2)


class LessonResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a lesson said, and with which versions and seed."""

    lesson: str
    lesson_version: int
    library_version: str
    seed: int
    tasks: tuple[TaskResult, ...]

    @property
    def status(self) -> Status:
        """Passed if all tasks did."""
        found = {task.status for task in self.tasks}
        return "failed" if "failed" in found else "not graded" if "not graded" in found else "passed"

    @property
    def points(self) -> float:
        """What all tasks are worth."""
        return sum(task.points for task in self.tasks)

    @property
    def earned(self) -> float:
        """What was earned."""
        return round(sum(task.earned for task in self.tasks), 2)
