"""Searches against an oracle: the whole run, recorded event by event and stepped instruction by instruction."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from arm_hyp.cpu import counting
from arm_hyp.cpu.watched import RegisterValue
from arm_hyp.cpu.watches import Breakpoint, MemoryWatch, RegisterWatch, StoreWatch
from arm_hyp.errors import UserError
from arm_hyp.events import Event, ExceptionTaken, RecordingSink
from arm_hyp.kvm_events import VcpuRunning
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.search_changes import last_change
from arm_hyp.timeline.timeline import Timeline

LIMIT = 1_000_000
GUESTS = {
    "01-ladder": {},
    "08-virq": {},
    "12-stale-tlb": {},
    "16-preemption": {"gic": 3},
    "19-smp": {"cpus": 2},
    "25-demand-paging": {"hypervisor": ""},
    "28-vm-smp": {"hypervisor": "", "cpus": 2},
}
NAMES = ("X0", "SP", "HCR_EL2", "ESR_EL2", "ELR_EL1", "PSTATE", "TTBR0_EL1", "SP_EL0")

CALLS = """
    ldr x0, =0x40100000
    mov sp, x0
    mov x2, #2
again:
    bl leaf
    bl outer
    sub x2, x2, #1
    cbnz x2, again
    ldr x0, =0x84000008
    smc #0
outer:
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    bl leaf
    mov x0, #1
    bl inner
    mov x0, #2
    ldp x29, x30, [sp], #16
    ret
