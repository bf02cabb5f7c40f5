"""The loop of the course: what a student can do, and what comes of it. Plain lines and the terminal both stand on this.

Read `course/catalogue.py`, `course/workspace.py` and `course/checking.py` before this file, `course/text.py` beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.course.answers import Value, read_answers, write_answer
from arm_hyp.course.catalogue import Catalogue, open_catalogue
from arm_hyp.course.manifest import DEFAULT_SEED, SOLUTION, Lesson, Task
from arm_hyp.course.workspace import Workspace
from arm_hyp.errors import UserError

if TYPE_CHECKING:  # what runs machines is imported where one runs: listing lessons and giving hints start at once
    from arm_hyp.course.sandbox import Limits
    from arm_hyp.course.verdict import LessonResult
    from arm_hyp.runner.configuration import Configuration

ASKS_FOR_SOLUTION: Final = 2
"""So often is the solution asked for before it is shown, where the lesson is not passed."""


class Standing(NamedTuple):
    """How far a student is in a lesson: tasks passed and in all. `problem` says why it cannot be read."""

    name: str
    title: str
    part: str
    passed: int
    tasks: int
    is_current: bool
    problem: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether every task is."""
        return 0 < self.tasks == self.passed


class Hint(NamedTuple):
    """One hint: the `number`-th of `of`."""

    task: str
    number: int
    of: int
    text: str


