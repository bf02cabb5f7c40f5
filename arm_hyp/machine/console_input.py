"""What the user types: a queue of bytes that enter the guest's console at points which the guest alone decides.

Read `machine/seams.py` before this file and `machine/machine.py` after it. Bytes enter at the multiples of INPUT_GRID
retired instructions, and while every CPU waits; as many as the device has room for. What entered is logged with its
position and its virtual time: a machine that is given this log repeats the run exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

INPUT_GRID: Final = 1 << 16
"""While input waits, a slice ends every so many retired instructions, and the next byte enters if there is room."""


class Arrival(NamedTuple):
    """Bytes that entered the console when `n` instructions had retired, at a virtual time in ns."""

    n: int
    time_ns: int
    data: bytes


class HostConsole(Protocol):
    """The user at the console, or merely the host's clock. What it answers is not the guest's doing, and is logged."""

    @property
    def can_type(self) -> bool:
        """Tell whether input may ever come."""

    def poll(self) -> bytes:
        """Return what was typed, without waiting."""

    def wait(self, duration_ns: int | None) -> int:
        """Let host time pass, until something is typed at the latest. Return the ns that passed, at most `duration_ns`.

        None waits for the user alone. What was typed is left for `poll`.
        """


class Input(Protocol):
    """What the machine asks of what is typed: one console's queue, or those of several VMs."""

    def feed(self, data: bytes) -> None:
        """Append what the user typed."""

    @property
    def is_waiting(self) -> bool:
        """Tell whether anything is still to enter."""

    def next_ns(self, n: int) -> int | None:
        """Return when the log being replayed has the next bytes, if no CPU runs until then; in ns of virtual time."""

    def deliver(self, n: int, time_ns: int) -> bool:
        """Let bytes enter at a point that the guest has reached. Tell whether any did."""

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""


class ConsoleInput:
    """The queue before one console. `accept` offers bytes to the device and returns how many it took."""

    def __init__(self, accept: Callable[[bytes], int], entered: Callable[[Arrival], None]) -> None:
        self._accept, self._tell = accept, entered
        self._queue = bytearray()
        self._script: deque[Arrival] = deque()
        self.log: list[Arrival] = []
        self._count = 0  # arrivals up to here: more than the log has, if a state was taken back that came after it

    def feed(self, data: bytes) -> None:
        """Append to the queue."""
        self._queue += data

    def replay(self, log: Iterable[Arrival]) -> None:
        """Have the same bytes enter at the same positions as in an earlier run."""
        self._script.extend(log)

    def repeat(self, log: Sequence[Arrival]) -> None:
        """Have what followed in a log follow again, and nothing else: where the run stands, its begin has entered."""
        self._queue.clear()
        self.log[:] = log[: self._count]
        self._script = deque(log[self._count :])

    def go_on_with(self, typed: bytes) -> None:
        """Have nothing more follow of any log, but what the user has typed."""
        self._script.clear()
        self._queue[:] = typed

    @property
    def typed(self) -> bytes:
        """What the user typed and has not entered yet."""
        return bytes(self._queue)

    @property
    def is_waiting(self) -> bool:
        """Tell whether anything is still to enter."""
        return bool(self._queue or self._script)

    def next_ns(self, n: int) -> int | None:
        """Return when the log being replayed has the next bytes, if no CPU runs until then; in ns of virtual time."""
        return self._script[0].time_ns if self._script and self._script[0].n == n else None

    def deliver(self, n: int, time_ns: int) -> bool:
        """Let bytes enter at a point that the guest has reached. Tell whether any did."""
        data = self._due(n, time_ns)
        accepted = self._accept(data) if data else 0
        if not accepted:
            return False
        if not self._script:
            del self._queue[:accepted]
        else:
            self._script.popleft()
        arrival = Arrival(n, time_ns, data[:accepted])
        self.log.append(arrival)
        self._count += 1
        self._tell(arrival)
        return True

    def _due(self, n: int, time_ns: int) -> bytes:
        """Return what may enter now: of a log that is replayed, only what entered exactly here."""
        if not self._script:
            return bytes(self._queue)
        arrival = self._script[0]
        return arrival.data if (arrival.n, arrival.time_ns) == (n, time_ns) else b""

    def snapshot(self) -> dict[str, Any]:
        """Return the queue, what is left to replay, and how long the log is."""
        return {
            "queue": bytes(self._queue),
            "script": [[arrival.n, arrival.time_ns, arrival.data] for arrival in self._script],
            "logged": self._count,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back; the log forgets what came after it."""
        self._queue[:] = state["queue"]
        self._script = deque(Arrival(*arrival) for arrival in state["script"])
        self._count = state["logged"]
        del self.log[self._count :]
