"""Watches: every hit where single steps find it, in C and in Python, and no trace in the run."""

from collections.abc import Callable
from functools import partial

import pytest
from core_support import BASE, POWER_OFF, VECTORS, events, machine, vectors
from unicorn import arm64_const as a64

from arm_hyp.cpu import counting
from arm_hyp.cpu.live_words import live_words, pstate_level_word
from arm_hyp.cpu.watches import Breakpoint, Hit, LoadWatch, MemoryWatch, RegisterWatch, StoreWatch, Watch
from arm_hyp.cpu.watching import Watches, is_in_c
from arm_hyp.events import Event, NullSink, RecordingSink
from arm_hyp.machine.machine import Machine

DATA = 0x4010_0000
LIMIT = 5000

STORES = f"""
    ldr x1, ={DATA:#x}
    mov x0, #0
loop:
    add x0, x0, #1
    str x0, [x1]
    stur x0, [x1, #-4]
    stp x0, x0, [x1, #-8]
    str q0, [x1, #-8]
    dc zva, x1
    ldxr x3, [x1]
    stxr w4, x0, [x1]
    strb w0, [x1, #7]
    ldrh w5, [x1, #6]
    cmp x0, #3
    b.ne loop
    {POWER_OFF}
"""

TRAPS = f"""
    ldr x9, ={VECTORS:#x}
    msr vbar_el2, x9
    mov x9, #(1 << 31)
    orr x9, x9, #(1 << 13)
    msr hcr_el2, x9
    ldr x9, =0x3c5
    msr spsr_el2, x9
    adr x9, guest
    msr elr_el2, x9
    ldr x9, =0x40110000
    msr sp_el1, x9
    eret
guest:
    mov x10, sp
    sub sp, sp, #16
    str x10, [sp]
    msr tpidr_el1, x10
    wfi
    nop
    hvc #1
    {vectors(sync_lower="b handler", sync_same="b .")}
handler:
    mrs x11, esr_el2
    lsr x11, x11, #26
    cmp x11, #0x16
    b.eq done
    mrs x12, elr_el2
    add x12, x12, #4
    msr elr_el2, x12
    mov x9, #(1 << 31)
    msr hcr_el2, x9
    eret
done:
    {POWER_OFF}
"""


