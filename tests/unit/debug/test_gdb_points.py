"""Breakpoints and watchpoints on a timeline: where single steps say, forward and back, without a mark in the run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from arm_hyp.debug.gdb.debuggee import Reason, StopKind, StopPoint
from arm_hyp.debug.gdb.machine_debuggee import MachineDebuggee
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.timeline import Timeline

LIMIT = 300
COUNTER = 0x4008_1000
STORES = f"""
_start: ldr     x1, ={COUNTER:#x}
        mov     x2, #5
again:  ldr     x0, [x1]
        add     x0, x0, #3
        str     x0, [x1]
        strb    w2, [x1, #8]
        subs    x2, x2, #1
        b.ne    again
        ldr     x0, =0x84000008
        smc     #0
        .ltorg
"""


class Place(NamedTuple):
    """Where a run stood: before the instruction at `pc`."""

    position: Position
    pc: int
    counter: bytes


def _timeline(image: str, cpus: int = 1) -> Timeline:
    return Timeline(Configuration(image=image, cpus=cpus, memory_bytes=4 << 20, settings=("HCR_EL2.TWI=1",)))


def _places(timeline: Timeline) -> list[Place]:
    """Return every place of a run, by single steps."""
    places: list[Place] = []
    while not places or timeline.position > places[-1].position:
        machine = timeline.runner.machine
        places.append(Place(timeline.position, machine.cpus.current.pc, machine.read_memory(COUNTER, 16)))
        timeline.seek(Position(timeline.position.n, timeline.position.seq + 1))
    return places


def _stops(debuggee: MachineDebuggee, timeline: Timeline, point: StopPoint, *, is_forward: bool) -> list[Position]:
    """Go from stop to stop to the end of the run; off each by a step, as gdb does."""
    found: list[Position] = []
    while debuggee.go(frozenset({point}), is_forward=is_forward).reason is Reason.POINT:
        found.append(timeline.position)
        if point.kind.is_watch:
            debuggee.step(1) if is_forward else debuggee.step_back()
    return found


@pytest.fixture
def stores(tmp_path: Path) -> str:
    path = tmp_path / "stores.s"
    path.write_text(STORES)
    return str(path)


@pytest.mark.parametrize("guest", ["02-wfi.s", "05-stage2-faults.s"])
def test_a_breakpoint_stops_at_each_place_before_its_instruction(guest: str) -> None:
    image = str(guests_directory() / guest)
    straight = _timeline(image)
    places = _places(straight)
    end, state = straight.position, straight.runner.snapshot()
    for pc in sorted({place.pc for place in places})[:40:3]:
        timeline = _timeline(image)
        debuggee, point = MachineDebuggee(Session(timeline), end.n), StopPoint(StopKind.SOFTWARE, pc, 4)
        wanted = [place.position for place in places if place.pc == pc and START < place.position < end]
        assert _stops(debuggee, timeline, point, is_forward=True) == wanted
        assert timeline.runner.snapshot() == state
        assert [
            position for position in _stops(debuggee, timeline, point, is_forward=False) if position > START
        ] == wanted[::-1]
        assert timeline.position == START


def test_a_breakpoint_at_the_frontier_counts_for_who_comes_from_before_it() -> None:
    timeline = _timeline(str(guests_directory() / "02-wfi.s"))
    debuggee = MachineDebuggee(Session(timeline), LIMIT)
    frontier = timeline.seek(Position(9))
    point = StopPoint(StopKind.SOFTWARE, timeline.runner.machine.core.pc, 4)
    timeline.seek(Position(5))
    assert debuggee.go(frozenset({point}), is_forward=True).reason is Reason.POINT
    assert timeline.position == frontier == timeline.frontier
    assert debuggee.go(frozenset({point}), is_forward=True).reason is Reason.END


def test_two_cpus_stop_and_come_to_the_same_end() -> None:
    image = str(guests_directory() / "19-smp.s")
    straight = _timeline(image, cpus=2)
    straight.seek(Position(LIMIT))
    state, end = straight.runner.snapshot(), straight.position
    pcs = {core.pc for core in straight.runner.machine.cpus.cores}
    for pc in sorted(pcs):
        timeline = _timeline(image, cpus=2)
        debuggee = MachineDebuggee(Session(timeline), LIMIT)
        found = _stops(debuggee, timeline, StopPoint(StopKind.HARDWARE, pc, 4), is_forward=True)
        assert found
        assert (timeline.position, timeline.runner.snapshot()) == (end, state)


@pytest.mark.parametrize(
    ("kind", "offset", "size_bytes", "instructions"),
    [
        (StopKind.WRITE, 0, 8, {0x10}),
        (StopKind.WRITE, 4, 2, {0x10}),
        (StopKind.WRITE, 8, 1, {0x14}),
        (StopKind.WRITE, 0, 9, {0x10, 0x14}),
        (StopKind.READ, 0, 8, {0x08}),
        (StopKind.ACCESS, 0, 8, {0x08, 0x10}),
        (StopKind.WRITE, 9, 1, set()),
    ],
)
def test_a_watchpoint_stops_before_each_access_and_back_behind_it(
    stores: str, kind: StopKind, offset: int, size_bytes: int, instructions: set[int]
) -> None:
    straight = _timeline(stores)
    places = _places(straight)
    start, state = places[0].pc, straight.runner.snapshot()
    before = [place.position for place in places[:-1] if place.pc - start in instructions]
    assert len(before) == 5 * len(instructions)
    timeline = _timeline(stores)
    debuggee = MachineDebuggee(Session(timeline), LIMIT)
    address = COUNTER + offset
    point = StopPoint(kind, address, size_bytes, debuggee.locate(1, address) or 0)
    assert _stops(debuggee, timeline, point, is_forward=True) == before
    assert timeline.runner.snapshot() == state
    behind = [Position(position.n + 1) for position in before]
    assert _stops(debuggee, timeline, point, is_forward=False) == behind[::-1]


def test_steps_go_from_place_to_place_and_back() -> None:
    image = str(guests_directory() / "02-wfi.s")
    places = [place.position for place in _places(_timeline(image))]
    timeline = _timeline(image)
    debuggee = MachineDebuggee(Session(timeline), LIMIT)
    for place in places[1:]:
        assert debuggee.step(1).reason is Reason.STEP
        assert timeline.position == place
    assert debuggee.step(1).reason is Reason.END
    for place in places[-2::-1]:
        assert debuggee.step_back().reason is Reason.STEP
        assert timeline.position == place
    assert debuggee.step_back().reason is Reason.START
    assert timeline.position == START


def test_a_step_of_a_cpu_whose_turn_it_is_not_waits_for_its_turn() -> None:
    timeline = _timeline(str(guests_directory() / "19-smp.s"), cpus=2)
    timeline.seek(Position(LIMIT))
    cpus = timeline.runner.machine.cpus
    other = next(core for core in cpus.cores if core is not cpus.current)
    retired = other.retired
    MachineDebuggee(Session(timeline), 1_000_000).step(other.index + 1)
    assert other.retired == retired + 1


def test_the_limit_is_an_end() -> None:
    timeline = _timeline(str(guests_directory() / "02-wfi.s"))
    debuggee = MachineDebuggee(Session(timeline), 20)
    stop = debuggee.go(frozenset(), is_forward=True)
    assert stop.reason is Reason.END
    assert "20 instructions" in stop.text
    assert debuggee.step(1).reason is Reason.END
    assert timeline.position.n == 20


def test_a_change_in_the_past_begins_a_branch() -> None:
    timeline = _timeline(str(guests_directory() / "02-wfi.s"))
    debuggee = MachineDebuggee(Session(timeline), LIMIT)
    debuggee.go(frozenset(), is_forward=True)
    end = timeline.position
    timeline.seek(Position(9))
    debuggee.write_register(1, "HCR_EL2", 1 << 31)  # without TWI
    assert timeline.history.name != "main"
    stop = debuggee.go(frozenset(), is_forward=True)
    assert timeline.position < end
    assert "waits for ever" in stop.text
    assert debuggee.monitor(1, "position").endswith(timeline.history.name)


def test_registers_and_memory_are_changed() -> None:
    timeline = _timeline(str(guests_directory() / "02-wfi.s"))
    debuggee = MachineDebuggee(Session(timeline), LIMIT)
    wanted = {"x3": 7, "sp": 0x4009_0000, "pc": 0x4008_0010, "cpsr": 0x6000_03C9, "v2": 1 << 100 | 5, "fpcr": 1 << 22}
    for name, value in wanted.items():
        debuggee.write_register(1, name, value)
        assert debuggee.read_register(1, name) == value
    debuggee.write_memory(1, 0x4008_0FFE, b"abcd")
    assert debuggee.read_memory(1, 0x4008_0FFE, 4) == b"abcd"
    assert timeline.seek(Position(0, 99)) is not None


def test_devices_are_neither_read_nor_written() -> None:
    debuggee = MachineDebuggee(Session(_timeline(str(guests_directory() / "02-wfi.s"))), LIMIT)
    assert debuggee.read_memory(1, 0x0900_0000, 4) == b""
    with pytest.raises(Exception, match="not RAM"):
        debuggee.write_memory(1, 0x0900_0000, b"x")
