"""The machine that gdb debugs, driven by messages: in a process of its own, or as a session in this one.

Read `debuggee.py`, `machine_view.py`, `monitor.py` and `timeline/process/halting.py` before this file, `server.py`
after it. A machine process that has died or hung is replaced, where the run was: gdb is told so with a stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.gdb.debuggee import Reason, Stop, StopKind, StopPoint, Thread
from arm_hyp.debug.gdb.machine_view import MachineView
from arm_hyp.debug.gdb.monitor import Monitor
from arm_hyp.debug.gdb.registers import arm_name, selected_bank
from arm_hyp.debug.gdb.target_description import Description
from arm_hyp.errors import UserError
from arm_hyp.runner.messages import Edit
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed, Moved, Restarted
from arm_hyp.timeline.process.debug_answers import Halted
from arm_hyp.timeline.process.machine import Machine

_NO_SYMBOLS: Final = SymbolTable()


class MachineDebuggee:
    """A machine as a `Debuggee`. It runs no further than to `limit` instructions in all.

    `files` are symbols from files; `say` hears what its user should know at once.
    """

    def __init__(
        self,
        machine: Machine,
        limit: int,
        files: SymbolTable = _NO_SYMBOLS,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._machine, self._limit = machine, limit
        self._view = MachineView(machine, files, say)
        self.monitored = Monitor(self._view)
        self._thread = self._view.current_thread()
        self.exit_status = 1

    # --- looking -----------------------------------------------------------------------------------------------------

    @property
    def view(self) -> MachineView:
        """The machine as it is looked at."""
        return self._view

    def look_again(self) -> None:
        """Look where the machine stands: somebody else has moved it."""
        self._view.forget()
        self._thread = self._view.current_thread()

    @property
    def description(self) -> Description:
        """The registers that there are."""
        return self._view.description

    @property
    def thread_count(self) -> int:
        """How many threads there are."""
        return len(self._view.whose)

    def threads(self) -> tuple[Thread, ...]:
        """Return all CPUs, then all vCPUs."""
        return self._view.threads()

    def thread_at_stop(self) -> int:
        """Return the thread whose turn it is: a vCPU, where one runs."""
        return self._thread

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
        return self.monitored.run(thread, command)

    # --- changing: in the past, that begins a branch -----------------------------------------------------------------

    def write_register(self, thread: int, name: str, value: int) -> None:
        """Change a register. Raises: UserError."""
        whose, name = self._view.whose[thread - 1], arm_name(name)
        if whose.vm is None and self._view.whose[-1].vm is not None:
            raise UserError(name, "a CPU under the hypervisor has what its vCPU needs", "choose the vCPU's thread")
        if name == "SP" and whose.vm is not None:
            name = selected_bank(self.read_register(thread, "cpsr") or 0)
        try:
            self._change(Edit((f"{name}={value:#x}",), whose.vm or 0, whose.index))
        except UserError as error:
            raise UserError(name, error.cause, error.way_out) from None

    def write_memory(self, thread: int, address: int, data: bytes) -> None:
        """Change memory. Raises: UserError, nothing written."""
        whose, is_physical = self._view.whose[thread - 1], self._view.is_physical
        self._change(ask.Write(address, data, "pa" if is_physical else "va", whose))

    def _change(self, message: Edit | ask.Write) -> None:
        self._view.forget()
        self._view.get(message, Moved)

    # --- moving ------------------------------------------------------------------------------------------------------

    def step(self, thread: int) -> Stop:
        """Have a thread go on by one instruction, or to the exception that it takes."""
        return self._move(ask.StepOne(self._view.whose[thread - 1], self._limit))

    def step_back(self) -> Stop:
        """Go to the place before this one."""
        return self._move(ask.UnstepOne())

    def go(self, points: frozenset[StopPoint], *, is_forward: bool) -> Stop:
        """Go to the next, or last, place where one of the points holds, or to the end of the run there."""
        known = tuple(sorted(points))
        return self._move(ask.GoToPoint(tuple(map(_asked, known)), not is_forward, self._limit), known)

    def _move(self, message: ask.Halting, points: tuple[StopPoint, ...] = ()) -> Stop:
        self._view.forget()
        answer = self._machine.send(message)
        if isinstance(answer, Restarted):
            self._view.hear(answer)
            self._thread = self._view.current_thread()
            return self._stop(Reason.FAILED)
        if isinstance(answer, Failed):
            raise UserError(answer.thing, answer.cause, answer.way_out)
        assert isinstance(answer, Halted)
        whose, self.exit_status = ask.Whose(answer.index, answer.vm), answer.status
        self._view.know(whose, "general", answer.registers)
        self._thread = self._view.thread_of(whose)
        point = None if answer.point is None else points[answer.point]
        return self._stop(Reason(answer.reason), point, answer.text)

    def _stop(self, reason: Reason, point: StopPoint | None = None, text: str = "") -> Stop:
        news, self._view.news = self._view.news, []
        return Stop(reason, self._thread, point, "\n".join(filter(None, (*news, text))))

    def stop(self) -> None:
        """Have whatever moves stop soon."""
        self._machine.stop()


def _asked(point: StopPoint) -> ask.Point:
    address = point.physical if point.kind.is_watch else point.address
    return ask.Point(_KINDS[point.kind], address, point.size_bytes)


_KINDS: Final[dict[StopKind, ask.PointKind]] = {
    StopKind.SOFTWARE: "execute",
    StopKind.HARDWARE: "execute",
    StopKind.WRITE: "write",
    StopKind.READ: "read",
    StopKind.ACCESS: "access",
}
