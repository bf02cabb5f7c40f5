"""Where two runs part: the first event that differs, the last place at which all state is the same, and what differs.

Read `timeline/journal.py`, `timeline/trail.py`, `timeline/states.py` and `timeline/timeline.py` before this file, and
`timeline/run_state.py`, which compares states, beside it. The runs are two timelines, or two branches of one.

The journals are compared first, which takes no seek. Then the states are: at checkpoints that both runs have, between
two of these at ever closer places, at last step by step. Two machines in the same state stay so until somebody changes
one of them. So what is found is where a difference began, or the start if there is one; a difference that came later
than the start and vanished is not looked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, Protocol, TypeVar

from arm_hyp.timeline.journal import Journal
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.recordings.trace import in_words
from arm_hyp.timeline.run_state import Changed, RunState, changes
from arm_hyp.timeline.timeline import Timeline

NO_MORE: Final = "nothing more"
_COMPARED_ENTRIES: Final = 1 << 12
_Place = TypeVar("_Place")


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a timeline."""

    timeline: Timeline
    name: str

    def take_up(self) -> Timeline:
        """Be on it; return the timeline."""
        if self.timeline.history.name != self.name:
            self.timeline.switch(self.name)
        return self.timeline

    @property
    def journal(self) -> Journal:
        """Its events."""
        return self.take_up().journal

    def at(self, position: Position) -> RunState:
        """Return the state at the first place at or behind a position."""
        timeline = self.take_up()
        timeline.seek(position)
        return RunState.at_cursor(timeline)

    def behind(self, position: Position) -> RunState:
        """Return the state at the next place behind a position."""
        return self.at(Position(position.n, position.seq + 1))

    def at_checkpoint(self, position: Position) -> RunState:
        """Return the state at a checkpoint, without going there."""
        return RunState.at_checkpoint(self.take_up(), position)


Pair = tuple[Branch, Branch]


class Entries(Protocol):
    """What happened in a run, one entry after the other: a journal, or a trail."""

    entry_bytes: ClassVar[int]

    def __len__(self) -> int: ...

    def packed(self, start: int, stop: int) -> memoryview:
        """Return some entries, `entry_bytes` each."""


class Difference(NamedTuple):
    """Where two runs part. `events` are in words; None if their events are the same as far as both have come.

    At `last_same` all state is the same (None: not even at the start). `positions` are the next places where both can
    stand, and `changed` tells what differs there.
    """

    events: tuple[str, str] | None
    event_at: Position | None
    last_same: Position | None
    positions: tuple[Position, Position]
    changed: tuple[Changed, ...]

    def __str__(self) -> str:
        since = "differs from the start" if self.last_same is None else f"is the same up to {self.last_same}"
        lines = [f"the state {since}; at {self.positions[0]} and {self.positions[1]}:"]
        lines += [f"  {each}" for each in self.changed]
        if self.events is not None:
            lines.append(f"the first event that differs, at {self.event_at}: {self.events[0]}; {self.events[1]}")
        return "\n".join(lines)


def first_difference(first: Timeline | Branch, second: Timeline | Branch) -> Difference | None:
    """Find where two runs part, as far as both have come; None if they do not. The cursors come back.

    A timeline stands for the branch that it is on.
    """
    pair = _branch(first), _branch(second)
    places = [(one, one.timeline.position) for one in map(_branch, (side.timeline for side in pair))]
    try:
        return _find(pair)
    finally:
        for here, position in places:
            here.take_up().seek(position)


def _branch(side: Timeline | Branch) -> Branch:
    return side if isinstance(side, Branch) else Branch(side, side.history.name)


def _find(pair: Pair) -> Difference | None:
    journals = pair[0].journal, pair[1].journal
    end = min(side.take_up().frontier for side in pair)
    index = first_other(*journals)
    known = [journal[index].position for journal in journals if index < len(journal)]
    parted = min((position for position in known if position <= end), default=None)
    events = None
    if parted is not None:
        events = _told(pair[0], journals[0], index, end), _told(pair[1], journals[1], index, end)
    last_same, states = _parting(pair, end if parted is None else parted)
    if states[0].is_same(states[1]):
        return None
    positions = states[0].position, states[1].position
    return Difference(events, parted, last_same, positions, tuple(changes(*states)))


def first_other(first: Entries, second: Entries) -> int:
    """Return the index of the first entry that differs; the length of the shorter one if none does."""
    shorter = min(len(first), len(second))
    for start in range(0, shorter, _COMPARED_ENTRIES):
        stop = min(start + _COMPARED_ENTRIES, shorter)
        one, two = bytes(first.packed(start, stop)), bytes(second.packed(start, stop))
        if one != two:
            differing = next(at for at, (a, b) in enumerate(zip(one, two, strict=True)) if a != b)
            return start + differing // first.entry_bytes
    return shorter


def _told(side: Branch, journal: Journal, index: int, end: Position) -> str:
    if index >= len(journal) or journal[index].position > end:
        return NO_MORE
    return f"{in_words(journal.told(index), side.timeline.runner.symbols)} at {journal[index].position}"


# --- states -----------------------------------------------------------------------------------------------------------


def _parting(pair: Pair, limit: Position) -> tuple[Position | None, tuple[RunState, RunState]]:
    """Return the last place up to `limit` where both states are the same, and the states at the next places.

    If they are the same at `limit` and at the start, the states at `limit`.
    """
    states = pair[0].at(limit), pair[1].at(limit)
    if states[0].is_same(states[1]):
        begin = pair[0].at(START), pair[1].at(START)
        return (limit, states) if begin[0].is_same(begin[1]) else (None, begin)
    first, second = (set(side.take_up().checkpoints()) for side in pair)
    common = [place for place in sorted(first & second) if place <= limit]
    known = _last(common, lambda place: pair[0].at_checkpoint(place).is_same(pair[1].at_checkpoint(place)))
    if known is None:
        return None, (pair[0].at(START), pair[1].at(START))
    until = next((place.n for place in common if place > known), limit.n + 1)
    between = range(known.n + 1, min(until, limit.n + 1))
    same = _last(between, lambda n: pair[0].at(Position(n)).is_same(pair[1].at(Position(n))))
    return _step_by_step(pair, known if same is None else Position(same))


def _last(places: Sequence[_Place], is_same: Callable[[_Place], bool]) -> _Place | None:
    """Return the last place of those at the front that are all the same; None if not even the first one is."""
    index = bisect_left(places, True, key=lambda place: not is_same(place))
    return places[index - 1] if index else None


def _step_by_step(pair: Pair, same: Position) -> tuple[Position, tuple[RunState, RunState]]:
    """Go on from a place where the states are the same to the first where they are not."""
    while True:
        one, two = pair[0].behind(same), pair[1].behind(same)
        if not one.is_same(two):
            break
        same = one.position
    if one.position.n > two.position.n:  # an event of one of them only: the other one still stands
        one = pair[0].at(same)
    elif two.position.n > one.position.n:
        two = pair[1].at(same)
    return same, (one, two)