@dataclass(frozen=True, slots=True)
class Classroom:
    """A course and a student's folder."""

    course: Catalogue
    workspace: Workspace

    # --- where one is -------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Lesson:
        """The lesson that is worked on: where the student was, else the first that is not passed. Raises: UserError."""
        name = self.workspace.progress.current
        if name in self.course.names:
            return self.course.lesson(name)
        return self.course.lesson(
            next((each for each in self.course.names if not self._is_passed(each)), self.course.names[0])
        )

    def at(self, place: Path) -> Lesson:
        """Return the lesson in whose folder somebody stands, else the current one. Raises: UserError."""
        folder = self.workspace.folder.resolve()
        inside = place.resolve().relative_to(folder).parts if place.resolve().is_relative_to(folder) else ()
        return self.course.lesson(inside[0]) if inside and inside[0] in self.course.names else self.current

    def lesson(self, name: str | None) -> Lesson:
        """Return a lesson, the current one without a name. Raises: UserError."""
        return self.current if name is None else self.course.lesson(name)

    def standings(self) -> tuple[Standing, ...]:
        """Return how far the student is in every lesson, also those that cannot be read."""
        return tuple(map(self._standing, self.course.names))

    def _standing(self, name: str) -> Standing:
        is_current = name == self.workspace.progress.current
        try:
            lesson = self.course.lesson(name)
        except UserError as error:
            return Standing(name, "", "", 0, 0, is_current, str(error))
        passed = sum(self.has_passed(lesson, task) for task in lesson.tasks)
        return Standing(name, lesson.head.title, lesson.head.part, passed, len(lesson.tasks), is_current)

    def has_passed(self, lesson: Lesson, task: Task) -> bool:
        """Tell whether a task was passed."""
        return task.name in self.workspace.progress.passed.get(lesson.name, ())

    def _is_passed(self, name: str) -> bool:
        return self._standing(name).is_passed

    def step(self, lesson: Lesson) -> int:
        """Return the index of the step of its text at which the student was last."""
        return self.workspace.progress.step.get(lesson.name, 0)

    def remember_step(self, lesson: Lesson, index: int) -> None:
        """Remember at which step of its text the student is. Raises: OSError."""
        with self.workspace.changing() as progress:
            progress.step[lesson.name] = index

    # --- what one can do ----------------------------------------------------------------------------------------------

    def begin(self, lesson: Lesson) -> list[str]:
        """Work on a lesson: copy what it starts with, and remember it. Returns what was copied. Raises: OSError."""
        made = [*self.workspace.begin(lesson), *self._record_bugs(lesson)]
        with self.workspace.changing() as progress:
            progress.current = lesson.name
        return made

    def _record_bugs(self, lesson: Lesson) -> list[str]:
        """Record the runs in which a mistake is to be found, as TASK.hyp, where they are not there yet."""
        folder, made = self.workspace.of(lesson), []
        for task in (task for task in lesson.tasks if task.kind == "bug"):
            from arm_hyp.course.divergence import save_run
            from arm_hyp.course.judge import Judge

            path = folder / f"{task.name}.hyp"
            if not path.exists():
                with Judge(lesson, task, lesson.folder / SOLUTION, DEFAULT_SEED, is_trusted=True) as judge:
                    save_run(judge, judge.run(), path)
                made.append(path.name)
        return made

    def machine(self, lesson: Lesson, task: Task) -> Configuration:
        """Return the machine of a task with the student's files and answer, to be looked at. Raises: UserError."""
        from arm_hyp.course.configured import configured, is_answered_by_value

        answer = self.answers(lesson).get(task.name) if is_answered_by_value(task) else None
        return configured(lesson, task, self.workspace.of(lesson), answer)

    def check(
        self, lesson: Lesson, *, seed: int = DEFAULT_SEED, tasks: Sequence[str] | None = None,
        limits: Limits | None = None,
    ) -> LessonResult:  # fmt: skip
        """Check the student's work, and remember what passed. Raises: UserError."""
        from arm_hyp.course.checking import check_lesson

        folder = self.workspace.of(lesson)
        if not folder.is_dir():
            raise UserError(str(folder), "is not there", f"begin the lesson: arm-hyp lesson start {lesson.name}")
        for name in tasks or ():
            lesson.task(name)
        result = check_lesson(
            lesson, folder, seed=seed, tasks=tasks, points=self.course.points(lesson),
            recordings=self.workspace.runs(lesson), limits=limits,
        )  # fmt: skip
        self._remember(lesson, result)
        return result

    def _remember(self, lesson: Lesson, result: LessonResult) -> None:
        now = {task.task: task.status == "passed" for task in result.tasks if task.status != "not graded"}
        with self.workspace.changing() as progress:
            known = progress.passed.get(lesson.name, [])
            passed = [task.name for task in lesson.tasks if now.get(task.name, task.name in known)]
            progress.passed[lesson.name] = passed
            progress.earned |= {f"{lesson.name}/{task.task}": task.earned for task in result.tasks if task.task in now}

    def points(self, lesson: Lesson) -> tuple[float, float]:
        """Return what was earned of a lesson, by the last check of each task, and what it is worth."""
        worth, earned = self.course.points(lesson), self.workspace.progress.earned
        found = (
            earned.get(_key(lesson, task), worth[task.name] * self.has_passed(lesson, task)) for task in lesson.tasks
        )
        return round(sum(found), 2), round(sum(worth.values()), 2)

    def answer(self, lesson: Lesson, task: Task, words: Sequence[str]) -> Value:
        """Write an answer down and return it. Raises: UserError."""
        from arm_hyp.course.kinds.table import KINDS

        value = KINDS[task.kind].read(task, words)
        self.workspace.begin(lesson)
        write_answer(self.workspace.of(lesson), task.name, value)
        return value

    def answers(self, lesson: Lesson) -> dict[str, Value]:
        """Return what was answered in a lesson. Raises: UserError."""
        return read_answers(self.workspace.of(lesson))

    def hint(self, lesson: Lesson, task: Task) -> Hint:
        """Return the next hint for a task; behind the last one the last one again."""
        key = _key(lesson, task)
        with self.workspace.changing() as progress:
            number = min(progress.hints.get(key, 0) + 1, len(task.hints))
            progress.hints[key] = number
        return Hint(task.name, number, len(task.hints), task.hints[number - 1])

    def next_task(self, lesson: Lesson) -> Task:
        """Return the first task that is not passed; the last one if all are."""
        return next((task for task in lesson.tasks if not self.has_passed(lesson, task)), lesson.tasks[-1])

    def next_lesson(self, lesson: Lesson) -> Lesson | None:
        """Return the lesson behind one; None behind the last. Raises: UserError."""
        at = self.course.names.index(lesson.name) + 1
        return self.course.lesson(self.course.names[at]) if at < len(self.course.names) else None

    def reset(self, lesson: Lesson) -> list[Path]:
        """Put back what a lesson starts with; return what was kept beside it. Raises: OSError."""
        kept = self.workspace.reset(lesson)
        with self.workspace.changing() as progress:
            progress.passed.pop(lesson.name, None)
            progress.earned = {
                key: each for key, each in progress.earned.items() if not key.startswith(f"{lesson.name}/")
            }
        return kept

    def solution(self, lesson: Lesson) -> dict[str, str]:
        """Return the solution: texts by name of the file. Raises: UserError the first time, if it is not passed."""
        with self.workspace.changing() as progress:
            asked = progress.asked.get(lesson.name, 0) + 1
            progress.asked[lesson.name] = asked
        if not self._is_passed(lesson.name) and asked < ASKS_FOR_SOLUTION:
            way_out = "arm-hyp lesson hint helps; ask once more to see it all the same"
            raise UserError(f"the solution of {lesson.name}", "is for those who have passed, or ask twice", way_out)
        folder = lesson.folder / SOLUTION
        return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def _key(lesson: Lesson, task: Task) -> str:
    return f"{lesson.name}/{task.name}"


def open_classroom(start: Path, lessons: str | None = None) -> Classroom:
    """Return the classroom of the folder that one is in. Raises: UserError."""
    workspace = Workspace.find(start)
    return Classroom(open_catalogue(lessons or workspace.progress.lessons), workspace)
