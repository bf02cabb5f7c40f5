"""The hash of a trace, and the comparison with it: a byte for each event, so that the first that differs has a name.

Read `events.py` before this file, `timeline/recording.py` after it. The byte of an event depends on all events before
it. So what differs is noticed at the first event that does, or (once in 256 times) at one of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

import msgspec

from arm_hyp.events import ConsoleInput, ConsoleOutput, Event, ExceptionReturned, ExceptionTaken
from arm_hyp.kvm_events import HandlerEffect

HASH_BYTES: Final = 16
MAX_EVENTS: Final = 1 << 29
_BLOCK_BYTES: Final = 1 << 16


class Trace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of the events that were noted: how many, the hash of all, a byte of check for each."""

    events: int
    digest: bytes
    checks: bytes


def _taken(event: Any) -> tuple[Any, ...]:
    return (
        *("taken", event.n, event.seq, event.cpu, event.to_el, event.vector),
        *(event.esr, event.far, event.hpfar, event.elr, event.spsr),
    )


def _returned(event: Any) -> tuple[Any, ...]:
    return "returned", event.n, event.seq, event.cpu, event.to_el, event.elr, event.spsr


def _printed(event: Any) -> tuple[Any, ...]:
    return "output", event.n, event.device, event.text


def _handled(event: Any) -> tuple[Any, ...]:
    return "handled", event.n, event.seq, event.vm, event.vcpu, event.index, event.handler, event.actions


def _typed(event: Any) -> tuple[Any, ...]:
    return "input", event.n, event.seq, event.device, event.text, event.time_ns


_NOTED: Final[dict[type[Event], Callable[[Any], tuple[Any, ...]]]] = {
    ExceptionTaken: _taken,
    ExceptionReturned: _returned,
    ConsoleOutput: _printed,
    ConsoleInput: _typed,
    HandlerEffect: _handled,
}
"""What is noted of an event: what the guest could see of it, and when it was."""


class TraceNotes:
    """Listens to a run, and notes its exceptions, returns, output and input. About a microsecond an event."""

    interests: Final = frozenset(_NOTED)

    def __init__(self) -> None:
        self._encode, self._block, self._hash = msgspec.msgpack.Encoder().encode, bytearray(), blake2b()
        self._crc, self._checks = 0, bytearray()
        self.last: Event | None = None

    @property
    def events(self) -> int:
        """How many were noted."""
        return len(self._checks)

    def emit(self, event: Event) -> None:
        """Note an event, if it is of a kind that counts."""
        fields = _NOTED.get(type(event))
        if fields is None:
            return
        noted = self._encode(fields(event))
        self._crc = crc32(noted, self._crc)
        self._block += noted
        if len(self._block) > _BLOCK_BYTES:
            self._hash.update(self._block)
            self._block.clear()
        self._checks.append(self._crc & 0xFF)
        self.last = event

    def trace(self) -> Trace:
        """Return what was noted up to now."""
        result = self._hash.copy()
        result.update(self._block)
        return Trace(self.events, result.digest()[:HASH_BYTES], bytes(self._checks))


class TraceCheck(TraceNotes):
    """Listens to a replay, and compares. `differs` is called once, at the first event that is not as recorded."""

    def __init__(self, recorded: Trace, differs: Callable[[], None]) -> None:
        super().__init__()
        self._recorded, self._differs = recorded, differs
        self.first_difference: Event | None = None

    def emit(self, event: Event) -> None:
        """Note an event and compare it; nothing counts any more after the first difference."""
        if self.first_difference is not None or type(event) not in _NOTED:
            return
        super().emit(event)
        checks, at = self._recorded.checks, self.events - 1
        if at >= len(checks) or checks[at] != self._checks[at]:
            self.first_difference = event
            self._differs()

    @property
    def is_complete(self) -> bool:
        """Whether every event that was recorded has come again, and no other."""
        return self.first_difference is None and self.trace() == self._recorded
