"""Who watches changes nothing: golden and random guests, with watches of every kind connected, run the same."""

import pytest
import random_guests
from golden_support import BASE, CASES, LIMIT, Case, machine_for, one_of_each_guest, trace
from test_cut import state

from arm_hyp.cpu import counting
from arm_hyp.cpu.watched import RegisterValue
from arm_hyp.cpu.watches import Breakpoint, LoadWatch, MemoryWatch, RegisterWatch, StoreWatch, Watch
from arm_hyp.cpu.watching import Watches
from arm_hyp.events import RecordingSink
from arm_hyp.machine.machine import RAM_BASE, Machine

RANDOM_LIMIT = 3000
NAMES = [
    "X0",
    "X30",
    "SP",
    "SP_EL0",
    "SP_EL1",
    "PSTATE",
    "Q0",
    "HCR_EL2",
    "ESR_EL1",
    "ELR_EL2",
    "TTBR0_EL1",
    "VBAR_EL1",
]


def watches(machine: Machine) -> list[Watch]:
    return [
        *(RegisterWatch(name, cpu=core.index) for name in NAMES for core in machine.cpus.cores),
        MemoryWatch(BASE, 256),
        StoreWatch(RAM_BASE, machine.memory_bytes),
        LoadWatch(RAM_BASE, machine.memory_bytes),
        *(Breakpoint(BASE + 4 * index) for index in range(40)),
    ]


def assert_unmarked(plain: Machine, watched: Machine, expected: RecordingSink, sink: RecordingSink, limit: int) -> None:
    plain.run(limit)
    noted = watches(watched)
    with Watches(watched.cpus.cores, noted, watched.ram_device.observers):
        watched.run(limit)
    assert trace(sink) == trace(expected)
    assert state(watched) == state(plain)
    assert any(each.hits for each in noted)


WAYS = ["c", *(pytest.param(way, marks=pytest.mark.long) for way in ("code", "python"))]


@pytest.mark.parametrize("way", ["c", pytest.param("python", marks=pytest.mark.long)])
@one_of_each_guest(CASES)
def test_a_golden_guest_runs_the_same(case: Case, way: str, monkeypatch: pytest.MonkeyPatch):
    use(way, monkeypatch)
    expected, sink = RecordingSink(), RecordingSink()
    assert_unmarked(machine_for(case, expected), machine_for(case, sink), expected, sink, LIMIT)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", random_guests.KINDS)
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))])
def test_a_random_guest_runs_the_same(seed: int, kind: str, way: str, monkeypatch: pytest.MonkeyPatch):
    use(way, monkeypatch)
    made = [(random_guests.machine_for(seed, sink, kind), sink) for sink in (RecordingSink(), RecordingSink())]
    (plain, expected), (watched, sink) = made
    assert_unmarked(plain, watched, expected, sink, RANDOM_LIMIT)


def use(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way in counting.BY_BLOCK and not counting.is_usable(way):
        pytest.skip(f"there is no way to count in {way}")
    monkeypatch.setenv(counting.SWITCH, way)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", random_guests.KINDS)
def test_hits_are_where_single_steps_see_changes(seed: int, kind: str):
    """Replaying the hits gives, at each place where a step ends, what is there."""
    watched = random_guests.machine_for(seed, RecordingSink(), kind)
    noted = [RegisterWatch(name) for name in NAMES]
    start = {name: RegisterValue(watched.core, name).read() for name in NAMES}
    with Watches(watched.cpus.cores, noted):
        watched.run(RANDOM_LIMIT)
    stepped = random_guests.machine_for(seed, RecordingSink(), kind)
    values = {name: RegisterValue(stepped.core, name) for name in NAMES}
    hits = {each.name: list(each.hits) for each in noted}
    while not stepped.step() and stepped.retired < RANDOM_LIMIT:
        here = stepped.core.position(numbered=False)
        for name in NAMES:
            while hits[name] and hits[name][0][:2] <= here:
                start[name] = hits[name].pop(0).new
            assert values[name].read() == start[name], (name, here)
