"""Ways of counting, one run: in C, in machine code and one by one, each event, count, register and stop is the same."""

import random

import pytest
import random_guests
from golden_support import CASES, Case, machine_for, one_of_each_guest, trace
from test_cut import LIMIT, state

from arm_hyp.cpu import counting
from arm_hyp.events import RecordingSink
from arm_hyp.machine.machine import Machine

BY_BLOCK = [way for way in counting.BY_BLOCK if counting.is_usable(way)]
pytestmark = pytest.mark.skipif(not BY_BLOCK, reason="the C helper is not built, and the host is no x86-64")

RANDOM_LIMIT = 3000
Run = tuple[list[str], list[tuple[int, int]], dict[str, object]]


def by_pieces(machine: Machine, sink: RecordingSink, sizes: list[int], limit: int) -> Run:
    """Run in pieces of these sizes, over and over; return the trace, where each piece ended, and the state."""
    ends, index = [], 0
    while machine.retired < limit:
        if machine.step(sizes[index % len(sizes)]):
            break
        ends.append((machine.retired, machine.core.pc))
        index += 1
    return trace(sink), ends, state(machine)


def golden(case: Case, sizes: list[int]) -> Run:
    sink = RecordingSink()
    return by_pieces(machine_for(case, sink), sink, sizes, LIMIT)


def drawn(seed: int, kind: str, sizes: list[int]) -> Run:
    sink = RecordingSink()
    return by_pieces(random_guests.machine_for(seed, sink, kind), sink, sizes, RANDOM_LIMIT)


def use(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv(counting.SWITCH, way)
    assert counting.way() == way


@pytest.mark.parametrize("size", [1, 7, LIMIT, *(pytest.param(size, marks=pytest.mark.long) for size in (2, 3, 100))])
@one_of_each_guest(CASES)
def test_a_golden_guest_runs_the_same(case: Case, size: int, monkeypatch: pytest.MonkeyPatch):
    use(monkeypatch, "python")
    expected = golden(case, [size])
    for way in BY_BLOCK:
        use(monkeypatch, way)
        assert golden(case, [size]) == expected, way


def assert_random_guest_is_the_same(seed: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    for sizes in ([RANDOM_LIMIT], [1], [rng.randrange(1, 40) for _ in range(50)]):
        use(monkeypatch, "python")
        expected = drawn(seed, kind, sizes)
        for way in BY_BLOCK:
            use(monkeypatch, way)
            assert drawn(seed, kind, sizes) == expected, (way, seed, kind, sizes[:5])


@pytest.mark.parametrize("kind", random_guests.KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_random_guest_runs_the_same(seed: int, kind: str, monkeypatch: pytest.MonkeyPatch):
    assert_random_guest_is_the_same(seed, kind, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("kind", random_guests.KINDS)
@pytest.mark.parametrize("seed", [*range(4, 8), *range(100, 300)])
def test_many_random_guests_run_the_same(seed: int, kind: str, monkeypatch: pytest.MonkeyPatch):
    assert_random_guest_is_the_same(seed, kind, monkeypatch)


def test_random_guests_meet_every_kind_of_exception():
    seen = {kind for seed in range(8) for kind in _syndromes(seed)}
    assert {0x00, 0x15, 0x16, 0x21, 0x25, 0x3C} <= seen


def _syndromes(seed: int) -> set[int]:
    sink = RecordingSink()
    by_pieces(random_guests.machine_for(seed, sink), sink, [RANDOM_LIMIT], RANDOM_LIMIT)
    return {event.esr >> 26 for event in sink.events if getattr(event, "esr", None) is not None}
