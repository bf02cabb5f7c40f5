"""What a kind of task is: how its answer is read, what it changes in a run, and how it is judged without a check.

Read `course/manifest.py` and `course/answers.py` before this file, the kinds beside it and `kinds/table.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from arm_hyp.course.answers import Value
from arm_hyp.course.manifest import Task
from arm_hyp.errors import UserError

if TYPE_CHECKING:
    from arm_hyp.course.judge import Judge


class Change(NamedTuple):
    """What an answer changes in a run: settings of registers, and words of 64 bits that are put into RAM."""

    settings: tuple[str, ...] = ()
    words: tuple[tuple[int, int], ...] = ()


class Kind:
    """A kind whose work is in files. The others say what is different."""

    has_answer = False
    needs_files = False
    runs_work = True  # what the student made is in the run: a rule that it breaks is theirs

    def mistakes(self, task: Task) -> Iterator[str]:
        """Give what is wrong with a task's table, in words."""
        if self.needs_files and not task.files:
            yield "files: names no file of the student's"
        if not self.needs_files and task.files:
            yield f"files: a task of the kind {task.kind} has none"

    def read(self, task: Task, words: Sequence[str]) -> Value:
        """Return the answer that words of the command line give. Raises: UserError."""
        raise UserError(task.name, "is answered in a file", f"edit {' and '.join(task.files) or 'the file'}")

    def change(self, task: Task, value: Value) -> Change:
        """Return what an answer changes in the run. Raises: UserError, for an answer that is none."""
        return Change()

    def judge(self, judge: Judge) -> None:
        """Judge a task for which checks.py has no check. Raises: CheckFailed."""
        raise UserError(f"{judge.lesson.name}/checks.py", f"has no check of {judge.task.name}", "write one")

    def asks(self, task: Task) -> tuple[str, ...]:
        """Say in lines how this is answered."""
        return (f"edit {', '.join(task.files)}",)
