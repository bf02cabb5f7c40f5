"""The pipe between a machine process and whoever uses it: frames of bounded size, and what lies in them.

Read `timeline/process/messages.py` and `timeline/process/answers.py` before this file; after it
`timeline/process/child.py`, the one end, and `timeline/process/process.py`, the other. A frame is its length (4 bytes,
little-endian) and so many bytes of MessagePack. Neither end trusts the other: a user's handler may have written to the
descriptor.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.embedding import Embed
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import Answer, Events
from arm_hyp.timeline.process.messages import Message
from arm_hyp.timeline.process.telling import Told

LONGEST_REQUEST_BYTES: Final = 64 << 20
LONGEST_ANSWER_BYTES: Final = 64 << 20
_LENGTH: Final = struct.Struct("<I")
_READ_BYTES: Final = 1 << 18


class RecordingFile(msgspec.Struct, frozen=True, tag="recording"):
    """A recording, and where files are that are not in it."""

    path: str
    folders: tuple[str, ...] = ()


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """The first frame to the child: which machine to make, from one of both. Its past is in the box.

    Of a recording, `goes_to_cursor`: stand where its user was, and not at the start. `embed` is for a recording of it.
    """

    configuration: Configuration | None
    recording: RecordingFile | None
    budget_bytes: int
    goes_to_cursor: bool = True
    embed: Embed = "small"


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """A message. Number 0 wants no answer."""

    number: int
    message: Message


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """The answer to a message, and the events up to there. Number 0 answers `Begin`, and what could not be read."""

    number: int
    answer: Answer
    events: Events


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Where a run is, or how far a search has looked, several times a second while one lasts."""

    position: Position
    frontier: Position
    looked_at: Position | None
    events: Events


Request = Begin | Asked
Reply = Answered | Progress | Told
requests: Final = msgspec.msgpack.Decoder(Request)
replies: Final = msgspec.msgpack.Decoder(Reply)
encode: Final = msgspec.msgpack.Encoder().encode


class TooLong(ValueError):
    """A frame was longer than this end takes. It has been passed over."""


class Closed(Exception):
    """The other end is gone."""


class Pipe:
    """One end. Nothing blocks but `flush` and `wait`."""

    def __init__(self, end: socket.socket, longest_bytes: int) -> None:
        end.setblocking(False)
        self._end, self._longest_bytes = end, longest_bytes
        self._in, self._out = bytearray(), bytearray()
        self._to_skip = 0
        self._is_closed = False

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    # --- out ---------------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether something waits to be sent: the other end does not read."""
        return bool(self._out)

    def put(self, frame: Any) -> None:
        """Send a frame, or what the pipe takes of it now; the rest goes with `flush`. Raises: Closed."""
        self.put_encoded(encode(frame))

    def put_encoded(self, data: bytes) -> None:
        """Send a frame that is encoded already, as `put` does. Raises: Closed."""
        self._out += _LENGTH.pack(len(data)) + data
        self.push()

    def push(self) -> None:
        """Send what waits to be sent, as far as the pipe takes it. Raises: Closed."""
        try:
            while self._out:
                sent = self._end.send(memoryview(self._out)[: 1 << 20].tobytes())
                del self._out[:sent]
        except BlockingIOError:
            return
        except OSError:
            raise Closed from None

    def flush(self) -> None:
        """Wait until everything is sent; what comes meanwhile is taken in. Raises: Closed."""
        while self._out:
            readable, _, _ = select.select([self._end], [self._end], [])
            if readable:
                self.take_in()
            if self._is_closed:
                raise Closed
            self.push()

    # --- in ----------------------------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until something comes, or this end learns that the other is gone; False if the time is over."""
        readable, _, _ = select.select([self._end], [], [], timeout_s)
        return bool(readable)

    def take_in(self) -> None:
        """Read what is there."""
        try:
            while data := self._end.recv(_READ_BYTES):
                self._in += data
                if len(data) < _READ_BYTES:
                    return
            self._is_closed = True
        except BlockingIOError:
            return
        except OSError:
            self._is_closed = True

    def frames(self) -> Iterator[bytes]:
        """Give the frames that have come. Raises: TooLong, for one; Closed, behind the last."""
        while (frame := self._next()) is not None:
            yield frame
        if self._is_closed:
            raise Closed

    def _next(self) -> bytes | None:
        if self._to_skip:
            skipped = min(self._to_skip, len(self._in))
            del self._in[:skipped]
            self._to_skip -= skipped
        if self._to_skip or len(self._in) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._in)
        if length > self._longest_bytes:
            self._to_skip = length + _LENGTH.size
            raise TooLong(f"a frame of {length:,} bytes; the longest has {self._longest_bytes:,}")
        if len(self._in) < _LENGTH.size + length:
            return None
        frame = bytes(memoryview(self._in)[_LENGTH.size : _LENGTH.size + length])
        del self._in[: _LENGTH.size + length]
        return frame
