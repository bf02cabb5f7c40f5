"""The panel `gic`: interrupts that move through list registers, with GICv3 and GICv2."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, machine_session, seek, vms_session

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed
from arm_hyp.timeline.process.gic_answers import GicAnswer
from arm_hyp.tui.panels.gic import GicPanel
from arm_hyp.tui.view import View

GUEST = "18-inject-gicv3.s"
PENDING, ACTIVE, NEXT_PENDING = (84, 0), (93, 0), (160, 1)
"""The timer's interrupt in LR0 waits, is handled, and is ended while another is put into LR1."""


def views(panel: GicPanel, *places: tuple[int, int]) -> View:
    """Return the last of several views, one after the other."""
    session, last = machine_session(GUEST, gic=3), None
    for place in places:
        seek(session, *place)
        last = view_of(session, [panel], last=last)
    assert last is not None
    return last


@pytest.mark.parametrize("size", SIZES)
def test_a_list_register_that_moves_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = GicPanel()
    text = text_of(panel, views(panel, ACTIVE, NEXT_PENDING), *size)
    check_text(f"gic/{size[0]}x{size[1]}", text, regenerate)


def test_the_first_view_has_no_changes():
    panel = GicPanel()
    text = text_of(panel, views(panel, PENDING), 60, 12)
    assert "LR0  ◐ pending   vINTID 30  HW → pINTID 30" in text and "•" not in text
    assert "30 ◉ pending+active" in text and "held back: it is active already" in text


def test_states_move_and_are_told_by_words_and_glyphs():
    panel = GicPanel()
    assert "LR0  p>a active*  vINTID 30" in text_of(panel, views(panel, PENDING, ACTIVE), 60, 12, PLAIN)
    text = text_of(panel, views(panel, ACTIVE, NEXT_PENDING), 60, 12, PLAIN)
    assert "LR0  a>o invalid*" in text and "LR1  o>p pending*" in text and "LR 2-3  o invalid" in text
    assert "30 a>o inactive*" in text


def test_the_vgic_of_the_vcpu_looked_at_is_there_too():
    session, panel = vms_session("26-virtual-timer.s", 2), GicPanel()
    seek(session, 31, 1)
    view = view_of(session, [panel], ask.Whose(0, vm=0))
    assert "vGIC of a\nnothing waits in it" in text_of(panel, view, 60, 12)
    message = ask.Gic(ask.Whose(0, vm=0))
    found = view.get(message, GicAnswer)
    assert found is not None
    row = "       PPI   27      0 0010110       27        0   0 160       0 "
    changed = {**view.answers, message: structs.replace(found, text=found.text + "\n" + row)}
    assert "vGIC of a\n  27 ● active  priority a0  HW → 27  disabled\n" in text_of(
        panel, replace(view, answers=changed), 60, 14
    )


def test_gicv2_has_other_names():
    session, panel = machine_session("05-stage2-faults.s"), GicPanel()
    seek(session, 10)
    text = text_of(panel, view_of(session, [panel]), 60, 12)
    assert text.startswith("GICv2  GICC_PMR 00  GICC_RPR ff idle\n")
    assert "no interrupt is pending or active\nenabled and quiet: 0-15\n" in text


def test_a_reading_that_failed_is_said():
    session, panel = machine_session(GUEST, gic=3), GicPanel()
    view = view_of(session, [panel])
    broken = replace(view, answers={ask.Gic(ask.CPU0): Failed("gic", "it is \x1b[31mbroken")})
    assert text_of(panel, broken, 60, 12) == "✗ gic: it is ^[[31mbroken\n"
