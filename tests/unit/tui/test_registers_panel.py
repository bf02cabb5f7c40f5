"""The registers panel on real guests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from view_support import LOOK, PLAIN, check_text, session_of, text_of, view_at, view_of

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed, RegisterGroup, RegistersAnswer
from arm_hyp.tui.panels.registers import RegistersPanel, state_text
from arm_hyp.tui.view import View, registers_of

TWI = ("HCR_EL2.TWI=1",)


def after_a_trap(panel: RegistersPanel) -> View:
    """Return a view in the handler of EL2, two instructions behind the trap; the last view was before it."""
    before = view_at("02-wfi.s", (10, 1), [panel], TWI)
    session = session_of("02-wfi.s", TWI)
    session.send(ask.Seek(Position(12, 0)))
    return view_of(session, [panel], last=before)


def with_values(view: View, group: str, values: dict[str, int | bytes]) -> View:
    """Return a view with other registers in a group."""
    message = registers_of(group, view.whose)
    changed = RegistersAnswer("CPU 0", (RegisterGroup(group, {**view.registers(group), **values}),))
    return replace(view, answers={**view.answers, message: changed})


@pytest.mark.parametrize(("width", "height"), [(38, 8), (60, 12), (100, 30)])
def test_general_registers(width: int, height: int, regenerate: bool):
    panel = RegistersPanel()
    check_text(f"registers/{width}x{height}", text_of(panel, after_a_trap(panel), width, height), regenerate)


def test_large_values_are_shown_whole(regenerate: bool):
    panel = RegistersPanel()
    view = after_a_trap(panel)
    view = with_values(view, "general", {"X3": 0xFFFF_8000_0804_1C40, "PC": 0xFFFF_8000_0804_1C40})
    check_text("registers/long-60x12", text_of(panel, view, 60, 12), regenerate)
    assert "X3 •ffff_8000_0804_1c40" in text_of(panel, view, 38, 8)


@pytest.mark.parametrize("width", [38, 60])
def test_vector_registers_are_the_second_page(width: int):
    panel = RegistersPanel()
    panel.toggle_vectors(after_a_trap(panel))
    view = view_at("07-lazy-fp.s", (10, 0), [panel])
    view = with_values(view, "vector", {"Q2": (1 << 127 | 5).to_bytes(16, "little")})
    shown = text_of(panel, view, width, 40)
    assert panel.heading(view) == "vector registers: CPU 0"
    assert "8000000000000000000000000000000" in shown.replace("_", "")
    assert "X1 " not in shown


def test_what_changed_is_marked_and_what_is_not_known_to_have_changed_is_not():
    panel = RegistersPanel()
    view = after_a_trap(panel)
    assert "X1 *07e0_0000" in text_of(panel, view, 38, 8, PLAIN)
    assert "X0  4008_0028" in text_of(panel, view, 38, 8, PLAIN)
    assert LOOK.glyphs.changed not in text_of(panel, view_at("02-wfi.s", (12, 0), [panel], TWI), 60, 12)


@pytest.mark.parametrize(
    ("state", "before", "text"),
    [
        (0x3C5, 0x3C5, "EL1h nzcv  DAIF "),
        (0x6000_03C9, 0x3C9, "EL2h nZCv* DAIF "),
        (0x3C9, 0x305, "EL2h*nzcv  DAIF*"),
        (0x10_0000, 0x10_0000, "EL0t nzcv  daif  IL"),
        (0xF, 0xF, "M=0xf nzcv  daif "),
    ],
)
def test_pstate_in_words(state: int, before: int, text: str):
    assert state_text(state, before, PLAIN).plain == text


def test_at_el0_there_is_nothing_that_an_exception_wrote():
    panel = RegistersPanel()
    view = with_values(after_a_trap(panel), "general", {"PSTATE": 0})
    assert "ELR" not in text_of(panel, view, 60, 40)


def test_whose_registers_they_are():
    panel = RegistersPanel()
    view = view_at("25-demand-paging.s", (4, 1), [panel], hypervisor="", whose=ask.Whose(0, 0))
    assert panel.heading(view) == "registers: vm0 vCPU 0"
    assert "_start+0x10  EL1h" in text_of(panel, view, 60, 12)


def test_a_reading_that_failed_is_said():
    panel = RegistersPanel()
    view = after_a_trap(panel)
    message = registers_of("general", view.whose)
    broken = replace(view, answers={message: Failed("CPU 7", "the machine has no such CPU", "it has 0 to 0")})
    assert "CPU 7: the machine has no such CPU (it has 0 to 0)" in text_of(panel, broken, 80, 4)
    assert "not known yet" in text_of(panel, replace(view, answers={}), 60, 4)
