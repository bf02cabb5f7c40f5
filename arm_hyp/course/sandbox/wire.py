"""What a student's process says to the one that judges: frames of MessagePack through a pipe, in one order.

Read `hypervisor/student/effects.py` before this file; `course/sandbox/child.py`, which sends, and
`course/sandbox/heard.py`, which listens, after it. Once the student's file is loaded, any of these may be a lie.

    Confined  ->  Refused, or Loaded  ->  Calling and Did, for each exit  ->  Over

A frame is its length (4 bytes, little-endian) and so many bytes.
"""

from __future__ import annotations

import os
import struct
from typing import Any, Final

import msgspec

LENGTH: Final = struct.Struct("<I")


class Confined(msgspec.Struct, frozen=True, array_like=True, tag="confined"):
    """What holds the process, in sentences. The student's code has not run."""

    words: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """There is no run: what was wrong, as in `UserError`."""

    thing: str
    cause: str
    way_out: str


class Loaded(msgspec.Struct, frozen=True, array_like=True, tag="loaded"):
    """What the file registered, as `Registrations` in plain data."""

    registrations: Any


class Calling(msgspec.Struct, frozen=True, array_like=True, tag="calling"):
    """A handler is called: its decorator and where it is."""

    handler: str
    file: str
    line: int
    function: str


class Did(msgspec.Struct, frozen=True, array_like=True, tag="did"):
    """One exit is over: its `Effect`, packed."""

    effect: bytes


class Over(msgspec.Struct, frozen=True, array_like=True, tag="over"):
    """The run has ended, for the reason that a machine's outcome has."""

    reason: str


Frame = Confined | Refused | Loaded | Calling | Did | Over
frames: Final = msgspec.msgpack.Decoder(Frame)
_encoder: Final = msgspec.msgpack.Encoder()


def put(descriptor: int, frame: Frame) -> None:
    """Write a frame. Raises: OSError."""
    data = _encoder.encode(frame)
    data = LENGTH.pack(len(data)) + data
    while data:
        data = data[os.write(descriptor, data) :]
