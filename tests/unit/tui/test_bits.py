"""The grid of bits, on real guests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_support import LOOK, PLAIN, check_text, session_of, text_of, view_at, view_of

from arm_hyp.arch.registers import HCR_EL2, REGISTERS
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed
from arm_hyp.tui.panels.bit_grid import Shown, layout
from arm_hyp.tui.panels.bits import GROUPS, BitsPanel, caught_by, implemented_hcr
from arm_hyp.tui.view import View, registers_of

TWI = ("HCR_EL2.TWI=1",)
BEFORE, AT_TRAP = (10, 1), (10, 2)


def at(panel: BitsPanel, position: tuple[int, int]) -> View:
    return view_at("02-wfi.s", position, [panel], TWI)


def again(panel: BitsPanel, last: View | None = None) -> View:
    """Return a view where the session stands: after a key, something else may have to be read."""
    return view_of(session_of("02-wfi.s", TWI), [panel], last=last)


@pytest.mark.parametrize(("width", "height"), [(38, 8), (60, 12), (100, 30)])
def test_the_deciding_bit_in_the_grid(width: int, height: int, regenerate: bool):
    panel = BitsPanel()
    check_text(f"bits/{width}x{height}", text_of(panel, at(panel, AT_TRAP), width, height), regenerate)


def test_the_deciding_bit_is_in_brackets_only_at_its_trap():
    panel = BitsPanel()
    assert "[*TWI]" in text_of(panel, at(panel, AT_TRAP), 60, 12, PLAIN)
    assert "[" not in text_of(panel, at(panel, BEFORE), 60, 12, PLAIN)


def test_the_register_of_the_deciding_bit_comes_up_by_itself_until_the_user_chooses_another():
    panel = BitsPanel()
    view = view_at("07-lazy-fp.s", first_trap("07-lazy-fp.s"), [panel])
    assert panel.register(view) == "CPTR_EL2"
    assert "[*TFP]" in text_of(panel, view, 60, 12, PLAIN)
    panel.next_register(view)
    assert panel.register(view) == "MDCR_EL2"
    panel.previous_register(view)
    panel.previous_register(view)
    assert panel.register(view) == "SCTLR_EL1"


def first_trap(guest: str) -> tuple[int, int]:
    """Return the position of the first exception of a guest that goes to EL2 by a control bit."""
    rows = session_of(guest).send(ask.Exceptions()).rows
    return next(tuple(row.position) for row in rows if row.to_el == 2 and row.esr is not None and row.esr >> 26 == 7)


def test_arrow_keys_choose_a_bit_that_can_be_flipped():
    panel = BitsPanel()
    view = at(panel, AT_TRAP)
    panel.lines(view, 60, 12, LOOK)
    assert panel.chosen_bit == panel.chosen_word == "HCR_EL2.TWI"
    panel.down(view)
    assert panel.chosen_bit == "HCR_EL2.DC"
    panel.up(view)
    panel.up(view)
    assert panel.chosen_bit == "HCR_EL2.TWE"
    assert "Trap WFE that would wait. It decides about WFE, WFET." in text_of(panel, view, 60, 12)


def test_a_click_chooses_a_bit_and_flips_nothing():
    panel = BitsPanel()
    view = at(panel, AT_TRAP)
    assert panel.click({"flip": "HCR_EL2.TVM", "explain": "HCR_EL2.TVM"}, view)
    assert panel.chosen_bit == "HCR_EL2.TVM"
    assert not panel.click({"go": (1, 0)}, view)


def test_cells_say_what_they_stand_for():
    panel = BitsPanel()
    metas = {
        line.plain[span.start : span.end]: span.style.meta
        for line in panel.lines(at(panel, AT_TRAP), 60, 12, LOOK)
        for span in line.spans
        if not isinstance(span.style, str) and "explain" in span.style.meta
    }
    assert metas["●TWI"] == {"explain": "HCR_EL2.TWI", "flip": "HCR_EL2.TWI"}
    assert metas["○BSU=0b00"] == {"explain": "HCR_EL2.BSU"}


def test_what_changed_is_marked():
    panel = BitsPanel()
    before = at(panel, AT_TRAP)
    session_of("02-wfi.s", TWI).send(ask.Seek(Position(77, 1)))  # the handler has made a virtual interrupt pending
    view = again(panel, before)
    shown = text_of(panel, view, 60, 12, PLAIN)
    assert "HCR_EL2*0000_0000_8000_2090" in shown
    assert "**VI " in shown
    assert "**IMO" in shown
    assert shown.count("**") == 4  # in the grid, and with what they mean
    assert panel.chosen_bit == "HCR_EL2.VI"


def test_a_register_that_this_machine_has_not_is_said():
    panel = BitsPanel()
    view = at(panel, BEFORE)
    while panel.register(view) != "HFGRTR_EL2":
        panel.next_register(view)
    assert "HFGRTR_EL2 is not there" in text_of(panel, again(panel), 60, 12)
    assert panel.chosen_bit is None
    panel.down(view)
    assert panel.chosen_bit is None


def test_a_reading_that_failed_is_said():
    panel = BitsPanel()
    view = at(panel, BEFORE)
    broken = replace(view, answers={registers_of("el2", view.whose): Failed("CPU 7", "the machine has no such CPU")})
    assert "CPU 7: the machine has no such CPU" in text_of(panel, broken, 60, 12)


def test_of_a_vcpu_its_own_registers_are_shown_and_of_its_cpu_the_others():
    panel = BitsPanel()
    view = view_at("25-demand-paging.s", (4, 1), [panel], hypervisor="", whose=ask.Whose(0, 0))
    assert "HCR_EL2.VM <0> is 1" in text_of(panel, view, 60, 12)
    while panel.register(view) != "VTTBR_EL2":
        panel.next_register(view)
    view = view_of(session_of("25-demand-paging.s", (), ""), [panel], whose=ask.Whose(0, 0))
    assert "VMID=0x0001" in text_of(panel, view, 60, 12)


def test_only_bits_of_hcr_el2_that_a_machine_has_are_shown():
    assert not implemented_hcr("a72", 2) & HCR_EL2.E2H.mask
    assert implemented_hcr("max", 2) & HCR_EL2.E2H.mask


def test_every_register_has_fields_and_every_control_bit_a_story():
    assert all(name in REGISTERS for name in GROUPS)
    assert caught_by("HCR_EL2.VM").startswith("It traps nothing.")
    assert caught_by("ESR_EL2.EC") == ""


@given(st.integers(0, (1 << 64) - 1), st.integers(16, 130), st.integers(1, 30))
def test_a_grid_fits_and_drops_the_least_important(value: int, width: int, height: int):
    fields = [Shown(field, value >> field.lsb & field.max, is_deciding=field.name == "TWI") for field in HCR_EL2.FIELDS]
    grid = layout(fields, width, height)
    shown = [one for row in grid.rows for one in row]
    assert len(grid.rows) <= height
    assert all(sum(map(grid.cells_of, row)) * grid.cell <= width for row in grid.rows)
    assert len(shown) + grid.hidden == len(fields)
    assert [one.field.msb for one in shown] == sorted((one.field.msb for one in shown), reverse=True)
    assert any(one.is_deciding for one in shown)
