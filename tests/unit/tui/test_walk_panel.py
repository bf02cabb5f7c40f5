"""The panel `walk` on a guest that touches unmapped memory, in a VM."""

from __future__ import annotations

import pytest
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, exceptions, seek, vms_session

from arm_hyp.errors import UserError
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.walk import WalkPanel
from arm_hyp.tui.view import View, number

GUEST = "25-demand-paging.s"


def at_fault(far: int, to_el: int, panel: WalkPanel) -> View:
    session = vms_session(GUEST)
    row = next(row for row in exceptions(session) if row.far == far and row.to_el == to_el)
    seek(session, *row.position)
    return view_of(session, [panel])


@pytest.mark.parametrize("size", SIZES)
def test_a_fault_of_stage_1_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = WalkPanel()
    text = text_of(panel, at_fault(0x8000_0000, 1, panel), *size)
    check_text(f"walk/stage1-{size[0]}x{size[1]}", text, regenerate)


@pytest.mark.parametrize("size", SIZES)
def test_a_fault_of_stage_2_on_a_table_of_stage_1_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = WalkPanel()
    text = text_of(panel, at_fault(0x8000_0000, 2, panel), *size)
    check_text(f"walk/s1ptw-{size[0]}x{size[1]}", text, regenerate)


def test_a_walk_that_succeeds_looks_like_this_in_ascii(regenerate: bool):
    panel = WalkPanel()
    view = at_fault(0x8000_0000, 1, panel)
    panel.next_address(view)
    text = text_of(panel, view_of(vms_session(GUEST), [panel]), 100, 30, PLAIN)
    assert text.isascii() and "PA 4028_0a00" in text
    check_text("walk/fine-ascii-100x30", text, regenerate)


def test_the_fault_stands_in_the_first_lines_and_names_its_register():
    panel = WalkPanel()
    view = at_fault(0x8000_0000, 1, panel)
    lines = panel.lines(view, 60, 12, Look())
    assert lines[0].plain.startswith("FAR_EL1 0000_0000_8000_0000 read, EL1")
    assert "translation fault, level 2 of stage 1" in lines[1].plain
    assert any(
        span.style.meta.get("explain") == "FAR_EL1" for span in lines[0].spans if not isinstance(span.style, str)
    )


def test_a_write_is_asked_as_a_write():
    panel = WalkPanel()
    text = text_of(panel, at_fault(0x4040_0008, 2, panel), 60, 12)
    assert text.startswith("FAR_EL2 0000_0000_4040_0008 write, EL1\n")


def test_the_key_goes_round_all_addresses():
    panel = WalkPanel()
    view = at_fault(0x8000_0000, 1, panel)
    panel.answer("0x40000000", view)
    shown = []
    for _ in range(5):
        view = view_of(vms_session(GUEST), [panel])
        shown.append(text_of(panel, view, 60, 12).split()[0])
        panel.next_address(view)
    assert shown == ["0x40000000", "FAR_EL1", "PC", "SP", "0x40000000"]


def test_an_address_may_be_a_symbol_and_nonsense_is_refused():
    panel = WalkPanel()
    view = at_fault(0x8000_0000, 1, panel)
    panel.answer(" el1_vectors ", view)
    view = view_of(vms_session(GUEST), [panel])
    assert text_of(panel, view, 60, 12).startswith("el1_vectors 0000_0000_4008_0800")
    for nonsense in ("", "wall", "0x1" + "0" * 16, "-1"):
        with pytest.raises(UserError):
            panel.answer(nonsense, view)


def test_a_walk_that_cannot_be_asked_says_so():
    panel = WalkPanel()
    view = at_fault(0x8000_0000, 1, panel)
    view = View(view.subject, view.status, view.whose)
    assert text_of(panel, view, 60, 12) == "no address yet: the registers were not read\n"


def test_where_python_handles_an_exit_the_guest_is_walked():
    session, panel = vms_session("26-virtual-timer.s", 2), WalkPanel()
    wait = next(row for row in exceptions(session) if row.esr is not None and row.esr >> 26 == 1)
    seek(session, *wait.position)
    view = view_of(session, [panel])
    assert panel.heading(view) == "walk, a/vcpu0"
    assert text_of(panel, view, 60, 12).startswith(f"PC {number(wait.elr)} fetch, EL1 _start+0x44\n")
