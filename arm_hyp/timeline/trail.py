"""What a run told of itself, a hash of each event: finer than its journal, which has exceptions and returns alone.

Read `events.py` and `timeline/journal.py` before this file, `timeline/differences.py` after it, which finds where two
of these part.
"""

from __future__ import annotations

from array import array
from typing import ClassVar, Final

import msgspec

from arm_hyp.events import Edited, Ended, Event, RegisterAccess

_ENTRY: Final = "q"
_encoder: Final = msgspec.msgpack.Encoder()


def is_told(event: Event) -> bool:
    """Tell whether an event is the guest's doing: the user's edits, and the end of a piece of a run, are not."""
    return not isinstance(event, Edited | Ended)


class Trail:
    """A sink that keeps 8 bytes of each event.

    Two events are the same if they are of one kind, at one place, with the same data: the control registers beside, and
    what was read from or written to one.
    """

    entry_bytes: ClassVar[int] = array(_ENTRY).itemsize

    def __init__(self) -> None:
        self._hashes = array(_ENTRY)

    def __len__(self) -> int:
        return len(self._hashes)

    def emit(self, event: Event) -> None:
        """Keep the hash of an event."""
        if is_told(event):
            self._hashes.append(hash(_encoder.encode(_compared(event))))

    def packed(self, start: int, stop: int) -> memoryview:
        """Return entries as they are packed, `entry_bytes` each."""
        return memoryview(self._hashes)[start:stop]


def _compared(event: Event) -> Event:
    """Return what makes an event the same in two runs of which one was changed."""
    if isinstance(event, RegisterAccess):
        return msgspec.structs.replace(event, value=0)
    return msgspec.structs.replace(event, controls={}) if getattr(event, "controls", None) else event
