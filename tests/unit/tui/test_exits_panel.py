"""The panel `exits`: counts up to the cursor, by VM; a guest that is its own hypervisor; none yet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, exceptions, machine_session, seek, vms_session

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed
from arm_hyp.tui.panels.exits import ExitsPanel
from arm_hyp.tui.view import View

GUEST = "26-virtual-timer.s"
WFX = 1


def at_exit(panel: ExitsPanel, number: int, ec: int) -> View:
    """Return a view of an exit of a class, of all VMs, counted from 0."""
    session = vms_session(GUEST, 2)
    rows = [row for row in exceptions(session) if row.to_el == 2 and row.esr is not None and row.esr >> 26 == ec]
    seek(session, *rows[number].position)
    return view_of(session, [panel])


@pytest.mark.parametrize("size", SIZES)
def test_counts_of_two_vms_look_like_this(size: tuple[int, int], regenerate: bool):
    panel = ExitsPanel()
    check_text(f"exits/{size[0]}x{size[1]}", text_of(panel, at_exit(panel, 3, WFX), *size), regenerate)


def test_the_exit_at_the_cursor_counts_and_is_marked_at_its_vm():
    panel = ExitsPanel()
    text = text_of(panel, at_exit(panel, 0, WFX), 60, 40, PLAIN)
    assert text.count("WFx <") == 1 and text.count("WFx") == 1
    of_a, _, of_b = text.partition("VM b")
    assert "WFx <" in of_a + of_b


def test_counts_come_back_with_the_run():
    panel = ExitsPanel()
    late = text_of(panel, at_exit(panel, 3, WFX), 60, 40)
    early = text_of(panel, at_exit(panel, 0, WFX), 60, 40)
    assert int(early.split()[0]) < int(late.split()[0])
    assert text_of(panel, at_exit(panel, 3, WFX), 60, 40) == late


def test_a_guest_that_is_its_own_hypervisor_has_exits_too():
    session, panel = machine_session("18-inject-gicv3.s", gic=3), ExitsPanel()
    seek(session, 1 << 40)
    lines = text_of(panel, view_of(session, [panel]), 60, 12).splitlines()
    assert lines[0] == "4 exits up to here, 88 ns of virtual time in them"
    assert [line.split()[:3] for line in lines[2:]] == [["IRQ", "3", "75%"], ["HVC64", "1", "25%"]]


def test_before_the_first_exit_it_says_how_to_get_there():
    session, panel = machine_session("05-stage2-faults.s"), ExitsPanel()
    seek(session, 0)
    view = view_of(session, [panel])
    assert text_of(panel, view, 60, 12).startswith("No exits up to here")
    message = next(one for one in panel.wants(view) if isinstance(one, ask.Exits))
    broken = replace(view, answers={message: Failed("exits", "the journal is damaged")})
    assert text_of(panel, broken, 60, 12) == "✗ exits: the journal is damaged\n"
