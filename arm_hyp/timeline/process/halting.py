"""Where a timeline goes for a debugger: to the next hit of a point, to the last one, one place on or back; and why.

Read `timeline/search.py`, `timeline/process/messages.py` and `timeline/process/debug_answers.py` before this file,
`timeline/process/session.py` after it. A breakpoint is a hook for the length of a motion: nothing is written where the
guest could see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from arm_hyp.cpu.watches import Breakpoint, LoadWatch, StoreWatch, Watch
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.timeline.passage import limit_reached
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.debug_answers import Halted, Reason
from arm_hyp.timeline.process.registers import find_vcpu, read_registers
from arm_hyp.timeline.search import Found as FoundWatch
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.timeline import Timeline

_ACCESSES: Final[dict[str, tuple[type[LoadWatch | StoreWatch], ...]]] = {
    "write": (StoreWatch,),
    "read": (LoadWatch,),
    "access": (LoadWatch, StoreWatch),
}
_START_TEXT: Final = "this is the start of the run"
_Watched = dict[Watch, int]
"""Watches, each with the index of its point."""


class Found(NamedTuple):
    """A point that holds at the cursor, by its index, and on which CPU."""

    point: int
    cpu: int


class Halting:
    """Motions of one timeline. `is_stopped` tells whether somebody wants the present one to end."""

    def __init__(self, search: Search, is_stopped: Callable[[], bool]) -> None:
        self._search, self._timeline, self._is_stopped = search, search.timeline, is_stopped

    def halted(self, message: ask.Halting) -> Halted:
        """Move, and say what came of it. Raises: UserError."""
        start = self._timeline.position
        try:
            found = MOTIONS[type(message)](self, message)
        except HandlerFailure as failure:
            return self._answer("failed", text=str(failure))
        if found is not None:
            return self._answer("point", found)
        if self._is_stopped():
            return self._answer("interrupt")
        if not isinstance(message, ask.GoToPoint) and self._timeline.position != start:
            return self._answer("step")
        if isinstance(message, ask.UnstepOne) or (isinstance(message, ask.GoToPoint) and message.is_back):
            return self._answer("start", text=_START_TEXT)
        outcome = self._timeline.outcome or limit_reached(message.limit)
        return self._answer("end", text=outcome.text, status=outcome.status)

    def _answer(self, reason: Reason, found: Found | None = None, *, text: str = "", status: int = 1) -> Halted:
        runner = self._timeline.runner
        cpu = runner.machine.cpus.current.index if found is None else found.cpu
        whose = whose_on(self._timeline, cpu)
        (general,) = read_registers(runner, ask.Registers(whose)).groups
        point = None if found is None else found.point
        position = self._timeline.position
        return Halted(position, reason, cpu, whose.index, whose.vm, general.values, point, text, status)

    # --- to a point --------------------------------------------------------------------------------------------------

    def _go(self, message: ask.GoToPoint) -> Found | None:
        if not message.is_back:
            return self._go_on(message.points, message.limit)
        found = self._go_back(message.points)
        if found is None and not self._is_stopped():
            self._timeline.seek(START)
        return found

    def _go_on(self, points: Sequence[ask.Point], limit: int) -> Found | None:
        """Run on to the first hit, or to the limit. A breakpoint at the cursor itself does not count."""
        watched = _watches(enumerate(points))
        found = _found(self._search.forward_to(list(watched), limit), watched)
        if found is not None and points[found.point].kind != "execute":
            self._to_place_before()  # a debugger wants to see the access happen, and steps on
        return found

    def _go_back(self, points: Sequence[ask.Point]) -> Found | None:
        """Go back to the last hit before the cursor. An access that led to the cursor counts: it is to be undone."""
        accesses = _watches((index, point) for index, point in enumerate(points) if point.kind != "execute")
        if accesses and (found := self._led_here(accesses)) is not None:
            return found
        watched = _watches(enumerate(points))
        return _found(self._search.back_to(list(watched)), watched)

    def _led_here(self, watched: _Watched) -> Found | None:
        """Return the access of the instruction before the cursor, which stays."""
        timeline, here = self._timeline, self._timeline.position
        self._to_place_before()
        timeline.replay(timeline.position, here, watches=list(watched))
        hit = next(((watch, watch.hits[-1]) for watch in watched if watch.hits), None)
        return None if hit is None else Found(watched[hit[0]], hit[1].cpu)

    # --- one place ---------------------------------------------------------------------------------------------------

    def _step(self, message: ask.StepOne) -> None:
        timeline, limit = self._timeline, message.limit
        self._to_turn(message.whose, limit)
        n = timeline.position.n
        while timeline.position.n <= n < limit and not self._is_stopped():
            before = timeline.position
            if timeline.seek(Position(before.n, before.seq + 1)) == before or not self._is_between:
                break

    def _to_turn(self, whose: ask.Whose, limit: int) -> None:
        """Let others run until a CPU is about to execute its next instruction. A vCPU that is on none waits not."""
        cpus, vcpu = self._timeline.runner.machine.cpus, find_vcpu(self._timeline.runner, whose)
        cpu = whose.index if vcpu is None else None if vcpu.cpu is None else vcpu.cpu.index
        if cpu is not None and cpus.current.index != cpu:
            self._search.forward_to([Breakpoint(cpus.cores[cpu].pc, cpu)], limit)

    def _step_back(self, _message: ask.UnstepOne) -> None:
        self._to_place_before()
        while self._is_between and self._timeline.position > START and not self._is_stopped():
            self._to_place_before()

    def _to_place_before(self) -> None:
        """Go to the last place before the cursor; at the start of the run it stays."""
        timeline, end = self._timeline, self._timeline.position
        if end == START:
            return
        n = end.n if end.seq else end.n - 1
        while n > 0 and timeline.seek(Position(n)) >= end:
            n -= 1
        last = timeline.seek(Position(max(n, 0)))
        while (now := timeline.seek(Position(last.n, last.seq + 1))) < end:
            last = now
        timeline.seek(last)

    @property
    def _is_between(self) -> bool:
        """Whether nothing is to be seen here: Python handles an exit, or the user's change is made next."""
        timeline, here = self._timeline, self._timeline.position
        if any(edited.position == here for edited in timeline.history.edits):
            return True
        return timeline.runner.hypervisor is not None and timeline.runner.machine.cpus.current.el == 2


