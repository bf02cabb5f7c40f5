"""What a lesson is: `lesson.toml` as frozen types, and the folder around it.

Read `course/files.py` before this file, `course/machine_table.py` and `course/catalogue.py` after it.
`docs/lessons.md` is the reference for authors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from arm_hyp import __version__
from arm_hyp.course.files import read_toml, typed
from arm_hyp.errors import UserError

KindName = Literal["predict", "configure", "handler", "guest", "tables", "bug", "quiz"]
MANIFEST: Final = "lesson.toml"
ANSWERS: Final = "answers.toml"
START: Final = "start"
SOLUTION: Final = "solution"
MACHINE: Final = "machine"
"""The folder of a lesson's own guest and what it includes."""
DEFAULT_SEED: Final = 0
DEFAULT_LIMIT: Final = 1_000_000
ALL_REMARKS: Final = "all"
_FOLDER: Final = re.compile(r"[0-9]{2}-[a-z0-9]+(-[a-z0-9]+)*")
_TASK: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SYMBOL: Final = re.compile(r"SEED_[A-Z0-9_]+")


class Task(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One thing to do. `files` are the student's; `machine` is what its runs are on; `limit` is in instructions.

    `choices` are what can be answered, by letter; `why` says of wrong ones, or of other answers, what is wrong.
    `bits` are the fields to configure. `base` is where the table that a student builds by values lies, `level` its
    level in stage 2, by which the terminal says what an entry means. `seed` gives ranges, both ends included, from
    which the values of symbols are drawn for each check. `allows` names what handlers may do beside the usual:
    `VmDevices.put`, `Vm.emit`, `Vcpu.emit`, with which they could write console and trace themselves. `remarks` says
    for which rules of `docs/checks.md` the runs are watched: all, none, or codes.
    """

    name: str
    kind: KindName
    title: str
    points: int
    hints: tuple[str, ...]
    files: tuple[str, ...] = ()
    question: str = ""
    choices: dict[str, str] = {}
    why: dict[str, str] = {}
    bits: tuple[str, ...] = ()
    base: int | None = None
    entries: int = 512
    level: int | None = None
    limit: int = DEFAULT_LIMIT
    machine: dict[str, Any] = {}
    seed: dict[str, tuple[int, int]] = {}
    allows: tuple[str, ...] = ()
    remarks: str = ALL_REMARKS


class Head(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The table [lesson]. `needs` names lessons that come before; `requires` is the oldest program that will do."""

    title: str
    part: str
    goal: str
    references: tuple[str, ...]
    needs: tuple[str, ...] = ()
    version: int = 1
    requires: str = "0.1.0"


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lesson: Head
    task: tuple[Task, ...]
    machine: dict[str, Any] = {}


class Lesson(msgspec.Struct, frozen=True):
    """A lesson: its folder, what `lesson.toml` says, and its name, which is the folder's."""

    folder: Path
    head: Head
    tasks: tuple[Task, ...]
    machine: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the folder: NN-name."""
        return self.folder.name

    @property
    def text(self) -> Path:
        """The file of the text."""
        return self.folder / "text.md"

    @property
    def points(self) -> int:
        """The points of all tasks."""
        return sum(task.points for task in self.tasks)

    def task(self, name: str) -> Task:
        """Return a task. Raises: UserError."""
        found = next((task for task in self.tasks if task.name == name), None)
        if found is None:
            known = ", ".join(task.name for task in self.tasks)
            raise UserError(f"{self.name}: {name}", "there is no such task", f"there are {known}")
        return found


def read_lesson(folder: Path) -> Lesson:
    """Read a lesson's manifest. Raises: UserError, in one line."""
    path = folder / MANIFEST
    plain = read_toml(path, "a lesson begins with this file")
    _check_program(path, plain)
    made = typed(path, plain, _File)
    lesson = Lesson(folder, made.lesson, made.task, made.machine)
    wrong = next(_mistakes(lesson), None)
    if wrong is not None:
        raise UserError(str(path), wrong)
    return lesson


def _check_program(path: Path, plain: dict[str, Any]) -> None:
    """Refuse a lesson for a later program before anything else in it is looked at. Raises: UserError."""
    head = plain.get("lesson")
    requires = head.get("requires", "0") if isinstance(head, dict) else "0"
    if isinstance(requires, str) and _numbers(requires) > _numbers(__version__):
        cause = f"needs arm-hyp {requires}, and this is {__version__}"
        raise UserError(str(path), cause, "install a newer arm-hyp")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _mistakes(lesson: Lesson) -> Any:
    """Give what no lesson may have, in words."""
    names = [task.name for task in lesson.tasks]
    if not lesson.tasks:
        yield "has no [[task]]"
    for name in names:
        if not _TASK.fullmatch(name):
            yield f"{name!r} is no name of a task; use small letters, digits and single hyphens"
        if names.count(name) > 1:
            yield f"two tasks are called {name}"
    for task in lesson.tasks:
        yield from (f"task {task.name}: {wrong}" for wrong in _task_mistakes(task))


def _task_mistakes(task: Task) -> Any:
    if task.points <= 0:
        yield f"points: {task.points} is no number of points; give at least 1"
    if not 1 <= task.limit <= 1 << 40:
        yield "limit: is no number of instructions"
    if task.level not in (None, 1, 2, 3):
        yield f"level: {task.level} is no level of a table; there are 1, 2 and 3"
    for name in task.files:
        if Path(name).name != name or name.startswith(".") or name == ANSWERS:
            yield f"files: {name!r} cannot be a student's file; give a plain name"
    for name, (low, high) in task.seed.items():
        if not _SYMBOL.fullmatch(name) or not 0 <= low <= high < 1 << 32:
            yield f"seed: {name} is no SEED_NAME with a range of numbers of 32 bits"
    yield from _remark_mistakes(task)
    for letter in task.why:
        if task.choices and letter not in task.choices:
            yield f"why: there is no choice {letter!r}"


def _remark_mistakes(task: Task) -> Any:
    if task.remarks == ALL_REMARKS:
        return
    from arm_hyp.explain.checkers.watch import parse_codes  # here: a list of lessons needs no checkers

    try:
        parse_codes(task.remarks)
    except UserError as error:
        yield f"remarks: {task.remarks}: {error.cause}"


def is_lesson_name(name: str) -> bool:
    """Tell whether a folder's name is NN-name."""
    return _FOLDER.fullmatch(name) is not None
