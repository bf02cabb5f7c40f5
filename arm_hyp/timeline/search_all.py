"""Every event of a stretch for which a condition holds, first to last, told as the one pass over it comes there.

Read `timeline/search.py` before this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arm_hyp.timeline.conditions import Condition
from arm_hyp.timeline.place import Place, place_of_event
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.search import Finder, Found, Search
from arm_hyp.timeline.timeline import Timeline

Tell = Callable[[Found, Place], bool]
"""Hears of an event while the run stands there; answers whether to go on."""
_PIECE: Final = 1 << 24
"""Instructions: so often is said how far the search is."""


def find_all(search: Search, condition: Condition, after: Position | None, last: Position, tell: Tell) -> None:
    """Tell all events behind a position (None: from the start), up to another. The cursor is behind the last one."""
    if after is not None and after >= last:
        return
    timeline = search.timeline
    sink = _Every(timeline, condition, after, last, tell)
    timeline.seek(after or START)
    while timeline.position <= last and not sink.is_done:
        before = timeline.position
        _piece(timeline, min(before.n + _PIECE, last.n + 1), sink)
        if timeline.position == before or timeline.has_ended:
            return
        search.progress(timeline.position)


def _piece(timeline: Timeline, limit: int, sink: _Every) -> None:
    if timeline.position < timeline.frontier:
        timeline.replay(timeline.position, Position(limit), sink=sink)
    else:
        timeline.go_on(limit, sink=sink)


class _Every(Finder):
    """A sink that tells each event that is found."""

    def __init__(
        self, timeline: Timeline, condition: Condition, after: Position | None, last: Position, tell: Tell
    ) -> None:
        super().__init__(timeline, [condition])
        self._behind, self._last, self._tell, self.is_done = after, last, tell, False

    def _note(self, found: Found) -> None:
        is_outside = found.position > self._last or (self._behind is not None and found.position <= self._behind)
        if self.is_done or is_outside:
            return
        assert found.event is not None
        self.is_done = not self._tell(found, place_of_event(self._timeline.runner, found.event))
        if self.is_done:
            self._timeline.stop()
            self._timeline.runner.machine.cpus.current.request_stop()
