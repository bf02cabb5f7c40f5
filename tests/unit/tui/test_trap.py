"""The trap card, on real guests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from view_support import LOOK, check_text, session_of, text_of, view_at, view_of

from arm_hyp.arch.syndromes import decode_esr
from arm_hyp.cpu.symbols import Symbol, SymbolTable
from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui.keys import DIGITS
from arm_hyp.tui.panels.catalogue import NAMES
from arm_hyp.tui.panels.trap import TrapPanel, bits_text, highlighted, markdown
from arm_hyp.tui.panels.trap_card import CONTROL_GROUPS, nodes_of
from arm_hyp.tui.view import View, registers_of

TWI = ("HCR_EL2.TWI=1",)
BEFORE, AT_TRAP, BACK, AT_HVC = (10, 1), (10, 2), (77, 1), (79, 1)


def at(position: tuple[int, int], settings: tuple[str, ...] = TWI) -> tuple[TrapPanel, View]:
    panel = TrapPanel()
    return panel, view_at("02-wfi.s", position, [panel], settings)


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("width", "height"), [(38, 8), (60, 12), (100, 30)])
def test_a_trap(width: int, height: int, regenerate: bool):
    panel, view = at(AT_TRAP)
    check_text(f"trap/{width}x{height}", text_of(panel, view, width, height), regenerate)
    assert panel.heading(view) == "why: WFI, EL1 to EL2"


def test_a_fault_of_stage_2_that_python_handles(regenerate: bool):
    panel = TrapPanel()
    view = view_at("25-demand-paging.s", (4, 1), [panel], hypervisor="")
    check_text("trap/fault-100x30", text_of(panel, view, 100, 30), regenerate)


def test_an_interrupt_has_no_syndrome_and_no_rules():
    panel = TrapPanel()
    rows = session_of("08-virq.s").send(ask.Exceptions()).rows
    position = next(tuple(row.position) for row in rows if row.kind == "irq")
    view = view_at("08-virq.s", position, [panel])
    shown = text_of(panel, view, 80, 30)
    assert panel.heading(view) == "why: virtual IRQ, EL1 to EL1"
    assert "HCR_EL2.IMO is 1: EL1 takes it." in shown
    assert "ESR" not in shown
    assert "rules" not in shown


def test_before_a_trap_it_says_what_will_happen():
    panel, view = at(BEFORE)
    shown = one_line(text_of(panel, view, 60, 40))
    assert "next: wfi at el1 WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1" in shown
    assert "With HCR_EL2.TWI = 0 it would not trap." in shown


def test_without_the_bit_it_says_why_it_will_not_trap():
    panel, view = at(BEFORE, ())
    shown = one_line(text_of(panel, view, 60, 40))
    assert "WFI at EL1 does not trap: HCR_EL2.TWI is 0, not 1." in shown
    assert "With HCR_EL2.TWI = 1 it would trap to EL2" in shown
    assert "the last exception" not in shown  # there was none


def test_a_pending_interrupt_is_taken_into_account():
    panel, view = at(BACK)
    shown = one_line(text_of(panel, view, 60, 60))
    assert "WFI at EL1 does not trap: An interrupt is pending" in shown
    assert "the last exception WFI at EL1 traps to EL2" in shown


def test_an_instruction_that_no_rule_is_about_needs_no_controls():
    panel, view = at((0, 0))  # adr
    assert "No trap rule is about this instruction at EL2" in one_line(text_of(panel, view, 60, 20))
    assert not any(registers_of(group, view.whose) in view.answers for group in CONTROL_GROUPS)


def test_a_call_says_that_no_bit_has_to_ask_for_it():
    panel, view = at(AT_HVC)
    assert "HVC #0 at EL1 is a call to EL2" in text_of(panel, view, 80, 20)


def test_the_deciding_bit_glows_and_can_be_flipped():
    text = highlighted("it traps because HCR_EL2.TWI is 1, and HCR_EL2.TGE is 0", (("HCR_EL2", "TWI", 1),), LOOK)
    found = {text.plain[span.start : span.end]: span.style for span in text.spans if not isinstance(span.style, str)}
    assert found["HCR_EL2.TWI"].meta == {"explain": "HCR_EL2.TWI", "flip": "HCR_EL2.TWI"}
    assert found["HCR_EL2.TWI"].bgcolor == LOOK.style("deciding").bgcolor
    assert found["HCR_EL2.TGE"].bgcolor is None


def test_a_syndrome_shows_reserved_bits_only_where_they_are_set():
    names = [node.name for _, node in nodes_of(decode_esr(0x07E0_0000, 2))]
    assert names == ["EC", "IL", "ISS", "CV", "COND", "RN", "RV", "TI"]
    assert "RES0" in [node.name for _, node in nodes_of(decode_esr(0x07E0_8000, 2))]
    assert bits_text(decode_esr(0x07E0_0000, 2).find("EC")) == "0b000001"


def test_without_any_exception_it_says_how_to_get_to_one():
    panel = TrapPanel()
    _, view = at((0, 0))
    empty = replace(view, answers={})
    assert "PgDn goes to the first one" in text_of(panel, empty, 80, 4)
    assert panel.heading(empty) == "why"
    assert markdown(empty) == ""


def test_the_card_as_markdown(regenerate: bool):
    _, view = at(AT_TRAP)
    check_text("trap/markdown", markdown(view), regenerate)


def test_in_markdown_a_symbol_of_a_guest_is_no_markup():
    _, view = at(AT_TRAP)
    symbols = SymbolTable((Symbol("`[x](http://e)\x1b", 0x4008_0028, 4),))
    text = markdown(replace(view, subject=replace(view.subject, symbols=symbols)))
    assert "in `[x](http://e)^[`" in text


def test_at_an_interrupt_the_card_leads_to_the_gic():
    panel = TrapPanel()
    session = session_of("14-timer-gicv2.s")
    rows = session.send(ask.Exceptions()).rows
    row = next(row for row in rows if row.kind == "irq")
    session.send(ask.Seek(row.position))
    view = view_of(session, [panel])
    last = next(line for line in panel.lines(view, 80, 20, LOOK) if "The GIC knows which one it is: " in line.plain)
    digit = last.plain.rsplit(maxsplit=1)[1]
    assert NAMES[DIGITS.index(digit)] == "gic"
    assert any(style.meta == {"press": f"panel_{digit}"} for style in (span.style for span in last.spans) if style.meta)
