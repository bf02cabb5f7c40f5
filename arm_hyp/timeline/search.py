"""Searches in a run, back and forward: for what was executed, stored, changed or told.

Read `cpu/watching.py`, `timeline/conditions.py` and `timeline/timeline.py` before this file; after it
`timeline/search_caller.py` and `search_changes.py`. There is one way to find something in the past: repeat a stretch of
it and watch. Stretches are tried from the cursor backwards, each sixteen times as long as the one before, so what is
close is found at once, and the whole run is repeated once at most. What the journal knows (exceptions and returns)
needs no repeating.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from arm_hyp.arch.exceptions import Kind
from arm_hyp.cpu.watched import RegisterValue
from arm_hyp.cpu.watches import Hit, Watch
from arm_hyp.errors import UserError
from arm_hyp.events import ConsoleOutput, Event, ExceptionReturned, ExceptionTaken, with_counter_reads
from arm_hyp.kvm_events import VcpuRunning
from arm_hyp.timeline.condition_names import Name, find_name, value_in
from arm_hyp.timeline.conditions import Condition, Unknown, parse_condition
from arm_hyp.timeline.console_lines import with_line
from arm_hyp.timeline.journal import Entry
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.timeline import Timeline

Stop = Watch | Condition
"""What a search looks for."""
Progress = Callable[[Position], None]
"""Hears how far back, or forward, a search has looked. If it raises, the search ends, the cursor anywhere."""

FIRST_STRETCH: Final = 1 << 10
"""Instructions."""
_GROWTH: Final = 16
_CHECKPOINTED: Final = 1 << 17
"""A stretch that is longer begins at a checkpoint: going there is all that it costs."""
_FEW: Final = 4
_FIRST_CANDIDATES: Final = 4
_IN_JOURNAL: Final = frozenset({ExceptionTaken, ExceptionReturned})
_NO_LIMIT: Final = 1 << 62


class Found(NamedTuple):
    """What a search has found, and where the cursor is now. `hit` is of a watch, `event` of a condition."""

    position: Position
    stop: Stop
    hit: Hit | None = None
    event: Event | None = None


@dataclass(slots=True)
class Search:
    """Searches of one timeline. They end early, with None, when `timeline.stop()` is called."""

    timeline: Timeline
    progress: Progress = lambda position: None

    # --- steps -------------------------------------------------------------------------------------------------------

    def previous(self, kind: str) -> Position | None:
        """Go back to the last `instruction`, `exception`, `return`, `exit`, `interrupt`, `switch`, or the `caller`.

        None if there was none: then the cursor stays. Raises: UserError for another kind.
        """
        if kind == "instruction":
            here = self.timeline.position
            return self.timeline.step_back() if here > START else None
        if kind == "caller":
            from arm_hyp.timeline.search_caller import find_call  # it searches, too

            return self._go(find_call(self))
        if kind == "switch":
            return _position(self.back_to([SWITCH]))
        entry = self.timeline.journal.before(self.timeline.position, _matcher(kind))
        return self._go(entry.position if entry is not None else None)

    def next(self, kind: str, limit: int = _NO_LIMIT) -> Position | None:
        """Go on to the next one; kinds as for `previous`, without `caller`. Behind the frontier the run goes on.

        None if there is none up to `limit` instructions: then the cursor is there, or at the end.
        """
        if kind == "instruction":
            here = self.timeline.position
            there = self.timeline.step()
            return there if there > here else None
        if kind == "switch":
            return _position(self.forward_to([SWITCH], limit))
        matches = _matcher(kind)
        entry = self.timeline.journal.after(self.timeline.position, matches)
        if entry is not None:
            return self._go(entry.position)
        return _position(self.forward_to([_as_condition(kind)], limit))

    def _go(self, position: Position | None) -> Position | None:
        return None if position is None else self.timeline.seek(position)

    # --- back --------------------------------------------------------------------------------------------------------

    def back_to(self, stops: Sequence[Stop]) -> Found | None:
        """Go back to the last place before the cursor where any of these was; None if there was none.

        The place is before the instruction at a breakpoint, and right behind a change, a load, a store or an event.
        """
        here = self.timeline.position
        for start, end in self._stretches(stops, here):
            found = self._last_in(start, end, stops, here)
            if found is not None:
                self.timeline.seek(found.position)
                return found
            self.progress(start)
            if self.timeline.position < end:
                break  # stopped
        self.timeline.seek(here)
        return None

    def _last_in(self, start: Position, end: Position, stops: Sequence[Stop], before: Position) -> Found | None:
        """Repeat a stretch; return the last of what was found, if it lies before a position."""
        watches = [stop for stop in stops if isinstance(stop, Watch)]
        for watch in watches:
            watch.hits = deque(maxlen=_FEW)
        finder = Finder(self.timeline, [stop for stop in stops if isinstance(stop, Condition)])
        self._replay(start, end, finder, watches)
        found = [Found(Position(*hit[:2]), watch, hit) for watch in watches for hit in watch.hits]
        found += finder.found
        return max((each for each in found if each.position < before), key=lambda each: each.position, default=None)

    def _replay(self, start: Position, end: Position, finder: Finder, watches: Sequence[Watch]) -> None:
        try:
            self.timeline.replay(start, end, sink=finder if finder.conditions else None, watches=watches)
        except (KeyError, ValueError) as error:
            raise UserError("watch", str(error.args[0])) from None

    def _stretches(self, stops: Sequence[Stop], end: Position) -> Iterator[tuple[Position, Position]]:
        """Yield stretches of the past, from the cursor backwards, that together hold all that may be found."""
        only = stops[0] if len(stops) == 1 else None
        if isinstance(only, Condition) and only.interests <= _IN_JOURNAL and not self._has_edits:
            return self._around(self._candidates(only, end), end)
        return self.backwards(end)

    @property
    def _has_edits(self) -> bool:
        return bool(self.timeline.history.edits)

    def backwards(self, end: Position) -> Iterator[tuple[Position, Position]]:
        """Yield stretches that end where the one before began, from `end` to the start of the run."""
        size = FIRST_STRETCH
        while end > START:
            start = Position(max(end.n - size, 0))
            if size > _CHECKPOINTED:
                start = max((place for place in self.timeline.checkpoints() if place <= start), default=START)
            yield start, end
            end, size = start, size * _GROWTH

    def _candidates(self, condition: Condition, end: Position) -> Iterator[Position]:
        """Yield where the journal does not rule a condition out, last first."""
        entry = self.timeline.journal.before(end, lambda entry: condition.test(_of_entry(entry)) is not False)
        while entry is not None:
            yield entry.position
            end = entry.position
            entry = self.timeline.journal.before(end, lambda entry: condition.test(_of_entry(entry)) is not False)

    def _around(self, places: Iterator[Position], end: Position) -> Iterator[tuple[Position, Position]]:
        """Yield stretches that hold these places: a few at first, then more and more of them at once."""
        count = _FIRST_CANDIDATES
        batch: list[Position] = []
        for place in places:
            batch.append(place)
            if len(batch) == count:
                yield Position(max(batch[-1].n - 1, 0)), batch[0]
                batch, count = [], count * _GROWTH
        if batch:
            yield Position(max(batch[-1].n - 1, 0)), batch[0]

    # --- forward -----------------------------------------------------------------------------------------------------

    def forward_to(self, stops: Sequence[Stop], limit: int = _NO_LIMIT) -> Found | None:
        """Go on to the next place where any of these is; behind the frontier the run goes on.

        None if there is none up to `limit` instructions: then the cursor is there, or at the end.
        """
        here = self.timeline.position
        found = self._forward_in_past(stops, Position(limit))
        if found is None and self.timeline.position.n < limit and self.timeline.is_at_frontier:
            found = self._forward_in_future(stops, limit, here)
        if found is not None:
            self.timeline.seek(found.position)
        return found

    def _forward_in_past(self, stops: Sequence[Stop], limit: Position) -> Found | None:
        here = self.timeline.position
        start, size, last = here, FIRST_STRETCH, min(self.timeline.frontier, limit)
        while start < last:
            end = min(Position(start.n + size), last)
            found = self._first_in(start, end, stops, here)
            if found is not None or self.timeline.position < end:
                return found
            self.progress(end)
            start, size = end, size * _GROWTH
        return None

    def _first_in(self, start: Position, end: Position, stops: Sequence[Stop], after: Position) -> Found | None:
        watches = [stop for stop in stops if isinstance(stop, Watch)]
        for watch in watches:
            watch.hits = deque()
        finder = Finder(self.timeline, [stop for stop in stops if isinstance(stop, Condition)], after=after)
        self._replay(start, end, finder, watches)
        return _first(watches, finder, after)

    def _forward_in_future(self, stops: Sequence[Stop], limit: int, here: Position) -> Found | None:
        watches = [stop for stop in stops if isinstance(stop, Watch)]
        for watch in watches:
            watch.hits, watch.stops = deque(), True
        finder = Finder(self.timeline, [stop for stop in stops if isinstance(stop, Condition)], after=here)
        try:
            self.timeline.go_on(limit, sink=finder if finder.conditions else None, watches=watches, begin=here)
        except (KeyError, ValueError) as error:
            raise UserError("watch", str(error.args[0])) from None
        finally:
            for watch in watches:
                watch.stops = False
        return _first(watches, finder, here)


def _first(watches: Sequence[Watch], finder: Finder, after: Position) -> Found | None:
    found = [Found(Position(*hit[:2]), watch, hit) for watch in watches for hit in watch.hits]
    found += finder.found
    return min((each for each in found if each.position > after), key=lambda each: each.position, default=None)


def _position(found: Found | None) -> Position | None:
    return None if found is None else found.position


# --- kinds of steps ---------------------------------------------------------------------------------------------------

SWITCH: Final = Condition("a vCPU switch", lambda lookup: True, frozenset({VcpuRunning}))
_KINDS: Final[dict[str, Callable[[Entry], bool]]] = {
    "exception": lambda entry: entry.what == "taken",
    "return": lambda entry: entry.what == "returned",
    "exit": lambda entry: entry.what == "taken" and entry.to_el == 2 and entry.from_el < 2,
    "interrupt": lambda entry: entry.what == "taken" and entry.kind in (Kind.IRQ, Kind.FIQ),
}
_CONDITIONS: Final = {
    "exception": "event==exception_taken",
    "return": "event==exception_returned",
    "exit": "to_el==2 and from_el<2 and event==exception_taken",
    "interrupt": "kind==irq or kind==fiq",
}
KINDS: Final = ("instruction", *_KINDS, "switch", "caller")


def _matcher(kind: str) -> Callable[[Entry], bool]:
    if kind not in _KINDS:
        raise UserError(f"step {kind!r}", "there is no such step", f"use one of {', '.join(KINDS)}")
    return _KINDS[kind]


def _as_condition(kind: str) -> Condition:
    return parse_condition(_CONDITIONS[kind])


# --- conditions -------------------------------------------------------------------------------------------------------


class Finder:
    """A sink that keeps the last few events for which a condition holds; or stops at the first `after` a position."""

    def __init__(self, timeline: Timeline, conditions: Sequence[Condition], *, after: Position | None = None) -> None:
        self._timeline, self.conditions, self._after = timeline, conditions, after
        wanted = frozenset[type[Event]]().union(*(condition.interests for condition in conditions))
        self.interests = with_counter_reads(wanted)
        self.found: deque[Found] = deque(maxlen=_FEW)
        self._registers: dict[tuple[int, str], RegisterValue | None] = {}

    def emit(self, event: Event) -> None:
        """Take one event."""
        for condition in self.conditions:
            if type(event) in condition.interests and (seen := self._seen(condition, event)) is not None:
                self._note(Found(Position(event.n, event.seq), condition, event=seen))

    def _seen(self, condition: Condition, event: Event) -> Event | None:
        """Return an event for which a condition holds; None if it does not.

        The text of a console is that of the whole line: what makes the condition true is the character that is new.
        """
        if not isinstance(event, ConsoleOutput) or "text" not in condition.text.lower():
            return event if self._holds(condition, event) else None
        line, before = with_line(self._timeline.runner, event)
        is_new = self._holds(condition, line) and (before is None or not self._holds(condition, before))
        return line if is_new else None

    def _holds(self, condition: Condition, event: Event) -> bool:
        return bool(condition.test(lambda name: self._value(event, name)))

    def _note(self, found: Found) -> None:
        if self._after is None:
            self.found.append(found)
        elif found.position > self._after and not self.found:
            self.found.append(found)
            self._timeline.stop()
            self._timeline.runner.machine.cpus.current.request_stop()

    def _value(self, event: Event, name: str) -> int | str | None:
        found = find_name(name)
        if isinstance(found, Name) and found.is_register:
            return self._register(event.cpu, name)
        return value_in(event, name)

    def _register(self, cpu: int, name: str) -> int | None:
        if (cpu, name) not in self._registers:
            register, _, field = name.partition(".")
            try:
                value = RegisterValue(self._timeline.runner.machine.cpus.cores[cpu], register, field or None)
            except (KeyError, ValueError):
                self._registers[cpu, name] = None
            else:
                self._registers[cpu, name] = value
        register_value = self._registers[cpu, name]
        return None if register_value is None else register_value.read()


def _level_after(entry: Entry) -> int:
    """Return where an exception or return led to. Raises: Unknown for a return that was illegal, perhaps."""
    if entry.what == "returned" and entry.to_el >= entry.from_el:
        raise Unknown
    return entry.to_el


_ENTRY_NAMES: Final[dict[str, Callable[[Entry], int | str | None]]] = {
    "n": lambda entry: entry.position.n,
    "seq": lambda entry: entry.position.seq,
    "cpu": lambda entry: entry.cpu,
    "event": lambda entry: "exception_taken" if entry.what == "taken" else "exception_returned",
    "kind": lambda entry: entry.kind.name.lower() if entry.kind is not None else None,
    "from_el": lambda entry: entry.from_el,
    "to_el": _level_after,
    "esr": lambda entry: entry.esr,
    "ec": lambda entry: entry.ec,
    "iss": lambda entry: None if entry.esr is None else entry.esr & 0x1FF_FFFF,
    "elr": lambda entry: entry.elr,
    "spsr": lambda entry: entry.spsr,
    "far": lambda entry: entry.far,
}


def _of_entry(entry: Entry) -> Callable[[str], int | str | None]:
    """Return what the journal knows of an exception or return, under the names of a condition."""

    def lookup(name: str) -> int | str | None:
        if name not in _ENTRY_NAMES:
            raise Unknown
        return _ENTRY_NAMES[name](entry)

    return lookup
