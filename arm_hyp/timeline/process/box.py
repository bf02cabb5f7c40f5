"""The flight recorder of a machine process: what it takes to come back to where it was, kept beyond its end.

Read `timeline/history.py` before this file, `timeline/process/child.py` after it. It is a file without a name. The
child appends to it what cannot be computed again: input, edits, effects of handlers, how far each branch has come. A
process that is killed loses nothing that it has written, so the next one reads the file and goes on there. In front
lies a slot that says which call of a user's handler runs now: the one thing that must be known when one never returns.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import msgspec

from arm_hyp.machine.console_input import Arrival
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process.answers import HandlerCall

_SLOT_BYTES: Final = 4096
_FRAME: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_LONGEST_TEXT: Final = 400


class Handlers(msgspec.Struct, frozen=True, tag="handlers"):
    """A file of a user's handlers, and what it registered: enough to repeat what they did without the file."""

    path: str
    registrations: Any


class KeptEdit(msgspec.Struct, frozen=True, array_like=True):
    """What the user changed, where, and at which virtual time."""

    position: Position
    what: Edit | Poke | Handlers
    time_ns: int = 0


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A branch begins."""

    name: str
    parent: str | None
    begins_at: Position


class More(msgspec.Struct, frozen=True, tag="more"):
    """What came on a branch: input by console, edits, effects; each from an index on, whatever was there goes."""

    branch: str
    inputs: tuple[tuple[int, tuple[Arrival, ...]], ...]
    edits: tuple[int, tuple[KeptEdit, ...]]
    effects: tuple[int, tuple[bytes, ...]]


class Place(msgspec.Struct, frozen=True, tag="place"):
    """Where the run is: the branch, the cursor, and how far that branch has come.

    `pending` was typed, by console; `outcome` is (reason, status, text) if the run has come to an end there.
    """

    branch: str
    cursor: Position
    tip: Position
    time_ns: int
    pending: tuple[bytes, ...]
    outcome: tuple[str, int, str] | None = None


class Marked(msgspec.Struct, frozen=True, tag="marked"):
    """All marks and breakpoints."""

    marks: dict[str, Position]
    breakpoints: tuple[str, ...]


Note = Begun | More | Place | Marked | Handlers
_notes: Final = msgspec.msgpack.Decoder(Note)
_calls: Final = msgspec.msgpack.Decoder(HandlerCall)
_encode: Final = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class KeptBranch:
    """All that is known of a branch."""

    name: str
    parent: str | None
    begins_at: Position
    inputs: list[list[Arrival]] = field(default_factory=list)
    edits: list[KeptEdit] = field(default_factory=list)
    effects: list[bytes] = field(default_factory=list)
    tip: Position = START
    time_ns: int = 0
    pending: tuple[bytes, ...] = ()
    outcome: tuple[str, int, str] | None = None

    def take(self, more: More) -> None:
        """Take a note in."""
        self.inputs += [[] for _ in range(len(more.inputs) - len(self.inputs))]
        for log, (start, arrivals) in zip(self.inputs, more.inputs, strict=False):
            log[start:] = arrivals
        self.edits[more.edits[0] :] = more.edits[1]
        self.effects[more.effects[0] :] = more.effects[1]


@dataclass(slots=True)
class Kept:
    """All that is known of a run. `call` is the call of a handler that was not over."""

    branches: dict[str, KeptBranch] = field(default_factory=dict)
    branch: str = ""
    cursor: Position = START
    marks: dict[str, Position] = field(default_factory=dict)
    breakpoints: tuple[str, ...] = ()
    handlers: Handlers | None = None
    call: HandlerCall | None = None

    def take(self, note: Note) -> None:
        """Take a note in."""
        if isinstance(note, Begun):
            self.branches[note.name] = KeptBranch(note.name, note.parent, note.begins_at)
        elif isinstance(note, More):
            self.branches[note.branch].take(note)
        elif isinstance(note, Marked):
            self.marks, self.breakpoints = note.marks, note.breakpoints
        elif isinstance(note, Handlers):
            self.handlers = note
        else:
            self.branch, self.cursor = note.branch, note.cursor
            branch = self.branches[note.branch]
            branch.tip, branch.time_ns = note.tip, note.time_ns
            branch.pending, branch.outcome = note.pending, note.outcome


class Box:
    """The file, by its descriptor, in either process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._slot = mmap.mmap(descriptor, _SLOT_BYTES)

    @classmethod
    def new(cls) -> Box:
        """Make a file that has no name, and is gone with the last of its users."""
        with tempfile.TemporaryFile(prefix="arm-hyp-") as file:
            os.ftruncate(file.fileno(), _SLOT_BYTES)
            return cls(os.dup(file.fileno()))

    def close(self) -> None:
        """Close the file."""
        self._slot.close()
        os.close(self.descriptor)

    # --- the slot ----------------------------------------------------------------------------------------------------

    def calls(self, call: HandlerCall | None) -> None:
        """Note which call of a handler runs now; None: none does."""
        self._slot[: _LENGTH.size] = _LENGTH.pack(0)  # first: half of a text is none
        if call is not None:
            data = _encode(call)
            self._slot[_LENGTH.size : _LENGTH.size + len(data)] = data
            self._slot[: _LENGTH.size] = _LENGTH.pack(len(data))

    @property
    def call(self) -> HandlerCall | None:
        """The call that was noted last, and was not over."""
        (length,) = _LENGTH.unpack_from(self._slot)
        if not 0 < length <= _SLOT_BYTES - _LENGTH.size:
            return None
        try:
            return _calls.decode(self._slot[_LENGTH.size : _LENGTH.size + length])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    # --- notes -------------------------------------------------------------------------------------------------------

    def note(self, note: Note) -> None:
        """Append a note."""
        data = _encode(note)
        os.write(self.descriptor, _FRAME.pack(len(data), crc32(data)) + data)

    def read(self) -> Kept:
        """Return all that is known, and have what follows be appended behind the last whole note."""
        kept, at = Kept(call=self.call), _SLOT_BYTES
        for note, end in self._whole_notes():
            kept.take(note)
            at = end
        os.ftruncate(self.descriptor, at)
        os.lseek(self.descriptor, at, os.SEEK_SET)
        return kept

    def _whole_notes(self) -> Iterator[tuple[Note, int]]:
        at, size = _SLOT_BYTES, os.fstat(self.descriptor).st_size
        while at + _FRAME.size <= size:
            length, check = _FRAME.unpack(os.pread(self.descriptor, _FRAME.size, at))
            data = os.pread(self.descriptor, length, at + _FRAME.size)
            if len(data) != length or crc32(data) != check:
                return
            at += _FRAME.size + length
            yield _notes.decode(data), at


def shortened(text: str) -> str:
    """Return a text as it fits into the slot."""
    return text[:_LONGEST_TEXT]
