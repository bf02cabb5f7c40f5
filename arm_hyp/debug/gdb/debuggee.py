"""What the stub asks of a machine: one small protocol, so that the stub is tested without one.

Read `packets.py` before this file, `stub.py` and `machine_debuggee.py` after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from arm_hyp.debug.gdb.target_description import Description


class Thread(NamedTuple):
    """A CPU or a vCPU as gdb shows it. `number` counts from 1; `state` says in words what it does."""

    number: int
    name: str
    state: str


class StopKind(IntEnum):
    """What a stop point waits for; the values are those of the packets Z0 to Z4."""

    SOFTWARE = 0
    HARDWARE = 1
    WRITE = 2
    READ = 3
    ACCESS = 4

    @property
    def is_watch(self) -> bool:
        """Whether it waits for a data access."""
        return self >= StopKind.WRITE


class StopPoint(NamedTuple):
    """A breakpoint (virtual address; `size_bytes` does not matter) or a watchpoint.

    `physical` is where the range of a watchpoint lies: that is found when it is set, and stays.
    """

    kind: StopKind
    address: int
    size_bytes: int
    physical: int = 0


class Reason(StrEnum):
    """Why the target stopped. START and END are the ends of the run, FAILED is a failure of the user's handlers,
    or of the machine process.
    """

    STEP = "step"
    POINT = "point"
    INTERRUPT = "interrupt"
    START = "start"
    END = "end"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stop:
    """Why and on which thread the target stopped; `point` is the stop point, `text` what is to be said to the user."""

    reason: Reason
    thread: int = 1
    point: StopPoint | None = None
    text: str = ""


class Debuggee(Protocol):
    """A machine that stands still, and moves when asked to. Errors that concern the user are `errors.UserError`."""

    @property
    def description(self) -> Description:
        """The registers that there are."""

    @property
    def thread_count(self) -> int:
        """How many threads there are."""

    def threads(self) -> tuple[Thread, ...]:
        """Return all CPUs, then all vCPUs."""

    def thread_at_stop(self) -> int:
        """Return the thread whose turn it is: a vCPU, where one runs."""

    # --- state -------------------------------------------------------------------------------------------------------

    def read_register(self, thread: int, name: str) -> int | None:
        """Return a register's value; None where the thread has no such register."""

    def write_register(self, thread: int, name: str, value: int) -> None:
        """Change a register. Raises: UserError."""

    def read_memory(self, thread: int, address: int, size_bytes: int) -> bytes:
        """Return what can be read from an address on, at most so much; nothing where nothing can."""

    def write_memory(self, thread: int, address: int, data: bytes) -> None:
        """Change memory. Raises: UserError, nothing written."""

    def locate(self, thread: int, address: int) -> int | None:
        """Return the physical address behind an address; None where none is."""

    # --- moving ------------------------------------------------------------------------------------------------------

    def step(self, thread: int) -> Stop:
        """Have a thread go on by one instruction, or to the exception that it takes."""

    def step_back(self) -> Stop:
        """Go to the place before this one."""

    def go(self, points: frozenset[StopPoint], *, is_forward: bool) -> Stop:
        """Go to the next, or last, place where one of the points holds, or to the end of the run there."""

    def stop(self) -> None:
        """Have whatever moves stop soon. May be called while it does."""

    def monitor(self, thread: int, command: str) -> str:
        """Do a command of `monitor`, and return what it says. Raises: UserError."""
