"""What a student's process has said, taken in within bounds, and told from what no such process says.

Read `course/sandbox/wire.py` before this file, `course/sandbox/verdict.py` after it. Nothing here trusts the other end.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from arm_hyp.course.sandbox import wire
from arm_hyp.course.sandbox.types import Limits

_BEFORE_LOADING: Final = 1 << 20
"""Room for frames beside the effects."""


class Heard:
    """The frames of one process. `wrong` says what is wrong with them, "" as long as nothing is."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = bytearray()
        self._left = limits.effects_bytes + _BEFORE_LOADING
        self._state: type[Any] | None = None
        self.wrong = ""
        self.words: tuple[str, ...] = ()
        self.refused: wire.Refused | None = None
        self.registrations: Any = None
        self.effects: list[bytes] = []
        self.calling: wire.Calling | None = None
        self.over: str | None = None

    def take(self, data: bytes) -> None:
        """Take in what has come."""
        self._left -= len(data)
        if self._left < 0:
            self._fail(f"its handlers did more than {self._limits.effects_bytes:,} bytes can hold")
            return
        self._bytes += data
        while not self.wrong and (frame := self._next()) is not None:
            self._note(frame)

    def _fail(self, why: str) -> None:
        self.wrong = self.wrong or why
        self._bytes.clear()

    def _next(self) -> wire.Frame | None:
        if len(self._bytes) < wire.LENGTH.size:
            return None
        (length,) = wire.LENGTH.unpack_from(self._bytes)
        if len(self._bytes) < wire.LENGTH.size + length:
            return None
        frame = bytes(self._bytes[wire.LENGTH.size : wire.LENGTH.size + length])
        del self._bytes[: wire.LENGTH.size + length]
        try:
            decoded: wire.Frame = wire.frames.decode(frame)
            return decoded
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            self._fail(FORGED)
            return None

    def _note(self, frame: wire.Frame) -> None:
        if self._state not in _FOLLOWS[type(frame)]:
            self._fail(FORGED)
            return
        self._state = type(frame)
        _NOTES[type(frame)](self, frame)

    # --- by frame ----------------------------------------------------------------------------------------------------

    def _confined(self, frame: wire.Confined) -> None:
        self.words = frame.words

    def _refused(self, frame: wire.Refused) -> None:
        self.refused = frame

    def _loaded(self, frame: wire.Loaded) -> None:
        self.registrations = frame.registrations
        if frame.registrations is None:
            self._fail(FORGED)

    def _calling(self, frame: wire.Calling) -> None:
        self.calling = frame

    def _did(self, frame: wire.Did) -> None:
        self.effects.append(frame.effect)
        self.calling = None
        if len(self.effects) > self._limits.exits:
            self._fail(f"its handlers were asked at more than {self._limits.exits:,} exits")

    def _over(self, frame: wire.Over) -> None:
        self.over = frame.reason


FORGED: Final = "its process sent what no run sends: something in it wrote to the judge's pipe"
_FOLLOWS: Final[dict[type, tuple[type | None, ...]]] = {
    wire.Confined: (None,),
    wire.Refused: (None, wire.Confined),
    wire.Loaded: (wire.Confined,),
    wire.Calling: (wire.Loaded, wire.Calling, wire.Did),
    wire.Did: (wire.Calling, wire.Loaded, wire.Did),
    wire.Over: (wire.Loaded, wire.Calling, wire.Did),
}
"""What a frame may come behind."""
_NOTES: Final[dict[type, Any]] = {
    wire.Confined: Heard._confined,
    wire.Refused: Heard._refused,
    wire.Loaded: Heard._loaded,
    wire.Calling: Heard._calling,
    wire.Did: Heard._did,
    wire.Over: Heard._over,
}
