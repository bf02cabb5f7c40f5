"""Reads of the counters are the same, whether answered in C or as sites, cut or not; what traps still traps."""

import pytest
from core_support import BASE, POWER_OFF, VECTORS, events, machine, vectors

from arm_hyp.cpu.counting import way
from arm_hyp.events import CounterRead, ExceptionTaken, NullSink, RecordingSink, RegisterAccess

READS = """
    mov x10, #0
    mov x11, #3
    1: mrs x1, cntpct_el0
    add x10, x10, x1
    nop
    mrs x2, cntvct_el0
    add x10, x10, x2, lsl #8
    mrs x3, cntvct_el0
    mrs xzr, cntvct_el0
    mov x4, #2000
    2: subs x4, x4, #1
    b.ne 2b
    subs x11, x11, #1
    b.ne 1b
"""
FAULTS = f"""
    ldr x9, ={VECTORS:#x}
    msr vbar_el2, x9
    mov x10, #0
    mov x11, #40
    3: udf #0
    mrs x1, cntpct_el0
    mrs x2, cntvct_el0
    add x10, x10, x1
    subs x11, x11, #1
    b.ne 3b
"""
STEP_OVER = "mrs x12, elr_el2\n add x12, x12, #4\n msr elr_el2, x12\n eret"
"""Instructions that fault do not retire: no time passes."""
OFFSET = "mov x9, #100\n msr cntvoff_el2, x9\n"
HOST = "mrs x9, hcr_el2\n orr x9, x9, #1 << 34\n msr hcr_el2, x9\n isb\n"
TO_EL1 = "adr x9, el1\n msr elr_el2, x9\n mov x9, #0x3c5\n msr spsr_el2, x9\n eret\n el1:\n"
GUESTS = {
    "EL2": (READS + OFFSET + READS, {}),
    "EL2 host": (OFFSET + READS + HOST + READS, {"model": "max"}),
    "EL1": (OFFSET + "mov x9, #3\n msr cnthctl_el2, x9\n" + TO_EL1 + READS, {}),
    "EL1 from the start": (READS, {"start_el": 1}),
    "EL2 with faults": (FAULTS, {}),
    "EL1 of the second CPU's machine": (READS, {"cpus": 2}),
}


def registers(made):
    return [made.core.x(index) for index in (1, 2, 3, 10)], made.retired


def ended(guest, sink, step=0):
    source, options = GUESTS[guest]
    conduit = "hvc" if options.get("start_el") == 1 else "smc"
    handlers = ".ltorg\n" + vectors(sync_same=STEP_OVER)
    made = machine(source + POWER_OFF.replace("smc", conduit) + handlers, sink, **options)
    while step and not made.step(step):
        pass
    assert made.run(100_000).reason == "guest"
    return registers(made)


@pytest.mark.parametrize("guest", GUESTS)
def test_whoever_listens_the_counters_say_the_same(guest):
    assert ended(guest, NullSink()) == ended(guest, RecordingSink())


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_whoever_cuts_the_counters_say_the_same(step):
    assert ended("EL2", NullSink(), step) == ended("EL2", NullSink())


def test_the_counters_follow_the_instructions():
    made = machine(READS + POWER_OFF, NullSink())
    made.run(100_000)
    assert made.core.x(1) <= made.core.x(2) <= made.core.x(3)
    assert made.core.x(3) * 16 <= made.retired - 4000 < made.core.x(3) * 16 + 100


def test_a_physical_counter_that_el1_may_not_read_still_traps():
    source = f"ldr x9, ={VECTORS:#x}\n msr vbar_el2, x9\n msr cnthctl_el2, xzr\n" + TO_EL1 + READS
    for sink in (NullSink(), RecordingSink()):
        made = machine(source + vectors(sync_lower=POWER_OFF) + ".ltorg\n", sink)
        assert made.run(100_000).reason == "guest"
        assert made.core.native.read_cp((3, 4, 5, 2, 0)) >> 26 == 0x18
    assert events(made, ExceptionTaken)[0].ec == 0x18


@pytest.mark.skipif(way() != "c", reason="the C helpers are not built here")
def test_who_listens_gets_them_as_events_and_else_they_are_answered_in_c():
    heard, unheard = machine(READS + POWER_OFF, RecordingSink()), machine(READS + POWER_OFF, NullSink())
    for made in (heard, unheard):
        made.run(100_000)
    assert len([event for event in events(heard, RegisterAccess) if event.register.startswith("CNT")]) == 12
    assert not heard.core.counters.watched
    assert unheard.core.counters.watched == {BASE + 8, BASE + 20, BASE + 28}  # not the one whose target is xzr


class Interested:
    """A sink that wants some events, and keeps nothing."""

    def __init__(self, *interests):
        self.interests = frozenset(interests)

    def emit(self, event):
        pass


@pytest.mark.skipif(way() != "c", reason="the C helpers are not built here")
@pytest.mark.parametrize(
    ("interests", "are_sites"), [((RegisterAccess,), False), ((RegisterAccess, CounterRead), True), ((), False)]
)
def test_who_can_do_without_them_says_so(interests, are_sites):
    made = machine(READS + POWER_OFF, Interested(*interests))
    made.run(100_000)
    assert bool(made.core.counters.watched) is not are_sites
    made.core.listen(Interested(RegisterAccess) if are_sites else RecordingSink())
    assert made.core.maintenance._all_stale  # what is translated anew is what the new one wants
