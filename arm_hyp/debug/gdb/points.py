"""Where a timeline goes for gdb: to the next hit of a breakpoint or watchpoint, to the last one, one place back.

Read `cpu/watching.py` and `timeline/search.py` before this file, `timeline_debuggee.py` after it. A breakpoint is a
hook for the length of a motion: nothing is written where the guest could see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final, NamedTuple

from arm_hyp.cpu.core import Core
from arm_hyp.cpu.watches import Breakpoint, Hit, LoadWatch, StoreWatch, Watch
from arm_hyp.cpu.watching import Watches
from arm_hyp.debug.gdb.debuggee import StopKind, StopPoint
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.timeline import Timeline

_ACCESSES: Final[dict[StopKind, tuple[type[LoadWatch | StoreWatch], ...]]] = {
    StopKind.WRITE: (StoreWatch,),
    StopKind.READ: (LoadWatch,),
    StopKind.ACCESS: (LoadWatch, StoreWatch),
}


class _Here(Breakpoint):
    """A breakpoint that stops the run before its instruction, which then has not begun."""

    def _reached(self, watches: Watches, core: Core, pc: int) -> None:
        n, seq = watches.before(core)
        if self.note(Hit(n, seq, core.index, pc)) and self.stops:
            core.discount()
            watches.stop()


class Found(NamedTuple):
    """A stop point that holds, where it was noted, and on which CPU. For a watchpoint that is behind the access."""

    position: Position
    point: StopPoint
    cpu: int


def find_next(timeline: Timeline, points: frozenset[StopPoint], limit: int) -> Found | None:
    """Run on to the first hit of a point, or to `limit` instructions in all; the cursor is there then.

    A breakpoint at the cursor itself does not count. For a watchpoint the cursor is before the access: gdb wants to
    see it happen, and steps on.
    """
    start = timeline.position
    watched = _watches(points, stops=True)
    first = [(watch, point) for watch, point in watched if point.kind.is_watch]
    _go(timeline, first, Position(start.n, start.seq + 1))  # off the place itself
    found = _first(first)
    if found is None and timeline.position > start:
        _go(timeline, watched, Position(limit))
        found = _first(watched)
    if found is not None and found.point.kind.is_watch:
        timeline.seek(found.position)
        go_to_place_before(timeline)
    return found


def find_last(timeline: Timeline, points: frozenset[StopPoint]) -> Found | None:
    """Go back to the last hit before the cursor, or to the start of the run; it may stop anywhere if it is stopped.

    For a watchpoint the cursor is behind the access: gdb wants to see it undone, and steps back.
    """
    here = timeline.position
    for start, end in Search(timeline).backwards(here):
        watched = _watches(points, keep=2)
        timeline.seek(start)
        _go(timeline, watched, end)
        if timeline.position < end:  # somebody has stopped it
            return None
        found = _last(watched, here)
        if found is not None:
            timeline.seek(found.position)
            return found
    timeline.seek(START)
    return None


def run_to_turn(timeline: Timeline, cpu: int | None, limit: int) -> None:
    """Let others run until a CPU is about to execute its next instruction. None: any CPU is the right one."""
    cpus = timeline.runner.machine.cpus
    if cpu is None or cpus.current.index == cpu:
        return
    turn = _Here(cpus.cores[cpu].pc, cpu=cpu, stops=True)
    _go(timeline, [(turn, StopPoint(StopKind.HARDWARE, turn.pc, 4))], Position(limit))


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


def _watches(points: Iterable[StopPoint], **options: Any) -> list[tuple[Watch, StopPoint]]:
    return [(watch, point) for point in points for watch in _watches_of(point, **options)]


def _watches_of(point: StopPoint, **options: Any) -> list[Watch]:
    if not point.kind.is_watch:
        return [_Here(point.address, **options)]
    return [make(point.physical, point.size_bytes, **options) for make in _ACCESSES[point.kind]]


def _go(timeline: Timeline, watched: list[tuple[Watch, StopPoint]], target: Position) -> None:
    """Go forward with watches connected."""
    machine = timeline.runner.machine
    stop = partial(machine.request_stop, "a breakpoint", 0)
    with Watches(machine.cpus.cores, [watch for watch, _ in watched], machine.ram_device.observers, stop):
        timeline.seek(target)


def _first(watched: list[tuple[Watch, StopPoint]]) -> Found | None:
    hits = [_found(watch.hits[0], point) for watch, point in watched if watch.hits]
    return min(hits, key=lambda found: (found.position, not found.point.kind.is_watch), default=None)


def _last(watched: list[tuple[Watch, StopPoint]], before: Position) -> Found | None:
    """Return the last hit before a position; for an access, one that leads there will do."""
    hits = [_found(hit, point) for watch, point in watched for hit in watch.hits]
    valid = [one for one in hits if one.position < before or (one.point.kind.is_watch and one.position == before)]
    return max(valid, key=lambda found: (found.position, found.point.kind.is_watch), default=None)


def _found(hit: Hit, point: StopPoint) -> Found:
    return Found(Position(hit.n, hit.seq), point, hit.cpu)
