"""What a user's handler did wrong: where, at which exit, what it most likely forgot, and how to mend it.

Read `hypervisor/student/guard.py`, which finds most of it, before this file; `hypervisor/student/code.py` after it.
"""

from __future__ import annotations

import difflib
import traceback
from typing import Any, Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import one_line
from arm_hyp.hypervisor.exits import SyncExit


class Place(NamedTuple):
    """A line of a user's code, and the function that it is in."""

    file: str
    line: int
    function: str


class Report(NamedTuple):
    """All that is known of a failure, plain. `exit` says in words what the guest did at `pc`; `mend` may be empty."""

    place: Place
    handler: str
    problem: str
    mend: str
    vcpu: str
    exit: str
    pc: int


class HandlerFailure(Exception):
    """A user's handler failed: the run stops at this exit. `report` says it all, `str()` in lines for a person."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        place, handler, problem, mend, vcpu, exit, pc = self.report
        lines = (
            f"{place.file}:{place.line}: in {place.function}, {handler}: {problem}",
            f"  exit of {vcpu} at {pc:#x}: {exit}",
            f"  to mend it: {mend}" if mend else "",
        )
        return "\n".join(filter(None, lines))


class RecordingEnds(HandlerFailure):
    """A recording has no more exits that the user's handlers saw: a replay ends before this one."""


class RecordingDiffers(HandlerFailure):
    """A recording is not of this run: other exits come, or what was done before cannot be done here."""


class Problem(BaseException):
    """What is wrong, found where the exit is not known. `place` is the user's line, or None for that of the handler.

    No `except Exception` of the user's code stops it. `failure` is what it leads to.
    """

    failure: type[HandlerFailure] = HandlerFailure

    def __init__(self, problem: str, mend: str = "", place: Place | None = None) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = clean(problem), mend, place


class NoMore(Problem):
    """The recording ends."""

    failure = RecordingEnds

    def __init__(self) -> None:
        super().__init__("the recording ends here")


class Differs(Problem):
    """The recording is not of this run."""

    failure = RecordingDiffers

    def __init__(self, how: str) -> None:
        super().__init__(f"the recording is not of this run: {how}", "replay it with the arm-hyp that made it")


def clean(text: str) -> str:
    """Return a text that any file and terminal can take: not too long, what is no character escaped."""
    escaped = text[: _LONGEST + 1].encode("utf-8", "backslashreplace").decode()
    return escaped if len(escaped) <= _LONGEST else escaped[: _LONGEST - 3] + "..."


_LONGEST: Final = 1000


class Odd(NamedTuple):
    """An answer that is no int, of which nothing is kept but this text."""

    text: str


def shortly(value: object) -> str:
    """Return a value as it is written, cut, and the same in every run: of others' objects the type alone."""
    text = _written(value, 2)
    return text if len(text) <= 40 else text[:37] + "..."


def _written(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is int:
        return str(value) if -10_000 < value < 10_000 else hex(value)
    if kind in (str, bytes):
        return ascii(value[:40])
    if value is None or kind in (bool, float):
        return repr(value)
    if kind is Odd:
        return str(value.text)
    if kind in _BRACKETS and depth and len(value) <= _MANY:
        return _BRACKETS[kind].format(", ".join(_parts(value, kind, depth - 1)))
    return f"a {kind.__name__}" + (f" of {len(value):,}" if kind in _BRACKETS else "")


_MANY: Final = 50
_BRACKETS: Final[dict[type, str]] = {list: "[{}]", tuple: "({})", **dict.fromkeys((set, frozenset, dict), "{{{}}}")}


def _parts(value: Any, kind: type, depth: int) -> list[str]:
    if kind is dict:
        return [f"{_written(key, depth)}: {_written(each, depth)}" for key, each in value.items()]
    parts = [_written(part, depth) for part in value]
    return parts if kind in (list, tuple) else sorted(parts)


def report(problem: Problem, place: Place, handler: str, vcpu: str, exit: SyncExit) -> Report:
    """Make the report of a problem, at `place` unless the problem knows better."""
    words = one_line(exit.esr, 2, sysregs.name_of)
    return Report(problem.place or place, handler, problem.problem, problem.mend, vcpu, words, exit.pc)


def last_place(error: BaseException, files: frozenset[str]) -> Place | None:
    """Return the innermost line of a traceback that is in one of the user's files."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in files:
            return Place(frame.filename, frame.lineno or 0, frame.name)
    return None


_MENDS: Final = {
    "RecursionError": "let the recursion end",
    "MemoryError": "keep less",
    "GuestMemoryError": "the guest gives any address: catch GuestMemoryError and inject_data_abort(va)",
    "SystemExit": 'a handler cannot end the run: let the guest power off, or vcpu.vm.power_off("why")',
}


def mend_for(error: BaseException) -> str:
    """Say what most likely helps against an exception, or nothing."""
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        return near_name(error.name, dir(error.obj))
    if isinstance(error, NameError) and error.name:
        return near_name(error.name, _globals_of(error))
    return _MENDS.get(type(error).__name__, "")


def near_name(name: str, names: list[str]) -> str:
    """Return "did you mean ...?" for the name that is most like a wrong one, or nothing."""
    near = difflib.get_close_matches(name, [known for known in names if not known.startswith("_")], n=1)
    return f"did you mean {near[0]}?" if near else ""


def _globals_of(error: BaseException) -> list[str]:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [*frames[-1].f_globals, *frames[-1].f_locals] if frames else []


def in_words(error: BaseException) -> str:
    """Return an exception as the last line of a traceback has it."""
    return traceback.format_exception_only(error)[-1].strip()