MOTIONS: Final[dict[type, Callable[[Halting, Any], Found | None]]] = {
    ask.GoToPoint: Halting._go,
    ask.StepOne: Halting._step,
    ask.UnstepOne: Halting._step_back,
}


def whose_on(timeline: Timeline, cpu: int) -> ask.Whose:
    """Return what a CPU runs: the vCPU that is loaded, else the first one; where there are no VMs, the CPU itself."""
    hypervisor = timeline.runner.hypervisor
    vcpus: list[Vcpu] = [] if hypervisor is None else hypervisor.vcpus
    if not vcpus:
        return ask.Whose(cpu)
    loaded = next((vcpu for vcpu in vcpus if vcpu.cpu is not None and vcpu.cpu.index == cpu), vcpus[0])
    return ask.Whose(loaded.index, loaded.vm.index)


def _found(found: FoundWatch | None, watched: _Watched) -> Found | None:
    if found is None or found.hit is None or not isinstance(found.stop, Watch):
        return None
    return Found(watched[found.stop], found.hit.cpu)


def _watches(points: Iterable[tuple[int, ask.Point]]) -> _Watched:
    return {watch: index for index, point in points for watch in _watches_of(point)}


def _watches_of(point: ask.Point) -> list[Watch]:
    if point.kind == "execute":
        return [Breakpoint(point.address)]
    return [make(point.address, point.size_bytes) for make in _ACCESSES[point.kind]]
