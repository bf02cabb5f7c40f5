"""A user's function, called in the guard, and every action of it noted.

Read `hypervisor/student/guard.py` and `hypervisor/student/actions.py` before this file, `hypervisor/student/repeat.py`
beside it, `hypervisor/student/code.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.hypervisor.exits import HvcExit
from arm_hyp.hypervisor.student import actions
from arm_hyp.hypervisor.student.effects import NEXT, Action, Call, Files, answer_kept, answer_of
from arm_hyp.hypervisor.student.failures import Problem, clean, in_words, last_place, mend_for
from arm_hyp.hypervisor.student.guard import Guard, OutputLine, Trace, caller
from arm_hyp.hypervisor.student.plain_data import NotPlain
from arm_hyp.hypervisor.student.registry import Registered
from arm_hyp.hypervisor.student.watch import Watch
from arm_hyp.hypervisor.student.wire import encode
from arm_hyp.machine.seams import BusError

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu

Below = Callable[["Vcpu", Any], Any]


class Live:
    """Calls the functions of a user's modules. `files` are theirs, by name."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = Files(files)
        self._guard = Guard(frozenset(files.values()), self._library_called)
        self._watch: Watch | None = None
        self._call: Call | None = None  # what is done now is noted there; None: no user's code runs
        self._action: Action | None = None  # the action that it is in
        self._is_inside = self._met_exception = False  # whether it is in a call of this package, and met one there

    def output(self) -> list[tuple[str, str, int]]:
        """Return what was printed since the last time: text, file, line."""
        return [(text, self._files.name(file), line) for text, file, line in self._take()]

    def _take(self) -> list[OutputLine]:
        return self._guard.output.take()

    def call(self, watch: Watch, call: Call, registered: Registered, what: Any, below: Below) -> object:
        """Call a handler and note in `call` what it does. Raises: Problem; BusError."""
        assert registered.function is not None
        following = (partial(self._next, watch, call, what, below),) if registered.takes_next else ()
        with self._noting(watch, call):
            try:
                call.answer = answer_kept(self._guard.call(registered.function, watch.vcpu, what, *following))
            except BusError as error:
                call.refused = clean(str(error))
                raise
            finally:
                self._note_run(call)
        return answer_of(call.answer)

    def bus_error(self, error: BusError) -> Problem:
        """Return the problem that a BusError is where no device can refuse."""
        return Problem(in_words(error), mend_for(error), last_place(error, self._guard.files))

    @contextmanager
    def _noting(self, watch: Watch, call: Call) -> Iterator[None]:
        outer = self._watch, self._call, self._is_inside
        self._watch, self._call, self._is_inside = watch, call, False
        try:
            yield
        finally:
            self._watch, self._call, self._is_inside = outer

    def _note_run(self, call: Call) -> None:
        ran = self._guard.ran
        call.locals = ran.locals
        for file, line in ran.lines:
            call.lines.setdefault(self._files.name(file), []).append(line)

    # --- calls of this package by the user's code --------------------------------------------------------------------

    def _library_called(self, frame: FrameType) -> Trace | None:
        """Note an action as it begins. Raises: Problem for what cannot be repeated, and for a wrong skip."""
        watch, call = self._watch, self._call
        if self._is_inside or watch is None or call is None or frame.f_code is _NEXT:
            return None
        try:
            method = actions.method_of(frame)
            self._action = None if method is None else self._noted(method, frame, watch, call)
        except Problem as problem:
            problem.place = caller(frame)
            watch.fail(problem)
            raise
        self._is_inside, self._met_exception, frame.f_trace_lines = True, False, False
        return self._inside

    @staticmethod
    def _noted(method: actions.Method, frame: FrameType, watch: Watch, call: Call) -> Action:
        wrong = _wrong_skip(watch) if method.name == "Vcpu.skip_instruction" else None
        if wrong is not None:
            raise Problem(*wrong)
        action = actions.noted(method, frame, watch.vcpu)
        call.actions.append(action)
        return action

    def _inside(self, frame: FrameType, event: str, result: object) -> Trace:
        """Notice the end of a call, and how it ended."""
        if event == "exception":
            self._met_exception = True
        elif event == "return":
            self._is_inside = False
            if self._action is not None:
                self._action.raised = self._met_exception and actions.has_raised(frame, result)
        return self._inside

    def _next(self, watch: Watch, call: Call, given: Any, below: Below, vcpu: Vcpu, what: Any) -> Any:
        """Do what would have happened without the handler that calls this, and note it."""
        self._is_inside = True
        try:
            action = _noted_next(watch, given, vcpu, what)
            call.actions.append(action)
            return self._outside(action, watch, below, what)
        except Problem as problem:
            watch.fail(problem)
            raise
        finally:
            self._is_inside = False

    def _outside(self, action: Action, watch: Watch, below: Below, what: Any) -> Any:
        action.raised = True
        answer = self._guard.outside(watch.below, below, what)
        action.raised = False
        return answer


_NEXT: Final = Live._next.__code__


def _noted_next(watch: Watch, given: Any, vcpu: Vcpu, what: Any) -> Action:
    mend = "call next(vcpu, ...) with what your function was given, or a _replace of it"
    if vcpu is not watch.vcpu or type(what) is not type(given):
        raise Problem("next: an argument is of another kind", mend)
    try:
        return Action(NEXT, [] if what is given else [encode(what)])
    except NotPlain as error:
        raise Problem(f"next: an argument {error.cause}", mend) from None


def _wrong_skip(watch: Watch) -> tuple[str, str] | None:
    if isinstance(watch.exit, HvcExit):
        return "skip_instruction after an HVC", "leave it out: an HVC has completed, ELR_EL2 is behind it already"
    if watch.running and not watch.running[-1].decorator.startswith("@handler"):
        return "skip_instruction where the instruction is skipped for you", "leave it out, and return the answer"
    if watch.skipped():
        return "skip_instruction a second time in one exit", "skip once; next() skips what it handles"
    return None
