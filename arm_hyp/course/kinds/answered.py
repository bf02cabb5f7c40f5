"""Tasks that are answered in a word: predict, quiz, and find the bug.

Read `course/kinds/kind.py` before this file. The right answer is the solution's, in `solution/answers.toml`; what is
wrong with a wrong choice, or another answer, is in the task's `why`. A prediction is asked before the run is shown, and
a check of the lesson should hold the solution's answer against the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from arm_hyp.course.answers import Value
from arm_hyp.course.kinds.kind import Change, Kind
from arm_hyp.course.manifest import Task
from arm_hyp.course.verdict import Feedback
from arm_hyp.errors import UserError

if TYPE_CHECKING:
    from arm_hyp.course.judge import Judge
    from arm_hyp.course.judged_run import JudgedRun

_LOOK_AGAIN: Final = "another answer"
_NO_PLACE: Final = "it names no place of the program: give a line as FILE:LINE, a symbol or an address"


class Answered(Kind):
    """A question with choices, or one that takes a word or number."""

    has_answer = True
    runs_work = False

    def mistakes(self, task: Task) -> Iterator[str]:
        """Give what is wrong with a task's table."""
        yield from super().mistakes(task)
        if not task.question:
            yield "question: is missing"
        if len(task.choices) == 1:
            yield "choices: one is no choice"

    def read(self, task: Task, words: Sequence[str]) -> Value:
        """Return the choice, or the text. Raises: UserError for a choice that there is not."""
        value = " ".join(words).strip()
        if not value:
            raise UserError(task.name, "nothing was answered", "; ".join(self.asks(task)))
        self.change(task, value)
        return value

    def change(self, task: Task, value: Value) -> Change:
        """Change nothing. Raises: UserError for a choice that there is not."""
        if task.choices and str(value) not in task.choices:
            raise UserError(f"{task.name}: {value}", "is no choice", f"there are {', '.join(task.choices)}")
        return Change()

    def judge(self, judge: Judge) -> None:
        """Compare the answer with the solution's. Raises: CheckFailed."""
        value = judge.answer()
        given = self.normal(judge, value)
        if given != self.normal(judge, judge.solution.answer()):
            reasons = (why for answer, why in judge.task.why.items() if self.normal(judge, answer) == given)
            judge.fail(wrong_answer(judge.task, value, next(reasons, self.unread(judge, value))))

    def normal(self, judge: Judge, value: Value) -> object:
        """Return an answer in the form in which it is compared: a number, or a text in small letters."""
        text = " ".join(str(value).split()).lower()
        try:
            return int(text.replace("_", ""), 0)
        except ValueError:
            return text

    def unread(self, judge: Judge, value: Value) -> str:
        """Return why an answer is of another kind than the one that is asked for; else nothing."""
        return ""

    def asks(self, task: Task) -> tuple[str, ...]:
        """Give the question and the choices."""
        return (task.question, *(f"  {letter}  {text}" for letter, text in task.choices.items()))


def wrong_answer(task: Task, value: Value, why: str = "") -> Feedback:
    """Return what is said of a wrong answer: never the right one. The task's own `why` of this text comes first."""
    text = task.choices.get(str(value), "")
    why = task.why.get(str(value), why)
    return Feedback(got=f"you answered {value}" + (f": {text}" if text else ""), expected=_LOOK_AGAIN, why=why)


class Bug(Answered):
    """A run with a mistake in it: name the line, the instruction or the register."""

    def normal(self, judge: Judge, value: Value) -> object:
        """Return the line that is meant, by FILE:LINE, an address or a symbol; else the text."""
        return _pointed_at(judge.run(), str(value)) or super().normal(judge, value)

    def unread(self, judge: Judge, value: Value) -> str:
        """Return that the answer names no place of the program, if one is asked for; else nothing."""
        named, asked = (_pointed_at(judge.run(), str(each)) for each in (value, judge.solution.answer()))
        return _NO_PLACE if asked and not named else ""


def _pointed_at(run: JudgedRun, text: str) -> tuple[str, int] | None:
    """Return the file and line that an address, a symbol+offset or FILE:LINE means; None for any other text."""
    name, _, offset = text.strip().partition("+")
    try:
        address = run.symbols.address_of(name)
        base = int(name, 0) if address is None else address
        line = run.symbols.line_at(base + int(offset or "0", 0))
    except ValueError:
        file, _, number = text.strip().rpartition(":")
        return (file.rpartition("/")[2], int(number)) if file and number.isdigit() else None
    return None if line is None else (line[0].rpartition("/")[2], line[1])
