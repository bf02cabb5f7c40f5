"""The code panel on real guests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_fields
from view_support import LOOK, PLAIN, check_text, text_of, view_at

from arm_hyp.cpu.symbols import Line, Symbol, SymbolTable
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import MemoryAnswer
from arm_hyp.tui.panels.code import CodePanel
from arm_hyp.tui.panels.listing import Row, remark, rows_of, window
from arm_hyp.tui.view import View

TWI = ("HCR_EL2.TWI=1",)
BEFORE, AT_TRAP = (10, 1), (10, 2)
EL1 = 0x4008_0028
WFI = 0xD503_207F


def seen(panel: CodePanel, view: View, width: int, height: int) -> str:
    """Return the lines that are seen when the panel is scrolled to its anchor."""
    lines = text_of(panel, view, width, 1000).splitlines()
    top = max((panel.anchor(view) or 0) - height // 3, 0)
    return "\n".join(lines[top : top + height]) + "\n"


@pytest.mark.parametrize(("width", "height"), [(38, 8), (60, 12), (100, 30)])
def test_the_code_around_the_pc(width: int, height: int, regenerate: bool):
    panel = CodePanel()
    view = view_at("02-wfi.s", BEFORE, [panel], TWI)
    check_text(f"code/{width}x{height}", seen(panel, view, width, height), regenerate)


def test_lines_of_source_between_the_instructions(regenerate: bool):
    panel = CodePanel()
    view = view_at("02-wfi.s", BEFORE, [panel], TWI)
    panel.toggle_source(view)
    check_text("code/source-60x12", seen(panel, view, 60, 12), regenerate)


def test_at_an_exception_what_trapped_is_shown_and_on_demand_the_vector():
    panel = CodePanel()
    view = view_at("02-wfi.s", AT_TRAP, [panel], TWI)
    assert panel.heading(view) == "code: el1, what trapped"
    assert f" {LOOK.glyphs.up}4008_0028  wfi" in seen(panel, view, 60, 12)
    panel.toggle_origin(view)
    view = view_at("02-wfi.s", AT_TRAP, [panel], TWI)
    assert panel.heading(view) == "code: el2_vectors+0x400, synchronous from a lower level"
    assert f"b      at_el2 {LOOK.glyphs.here}" in seen(panel, view, 60, 12)


def test_with_python_at_el2_the_place_the_exception_came_from_is_shown():
    panel = CodePanel()
    view = view_at("25-demand-paging.s", (4, 1), [panel], hypervisor="")
    assert "what trapped" in panel.heading(view)
    shown = seen(panel, view, 60, 12)
    assert f"{LOOK.glyphs.up}4008_0010  str    x0, [x19, #8]" in shown
    assert LOOK.glyphs.here not in shown  # the CPU is not in this code


def test_breakpoints_and_the_selected_line_are_marked():
    panel = CodePanel()
    view = view_at("02-wfi.s", BEFORE, [panel], TWI)
    texts = ("el1+0x8", "0x40080034", "event==exception_taken", "no_such_symbol")
    view = replace(view, status=with_fields(view.status, breakpoints=texts))
    panel.down(view)
    panel.down(view)
    panel.up(view)
    assert panel.address(view) == EL1 + 4
    lines = {line[3:12]: line[:3] for line in text_of(panel, view, 60, 1000, PLAIN).splitlines()}
    assert lines["4008_002c"] == ">  "
    assert lines["4008_0030"] == lines["4008_0034"] == " * "
    assert lines["4008_0028"] == "   "


def test_a_click_on_an_address_selects_its_line():
    panel = CodePanel()
    view = view_at("02-wfi.s", BEFORE, [panel], TWI)
    metas = [
        s.style.meta for line in panel.lines(view, 60, 12, LOOK) for s in line.spans if not isinstance(s.style, str)
    ]
    assert {"line": EL1 + 8} in metas
    assert panel.click({"line": EL1 + 8}, view)
    assert panel.chosen_address == panel.address(view) == EL1 + 8
    assert not panel.click({"go": (0, 0)}, view)


def test_a_selection_ends_when_the_cpu_goes_on():
    panel = CodePanel()
    panel.down(view_at("02-wfi.s", (9, 0), [panel], TWI))
    assert panel.address(view_at("02-wfi.s", BEFORE, [panel], TWI)) == EL1


def test_what_can_be_asked_about_says_so():
    panel = CodePanel()
    view = view_at("02-wfi.s", BEFORE, [panel], TWI)
    words = {
        line.plain[span.start : span.end]: span.style.meta["explain"]
        for line in panel.lines(view, 60, 12, LOOK)
        for span in line.spans
        if not isinstance(span.style, str) and "explain" in span.style.meta
    }
    assert words["wfi"] == "WFI"
    assert words["hcr_el2"] == "HCR_EL2"
    assert words["x0"] == "X0"


def test_what_cannot_be_read_is_said():
    panel = CodePanel()
    view = view_at("02-wfi.s", BEFORE, [panel], TWI)
    nothing = {m: MemoryAnswer(a.address, b"") if isinstance(a, MemoryAnswer) else a for m, a in view.answers.items()}
    empty = replace(view, answers=nothing)
    assert "No memory is mapped at 4008_0028" in text_of(panel, empty, 120, 4)
    assert "The PC is not known yet." in text_of(panel, replace(view, answers={}), 60, 4)


def test_no_stretch_of_a_window_crosses_a_page():
    for focus in (0, 0x4008_0FFC, 0x4008_1000, (1 << 64) - 4):
        stretches = window(focus)
        assert all(start >> 12 == (start + size - 1) >> 12 for start, size in stretches)
        assert any(start <= focus < start + size for start, size in stretches)


def test_names_and_sources_of_a_guest_are_made_harmless():
    symbols = SymbolTable((Symbol("a\x1b[2J", 0, 8),), (Line(0, "x.c", 1),))
    rows = rows_of([(0, WFI.to_bytes(4, "little"))], symbols, {"x.c": ("wait(); /* \x1b]0;x\x07 */",)})
    assert [row.text or row.source for row in rows] == ["a^[[2J", "wait(); /* ^[]0;x^G */"]


@pytest.mark.parametrize(
    ("source", "place", "instruction", "told"),
    [
        ("el1: wfi // waits", "x.s:1", "wfi", "// waits"),
        ("lsr x1, x1, #26", "x.s:1", "lsr x1, x1, #0x1a", ""),
        ("mov x0, #1 << 4 // a bit", "x.s:1", "mov x0, #0x10", "mov x0, #1 << 4 // a bit"),
        ("wfi(); // waits", "x.c:1", "wfi", "wfi(); // waits"),
    ],
)
def test_beside_an_instruction_stands_only_what_it_does_not_say_itself(
    source: str, place: str, instruction: str, told: str
):
    assert remark(Row(0, 0, source=source, place=place), instruction) == told


def test_a_place_in_another_regime_is_read_through_a_walk():
    panel = CodePanel()
    panel.wants_origin = True
    view = view_at("02-wfi.s", AT_TRAP, [panel], TWI)
    assert ask.Walk(EL1, "fetch", 1) in view.answers
    assert not any(isinstance(message, ask.Memory) and message.space == "va" for message in view.answers)
