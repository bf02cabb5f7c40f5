"""One lesson that is worked on: where in its text the student is, which run is looked at, and what is known of tasks.

Read `course/classroom.py` and `course/text.py` before this file, `tui/lessons/page.py` and `app.py` after it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arm_hyp.course.answers import Value
from arm_hyp.course.classroom import Classroom
from arm_hyp.course.configured import configured, has_machine
from arm_hyp.course.manifest import START, Lesson, Task
from arm_hyp.course.text import Step, read_steps
from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.tui.lessons.commands import typed_for

if TYPE_CHECKING:
    from arm_hyp.course.verdict import LessonResult, TaskResult

NO_MACHINE: Final = "02-wfi.s"
"""What runs beside a lesson that has no machine at all."""


class Study:
    """A student at a lesson. `results` are the last verdicts, by task."""

    def __init__(self, classroom: Classroom, lesson: Lesson) -> None:
        """Begin a lesson, or go on with it. Raises: UserError, OSError."""
        classroom.begin(lesson)
        self.classroom, self.lesson = classroom, lesson
        self.steps: tuple[Step, ...] = read_steps(lesson)
        self.index = min(classroom.step(lesson), len(self.steps) - 1)
        self.results: dict[str, TaskResult] = {}

    @property
    def step(self) -> Step:
        """The step where the student is."""
        return self.steps[self.index]

    @property
    def task(self) -> Task | None:
        """The task of this step."""
        return self.lesson.task(self.step.task) if self.step.task else None

    @property
    def is_last(self) -> bool:
        """Whether this is the last step."""
        return self.index == len(self.steps) - 1

    @property
    def folder(self) -> Path:
        """The student's files of this lesson."""
        return self.classroom.workspace.of(self.lesson)

    def move(self, distance: int) -> bool:
        """Go to another step of the text, and remember it. Returns whether there is one. Raises: OSError."""
        index = self.index + distance
        if not 0 <= index < len(self.steps):
            return False
        self.index = index
        self.classroom.remember_step(self.lesson, index)
        return True

    # --- tasks --------------------------------------------------------------------------------------------------------

    @property
    def passed(self) -> int:
        """How many tasks are passed."""
        return sum(self.has_passed(task) for task in self.lesson.tasks)

    def has_passed(self, task: Task) -> bool:
        """Tell whether a task is passed."""
        return self.classroom.has_passed(self.lesson, task)

    @property
    def open_step(self) -> int | None:
        """The index of the first step whose task is not passed; None if all are."""
        named = ((index, step.task) for index, step in enumerate(self.steps) if step.task)
        return next((index for index, name in named if not self.has_passed(self.lesson.task(name))), None)

    @property
    def answers(self) -> Mapping[str, Value]:
        """What was answered; nothing where the file cannot be read, which is said when something is answered."""
        try:
            return self.classroom.answers(self.lesson)
        except UserError:
            return {}

    def hints(self, task: Task) -> tuple[str, ...]:
        """Return the hints that the student has seen."""
        return task.hints[: self.classroom.workspace.progress.hints.get(f"{self.lesson.name}/{task.name}", 0)]

    def typed_for(self, action: str) -> str:
        """Return what the step says is to be typed behind the key of an action; or a hint, but for the answer."""
        hints = self.hints(self.task) if self.task is not None and action != "do" else ()
        return typed_for(action, *reversed(hints), self.step.body)

    @property
    def with_file(self) -> Task | None:
        """The task whose file is edited here: that of this step, else the first that has one and is not passed."""
        if self.task is not None:
            return self.task if self.task.files else None
        filed = [task for task in self.lesson.tasks if task.files]
        return next((task for task in filed if not self.has_passed(task)), filed[0] if filed else None)

    def note(self, result: LessonResult) -> None:
        """Keep a verdict."""
        self.results |= {task.task: task for task in result.tasks}

    # --- the run ------------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> Task | None:
        """The task whose machine is looked at: of this step, of one before, or of the next one that has any."""
        order = (*reversed(self.steps[: self.index + 1]), *self.steps[self.index + 1 :])
        named = (self.lesson.task(name) for step in order if (name := step.run or step.task))
        return next((task for task in named if has_machine(self.lesson, task)), None)

    @property
    def place(self) -> str:
        """Where the step points to; one that names neither place nor run stays where the one before it points to."""
        for step in reversed(self.steps[: self.index + 1]):
            if step.go or step.run or (step.task and has_machine(self.lesson, self.lesson.task(step.task))):
                return step.go
        return ""

    @property
    def is_hidden(self) -> bool:
        """Whether the student is to say first what happens in the run that is looked at."""
        task = self.shown
        return task is not None and task.kind == "predict" and task.name not in self.answers

    def machine(self) -> Configuration:
        """Return the machine that is looked at, with the student's files and answer. Raises: UserError."""
        task = self.shown
        if task is None:
            return Configuration(image=str(guests_directory() / NO_MACHINE))
        return self.classroom.machine(self.lesson, task)

    def first_machine(self) -> tuple[Configuration, tempfile.TemporaryDirectory[str]]:
        """Return the machine as the lesson begins with it: for files that cannot run. The folder holds them."""
        held = tempfile.TemporaryDirectory(prefix="arm-hyp-")
        folder, task = Path(held.name), self.shown
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        if (self.lesson.folder / START).is_dir():
            shutil.copytree(self.lesson.folder / START, folder, dirs_exist_ok=True)
        if task is None:
            return self.machine(), held
        return configured(self.lesson, task, folder, None), held

    @property
    def limit(self) -> int:
        """How many instructions the run that is looked at may take."""
        return self.shown.limit if self.shown is not None else 1_000_000
