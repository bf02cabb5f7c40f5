"""The guard around a user's code: a budget of bytecodes, what it prints caught, and its exceptions made into problems.

Read `hypervisor/student/failures.py` before this file, `hypervisor/student/code.py` after it.

A handler that loops for ever is found by counting the bytecodes that it runs (`sys.settrace`), so at the same place on
every host. All Python code counts that is called from it, but for this package's own. What the count cannot see: one
call that stays in C (`sum(range(10 ** 12))`, `time.sleep`), and code that catches BaseException and goes on. A bare
`except:` is no such code: `loading.py` makes it catch Exception only.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

import arm_hyp
from arm_hyp.hypervisor.student.failures import Place, Problem, clean, in_words, last_place, mend_for, shortly
from arm_hyp.machine.seams import BusError

BUDGET: Final = 3_000_000
"""How many bytecodes one call of a handler may take: half a second at most."""
OUTPUT_LIMIT: Final = 64 * 1024
"""How many characters of one call's output are kept."""
_OWN_FILES: Final = os.path.dirname(arm_hyp.__file__) + os.sep

T = TypeVar("T")
Trace = Callable[[FrameType, str, Any], Any]
OnCall = Callable[[FrameType], Trace | None]
"""Told of each call of this package; what it returns is told of what follows in that call."""


class OverBudget(BaseException):
    """Ends the user's code; no `except Exception` of it stops that."""


class OutputLine(NamedTuple):
    """One line that a user's code printed, and where."""

    text: str
    file: str
    line: int


class Output(io.TextIOBase):
    """Standard output and error of a user's code: the text by lines, each with the place that printed its begin."""

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self._lines: list[OutputLine] = []
        self._is_open = False  # whether the last line has no end yet
        self._left = OUTPUT_LIMIT

    def writable(self) -> bool:
        """Tell print that this may be written to."""
        return True

    def write(self, text: str) -> int:
        """Take what is printed."""
        kept = text[: self._left].encode("utf-8", "backslashreplace").decode()
        self._left = max(self._left - len(kept), 0)
        for part in kept.splitlines(keepends=True):
            self._append(part)
        return len(text)

    def _append(self, part: str) -> None:
        ends = part.endswith("\n")
        if self._is_open:
            last = self._lines[-1]
            self._lines[-1] = last._replace(text=last.text + part.rstrip("\n"))
        else:
            self._lines.append(OutputLine(part.rstrip("\n"), *self._printer()))
        self._is_open = not ends

    def _printer(self) -> tuple[str, int]:
        frame: FrameType | None = sys._getframe(3)
        while frame is not None and frame.f_code.co_filename not in self._files:
            frame = frame.f_back
        return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("?", 0)

    def take(self) -> list[OutputLine]:
        """Return the lines printed since the last call, and begin anew."""
        lines = self._lines
        if self._left == 0:
            lines.append(OutputLine(f"(more than {OUTPUT_LIMIT} characters: the rest is dropped)", "?", 0))
        self._lines, self._is_open, self._left = [], False, OUTPUT_LIMIT
        return lines


def _refuse_exit(status: int) -> NoReturn:
    raise SystemExit(status)


class Ran:
    """What is seen of one call of a user's function: the lines that ran, as (file, line), and its variables at last."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, int], None] = {}
        self.locals: dict[str, str] = {}


class Guard:
    """Calls a user's code. One at a time; what the user's code calls of this package may be let out with `outside`."""

    def __init__(self, files: frozenset[str], on_call: OnCall = lambda frame: None, budget: int = BUDGET) -> None:
        self.output = Output(files)
        self.files, self._on_call, self._budget = files, on_call, budget
        self._left = 0
        self.ran = Ran()
        self._outer: tuple[Any, ...] | None = None  # what was there before the user's code; None: it does not run

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call the user's function. Raises: Problem, for all that it raises but BusError and KeyboardInterrupt."""
        self._left, self.ran = self._budget, Ran()
        self._enter()
        try:
            return function(*arguments)
        except (KeyboardInterrupt, BusError, Problem):
            raise
        except OverBudget as error:
            mend = f"it ran {self._budget} bytecodes in this exit: end the loop"
            raise Problem("the handler loops for ever", mend, last_place(error, self.files)) from None
        except BaseException as error:
            raise Problem(in_words(error), mend_for(error), last_place(error, self.files)) from error
        finally:
            self._leave()

    def outside(self, function: Callable[..., T], *arguments: object) -> T:
        """Call back into this package from the user's code: uncounted, and with the real standard output."""
        left, ran = self._left, self.ran
        self._leave()
        try:
            return function(*arguments)
        finally:
            self._left, self.ran = left, ran
            self._enter()

    def _enter(self) -> None:
        self._outer = (sys.gettrace(), sys.stdout, sys.stderr, sys.stdin, os._exit)
        sys.stdout = sys.stderr = self.output
        sys.stdin = None  # so that input() fails
        os._exit = _refuse_exit
        sys.settrace(self._tracer())

    def _leave(self) -> None:
        sys.settrace(None)
        assert self._outer is not None
        trace, sys.stdout, sys.stderr, sys.stdin, os._exit = self._outer
        sys.settrace(trace)

    def _tracer(self) -> Trace:
        lines = self.ran.lines

        def count(frame: FrameType, _event: str, _argument: object) -> Any:
            self._left -= 1
            if self._left < 0:
                raise OverBudget
            return count

        def follow(frame: FrameType, event: str, _argument: object) -> Any:
            if event == "line":
                lines[frame.f_code.co_filename, frame.f_lineno] = None
                return follow
            self._left -= 1
            if self._left < 0:
                raise OverBudget
            if event == "return" and frame.f_back is not None and frame.f_back.f_code is _CALL:
                self.ran.locals = _in_words(frame)
            return follow

        def called(frame: FrameType, _event: str, _argument: object) -> Any:
            file = frame.f_code.co_filename
            if file.startswith(_OWN_FILES):
                return self._on_call(frame)
            frame.f_trace_opcodes = True
            frame.f_trace_lines = is_users = file in self.files
            return follow if is_users else count

        return called


_CALL: Final = Guard.call.__code__
_MOST_LOCALS: Final = 32


def _in_words(frame: FrameType) -> dict[str, str]:
    """Return the variables of a function, in words; its parameters are known."""
    code = frame.f_code
    names = [
        name for name in (*code.co_varnames, *code.co_cellvars) if name not in code.co_varnames[: code.co_argcount]
    ]
    values = frame.f_locals
    return {clean(name): shortly(values[name]) for name in names[:_MOST_LOCALS] if name in values}


def caller(frame: FrameType) -> Place:
    """Return the line that called this frame."""
    back = frame.f_back
    assert back is not None
    return Place(back.f_code.co_filename, back.f_lineno, back.f_code.co_name)
