"""Any path of seeks, steps, stops and edits ends in the state of a run that went straight there, byte for byte.

So do the statistics, which count all that has happened up to the cursor.

`CASES=n` asks for so many paths of each guest (`LONG=1`: 8).
"""

import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import random_guests
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from timeline_support import (
    BUSY,
    CALLS,
    CASES,
    ECHO,
    GRID,
    LIMIT,
    SMALL,
    STALE,
    VM_CASES,
    Case,
    counted,
    digest,
    state,
    straight,
    written,
    written_vms,
)

from arm_hyp.errors import UserError
from arm_hyp.events import Ended, Event, RecordingSink
from arm_hyp.hypervisor import hypervisor
from arm_hyp.machine import cpus, machine
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke, Run
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline import checkpoints
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.timeline import Timeline

ALL = [*CASES, *VM_CASES]
EXAMPLES = int(os.environ.get("CASES") or (8 if os.environ.get("LONG") == "1" else 2))
PATHS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
PAST = ("seek", "back")
"""The moves that never run on behind the tip of a branch."""
PLACES = st.lists(st.tuples(st.sampled_from(("seek", "back", "forward", "run")), st.integers(0, 10_000)), max_size=12)


@pytest.fixture(autouse=True, scope="module")
def _small_grid():
    """Let short runs have several checkpoints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "EARLY_GRID", GRID)
        patch.setattr(checkpoints, "EARLY_GRID", GRID)
        yield


@cache
def known(made: Configuration):
    """Return the digest at every place of a straight run."""
    return straight(made)


def follow(timeline: Timeline, moves, states) -> None:
    """Move about, and compare wherever the cursor comes to stand."""
    places = sorted(states)
    for move, number in moves:
        before = timeline.position
        if move == "seek":
            wanted = places[number % len(places)]
            assert timeline.seek(wanted) == wanted
        elif move == "run":
            timeline.run(number % (places[-1].n + 1))
        else:
            count = number % 4
            (timeline.step if move == "forward" else timeline.step_back)(count)
            index = places.index(before) + (count if move == "forward" else -count)
            assert timeline.position == places[max(0, min(index, len(places) - 1))]
        if timeline.position != places[-1]:  # where a run ends, its end may come without an event: two states there
            assert digest(timeline) == states[timeline.position], (before, move, number)


@pytest.mark.parametrize("case", ALL, ids=str)
@PATHS
@given(moves=PLACES)
@example(moves=[("seek", 10_000), ("back", 3), ("seek", 7), ("forward", 3), ("run", 200), ("back", 2)])
def test_any_path_comes_to_the_same_states(case: Case, moves):
    follow(counted(case.made), moves, known(case.made))


@cache
def random_guest(seed: int, kind: str, folder: Path) -> Configuration:
    """Return a run of a random guest."""
    file = folder / f"{kind}{seed}.bin"
    file.write_bytes(random_guests.image(seed, kind))
    return Configuration(image=str(file), memory_bytes=SMALL, load_address=random_guests.BASE)


@pytest.mark.parametrize("kind", random_guests.KINDS)
@PATHS
@given(seed=st.integers(0, 5), moves=PLACES)
def test_random_guests_come_to_the_same_states(kind, seed, moves, tmp_path_factory):
    made = random_guest(seed, kind, Path(tmp_path_factory.getbasetemp()))
    follow(counted(made), moves, known(made))


@pytest.mark.long
@PATHS
@given(moves=PLACES)
@example(moves=[("seek", 250), ("back", 3), ("seek", 40), ("back", 2), ("seek", 200), ("run", 290)])
def test_a_vm_that_forgets_a_tlbi_comes_to_the_same_states(moves, tmp_path_factory, monkeypatch):
    """Its TLB is emptied at the exits where a run can be resumed, and behind a call on the grid, whoever watches."""
    monkeypatch.setattr(hypervisor, "_EXIT_GRID", 7)
    made = written_vms(tmp_path_factory.mktemp("stale"), STALE, 1)
    timeline = counted(made)
    timeline.run(300)
    assert len(timeline.checkpoints()) > 6 and Position(GRID, 1) in [entry.position for entry in timeline.journal]
    follow(timeline, [move for move in moves if move[0] in PAST], straight(made, 300))


def test_exits_with_checkpoints_are_dense_at_first_and_few_in_all():
    counts = [count for count in range(1, 10_001) if hypervisor.is_on_exit_grid(count, lambda: 0)]
    assert counts[:4] == [1, 4, 8, 12] and len(counts) < 200
    assert all(after - before <= max(4, before // 16) for before, after in pairwise(counts))
    assert not any(hypervisor.is_on_exit_grid(count, lambda: machine.TLB_GRID) for count in counts)


def test_to_keep_checkpoints_at_exits_leaves_no_mark(tmp_path, monkeypatch):
    """Calls that are the last instructions of a slice: the CPU keeps its turn until they are handled."""
    monkeypatch.setattr(cpus, "SLICE", 23)
    monkeypatch.setattr(hypervisor, "_EXIT_GRID", 1)
    made = written_vms(tmp_path, CALLS, 2, cpus=2)
    timeline, runner = Timeline(made), Runner(made)
    timeline.run(1001)
    runner.send(Run(1001))
    assert len(timeline.checkpoints()) > 64 and timeline.position == Position(1001)
    assert runner.snapshot() == timeline.runner.snapshot()


# --- input, edits, branches -----------------------------------------------------------------------------------------


@PATHS
@given(typed=st.lists(st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=40)), max_size=4), moves=PLACES)
def test_what_was_typed_comes_again_at_its_places(typed, moves, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(machine, "INPUT_GRID", GRID // 2)
    made = written(tmp_path_factory.mktemp("echo"), ECHO)

    def live(timeline: Timeline) -> None:
        for n, data in sorted(typed):
            timeline.run(n)
            timeline.type(data)
        timeline.run(LIMIT)

    timeline, straight_on = counted(made), counted(made)
    live(timeline)
    live(straight_on)
    assert state(timeline) == state(straight_on)
    states: dict[Position, bytes] = {}
    timeline.seek(Position(0))
    while not timeline.is_at_frontier:
        states[timeline.position] = digest(timeline)
        timeline.step()
    states[timeline.position] = digest(timeline)
    assert state(timeline) == state(straight_on)
    follow(timeline, [move for move in moves if move[0] in PAST], states)


def test_typing_in_the_past_is_refused(tmp_path):
    timeline = Timeline(written(tmp_path, ECHO))
    timeline.run(100)
    timeline.seek(Position(50))
    with pytest.raises(UserError, match="console input: at 50 the run has gone on already"):
        timeline.type(b"x")
    timeline.branch()
    timeline.type(b"x")


def test_what_was_typed_at_the_end_waits_there(tmp_path):
    timeline = Timeline(written(tmp_path, ECHO))
    timeline.type(b"x")
    timeline.seek(Position(0))
    timeline.run(100)
    timeline.seek(Position(50))
    timeline.seek(Position(100))
    timeline.seek(Position(100))
    timeline.run(2 * machine.INPUT_GRID)
    assert bytes(timeline.runner.machine.console) == b"x"


EDITS = st.sampled_from(
    [
        Edit(("X0=0x7",)),
        Edit(("X10=0",)),
        Edit(("X11=0x123456789",)),
        Poke(0x4010_0000, b"\x07" * 9),
        Edit(("SP=0x40100000",)),
    ]
)


@PATHS
@given(
    edits=st.lists(st.tuples(st.integers(1, 400), EDITS), min_size=1, max_size=4, unique_by=lambda edit: edit[0]),
    moves=PLACES,
)
def test_a_branch_is_the_run_that_was_edited_there(edits, moves, tmp_path_factory):
    made = written(tmp_path_factory.mktemp("busy"), BUSY)
    edits = sorted(edits, key=lambda edit: edit[0])
    timeline = counted(made)
    timeline.run(600)
    before = {timeline.seek(Position(n)): state(timeline) for n in range(0, 600, 37)}
    for n, what in edits:
        timeline.seek(Position(n))
        timeline.edit(what)
    timeline.run(500)
    straight_on = counted(made)
    for n, what in edits:
        straight_on.seek(max(Position(n), straight_on.position))
        straight_on.edit(what)
    straight_on.run(500)
    assert state(timeline) == state(straight_on)
    states = {}
    timeline.seek(Position(0))
    while not timeline.is_at_frontier:
        states[timeline.position] = digest(timeline)
        timeline.step()
    states[timeline.position] = digest(timeline)
    follow(timeline, [move for move in moves if move[0] in PAST], states)
    assert timeline.switch("main") == Position(600)
    for place, expected in before.items():
        assert timeline.seek(place) == place and state(timeline) == expected


def test_a_place_between_an_exit_and_its_handler():
    """With Python at EL2 a run can stand where VBAR_EL2 would be entered, before anything is handled."""
    case = next(case for case in VM_CASES if case.name.startswith("26"))
    timeline = Timeline(case.made)
    timeline.run(LIMIT)
    entry = timeline.journal.before(timeline.position, lambda entry: entry.what == "taken" and entry.to_el == 2)
    assert entry is not None
    assert timeline.seek(entry.position) == entry.position
    assert timeline.runner.machine.cpus.current.el == 2
    assert timeline.step() > entry.position
    assert timeline.step_back() == entry.position


# --- who listens -----------------------------------------------------------------------------------------------------


def told(sink: RecordingSink, start: int = 0) -> list[Event]:
    """Return what a sink has heard, but for the ends of runs: these are no part of what is repeated."""
    return [event for event in sink.events[start:] if not isinstance(event, Ended)]


@pytest.mark.parametrize("case", ALL, ids=str)
def test_sinks_hear_everything_once_and_a_replay_again(case: Case):
    whole, pieces, again = RecordingSink(), RecordingSink(), RecordingSink()
    Timeline(case.made, sink=whole).run(LIMIT)
    timeline = Timeline(case.made, sink=pieces)
    made = len(pieces.events)  # what VMs need is mapped before the run begins
    for n in (50, 20, 120, 7, LIMIT // 2, 3):
        timeline.seek(Position(n))
    timeline.run(LIMIT)
    assert told(pieces) == told(whole)
    timeline.replay(Position(0), timeline.frontier, sink=again)
    assert told(again) == told(whole, made)


# --- memory ----------------------------------------------------------------------------------------------------------


def test_checkpoints_keep_to_their_budget_and_stay_exact(tmp_path):
    budget = 1 << 20
    made = written(tmp_path, BUSY)
    timeline, roomy = Timeline(made, budget_bytes=budget), Timeline(made)
    roomy.run(40_000)
    for limit in range(1000, 40_000, 1000):
        timeline.run(limit)
        assert timeline.history.checkpoints.stored_bytes <= budget
    assert len(timeline.checkpoints()) < len(roomy.checkpoints())
    for n in (39_000, 1, 20_000, 128, 36_543, 777):
        assert timeline.seek(Position(n)) == roomy.seek(Position(n))
        assert state(timeline) == state(roomy)
        assert timeline.history.checkpoints.stored_bytes <= budget


def test_memory_at_a_checkpoint_needs_no_seek(tmp_path):
    timeline = Timeline(written(tmp_path, BUSY))
    timeline.run(2000)
    seen = {place: timeline.memory_at(place, 0x4000_0000, SMALL) for place in timeline.checkpoints()}
    assert timeline.position == Position(2000) and len(set(seen.values())) > 3
    for place, contents in seen.items():
        timeline.seek(place)
        assert bytes(timeline.runner.machine.ram) == contents
