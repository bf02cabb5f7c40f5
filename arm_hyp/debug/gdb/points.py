"""Where a timeline goes for gdb: to the next hit of a breakpoint or watchpoint, to the last one, one place back.

Read `timeline/search.py` before this file, `timeline_debuggee.py` after it. A breakpoint is a hook for the length of a
motion: nothing is written where the guest could see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from arm_hyp.cpu.watches import Breakpoint, LoadWatch, StoreWatch, Watch
from arm_hyp.debug.gdb.debuggee import StopKind, StopPoint
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.search import Found as FoundWatch
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.timeline import Timeline

_ACCESSES: Final[dict[StopKind, tuple[type[LoadWatch | StoreWatch], ...]]] = {
    StopKind.WRITE: (StoreWatch,),
    StopKind.READ: (LoadWatch,),
    StopKind.ACCESS: (LoadWatch, StoreWatch),
}
_Watched = dict[Watch, StopPoint]


class Found(NamedTuple):
    """A stop point that holds at the cursor, and on which CPU."""

    point: StopPoint
    cpu: int


def find_next(timeline: Timeline, points: frozenset[StopPoint], limit: int) -> Found | None:
    """Run on to the first hit of a point, or to `limit` instructions in all; the cursor is there then.

    A breakpoint at the cursor itself does not count. For a watchpoint the cursor is before the access: gdb wants to
    see it happen, and steps on.
    """
    watched = _watches(points)
    found = _found(Search(timeline).forward_to(list(watched), limit), watched)
    if found is not None and found.point.kind.is_watch:
        go_to_place_before(timeline)
    return found


def find_last(timeline: Timeline, points: frozenset[StopPoint]) -> Found | None:
    """Go back to the last hit before the cursor; None if there was none, or if it was stopped.

    For a watchpoint the cursor is behind the access: gdb wants to see it undone, and steps back. So an access that led
    to the cursor counts as well.
    """
    accesses = _watches(point for point in points if point.kind.is_watch)
    if accesses and (found := _led_here(timeline, accesses)) is not None:
        return found
    watched = _watches(points)
    return _found(Search(timeline).back_to(list(watched)), watched)


def _led_here(timeline: Timeline, watched: _Watched) -> Found | None:
    """Return the access of the instruction before the cursor, which stays."""
    here = timeline.position
    go_to_place_before(timeline)
    timeline.replay(timeline.position, here, watches=list(watched))
    hit = next(((watch, watch.hits[-1]) for watch in watched if watch.hits), None)
    return None if hit is None else Found(watched[hit[0]], hit[1].cpu)


def _found(found: FoundWatch | None, watched: _Watched) -> Found | None:
    if found is None or found.hit is None or not isinstance(found.stop, Watch):
        return None
    return Found(watched[found.stop], found.hit.cpu)


def run_to_turn(timeline: Timeline, cpu: int | None, limit: int) -> None:
    """Let others run until a CPU is about to execute its next instruction. None: any CPU is the right one."""
    cpus = timeline.runner.machine.cpus
    if cpu is not None and cpus.current.index != cpu:
        Search(timeline).forward_to([Breakpoint(cpus.cores[cpu].pc, cpu)], limit)


def go_to_place_before(timeline: Timeline) -> None:
    """Go to the last place before the cursor; at the start of the run it stays."""
    end = timeline.position
    if end == START:
        return
    n = end.n if end.seq else end.n - 1
    while n > 0 and timeline.seek(Position(n)) >= end:
        n -= 1
    last = timeline.seek(Position(max(n, 0)))
    while (now := timeline.seek(Position(last.n, last.seq + 1))) < end:
        last = now
    timeline.seek(last)


def _watches(points: Iterable[StopPoint]) -> _Watched:
    return {watch: point for point in points for watch in _watches_of(point)}


def _watches_of(point: StopPoint) -> list[Watch]:
    if not point.kind.is_watch:
        return [Breakpoint(point.address)]
    return [make(point.physical, point.size_bytes) for make in _ACCESSES[point.kind]]
