"""Barriers, and writes of registers that the core holds, are told to sinks that ask for them by name, to no other."""

from typing import ClassVar

import pytest
from core_support import machine

from arm_hyp.events import Barrier, Event, FanOut, NullSink, RecordingSink, TranslationWrite, asks, hears

SOURCE = """
    dsb ish
    dsb ishst
    dmb ish
    isb
    mov x0, #0x40000000
    msr ttbr0_el2, x0
    mrs x1, ttbr0_el2
    msr vttbr_el2, x0
    ldr x0, =0x84000008
    smc #0
"""


class Asking(RecordingSink):
    """Records what is asked for by name."""

    interests: ClassVar[frozenset[type[Event]]] = frozenset({Barrier, TranslationWrite})


def run(sink):
    made = machine(SOURCE, sink)
    made.run(100)
    return made


def test_a_sink_that_asks_hears_each_once_and_in_order():
    sink = Asking()
    run(sink)
    barriers = [event.instruction for event in sink.events if isinstance(event, Barrier)]
    writes = [(event.register, event.value) for event in sink.events if isinstance(event, TranslationWrite)]
    assert barriers == ["dsb ish", "dsb ishst", "isb"]
    assert writes == [("TTBR0_EL2", 0x4000_0000), ("VTTBR_EL2", 0x4000_0000)]


def test_a_sink_that_takes_everything_has_not_asked():
    sink = RecordingSink()
    run(sink)
    assert not [event for event in sink.events if isinstance(event, Barrier | TranslationWrite)]
    assert hears(sink, Barrier) and not asks(sink, Barrier)
    assert asks(FanOut(sink, Asking()), Barrier) and not asks(FanOut(sink), Barrier)


@pytest.mark.parametrize("sink", [RecordingSink, Asking])
def test_who_asks_changes_nothing(sink):
    watched, silent = run(sink()), run(NullSink())
    assert watched.snapshot() == silent.snapshot()
    assert watched.core.x(1) == 0x4000_0000