inner:
    str x30, [sp, #-32]!
    nop
    bl leaf
    nop
    ldr x30, [sp], #32
    ret
leaf:
    add x1, x1, #1
    ret
"""


def configuration(name: str) -> Configuration:
    return Configuration(image=str(guests_directory() / f"{name}.s"), memory_bytes=32 << 20, **GUESTS[name])


@cache
def past(name: str) -> tuple[Timeline, tuple[Event, ...]]:
    """A run to its end, and all its events. Searches move the cursor only."""
    sink = RecordingSink()
    timeline = Timeline(configuration(name), sink=sink)
    timeline.run(LIMIT)
    return timeline, tuple(sink.events)


def at(event: Event) -> Position:
    return Position(event.n, event.seq)


def places(timeline: Timeline) -> list[Position]:
    end = timeline.frontier
    return [end, *(Position(end.n * part // 7) for part in range(6, 0, -1))]


def assert_same_state_as_a_straight_run(timeline: Timeline, name: str) -> None:
    straight = Timeline(configuration(name))
    straight.seek(timeline.position)
    assert straight.position == timeline.position
    assert straight.runner.snapshot() == timeline.runner.snapshot()


# --- steps and conditions ---------------------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Event], bool]] = {
    "exception": lambda event: isinstance(event, ExceptionTaken),
    "exit": lambda event: isinstance(event, ExceptionTaken) and event.to_el == 2 and event.from_el < 2,
    "interrupt": lambda event: isinstance(event, ExceptionTaken) and event.kind in ("irq", "fiq"),
    "return": lambda event: type(event).__name__ == "ExceptionReturned",
    "switch": lambda event: isinstance(event, VcpuRunning),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GUESTS)
def test_back_and_forth_by_steps(name: str, kind: str):
    timeline, events = past(name)
    for place in places(timeline):
        wanted = [at(event) for event in events if KINDS[kind](event)]
        here = timeline.seek(place)
        before = max((position for position in wanted if position < here), default=None)
        assert (Search(timeline).previous(kind), timeline.position) == (before, before or here)
        timeline.seek(place)
        after = min((position for position in wanted if position > here), default=None)
        assert Search(timeline).next(kind) == after


CONDITIONS: dict[str, Callable[[Event], bool]] = {
    "event==console_output": lambda event: type(event).__name__ == "ConsoleOutput",
    "to_el==2 and not kind==irq": lambda event: getattr(event, "to_el", 0) == 2 and getattr(event, "kind", "") != "irq",
    "ec in 0x15-0x18 and far==5": lambda event: False,
    "pc in 0x40080000-0x40080100 and event==exception_taken": lambda event: (
        isinstance(event, ExceptionTaken) and 0x4008_0000 <= event.pc <= 0x4008_0100
    ),
}


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("name", GUESTS)
def test_back_and_forth_to_a_condition(name: str, text: str):
    timeline, events = past(name)
    wanted = [at(event) for event in events if CONDITIONS[text](event)]
    for place in places(timeline)[:4]:
        here = timeline.seek(place)
        before = max((position for position in wanted if position < here), default=None)
        found = Search(timeline).back_to([parse_condition(text)])
        assert (found and found.position, timeline.position) == (before, before or here)
        timeline.seek(place)
        after = min((position for position in wanted if position > here), default=None)
        found = Search(timeline).forward_to([parse_condition(text)])
        assert (found and found.position) == after


def test_a_condition_may_ask_for_registers():
    timeline, events = past("01-ladder")
    timeline.seek(timeline.frontier)
    found = Search(timeline).back_to([parse_condition("event==exception_taken and x1==4")])
    assert found is not None
    assert timeline.runner.machine.core.x(1) == 4
    assert any(at(event) == found.position for event in events)


def test_a_search_leaves_no_mark():
    timeline, _ = past("28-vm-smp")
    timeline.seek(timeline.frontier)
    Search(timeline).back_to([parse_condition("event==console_output")])
    assert_same_state_as_a_straight_run(timeline, "28-vm-smp")
    last_change(Search(timeline), "ELR_EL1")
    assert_same_state_as_a_straight_run(timeline, "28-vm-smp")


# --- breakpoints ------------------------------------------------------------------------------------------------------


def steps(name: str) -> list[tuple[Position, int, int]]:
    """Return (position, CPU, PC) before each instruction that retires."""
    runner = Runner(configuration(name))
    made, machine = [], runner.machine
    while True:
        here, core = machine.cpus.current.position(numbered=False), machine.cpus.current
        made.append((Position(*here), core.index, core.pc))
        if machine.step():
            return made


@pytest.mark.parametrize("name", ["01-ladder", "12-stale-tlb"])
def test_back_to_a_breakpoint(name: str):
    timeline, _ = past(name)
    stepped = steps(name)
    for place in places(timeline):
        here = timeline.seek(place)
        for pc in {pc for _, _, pc in stepped[::5]}:
            timeline.seek(here)
            before = [position.n for position, _, each in stepped if each == pc and position.n < here.n]
            found = Search(timeline).back_to([Breakpoint(pc)])
            assert (found and found.position.n) == (before[-1] if before else None)
            if found:
                assert timeline.runner.machine.core.pc == pc


def test_forward_from_breakpoint_to_breakpoint_in_the_past_and_behind_the_frontier():
    name = "01-ladder"
    hot = max((pc for _, _, pc in steps(name)), key=[pc for _, _, pc in steps(name)].count)
    expected = [position.n for position, _, pc in steps(name) if pc == hot]
    for timeline in (Timeline(configuration(name)), past(name)[0]):
        timeline.seek(START)
        found = []
        while (hit := Search(timeline).forward_to([Breakpoint(hot)], LIMIT)) is not None:
            assert timeline.position == hit.position
            assert timeline.runner.machine.core.pc == hot
            found.append(hit.position.n)
        assert found == expected
        assert timeline.frontier == past(name)[0].frontier


def test_a_run_that_was_stopped_by_watches_is_told_once_and_in_order():
    sink = RecordingSink()
    timeline = Timeline(configuration("01-ladder"), sink=sink)
    while Search(timeline).forward_to([RegisterWatch("x1"), parse_condition("event==console_output")], LIMIT):
        timeline.step_back()
        timeline.seek(timeline.frontier)
    events = [event for event in sink.events if type(event).__name__ != "Ended"]
    assert events == [event for event in past("01-ladder")[1] if type(event).__name__ != "Ended"]


# --- the caller -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [*counting.BY_BLOCK, "python"])
def test_back_to_the_caller_from_every_instruction(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch):
    if way in counting.BY_BLOCK and not counting.is_usable(way):
        pytest.skip(f"there is no way to count in {way}")
    monkeypatch.setenv(counting.SWITCH, way)
    source = tmp_path / "calls.s"
    source.write_text(CALLS)
    timeline = Timeline(Configuration(image=str(source), memory_bytes=32 << 20))
    timeline.run(LIMIT)
    symbols, callers = timeline.runner.symbols, {}
    stack: list[int] = []
    calls = {}
    for n in range(timeline.frontier.n):
        timeline.seek(Position(n))
        core = timeline.runner.machine.core
        calls[n] = stack[-1] if stack else None
        word = int.from_bytes(timeline.runner.machine.read_memory(core.pc, 4), "little")
        if word >> 26 == 0b100101:
            stack.append(n)
        elif word == 0xD65F_03C0:
            stack.pop()
        callers[n] = symbols.describe(core.pc)
    assert len({call for call in calls.values() if call is not None}) == 10
    for n, call in calls.items():
        timeline.seek(Position(n))
        found = Search(timeline).previous("caller")
        assert (found and found.n) == call, (n, callers[n])


# --- who changed this -------------------------------------------------------------------------------------------------


@cache
def values(name: str) -> dict[str, list[tuple[Position, int]]]:
    """Return the values of registers of CPU 0 at every place where a machine can stand."""
    timeline, registers = Timeline(configuration(name)), {}
    core = timeline.runner.machine.core
    readers = {each: RegisterValue(core, each) for each in NAMES}
    registers = {each: [(START, reader.read())] for each, reader in readers.items()}
    while timeline.step() > registers["X0"][-1][0]:
        for each, reader in readers.items():
            registers[each].append((timeline.position, reader.read()))
    return registers


@pytest.mark.parametrize("register", NAMES)
@pytest.mark.parametrize("name", ["01-ladder", "08-virq", "25-demand-paging", "19-smp"])
def test_the_last_change_of_a_register(name: str, register: str):
    timeline, _ = past(name)
    stepped = values(name)[register]
    for place in places(timeline)[:4]:
        here = timeline.seek(place)
        known = [(position, value) for position, value in stepped if position <= here]
        changes = [index for index in range(1, len(known)) if known[index][1] != known[index - 1][1]]
        found = last_change(Search(timeline), f"cpu0:{register}")
        if not changes:
            assert found is None
            continue
        assert found is not None
        assert found.position == timeline.position == known[changes[-1]][0]
        assert (found.old, found.new) == (known[changes[-1] - 1][1], known[changes[-1]][1])


def test_the_last_change_of_memory_and_who_made_it():
    timeline, _ = past("12-stale-tlb")
    timeline.seek(timeline.frontier)
    found = last_change(Search(timeline), "pa:0x40081000")
    assert found is None or found.who
    store = StoreWatch(0x4000_0000, 32 << 20)
    timeline.replay(START, timeline.frontier, watches=[store])
    changing = [hit for hit in store.hits if hit.old != hit.new]
    assert changing


ABA = """
    ldr x1, =0x40100000
    mov x0, #7
    str x0, [x1]
    str xzr, [x1]
    mov x2, #{loops}
loop:
    sub x2, x2, #1
    cbnz x2, loop
    mov x0, #8
    mov x0, #7
    mov x0, x0
    ldr x0, =0x84000008
    smc #0
"""


@pytest.mark.parametrize("loops", [5, 60000])
def test_a_change_that_was_undone_is_found(tmp_path: Path, loops: int):
    source = tmp_path / "aba.s"
    source.write_text(ABA.replace("{loops}", str(loops)))
    timeline = Timeline(Configuration(image=str(source), memory_bytes=32 << 20))
    timeline.run(LIMIT)
    memory = last_change(Search(timeline), "pa:0x40100000")
    assert memory is not None
    assert (memory.position, memory.old, memory.new) == (Position(4), (7).to_bytes(8, "little"), bytes(8))
    assert memory.who.startswith("`str xzr, [x1]` at ")
    timeline.seek(Position(timeline.frontier.n - 2))
    register = last_change(Search(timeline), "x0")
    assert register is not None
    assert (register.old, register.new) == (8, 7)
    counter = last_change(Search(timeline), "x2")
    assert counter is not None
    assert str(counter).endswith("by `sub x2, x2, #1` at 0x40080014 <loop> on CPU 0")


def test_who_changed_it_in_words():
    timeline, _ = past("25-demand-paging")
    timeline.seek(timeline.frontier)
    found = last_change(Search(timeline), "s2pte:0x40080000")
    assert found is not None
    assert "by the hypervisor, which handled the exception to EL2 (" in str(found)
    timeline, _ = past("01-ladder")
    timeline.seek(timeline.frontier)
    assert "by the exception to EL2 (HVC64), of `hvc #5` at" in str(last_change(Search(timeline), "esr_el2"))
    timeline.seek(timeline.frontier)
    assert "`msr hcr_el2, x2`" in str(last_change(Search(timeline), "HCR_EL2"))


def test_the_first_change_of_memory_is_found_by_a_large_watch_too():
    timeline, _ = past("12-stale-tlb")
    for size in (8, 4096):
        timeline.seek(timeline.frontier)
        found = last_change(Search(timeline), f"pa:0x40082000+{size}")
        small = MemoryWatch(0x4008_2000, 8)
        timeline.replay(START, timeline.frontier, watches=[small])
        assert (found is None) == (not small.hits) or size == 4096


ERRORS = {
    "nonsense": "is no register and no symbol",
    "HCR_EL2.TWX": "has no field TWX",
    "X77": "no system register",
    "pa:5": "is not RAM",
    "cpu7:X0": "the machine has no such CPU",
    "LR99": "list registers",
    "pte:0x40080000@2": "the walk reads no such descriptor here",
    "0x40080ff8+16": "goes beyond a page",
    "pa:0x4zz": "is not a number",
    "": "names nothing that can change",
    "pa:0x40080000+0": "is not RAM",
    "ICC_IAR1_EL1": "acknowledges|has no",
}


@pytest.mark.parametrize("text", ERRORS)
def test_what_cannot_change_is_told(text: str):
    timeline, _ = past("01-ladder")
    with pytest.raises(UserError, match=ERRORS[text]):
        last_change(Search(timeline), text)


def test_another_kind_of_step_is_refused():
    with pytest.raises(UserError, match="there is no such step"):
        Search(past("01-ladder")[0]).previous("jump")
