"""Who watches changes nothing: any run cut at any points, with or without a sink, has the same trace and state.

The guests use what lies outside the core: timers, the RTC, the UART, several CPUs. `tests/golden/test_cut.py` has the
others. Ref: design.md, "Time, determinism, going back".
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from board_support import DATA, HANDLER_SKIPS, POWER_OFF, machine, start_cpu, state, trace, with_vectors

from arm_hyp.events import Ended, Event, NullSink
from arm_hyp.machine.machine import EARLY_GRID, LOOK_GRID, TLB_GRID, Machine

LIMIT = 20_000
GIC_ON = """
    ldr x1, =0x08000100
    mov w2, #-1
    str w2, [x1]
    str w2, [x1, #4]
    ldr x1, =0x08000000
    mov w2, #1
    str w2, [x1]
    ldr x1, =0x08010000
    mov w3, #0xff
    str w3, [x1, #4]
    str w2, [x1]
    mrs x3, hcr_el2
    orr x3, x3, #1 << 4
    msr hcr_el2, x3
"""
TICK = """
    ldr x21, =0x08010000
    ldr w22, [x21, #0xc]
    mov x23, #5
    msr cntp_tval_el0, x23
    ldr x24, =0x09010000
    ldr w25, [x24]
    mrs x26, cntpct_el0
    add x27, x27, #1
    str w22, [x21, #0x10]
    eret
"""

TIMERS = with_vectors(
    f"""
    {GIC_ON}
    mov x3, #5
    msr cntp_tval_el0, x3
    mov x3, #1
    msr cntp_ctl_el0, x3
    ldr x10, ={DATA:#x}
work:
    msr daifclr, #2
    add x4, x4, #1
    str x4, [x10], #8
    mrs x5, cntvct_el0
    eor x6, x6, x5
    msr daifset, #2
    add x6, x6, #1
    add x6, x6, #1
    cmp x27, #20
    b.lt work
    wfi
    cmp x27, #25
    b.lt work
    {POWER_OFF}
    """,
    irq_same=TICK,
)
UART = with_vectors(
    f"""
    {GIC_ON}
    ldr x11, =0x09000000
    mov w9, #0x20
    str w9, [x11, #0x38]
    msr daifclr, #2
    mov x12, #65
print:
    str w12, [x11]
    add x12, x12, #1
    ldp w13, w14, [x11, #0x18]
    cmp x12, #80
    b.lt print
    {POWER_OFF}
    """,
    irq_same="""
    ldr x21, =0x08010000
    ldr w22, [x21, #0xc]
    mov w23, #0x7ff
    ldr x24, =0x09000000
    str w23, [x24, #0x44]
    str w22, [x21, #0x10]
    eret
    """,
)
TWO_CPUS = with_vectors(
    f"""
    {GIC_ON}
    {start_cpu(1, "second")}
    ldr x10, ={DATA:#x}
    ldr x20, =0x08000f00
    ldr w21, =0x00020001
ask:
    str w21, [x20]
    wfe
    ldr w1, [x10]
    cmp w1, #10
    b.lt ask
    {POWER_OFF}
second:
    adr x0, vector_table
    msr vbar_el2, x0
    {GIC_ON}
    ldr x10, ={DATA:#x}
    msr daifclr, #2
busy:
    add x2, x2, #1
    yield
    tst x2, #3
    b.ne busy
    wfi
    b busy
    """,
    irq_same="""
    ldr x21, =0x08010000
    ldr w22, [x21, #0xc]
    ldr w23, [x10]
    add w23, w23, #1
    str w23, [x10]
    str w22, [x21, #0x10]
    sev
    eret
    """,
    sync_same=HANDLER_SKIPS,
)
GUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "timers": (TIMERS, {}),
    "uart": (UART, {}),
    "two CPUs": (TWO_CPUS, {"cpus": 2}),
}


def events_of(made: Machine) -> list[Event]:
    return [event for event in trace(made) if not isinstance(event, Ended)]


def uncut(name: str) -> Machine:
    source, options = GUESTS[name]
    made = machine(source, **options)
    outcome = made.run(LIMIT)
    assert outcome.reason == "guest", outcome
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("name", GUESTS)
def test_cut_every_so_many_instructions(name: str, size: int) -> None:
    expected = uncut(name)
    source, options = GUESTS[name]
    made = machine(source, **options)
    while not made.step(size) and made.retired < LIMIT:
        made.board.snapshot()
    assert events_of(made) == events_of(expected)
    assert state(made) == state(expected)


@pytest.mark.parametrize("name", GUESTS)
def test_without_a_sink(name: str) -> None:
    expected = uncut(name)
    source, options = GUESTS[name]
    made = machine(source, sink=NullSink(), **options)
    assert made.run(LIMIT).reason == "guest"
    assert state(made) == state(expected)


@pytest.mark.parametrize("name", GUESTS)
def test_cut_at_random_points(name: str) -> None:
    expected = uncut(name)
    source, options = GUESTS[name]
    for seed in range(3):
        made, chance = machine(source, **options), random.Random(seed)
        while not made.step(chance.randint(1, 40)) and made.retired < LIMIT:
            pass
        assert events_of(made) == events_of(expected)
        assert state(made) == state(expected)


def test_one_cpu_keeps_no_turns() -> None:
    """The slices of a CPU that is alone end nowhere: also far behind the length of one."""
    source = "spin:\n add x1, x1, #1\n b spin\n"
    whole, cut = machine(source), machine(source)
    assert whole.run(200_000).reason == "limit"
    while cut.retired < 200_000:
        cut.step(min(7_001, 200_000 - cut.retired))
    assert state(cut) == state(whole)


OTHERS = 28
"""Instructions up to the output, those of the loop aside."""


def stale_on_the_grid() -> str:
    """A page is unmapped without TLB maintenance; the guest prints, as the last instruction before the grid; it reads.

    So the TLB's grid decides what is seen.
    """
    return f"""
        ldr x20, ={DATA + 0x1000:#x}
        mov x21, #0x701
        str x21, [x20]
        ldr x21, =0x40000705
        str x21, [x20, #8]
        str x21, [x20, #16]
        msr ttbr0_el2, x20
        mov x21, #0xff
        msr mair_el2, x21
        ldr x21, =0x80823519
        msr tcr_el2, x21
        ldr x10, ={DATA:#x}
        mov x12, #5
        str x12, [x10]
        isb
        mrs x21, sctlr_el2
        orr x21, x21, #1
        msr sctlr_el2, x21
        isb
        ldr x13, ={0x8000_0000 + DATA - 0x4000_0000:#x}
        ldr x14, [x13]
        str xzr, [x20, #16]           // the TLB may keep it
        mov x15, #65
        mov x16, #0x09000000
        nop
        nop
        ldr x17, ={(TLB_GRID - OTHERS) // 2}
    spin:
        subs x17, x17, #1
        b.ne spin
        str w15, [x16]
        ldr x18, [x13]
        b .
        .ltorg
    """


def test_the_tlb_grid_counts_however_the_piece_was_stopped() -> None:
    """Who stops the run at what it prints, on the grid itself, and runs on, has changed nothing."""
    source = stale_on_the_grid()
    whole = machine(source, sink=NullSink())
    whole.run(TLB_GRID + 20)
    cut = machine(source, sink=NullSink())
    cut.output = lambda byte: cut.request_stop("seen", 0)
    assert cut.run(TLB_GRID + 20).reason == "stopped"
    assert cut.retired == TLB_GRID
    cut.run(TLB_GRID + 20)
    assert state(cut) == state(whole)


@pytest.mark.parametrize("how", ["run", "step"])
def test_a_guest_that_has_ended_stays_ended(how):
    made = machine(POWER_OFF)
    outcome = made.run(100) if how == "run" else None
    assert how == "run" or made.step(100)
    retired = made.retired
    again = made.run(10_000)
    assert again.reason == "guest" and outcome in (None, again)
    assert made.step(3) and made.retired == retired


def test_a_dead_guest_stays_dead():
    made = machine("hvc #0\n")
    assert made.step(100)
    pc, retired = made.core.pc, made.retired
    assert made.run(10_000).reason == "dead" and made.step()
    assert (made.core.pc, made.retired) == (pc, retired)


def test_a_signal_ends_a_run_soon_whatever_the_guest_does():
    made = machine("ldr x1, =0x09000000\n1: add x0, x0, #1\n tst x0, #0xff\n b.ne 1b\n strb w0, [x1]\n b 1b\n")
    made.output = lambda byte: made.request_stop("interrupted", 130, at_once=False)
    outcome = made.run(TLB_GRID * 4)
    assert (outcome.reason, outcome.status) == ("stopped", 130)
    assert made.retired == EARLY_GRID and TLB_GRID % LOOK_GRID == LOOK_GRID % EARLY_GRID == 0
