"""The machine that gdb debugs: a timeline, looked at and moved as the stub asks.

Read `debuggee.py`, `machine_view.py`, `points.py`, `monitor.py` and `timeline/timeline.py` before this file,
`server.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from arm_hyp.debug.gdb.debuggee import Reason, Stop, StopPoint, Thread
from arm_hyp.debug.gdb.machine_view import MachineView
from arm_hyp.debug.gdb.memory import pieces
from arm_hyp.debug.gdb.monitor import Exit, Monitor
from arm_hyp.debug.gdb.points import Found, find_last, find_next, go_to_place_before, run_to_turn
from arm_hyp.debug.gdb.registers import arm_name, selected_bank
from arm_hyp.debug.gdb.target_description import Description
from arm_hyp.errors import UserError
from arm_hyp.events import Event, ExceptionTaken
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu


class TimelineDebuggee:
    """A timeline as a `Debuggee`. It runs no further than to `limit` instructions in all."""

    def __init__(self, timeline: Timeline, limit: int) -> None:
        self._timeline, self._limit = timeline, limit
        self._view = MachineView(timeline.runner)
        self._monitor = Monitor(self._view, self)
        self._is_stopped = False

    # --- looking -----------------------------------------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """The registers that there are."""
        return self._view.description

    def threads(self) -> tuple[Thread, ...]:
        """Return all CPUs, then all vCPUs."""
        return self._view.threads()

    def thread_at_stop(self) -> int:
        """Return the thread whose turn it is: a vCPU, where one runs."""
        return self._view.thread_at_stop()

    def read_register(self, thread: int, name: str) -> int | None:
        """Return a register's value; None where the thread has no such register."""
        return self._view.read_register(thread, name)

    def read_memory(self, thread: int, address: int, size_bytes: int) -> bytes:
        """Return what can be read from an address on, at most so much; nothing where nothing can."""
        return self._view.read_memory(thread, address, size_bytes)

    def locate(self, thread: int, address: int) -> int | None:
        """Return the physical address behind an address; None where none is."""
        return self._view.locate(thread, address)

    def monitor(self, thread: int, command: str) -> str:
        """Do a command of `monitor`, and return what it says. Raises: UserError."""
        return self._monitor.run(thread, command)

    # --- changing: in the past, that begins a branch -----------------------------------------------------------------

    def write_register(self, thread: int, name: str, value: int) -> None:
        """Change a register. Raises: UserError."""
        vcpu = self._view.vcpu_of_thread(thread)
        name = arm_name(name)
        if name == "SP" and vcpu is not None:
            name = selected_bank(self.read_register(thread, "cpsr") or 0)
        try:
            self._write(vcpu, thread, f"{name}={value:#x}")
        except UserError as error:
            raise UserError(name, error.cause, error.way_out) from None

    def _write(self, vcpu: Vcpu | None, thread: int, setting: str) -> None:
        if vcpu is None and self._timeline.runner.hypervisor is not None:
            raise UserError("", "a CPU under the hypervisor has what its vCPU needs", "choose the vCPU's thread")
        vm, index = (0, thread - 1) if vcpu is None else (vcpu.vm.index, vcpu.index)
        self._timeline.edit(Edit((setting,), vm, index))

    def write_memory(self, thread: int, address: int, data: bytes) -> None:
        """Change memory. Raises: UserError, nothing written."""
        ram = self._timeline.runner.machine.ram_device
        places = [(self.locate(thread, start), start - address, length) for start, length in pieces(address, len(data))]
        for physical, _, length in places:
            if physical is None or not ram.contains(physical, length):
                raise UserError(f"{address:#x}", "is not RAM here", "monitor walk says where it leads")
        for physical, offset, length in places:
            assert physical is not None
            self._timeline.edit(Poke(physical, data[offset : offset + length]))

    # --- moving ------------------------------------------------------------------------------------------------------

    def step(self, thread: int) -> Stop:
        """Have a thread go on by one instruction, or to the exception that it takes."""
        return self._moved(lambda: self._step(thread), is_forward=True)

    def _step(self, thread: int) -> Found | None:
        timeline = self._timeline
        run_to_turn(timeline, self._view.cpu_of_thread(thread), self._limit)
        n = timeline.position.n
        while timeline.position.n <= n < self._limit and not self._is_stopped:
            before = timeline.position
            if timeline.seek(Position(before.n, before.seq + 1)) == before or not self._is_between:
                break
        return None

    def step_back(self) -> Stop:
        """Go to the place before this one."""
        return self._moved(self._step_back, is_forward=False)

    def _step_back(self) -> Found | None:
        go_to_place_before(self._timeline)
        while self._is_between and self._timeline.position > START and not self._is_stopped:
            go_to_place_before(self._timeline)
        return None

    @property
    def _is_between(self) -> bool:
        """Whether nothing is to be seen here: Python handles an exit, or the user's change is made next."""
        timeline, here = self._timeline, self._timeline.position
        if any(edited.position == here for edited in timeline.history.edits):
            return True
        return timeline.runner.hypervisor is not None and timeline.runner.machine.cpus.current.el == 2

    def go(self, points: frozenset[StopPoint], *, is_forward: bool) -> Stop:
        """Go to the next, or last, place where one of the points holds, or to the end of the run there."""
        if is_forward:
            return self._moved(lambda: find_next(self._timeline, points, self._limit), is_forward=True, is_far=True)
        return self._moved(lambda: self._go_back(points), is_forward=False, is_far=True)

    def _go_back(self, points: frozenset[StopPoint]) -> Found | None:
        found = find_last(self._timeline, points)
        if found is None and not self._is_stopped:
            self._timeline.seek(START)
        return found

    def _moved(self, move: Callable[[], Found | None], *, is_forward: bool, is_far: bool = False) -> Stop:
        """Move, and say what came of it. With `is_far` the motion goes to an end if it finds nothing."""
        start = self._timeline.position
        try:
            found = move()
        except HandlerFailure as failure:
            return Stop(Reason.FAILED, self.thread_at_stop(), text=str(failure))
        finally:
            is_stopped, self._is_stopped = self._is_stopped, False
            self._timeline.runner.machine.withdraw_stop()
        if found is not None:
            return Stop(Reason.POINT, self._view.thread_of_cpu(found.cpu), found.point)
        if is_stopped:
            return Stop(Reason.INTERRUPT, self.thread_at_stop())
        if not is_far and self._timeline.position != start:
            return Stop(Reason.STEP, self.thread_at_stop())
        text = self._end_text if is_forward else "this is the start of the run"
        return Stop(Reason.END if is_forward else Reason.START, self.thread_at_stop(), text=text)

    @property
    def _end_text(self) -> str:
        outcome = self._timeline.outcome
        return f"the limit of {self._limit:,} instructions was reached" if outcome is None else outcome.text

    def stop(self) -> None:
        """Have whatever moves stop soon. May be called from a signal handler."""
        self._is_stopped = True
        self._timeline.stop()

    # --- the past, for `monitor` -------------------------------------------------------------------------------------

    def last_exception(self, cpu: int) -> ExceptionTaken | None:
        """Return the last exception that a CPU took up to here: that moment is played once more."""
        timeline, here = self._timeline, self._timeline.position
        behind = Position(here.n, here.seq + 1)
        entry = timeline.journal.before(behind, lambda entry: entry.what == "taken" and entry.cpu == cpu)
        if entry is None:
            return None
        heard = _Exceptions()
        timeline.replay(Position(max(entry.position.n - 1, 0)), entry.position, sink=heard)
        timeline.seek(here)
        return next((event for event in heard.events if Position(event.n, event.seq) == entry.position), None)

    def exits(self) -> Iterator[Exit]:
        """Give each exception up to here."""
        here = self._timeline.position
        for entry in self._timeline.journal:
            if entry.position > here:
                return
            if entry.what == "taken" and entry.kind is not None:
                yield Exit(entry.from_el, entry.to_el, entry.kind.name.lower(), entry.ec)

    def describe_place(self) -> str:
        """Say where in the run this is."""
        timeline = self._timeline
        branch = timeline.history.name
        return f"{timeline.position} of {timeline.frontier} instructions so far, on branch {branch}"


class _Exceptions:
    """Keeps the exceptions of a stretch."""

    interests: Final = frozenset[type[Event]]({ExceptionTaken})

    def __init__(self) -> None:
        self.events: list[ExceptionTaken] = []

    def emit(self, event: Event) -> None:
        """Keep an exception."""
        if isinstance(event, ExceptionTaken):
            self.events.append(event)
