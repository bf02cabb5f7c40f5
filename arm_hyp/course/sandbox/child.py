"""A student's process from the inside: the machine is made, the process confined, the file loaded, the guest run.

Read `course/sandbox/wire.py` and `course/sandbox/confine.py` before this file, `course/sandbox/server.py`, which starts
it, after it. Whatever needs another process, or files of others, is done before `confine`: assembling above all.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from arm_hyp.course.sandbox import wire
from arm_hyp.course.sandbox.confine import confine
from arm_hyp.course.sandbox.types import Job, Limits
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.effects import Effect, EffectLog
from arm_hyp.runner.messages import Run, Type
from arm_hyp.runner.runner import Runner

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.code import StudentCode
    from arm_hyp.hypervisor.student.registry import Registered
    from arm_hyp.hypervisor.vcpu import Vcpu


class SentLog(EffectLog):
    """A log whose effects are sent as they are noted: they are with the judge whatever becomes of this process."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def put(self, index: int, effect: Effect) -> None:
        """Note an effect, and send it."""
        super().put(index, effect)
        wire.put(self._descriptor, wire.Did(self.packed_from(index)[0]))


def do(job: Job, limits: Limits, descriptor: int) -> None:
    """Do a job and say what happens. Raises whatever the student's code can get through."""
    random.seed(0)  # a handler that asks for chance is as good or bad in every run
    try:
        runner = Runner(job.replayed())
        wire.put(descriptor, wire.Confined(confine(limits, Path(job.handlers).parent)))
        code = runner.load_handlers(job.handlers)
        runner.use_handlers(code)
    except UserError as error:
        wire.put(descriptor, wire.Refused(error.thing, error.cause, error.way_out))
        return
    wire.put(descriptor, wire.Loaded(msgspec.to_builtins(code.registrations, builtin_types=(bytes,))))
    wire.put(descriptor, wire.Over(_run(runner, code, job, descriptor)))


def _run(runner: Runner, code: StudentCode, job: Job, descriptor: int) -> str:
    def called(registered: Registered | None, _vcpu: Vcpu | None) -> None:
        if registered is not None:
            wire.put(descriptor, wire.Calling(registered.decorator, *registered.source))

    runner.effects = SentLog(descriptor)
    code.on_call = called
    if job.typed:
        runner.send(Type(job.typed))
    return str(runner.send(Run(job.limit, job.until))["reason"])
