"""One exit that a user's handlers see: its state before, the handlers that run now, what they did, what went wrong.

Read `hypervisor/student/effects.py` and `hypervisor/student/failures.py` before this file, `hypervisor/student/code.py`
after it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from arm_hyp.hypervisor.exits import SyncExit
from arm_hyp.hypervisor.student.effects import Call, Effect
from arm_hyp.hypervisor.student.failures import HandlerFailure, Problem, report
from arm_hyp.hypervisor.student.registry import Registered

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu


class Exited(NamedTuple):
    """A vCPU at an exit: if it is equal at the next one, the guest made no progress."""

    retired: int
    esr: int
    va: int
    pc: int
    pstate: int
    x: tuple[int, ...]


def exited(vcpu: Vcpu, exit: SyncExit) -> Exited:
    """Note the state of the vCPU at its exit."""
    core = None if vcpu.cpu is None else vcpu.cpu.core
    x = tuple(map(vcpu.x, range(31))) if core is None else core.all_x()
    return Exited(0 if core is None else core.retired, exit.esr, getattr(exit, "va", 0), vcpu.pc, vcpu.pstate, x)


class Watch:
    """One exit. `effect` is what its handlers do, or, if it `is_repeated`, what they did before."""

    def __init__(self, vcpu: Vcpu, exit: SyncExit) -> None:
        self.vcpu, self.exit = vcpu, exit
        self.skips = vcpu.skips
        self.before: Exited | None = None  # None: no user's code ran yet
        self.running: list[Registered] = []
        self.last: Registered | None = None
        self.failure: HandlerFailure | None = None
        self.problem: Problem | None = None  # the first
        self.effect: Effect | None = None
        self.is_repeated = self.is_settled = False
        self.calls = 0  # how many of a repeated effect have begun

    def begin(self) -> Effect:
        """Note the state before the first call, and return an effect without any."""
        before = self.before = exited(self.vcpu, self.exit)
        vm, x = self.vcpu.vm, zlib.crc32(struct.pack("<31Q", *before.x))
        return Effect(vm.hypervisor.machine.retired, vm.index, self.vcpu.index, before.pc, before.esr, x, [])

    def skipped(self) -> int:
        """Return how often the instruction was skipped in this exit."""
        return self.vcpu.skips - self.skips

    def fail(self, problem: Problem) -> HandlerFailure:
        """Make the failure of a problem, and remember the first: a user's `except` may swallow it."""
        registered = self.running[-1] if self.running else self.last
        assert registered is not None
        if self.failure is None:
            self.problem = problem
            said = report(problem, registered.source, registered.decorator, self.vcpu.name, self.exit)
            self.failure = problem.failure(said)
        return self.failure

    def put_back(self) -> None:
        """Give the vCPU the registers that it had before."""
        if self.before is not None:
            for number, value in enumerate(self.before.x):
                self.vcpu.set_x(number, value)
            self.vcpu.pc, self.vcpu.pstate = self.before.pc, self.before.pstate

    def below(self, below: Callable[[Vcpu, Any], Any], what: Any) -> Any:
        """Carry out a handler's `next`: meanwhile that handler does not run."""
        running, self.running = self.running, []
        try:
            return below(self.vcpu, what)
        finally:
            self.running = running

    def next_call(self) -> Call | None:
        """Return the call of a repeated effect that begins now; None if there was none more."""
        assert self.effect is not None
        self.calls += 1
        return self.effect.calls[self.calls - 1] if self.calls <= len(self.effect.calls) else None
