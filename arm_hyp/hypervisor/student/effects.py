"""What a user's handlers did at each exit, as plain data: all that a replay needs in place of their code.

Read `hypervisor/student/wire.py` before this file, `hypervisor/student/actions.py` after it. There is one `Effect` for
each exit that the user's code saw, in order. In it are the calls of handlers in the order in which they began, and in
those the calls of this package that they made: the outermost ones, `next` among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.failures import Odd, Place, Problem, clean, shortly
from arm_hyp.hypervisor.student.wire import Wire, decode, encode

NEXT: Final = "next"
"""The name of the action that asks what lies below."""


class Action(msgspec.Struct, array_like=True):
    """One call of this package by a user's code: of the method `name`, with `arguments` as `wire.py` has them.

    `at` says whose: None for the vCPU of the exit, or its VM; else the indices of the VM and what it has several of.
    """

    name: str
    arguments: list[Wire]
    at: list[int] | None = None
    raised: bool = False


class Failing(msgspec.Struct, array_like=True, frozen=True):
    """What was wrong, as in `failures.Problem`: `line` is 0 where the place is that of the handler."""

    problem: str
    mend: str
    file: str = ""
    line: int = 0
    function: str = ""


class Call(msgspec.Struct, array_like=True):
    """One call of a handler: what it did, and its `answer`, the text of the BusError it `refused` with, or `failing`.

    `locals` are its variables at the end, in words; `lines` are those that ran, by file, in the order in which each ran
    first. Both are for people.
    """

    handler: str
    actions: list[Action]
    answer: Wire = None
    refused: str | None = None
    failing: Failing | None = None
    locals: dict[str, str] = {}
    lines: dict[str, list[int]] = {}


class Effect(msgspec.Struct, array_like=True):
    """All that happened at one exit. The first fields say which: `x` is a checksum of X0 to X30.

    `output` is (text, file, line) of what was printed, `changes` those of the user's data, as `user_data.py` names and
    `changes.py` has them. `failing` is what the handlers left behind.
    """

    n: int
    vm: int
    vcpu: int
    pc: int
    esr: int
    x: int
    calls: list[Call]
    output: list[tuple[str, str, int]] = []
    changes: list[tuple[str, Wire]] = []
    failing: Failing | None = None

    @property
    def exit(self) -> tuple[int, ...]:
        """Which exit it is, to be compared."""
        return self.n, self.vm, self.vcpu, self.pc, self.esr, self.x

    @property
    def problem(self) -> str:
        """What failed, if anything did."""
        failed = [call.failing for call in self.calls] + [self.failing]
        return next((failing.problem for failing in failed if failing is not None), "")


class Files:
    """The user's files by the names that a log has for them, which hold no directory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files, self._names = files, {file: name for name, file in files.items()}

    def name(self, file: str) -> str:
        """Return the name of a file."""
        return clean(self._names.get(file, file))

    def failing(self, problem: Problem) -> Failing:
        """Return a problem to be kept."""
        file, line, function = problem.place or ("", 0, "")
        return Failing(problem.problem, problem.mend, self.name(file), line, function)

    def problem(self, failing: Failing) -> Problem:
        """Return a problem that was kept."""
        file = self._files.get(failing.file, failing.file)
        return Problem(failing.problem, failing.mend, Place(file, failing.line, failing.function) if file else None)


def answer_kept(answer: object) -> Wire:
    """Return a handler's answer to be kept: None, an int, or ["odd", text] for anything else."""
    if answer is None:
        return None
    return encode(int.__index__(answer)) if isinstance(answer, int) else ["odd", shortly(answer)]


def answer_of(wire: Wire) -> int | Odd | None:
    """Return an answer that was kept. Raises: Malformed."""
    answer = Odd(str(wire[1])) if type(wire) is list and len(wire) == 2 and wire[0] == "odd" else decode(wire)
    return answer if answer is None or type(answer) in (int, Odd) else Odd(shortly(answer))


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Effect)


def unpack(packed: bytes) -> Effect:
    """Return the effect of a record. Raises: ValueError if it is none."""
    try:
        return _decoder.decode(packed)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(str(error)) from None


class EffectLog:
    """The effects of a run, by the index of the exit among those that a user's code saw.

    Each is kept packed. One that is not known, because the run was taken up after it, is empty.
    """

    def __init__(self, packed: Iterable[bytes] = ()) -> None:
        self._packed = list(packed)

    @classmethod
    def of(cls, packed: Iterable[bytes]) -> EffectLog:
        """Take the records of an earlier run. Raises: UserError if one is damaged."""
        log = cls(packed)
        for index, each in enumerate(log._packed):
            try:
                unpack(each)
            except (TypeError, ValueError) as error:
                raise UserError(f"the effects of exit {index}", f"are damaged: {error}") from None
        return log

    @property
    def packed(self) -> list[bytes]:
        """The records, for a file."""
        return list(self._packed)

    def packed_from(self, index: int) -> list[bytes]:
        """The records from an index on."""
        return self._packed[index:]

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, index: int) -> Effect:
        return unpack(self._packed[index])

    def get(self, index: int) -> Effect | None:
        """Return an effect if it is known."""
        return unpack(self._packed[index]) if index < len(self._packed) and self._packed[index] else None

    def put(self, index: int, effect: Effect) -> None:
        """Note an effect; those that came after it are of another branch, and go."""
        self.truncate(index)
        self._packed += [b""] * (index - len(self._packed))
        self._packed.append(_encoder.encode(effect))

    def until(self, index: int) -> EffectLog:
        """Return a log of the effects before an index, for a branch."""
        return EffectLog(self._packed[:index])

    def truncate(self, index: int) -> None:
        """Forget the effects from an index on: a new branch begins there."""
        del self._packed[index:]