@pytest.fixture(params=[*counting.BY_BLOCK, "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param in counting.BY_BLOCK and not counting.is_usable(request.param):
        pytest.skip(f"there is no way to count in {request.param}")
    if request.param == "c" and not is_in_c():
        pytest.skip("the C helpers are not built")
    monkeypatch.setenv(counting.SWITCH, request.param)
    return str(request.param)


def watch(made: Machine, *watches: Watch) -> Watches:
    return Watches(made.cpus.cores, watches, made.ram_device.observers)


def hits_of(source: str, *watches: Watch, **options: object) -> Machine:
    made = machine(source, **options)
    with watch(made, *watches):
        made.run(LIMIT)
    return made


def by_steps(source: str, read, **options: object) -> list[tuple[int, object]]:
    """Return (n, value) after each step in which what `read(machine)` returns has changed."""
    made = machine(source, NullSink(), **options)
    found, last = [], read(made)
    while not made.step():
        now = read(made)
        if now != last:
            found.append((made.retired, now))
        last = now
    return found


def seen(watch: Watch) -> list[tuple[int, object]]:
    return [(hit.n, hit.new) for hit in watch.hits]


@pytest.mark.parametrize("name", ["x0", "X4", "sp", "q0", "PSTATE", "x5"])
def test_a_register_is_seen_to_change_where_single_steps_see_it(name: str, way: str):
    from arm_hyp.cpu.watched import RegisterValue

    found = RegisterWatch(name)
    hits_of(STORES, found)
    assert seen(found) == by_steps(STORES, lambda made: RegisterValue(made.core, name).read())


def test_memory_is_seen_to_change_where_single_steps_see_it(way: str):
    found = MemoryWatch(DATA, 8)
    hits_of(STORES, found)
    assert len(found.hits) >= 12
    assert seen(found) == by_steps(STORES, lambda made: made.read_memory(DATA, 8))


@pytest.mark.parametrize("address, size_bytes", [(DATA - 4, 1), (DATA + 7, 1), (DATA - 5, 13), (DATA - 1, 2)])
def test_parts_of_words_are_memory_too(address: int, size_bytes: int, way: str):
    found = MemoryWatch(address, size_bytes)
    hits_of(STORES, found)
    assert found.hits
    assert seen(found) == by_steps(STORES, lambda made: made.read_memory(address, size_bytes))


def test_a_store_is_noted_even_if_nothing_changes(way: str):
    found = StoreWatch(DATA, 8)
    hits_of(STORES, found)
    stores = [BASE + 4 * index for index in (3, 4, 5, 6, 7, 9, 10)]
    assert [hit.pc for hit in found.hits] == stores * 3
    after = dict(by_steps(STORES, lambda made: made.read_memory(DATA, 8)))
    assert [hit.new for hit in found.hits if hit.old != hit.new] == list(after.values())
    assert [hit.n for hit in found.hits if hit.old != hit.new] == list(after)


@pytest.mark.parametrize("address, expected", [(DATA - 4, [4, 5, 6]), (DATA - 5, [5, 6]), (DATA + 63, [7])])
def test_a_store_that_begins_below_the_range_is_noted(address: int, expected: list[int], way: str):
    found = StoreWatch(address, 1)
    hits_of(STORES, found)
    assert [hit.pc for hit in found.hits] == [BASE + 4 * index for index in expected] * 3


def test_loads_are_noted(way: str):
    found = LoadWatch(DATA + 6, 1)
    hits_of(STORES, found)
    loads = {BASE + 4 * index for index in (8, 9, 11)}
    assert {hit.pc for hit in found.hits} <= loads
    assert [hit.n for hit in found.hits if hit.pc == BASE + 4 * 11] == [12, 24, 36]


def test_a_breakpoint_is_noted_before_its_instruction(way: str):
    found = Breakpoint(BASE + 4 * 3)
    hits_of(STORES, found)
    assert list(found.hits) == [Hit(n, 0, 0, BASE + 12) for n in (3, 15, 27)]


def test_a_breakpoint_may_ask_for_a_cpu_and_a_level(way: str):
    here, elsewhere = Breakpoint(BASE + 12, cpu=0, el=2), Breakpoint(BASE + 12, el=1)
    hits_of(STORES, here, elsewhere)
    assert (len(here.hits), len(elsewhere.hits)) == (3, 0)


def test_only_the_last_hits_are_kept_if_so_wished(way: str):
    found = Breakpoint(BASE + 12, keep=1)
    hits_of(STORES, found)
    assert (found.count, [hit.n for hit in found.hits]) == (3, [27])


@pytest.mark.parametrize(
    "name, field", [("HCR_EL2", None), ("HCR_EL2", "TWI"), ("ESR_EL2", None), ("ESR_EL2", "EC"), ("TPIDR_EL1", None)]
)
def test_a_system_register_is_seen_to_change(name: str, field: str | None, way: str):
    from arm_hyp.cpu.watched import RegisterValue

    found = RegisterWatch(name, field)
    hits_of(TRAPS, found)
    steps = by_steps(TRAPS, lambda made: RegisterValue(made.core, name, field).read())
    assert [hit.new for hit in found.hits] == [new for _, new in steps]
    assert steps


def test_what_an_exception_writes_is_seen_at_the_exception(way: str):
    found = RegisterWatch("ESR_EL2")
    made = hits_of(TRAPS, found)
    assert isinstance(made.core.sink, RecordingSink)
    taken = [event for event in made.core.sink.events if type(event).__name__ == "ExceptionTaken" and event.to_el == 2]
    assert [(hit.n, hit.seq, hit.by) for hit in found.hits] == [(event.n, event.seq, "trap") for event in taken]


def test_a_bank_of_the_stack_pointer_is_seen_where_it_is_used(way: str):
    found = RegisterWatch("SP_EL1")
    hits_of(TRAPS, found)
    assert [hit.new for hit in found.hits] == [0x4011_0000, 0x4010_FFF0]


def state_with(source: str, *watches: Watch, **options: object) -> tuple[list[Event], object]:
    made = hits_of(source, *watches, **options)
    return events(made, Event), made.snapshot()


@pytest.mark.parametrize("source", [STORES, TRAPS], ids=["stores", "traps"])
def test_watches_leave_no_mark(source: str, way: str):
    plain = state_with(source)
    everything: list[Watch] = [
        RegisterWatch("X0"),
        RegisterWatch("HCR_EL2"),
        MemoryWatch(DATA, 64),
        StoreWatch(0x4000_0000, 16 << 20),
        LoadWatch(0x4000_0000, 16 << 20),
        *(Breakpoint(BASE + 4 * index) for index in range(30)),
    ]
    assert state_with(source, *everything) == plain
    assert sum(len(each.hits) for each in everything) > 20


def test_a_watch_that_is_removed_notes_nothing_more(way: str):
    made, found = (
        machine(STORES),
        [RegisterWatch("x0"), MemoryWatch(DATA, 8), StoreWatch(DATA, 8), Breakpoint(BASE + 12)],
    )
    with watch(made, *found):
        made.run(10)
    before = [list(each.hits) for each in found]
    made.run(LIMIT)
    made.write_memory(DATA, b"12345678")
    assert all(before)
    assert [list(each.hits) for each in found] == before


def test_a_write_past_the_core_is_a_store(way: str):
    made, found = machine(STORES), StoreWatch(DATA, 8)
    with watch(made, found):
        made.write_memory(DATA - 2, b"abcdef")
    hit = found.hits[0]
    assert (hit.by, hit.old, hit.new) == ("between", bytes(8), b"cdef" + bytes(4))


@pytest.mark.parametrize("bad", [RegisterWatch("NOPE_EL1"), RegisterWatch("HCR_EL2", "NOPE"), MemoryWatch(0x100, 8)])
def test_what_cannot_be_watched_is_refused_and_nothing_is_left(bad: Watch, way: str):
    made, other = machine(STORES), RegisterWatch("x0")
    with pytest.raises((KeyError, ValueError)), watch(made, other, bad):
        pass
    made.run(LIMIT)
    assert not other.hits


STOPS = {
    "a breakpoint": lambda **options: Breakpoint(BASE + 4 * 4, **options),
    "a register": lambda **options: RegisterWatch("x0", **options),
    "memory": lambda **options: MemoryWatch(DATA, 8, **options),
}


@pytest.mark.parametrize("make", STOPS.values(), ids=STOPS)
def test_a_watch_can_stop_the_run_exactly_and_it_goes_on_as_if_nothing_had_been(make: Callable[..., Watch], way: str):
    plain, noted = state_with(STORES), make()
    hits_of(STORES, noted)
    made, where = machine(STORES), []
    while True:
        stop, begin = partial(made.request_stop, "a watch", 0), made.core.position(numbered=False)
        with Watches(made.cpus.cores, [make(stops=True)], stop=stop, begin=begin):
            if made.advance(LIMIT).reason != "stopped":
                break
        where.append(made.core.position(numbered=False))
    assert where == [hit[:2] for hit in noted.hits]
    made.run(LIMIT)
    assert (events(made, Event), made.snapshot()) == plain


def test_a_store_stops_soon_and_is_done_once(way: str):
    plain, made, found = state_with(STORES), machine(STORES), StoreWatch(DATA, 8, stops=True)
    with Watches(made.cpus.cores, [found], stop=lambda: made.request_stop("a watch", 0, at_once=False)):
        while made.advance(LIMIT).reason == "stopped":
            assert made.retired <= found.hits[-1].n + 12
    made.run(LIMIT)
    assert (events(made, Event), made.snapshot()) == plain
    assert len(found.hits) == 21


@pytest.mark.parametrize("model", ["a72", "max"])
def test_the_level_is_found_in_the_live_state(model: str) -> None:
    # Without it SP_ELx is looked at by Python before each instruction, which takes 100 times as long.
    assert pstate_level_word(model) is not None
    assert pstate_level_word(model)[0] in live_words(model, a64.UC_ARM64_REG_PSTATE)
