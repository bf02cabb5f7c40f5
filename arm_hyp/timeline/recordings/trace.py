"""The hash of a trace, and the comparison with it: a byte for each event, so that the first that differs has a name.

Read `cpu/position.py` and `timeline/journal.py` before this file, `timeline/recordings/recording.py` after it. Events
are the exceptions and returns of a run, as the core tells a journal. The byte of one depends on all before it. So what
differs is noticed at the first event that does, or (once in 256 times) at one of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Final
from zlib import crc32

import msgspec

from arm_hyp.arch import sysregs
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.syndromes import one_line
from arm_hyp.cpu.position import Told
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.timeline.position import Position

HASH_BYTES: Final = 16
MAX_EVENTS: Final = 1 << 29
_BLOCK_BYTES: Final = 1 << 16
_RETURN: Final = -1


class Trace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of the events that were noted: how many, the hash of all, a byte of check for each."""

    events: int
    digest: bytes
    checks: bytes


class TraceNotes:
    """Takes what the core tells a journal. Less than a microsecond an event."""

    def __init__(self) -> None:
        self._encode, self._block, self._hash = msgspec.msgpack.Encoder().encode, bytearray(), blake2b()
        self._crc, self._checks = 0, bytearray()
        self.last = Position(0)

    @property
    def events(self) -> int:
        """How many were noted."""
        return len(self._checks)

    def note(self, told: Told) -> None:
        """Take an exception or a return."""
        noted = self._encode(told)
        self._crc = crc32(noted, self._crc)
        self._block += noted
        if len(self._block) > _BLOCK_BYTES:
            self._hash.update(self._block)
            self._block.clear()
        self._checks.append(self._crc & 0xFF)
        self.last = Position(told[0], told[1])

    def trace(self) -> Trace:
        """Return what was noted up to now."""
        result = self._hash.copy()
        result.update(self._block)
        return Trace(self.events, result.digest()[:HASH_BYTES], bytes(self._checks))


class TraceCheck(TraceNotes):
    """Takes the same of a replay, and compares. `differs` is called once, at the first that is not as recorded."""

    def __init__(self, recorded: Trace, differs: Callable[[Told], None]) -> None:
        super().__init__()
        self._recorded, self._differs = recorded, differs
        self.first_difference: Told | None = None

    def note(self, told: Told) -> None:
        """Take an exception or a return, and compare it; nothing counts any more after the first difference."""
        if self.first_difference is not None:
            return
        super().note(told)
        checks, at = self._recorded.checks, self.events - 1
        if at >= len(checks) or checks[at] != self._checks[at]:
            self.first_difference = told
            self._differs(told)

    @property
    def is_complete(self) -> bool:
        """Whether every event that was recorded has come again, and no other."""
        return self.first_difference is None and self.trace() == self._recorded


def in_words(told: Told, symbols: SymbolTable) -> str:
    """Say what an exception or a return is."""
    _, _, cpu, level, kind, esr, elr, spsr, _ = told
    name = symbols.describe(elr)
    place = f"{elr:#x}{f' <{name}>' if name else ''}"
    if kind == _RETURN:
        return f"cpu{cpu} returns from EL{level} to EL{spsr >> 2 & 3}, {place}"
    what = Kind(kind).name.lower() if esr is None else one_line(esr, level, sysregs.name_of)
    return f"cpu{cpu} takes an exception from EL{spsr >> 2 & 3} to EL{level}, ELR {place}: {what}"
