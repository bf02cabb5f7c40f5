"""A process that grades one submission after the other: asked through standard input, answering on standard output.

Read `course/grading/grade.py` before this file, `course/grading/pool.py`, which starts it, after it. It stays warm:
everything is imported once. No student's code runs here; that is in processes of `course/sandbox/`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from arm_hyp.course.grading.grade import Grader, Settings
from arm_hyp.course.grading.results import SubmissionResult
from arm_hyp.course.sandbox import start_ahead
from arm_hyp.course.sandbox.wire import LENGTH


class Order(msgspec.Struct, frozen=True):
    """One submission: its name in reports, and where it is."""

    name: str
    path: str


results: Final = msgspec.msgpack.Decoder(SubmissionResult)
orders: Final = msgspec.msgpack.Decoder(Order)


def frame(message: Settings | Order | SubmissionResult) -> bytes:
    """Return a message as it goes through a pipe."""
    data = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(data)) + data


def main() -> None:
    """Grade what is asked for, until there is no more."""
    start_ahead()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a check may print
    asked = sys.stdin.buffer
    grader = Grader(msgspec.msgpack.decode(_read(asked), type=Settings))
    while data := _read(asked):
        order = orders.decode(data)
        answers.write(frame(_graded(grader, order)))
        answers.flush()


def _graded(grader: Grader, order: Order) -> SubmissionResult:
    try:
        return grader.grade(order.name, Path(order.path))
    except Exception as error:  # whatever a submission brings about here, the others are graded
        return grader.nobody(order.name, f"the judge failed: {type(error).__name__}: {error}")


def _read(stream: BinaryIO) -> bytes:
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


if __name__ == "__main__":
    main()
