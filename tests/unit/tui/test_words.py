"""Words of the screen, explained."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_support import view_at

from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.explain.checkers.catalogue import RULES
from arm_hyp.explain.examples import EXAMPLES
from arm_hyp.tui.glossary import MNEMONICS, TERMS
from arm_hyp.tui.panels.bits import GROUPS, BitsPanel
from arm_hyp.tui.panels.registers import RegistersPanel
from arm_hyp.tui.view import View
from arm_hyp.tui.words import explain_word, word_at

TWI = ("HCR_EL2.TWI=1",)
UNKNOWN = "Nobody here knows"


@pytest.fixture(scope="module")
def view() -> View:
    return view_at("02-wfi.s", (10, 2), [BitsPanel(), RegistersPanel()], TWI)


def told(word: str, view: View) -> str:
    return "\n".join(line.plain for line in explain_word(word, view))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        (
            "HCR_EL2.TWI",
            ["<13>", "Trap WFI that would wait.", "Here it is 1.", "about WFI, WFIT", "Example: WFI at EL1"],
        ),
        ("hcr_el2.twi", ["HCR_EL2.TWI <13>"]),
        ("HCR_EL2.VM", ["Here it is 0.", "It traps nothing."]),
        ("twi", ["HCR_EL2.TWI <13>", "Also in SCR_EL3"]),
        ("HCR_EL2.TWX", ["HCR_EL2 has no field TWX; it has TWI"]),
        ("CPTR_EL2.TFP", ["FP access"]),
        ("ESR_EL2", ["Here it is 0000_0000_07e0_0000.", "EC = 0x1"]),
        ("vbar_el2", ["VBAR_EL2", "from EL2 on"]),
        ("EC 0x24", ["data abort", "EL1 or higher"]),
        ("EC 0x99", ["is none"]),
        ("ISS.TI", ["<1:0>", "0b01: WFE", "In the last exception it is 0x0: WFI."]),
        ("ISS.WnR", ["EC 0x24", "1: write"]),
        ("X1", ["A general register", "Here it is 0000_0000_0000_03c5."]),
        ("w1", ["low 32 bits", "Here it is 0000_03c5."]),
        ("x30", ["link register"]),
        ("WFI", ["Waits for an interrupt.", "At EL1: WFI.pending, HCR_EL2.TWI"]),
        ("TLBI VAE1IS", ["forget translations", "takes a register", "HCR_EL2.TTLB"]),
        ("b.ne", ["if a condition"]),
        (".word", ["no instruction here"]),
        ("IPA", ["Stage 2 makes a physical address"]),
        ("stage 2", ["to physical address"]),
        ("N", ["PSTATE.N <31>", "negative"]),
        ("PSTATE.M", ["0b1001: EL2h", "Here it is 0b1001."]),
        ("HYP012", ["TLBI without DSB", "The way out:"]),
        ("HYP999", ["there is no such rule"]),
        ("el1+0x8", ["A symbol of the guest, at 0000_0000_4008_0028."]),
    ],
)
def test_a_word_is_explained(word: str, says: list[str], view: View):
    text = told(word, view)
    assert all(one in text for one in says), text


def test_a_word_that_nobody_knows_is_said_with_near_ones(view: View):
    assert "Near words:" in told("HCR_EL22", view)
    assert "HCR_EL2" in told("HCR_EL22", view)
    assert told("qqqqqqqq", view) == f"{UNKNOWN} the word qqqqqqqq."
    assert "no word here" in told("", view)


@pytest.mark.parametrize(
    "word",
    [*GROUPS, *TERMS, *MNEMONICS, *(rule.code for rule in RULES), *(f"EC {value:#04x}" for value in range(64))],
)
def test_everything_that_is_shown_is_known(word: str, view: View):
    assert UNKNOWN not in told(word, view)


@pytest.mark.parametrize("word", [word for _, word in EXAMPLES.values()])
def test_instructions_that_trap_are_known_by_their_mnemonics(word: int, view: View):
    mnemonic = disassemble(word, 0).partition(" ")[0]
    fp_or_pauth = mnemonic.startswith(("pac", "fadd", "ptrue"))
    assert fp_or_pauth or UNKNOWN not in told(mnemonic, view)


@given(st.text(max_size=40))
def test_any_text_is_answered_and_shown_without_control_characters(text: str):
    lines = explain_word(text, view_at("02-wfi.s", (0, 0), [], TWI))
    assert lines
    assert not any(unicodedata.category(letter) in ("Cc", "Cf") for line in lines for letter in line.plain)


@pytest.mark.parametrize(
    ("line", "column", "word"),
    [
        ("MSR HCR_EL2.TWI, X0", 6, "HCR_EL2.TWI"),
        ("it is HCR_EL2.", 8, "HCR_EL2"),
        ("class EC 0x24 here", 10, "EC 0x24"),
        ("a, b", 1, ""),
        ("abc", 9, ""),
    ],
)
def test_the_word_under_a_column(line: str, column: int, word: str):
    assert word_at(line, column) == word
