"""The local exclusive monitor: what clears it, what keeps it, and that nobody who cuts a run can tell."""

from __future__ import annotations

import ctypes
import struct

import pytest
from core_support import BASE, VECTORS, events, machine, vectors
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arm_hyp.cpu import native, probe, snapshot
from arm_hyp.cpu.exclusive import OPEN, Exclusive, find_live
from arm_hyp.events import Event
from arm_hyp.machine.machine import Machine

DATA = BASE + 0x2000
END = "b .\n .ltorg\n"
TO_NEXT = f"""
    ldr x9, ={VECTORS:#x}
    msr vbar_el2, x9
    adr x9, next
    msr elr_el2, x9
    mov x9, #0x3c9
    msr spsr_el2, x9
"""
PASSED, FAILED = (0, 7), (1, 5)
"""The status of the store-exclusive of 7, and what is in memory, which was 5."""


@pytest.fixture(params=["live", "context"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Reach the monitor in the live state, and as in a build whose live state is not known."""
    way: str = request.param
    if way == "context":
        monkeypatch.setattr(native, "find_live", lambda *_: None)
    return way


def made_for(source: str, **options: object) -> Machine:
    made = machine(source, **options)  # type: ignore[arg-type]
    made.write_memory(DATA, struct.pack("<2Q", 5, 6))
    return made


def result(between: str, handler: str = "b .", **options: object) -> tuple[int, int]:
    """Run a load-exclusive, something, and a store-exclusive at `next`."""
    source = f"""
        ldr x0, ={DATA:#x}
        mov x2, #7
        mov w3, #9
        {TO_NEXT}
        ldxr x1, [x0]
        {between}
    next:
        stxr w3, x2, [x0]
        {END}
        {vectors(sync_same=handler)}
    """
    made = made_for(source, **options)
    made.run(60)
    assert made.core.native.exclusive.read().address == OPEN
    return made.core.x(3), struct.unpack("<Q", made.read_memory(DATA, 8))[0]


CASES = {
    "nothing": ("", "b .", PASSED),
    "CLREX": ("clrex", "b .", FAILED),
    "ERET": ("eret", "b .", FAILED),
    "an exception and its ERET": ("svc #0", "eret", FAILED),
    "an exception alone": ("svc #0", "b next", PASSED),
    "an illegal ERET": ("mov x9, #0x3cd\n msr spsr_el2, x9\n adr x9, next\n eret", "msr spsel, #1\n b next", FAILED),
    "a store of this CPU of the same value": ("str x1, [x0]", "b .", PASSED),
    "a store of this CPU": ("str x0, [x0]", "b .", (1, DATA)),
    "a value that was there again": ("str x0, [x0]\n str x1, [x0]", "b .", PASSED),
    "a load-exclusive elsewhere": ("add x9, x0, #8\n ldxr x10, [x9]", "b .", FAILED),
}


@pytest.mark.parametrize("case", CASES)
def test_a_store_exclusive_passes_or_fails(case: str, way: str):
    between, handler, expected = CASES[case]
    assert result(between, handler) == expected


def test_an_illegal_return_was_one():
    """The case above would say the same of a legal return to EL3; there is none."""
    source = f"{TO_NEXT} mov x9, #0x3cd\n msr spsr_el2, x9\n next: eret\n {END} {vectors()}"
    made = made_for(source)
    made.run(20)
    assert any(getattr(event, "illegal", False) for event in events(made, Event))


def test_a_return_from_python_clears_it(way: str):
    made = made_for(f"ldr x0, ={DATA:#x}\n mov x2, #7\n ldxr x1, [x0]\n hvc #0\n stxr w3, x2, [x0]\n {END}", start_el=1)
    made.core.conduit = "smc"
    seen: list[Exclusive] = []
    made.core.python_el2 = lambda core, event: seen.append(core.native.exclusive.read())
    made.run(10)
    assert seen == [Exclusive(DATA, 5, 0)]
    assert made.core.x(3) == 1


PAIR = f"""
    ldr x0, ={DATA:#x}
    again:
    ldaxp x1, x2, [x0]
    add x1, x1, #1
    add x2, x2, #2
    stlxp w3, x1, x2, [x0]
    cbnz w3, again
    add x5, x5, #1
    ldxrh w6, [x0]
    add w6, w6, #1
    stxrh w3, w6, [x0]
    ldxr w6, [x0]
    clrex
    stxr w7, w6, [x0]
    add x8, x8, x7
    b again
    .ltorg
"""


@pytest.mark.parametrize("model", ["a72", "max"])
def test_a_new_machine_goes_on_from_every_instruction(model: str):
    first = made_for(PAIR, model=model)
    saved = []
    for point in range(1, 16):
        first.run(point)
        saved.append(first.snapshot())
    first.run(45)
    assert first.core.x(5) == first.core.x(8) == 3
    for point, state in enumerate(saved, start=1):
        second = made_for(PAIR, model=model)
        second.restore(state)
        assert second.snapshot() == state
        second.run(45)
        assert second.snapshot() == first.snapshot(), point


def test_a_restore_replaces_the_monitor(way: str):
    """Going back in the same machine: what was loaded since must not count."""
    made = made_for(f"ldr x0, ={DATA:#x}\n mov x2, #7\n nop\n ldxr x1, [x0]\n stxr w3, x2, [x0]\n {END}")
    made.run(3)
    before = made.snapshot()
    made.run(4)
    assert made.core.native.exclusive.read() == (DATA, 5, 0)
    made.restore(before)
    made.core.pc += 4
    made.run(4)
    assert (made.core.x(3), made.core.native.exclusive.read().address) == (1, OPEN)


def test_a_reset_clears_it(way: str):
    made = made_for(f"ldr x0, ={DATA:#x}\n ldxp x1, x2, [x0]\n {END}")
    new = made.core.native.exclusive.read()
    made.run(2)
    assert made.core.native.exclusive.read() == (DATA, 5, 6)
    snapshot.reset(made.core)
    assert made.core.native.exclusive.read() == new == (OPEN, 0, 0)


# --- any mixture of accesses, against a model ------------------------------------------------------------------------

_OPERATIONS = ("ldxr", "ldxr", "stxr", "stxr", "str", "clrex", "eret", "svc", "ldxp", "stxp")
_STEPS = st.lists(
    st.tuples(st.sampled_from(_OPERATIONS), st.sampled_from([0, 0, 0, 16]), st.integers(5, 7)), min_size=3, max_size=12
)
_LINES = {
    "ldxr": "ldxr x1, [x0]",
    "stxr": "stxr w3, x2, [x0]",
    "str": "str x2, [x0]",
    "clrex": "clrex",
    "ldxp": "ldxp x1, x4, [x0]",
    "stxp": "stxp w3, x2, x2, [x0]",
    "svc": "svc #0",
}


def assembly(steps: list[tuple[str, int, int]]) -> str:
    """Assembly of the steps; each status is added to a sum in X5 that is shifted by one bit first."""
    text = TO_NEXT.replace("next", "first") + "\nfirst:\n"
    for number, (operation, offset, value) in enumerate(steps):
        back = f"adr x9, back{number}\n msr elr_el2, x9\n eret\n back{number}:"
        text += f"ldr x0, ={DATA + offset:#x}\n mov x2, #{value}\n mov x3, #0\n"
        text += f"{_LINES.get(operation, back)}\n add x5, x3, x5, lsl #1\n"
    return text + END + vectors(sync_same="eret")


def model(steps: list[tuple[str, int, int]]) -> tuple[int, bytes]:
    """Say what the statuses are, and the memory. Ref: the pseudocode of LDXR, STXR, CLREX, ERET; `cpu/exclusive.py`."""
    memory, marked, statuses = [5, 6, 5, 6], None, 0
    for operation, offset, value in steps:
        at, status = offset // 8, 0
        words = 2 if operation.endswith("xp") else 1
        if operation in ("ldxr", "ldxp"):
            marked = at, memory[at : at + words]
        elif operation in ("stxr", "stxp"):
            status = int(marked is None or marked != (at, memory[at : at + words]))
            marked = None
        elif operation in ("clrex", "eret", "svc"):
            marked = None
        if operation in ("str", "stxr", "stxp") and not status:
            memory[at : at + words] = [value] * words
        statuses = statuses << 1 | status
    return statuses, struct.pack("<4Q", *memory)


def is_defined(steps: list[tuple[str, int, int]]) -> bool:
    """Tell whether no store-exclusive differs in size from the load-exclusive before it (CONSTRAINED UNPREDICTABLE)."""
    loaded = ""
    for operation, _, _ in steps:
        if operation in ("ldxr", "ldxp"):
            loaded = operation[-1]
        elif operation in ("stxr", "stxp") and loaded not in ("", operation[-1]):
            return False
    return True


@settings(max_examples=40, deadline=None)
@example(steps=[("ldxr", 0, 5), ("eret", 0, 5), ("stxr", 0, 7), ("stxr", 0, 6)], point=14)
@given(steps=_STEPS.filter(is_defined), point=st.integers(0, 80))
def test_any_mixture_follows_the_model_and_can_be_cut(steps: list[tuple[str, int, int]], point: int):
    source = assembly(steps)
    for cut in (None, point):
        made = made_for(source)
        made.write_memory(DATA, struct.pack("<4Q", 5, 6, 5, 6))
        if cut is not None:
            made.run(cut)
            saved, made = made.snapshot(), made_for(source)
            made.restore(saved)
        made.run(120)
        assert (made.core.x(5), made.read_memory(DATA, 32)) == model(steps)


# --- where it is found -----------------------------------------------------------------------------------------------


def test_it_is_found_in_the_live_state():
    core = native.NativeCore("max", probe.internals())
    assert core.exclusive.is_live
    bench = probe.Bench(probe.internals())
    assert probe._search() == bench.core.internals


def test_a_live_state_that_is_not_the_same_is_not_used():
    """Memory that looks like a core's state, with a copy that does and that does not agree."""
    size_bytes, offset = 1 << 12, 0x400
    state, context = ctypes.create_string_buffer(2 * size_bytes), ctypes.create_string_buffer(size_bytes)
    address = ctypes.addressof(state)
    struct.pack_into("<Q", state, 296, address + size_bytes)
    struct.pack_into("<3Q", state, size_bytes + offset - 40, 1, 2, 3)
    assert find_live(address, ctypes.addressof(context), offset) is None
    struct.pack_into("<3Q", context, offset, 1, 2, 3)
    assert find_live(address, ctypes.addressof(context), offset) == address + size_bytes + offset - 40
    for pointer in (0, address, address + (1 << 16)):
        struct.pack_into("<Q", state, 296, pointer)
        assert find_live(address, ctypes.addressof(context), offset) is None
    assert find_live(None, ctypes.addressof(context), offset) is None


def test_a_unicorn_without_it_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "_find_monitor", lambda bench: None)
    with pytest.raises(native.InternalsError, match="exclusive monitor was not found"):
        probe._search()


def test_a_wrong_place_is_noticed():
    wrong = probe.internals()._replace(monitor_offset=probe.internals().monitor_offset + 8)
    assert "the exclusive monitor holds the address and the data" in probe._failed(wrong)
