"""Events for whoever watches: those of some types, decoded, in batches of bounded size.

Read `events.py` and `timeline/process/messages.py` before this file, `timeline/process/session.py` after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import cache
from typing import Final

import msgspec

from arm_hyp.errors import UserError
from arm_hyp.events import ConsoleOutput, Event, with_counter_reads
from arm_hyp.kvm_events import AnyEvent
from arm_hyp.timeline.process.answers import Events

ALL: Final = "all"
MOST_EVENTS: Final = 1000
"""Of a batch."""


@cache
def _by_tag() -> dict[str, type[Event]]:
    return {str(kind.__struct_config__.tag): kind for kind in AnyEvent.__args__}


def types_of(kinds: Iterable[str]) -> frozenset[type[Event]]:
    """Return the types of events with these tags. Raises: UserError for one that there is not."""
    known, wanted = _by_tag(), set(kinds)
    for kind in sorted(wanted - {ALL}):
        if kind not in known:
            raise UserError(f"event {kind!r}", "there is no such type", "see docs/trace-format.md, or say all")
    return with_counter_reads(frozenset(known.values() if ALL in wanted else (known[kind] for kind in wanted)))


class Batch:
    """A sink that keeps events for whoever fetches them: `at_most` so many, the first ones or the last ones.

    What a guest prints byte by byte within one position and behind it is one event, up to the end of its line.
    """

    def __init__(
        self, interests: frozenset[type[Event]], at_most: int = MOST_EVENTS, *, keeps_last: bool = True
    ) -> None:
        self.interests, self._keeps_last = interests, keeps_last
        self._kept: deque[Event] = deque()
        self._at_most, self._dropped, self._is_inside = at_most, 0, False

    def emit(self, event: Event) -> None:
        """Take an event."""
        self._is_inside = True
        if type(event) in self.interests and not self._joins(event):
            self._keep(event)
        self._is_inside = False

    def _keep(self, event: Event) -> None:
        if len(self._kept) < self._at_most:
            self._kept.append(event)
            return
        self._dropped += 1
        if self._keeps_last and self._at_most:
            self._kept.popleft()
            self._kept.append(event)

    def _joins(self, event: Event) -> bool:
        last = self._kept[-1] if self._kept else None
        if not isinstance(event, ConsoleOutput) or not isinstance(last, ConsoleOutput):
            return False
        if last.text.endswith("\n") or (last.device, last.cpu) != (event.device, event.cpu):
            return False
        self._kept[-1] = msgspec.structs.replace(last, text=last.text + event.text)
        return True

    def take(self) -> Events:
        """Return what was kept since the last call; nothing, from a signal handler while an event comes in."""
        if self._is_inside:
            return Events(())
        found = Events(tuple(map(_plain, self._kept)), self._dropped)
        self._kept.clear()
        self._dropped = 0
        return found


def _plain(event: Event) -> dict[str, object]:
    plain: dict[str, object] = msgspec.msgpack.decode(msgspec.msgpack.encode(event))  # as through a pipe
    return plain
