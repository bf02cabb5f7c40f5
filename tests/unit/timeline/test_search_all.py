"""All events for which a condition holds: in order, with their places, and none behind the one that ends the search."""

from __future__ import annotations

from pathlib import Path

import pytest

from arm_hyp.cli.main import main
from arm_hyp.events import Event, RecordingSink
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.conditions import Condition, parse_condition
from arm_hyp.timeline.place import Place
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import open_timeline
from arm_hyp.timeline.search import Found, Search
from arm_hyp.timeline.search_all import find_all
from arm_hyp.timeline.timeline import Timeline

GUEST = str(guests_directory() / "28-vm-smp.s")
MADE = Configuration(image=GUEST, hypervisor="", cpus=2)
LIMIT = Position(1_000_000)
ABORTS = parse_condition("EC=0x24")


class Heard:
    """Keeps what is told, and ends the search behind the last of `count`."""

    def __init__(self, count: int | None = None) -> None:
        self.count, self.events, self.places = count, list[Event](), list[Place]()

    def __call__(self, found: Found, place: Place) -> bool:
        assert found.event is not None
        self.events.append(found.event)
        self.places.append(place)
        return len(self.events) != self.count


def straight(condition: Condition) -> list[Event]:
    """Return the events of the whole run, told by a run that nobody searched."""
    sink = RecordingSink()
    Timeline(MADE, sink=sink).run(LIMIT.n)
    return [event for event in sink.events if type(event) in condition.interests and getattr(event, "ec", None) == 0x24]


def all_of(timeline: Timeline, after: Position | None = None, last: Position = LIMIT) -> Heard:
    heard = Heard()
    find_all(Search(timeline), ABORTS, after, last, heard)
    return heard


def test_all_are_told_in_order_and_once_whether_the_run_has_been_there_or_not() -> None:
    expected, timeline = straight(ABORTS), Timeline(MADE)
    assert len(expected) > 5
    assert all_of(timeline).events == expected
    assert timeline.outcome is not None
    assert all_of(timeline).events == expected


def test_places_are_those_of_the_events() -> None:
    heard = all_of(Timeline(MADE))
    assert [place.position for place in heard.places] == [Position(event.n, event.seq) for event in heard.events]
    assert {place.vcpu for place in heard.places} == {"vm0/vcpu0", "vm0/vcpu1"}
    assert all(place.pc == event.pc and place.symbol for place, event in zip(heard.places, heard.events, strict=True))


def test_a_stretch_begins_behind_a_position_and_has_the_last() -> None:
    timeline = Timeline(MADE)
    whole = all_of(timeline)
    first, *between, last = whole.places
    part = all_of(timeline, first.position, last.position)
    assert [place.position for place in part.places] == [place.position for place in (*between, last)]


def test_a_stretch_that_begins_behind_the_last_position_runs_nothing() -> None:
    timeline = Timeline(MADE)
    assert all_of(timeline, Position(1000), Position(100)).events == [] and timeline.frontier == START


def test_a_search_that_was_ended_has_gone_no_further_and_the_run_is_the_same() -> None:
    timeline, other = Timeline(MADE), Timeline(MADE)
    heard = Heard(3)
    find_all(Search(timeline), ABORTS, None, LIMIT, heard)
    assert len(heard.events) == 3
    assert timeline.position.n < straight(ABORTS)[4].n
    timeline.run(LIMIT.n)
    other.run(LIMIT.n)
    assert timeline.position == other.position
    assert timeline.runner.snapshot() == other.runner.snapshot()


@pytest.mark.parametrize("count", [1, 4])
def test_a_recording_that_was_searched_in_part_still_goes_to_its_end(count: int, tmp_path: Path) -> None:
    file = str(tmp_path / "run.hyp")
    assert main(["run", GUEST, "--hypervisor", "--cpus", "2", "--record", file]) == 0
    with Replay.open(file) as replay:
        timeline = open_timeline(replay).timeline
        heard = Heard(count)
        find_all(Search(timeline), ABORTS, None, LIMIT, heard)
        end = replay.recording.end
        assert timeline.position < (end.n, end.seq)
        assert timeline.history.promised is not None
        timeline.seek(Position(end.n + 1))
        assert (timeline.position, timeline.difference) == ((end.n, end.seq), "")
        assert timeline.runner.machine.clock.now_ns == end.time_ns
        assert timeline.outcome is not None and timeline.outcome.reason == end.reason
