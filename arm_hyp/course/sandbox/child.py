"""The sandbox from the inside: the machine is made, the student's file loaded, the guest run, the effects sent.

Read `course/sandbox/run.py` before this file.
"""

from __future__ import annotations

import os
import sys

import msgspec

from arm_hyp.course.sandbox.types import Job, Limits, Outcome
from arm_hyp.errors import UserError
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Runner


def main() -> None:
    """Do the one job that standard input holds."""
    answer = os.dup(1)
    os.dup2(2, 1)
    job, _ = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=tuple[Job, Limits])
    with os.fdopen(answer, "wb") as stream:
        stream.write(msgspec.msgpack.encode(_done(job)))


def _done(job: Job) -> Outcome:
    runner = Runner(job.replayed())
    try:
        code = runner.load_handlers(job.handlers)
    except UserError as error:
        return Outcome(status="failed", reason=str(error), where=error.thing)
    runner.use_handlers(code)
    runner.send(Run(job.limit, job.until))
    registrations = msgspec.to_builtins(code.registrations, builtin_types=(bytes,))
    return Outcome(status="ran", registrations=registrations, effects=tuple(code.log.packed))


if __name__ == "__main__":
    main()
