"""The panel `timers`: those of a CPU, and those of a vCPU, whose virtual timer has fired."""

from __future__ import annotations

from dataclasses import replace

import pytest
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, seek, vms_session

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.gic_answers import TimerState
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.timers import TimersPanel, state_of
from arm_hyp.tui.view import View

FIRED = (31, 1)


def fired(panel: TimersPanel, whose: ask.Whose | None = None) -> View:
    session = vms_session("26-virtual-timer.s", 2)
    seek(session, *FIRED)
    return view_of(session, [panel], whose)


@pytest.mark.parametrize("size", SIZES)
def test_the_timers_of_a_cpu_look_like_this(size: tuple[int, int], regenerate: bool):
    panel = TimersPanel()
    check_text(f"timers/{size[0]}x{size[1]}", text_of(panel, fired(panel), *size), regenerate)


def test_the_timers_of_a_vcpu_say_where_they_are():
    panel = TimersPanel()
    view = fired(panel, ask.Whose(0, vm=0))
    assert panel.heading(view) == "timers of a/vcpu0"
    lines = text_of(panel, view, 100, 12, PLAIN).splitlines()
    assert " ".join(lines[1].split()) == "CNTV a fires since 1 us 27 1 0 1 HIGH 376 -63 loaded"
    assert " ".join(lines[2].split()) == "CNTP o off - 30 0 0 0 low - - emulated"


@pytest.mark.parametrize(
    ("enable", "imask", "istatus", "state"),
    [
        (False, False, False, "off"),
        (True, False, False, "waits"),
        (True, True, False, "waits"),
        (True, False, True, "fires"),
        (True, True, True, "masked"),
    ],
)
def test_a_timer_has_a_state(enable: bool, imask: bool, istatus: bool, state: str):
    timer = TimerState("CNTV", "", enable, imask, istatus, 0, 0, 27, False, "hardware")
    assert state_of(timer) == state


def test_bits_and_counters_stand_for_their_registers():
    panel = TimersPanel()
    lines = panel.lines(fired(panel), 60, 12, Look())
    words = {span.style.meta.get("explain") for line in lines for span in line.spans if not isinstance(span.style, str)}
    assert {"CNTV_CTL_EL0", "CNTV_CTL_EL0.IMASK", "CNTHP_CTL_EL2.ENABLE", "CNTVOFF_EL2"} <= words


def test_a_reading_that_failed_is_said():
    panel = TimersPanel()
    view = replace(fired(panel), answers={})
    assert text_of(panel, view, 60, 12) == "the timers were not read\n"
