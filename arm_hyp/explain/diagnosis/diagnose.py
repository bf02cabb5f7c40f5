"""A diagnosis from the state of a run, from what happened lately, and from what it would do next.

Read `examination.py` before this file. What a run would do next is found by running on, in a copy of the process
(`os.fork`): so the run itself is not touched, and can go on as if nobody had asked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from arm_hyp.explain.diagnosis.examination import Examination
from arm_hyp.explain.diagnosis.model import Diagnosis
from arm_hyp.explain.diagnosis.recent import Recent

if TYPE_CHECKING:
    from arm_hyp.runner.runner import Runner

_READ_BYTES: Final = 1 << 16


def diagnose(runner: Runner, recent: Recent | None = None) -> Diagnosis:
    """Say why a run makes no progress, or that it does. The run is not touched, and can go on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(runner, recent or Recent(), writing)
    os.close(writing)
    answer = b"".join(iter(lambda: os.read(reading, _READ_BYTES), b""))
    os.close(reading)
    os.waitpid(child, 0)
    if not answer:
        return Diagnosis("failed", "The diagnosis itself ended without an answer.")
    return msgspec.json.decode(answer, type=Diagnosis)


def _answer(runner: Runner, recent: Recent, writing: int) -> None:
    """Write the diagnosis, and end the child: nothing of it may reach the caller's code."""
    runner.machine.forget_stop()  # one that was asked for before the run began is not the guest's
    try:
        diagnosis = Examination(runner, recent).diagnosis()
    except BaseException as error:  # a handler of the user may fail, too
        diagnosis = Diagnosis("failed", f"The run would fail next: {type(error).__name__}: {error}.")
    try:
        os.write(writing, msgspec.json.encode(diagnosis))
    finally:
        os._exit(0)
