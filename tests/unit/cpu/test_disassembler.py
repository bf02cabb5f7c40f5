"""The disassembler: symbols at targets, our register names, and a text for every word there is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.cpu.symbols import Symbol, SymbolTable

TABLE = SymbolTable((Symbol("start", 0x1000, 16), Symbol("loop", 0x1010, 0)))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0x1400_0001, "b 0x1008 <start+0x8>"),
        (0x1400_0003, "b 0x1010 <loop>"),
        (0x5400_0040, "b.eq 0x100c <start+0xc>"),
        (0xB400_0002, "cbz x2, 0x1004 <start+0x4>"),
        (0x3618_0020, "tbz w0, #3, 0x1008 <start+0x8>"),
        (0x1000_0040, "adr x0, 0x100c <start+0xc>"),
        (0x9000_0008, "adrp x8, 0x1000 <start>"),
        (0x5800_0745, "ldr x5, 0x10ec <loop+0xdc>"),
        (0x17FF_FFFE, "b 0xffc"),
        (0xF940_0420, "ldr x0, [x1, #8]"),
        (0xD51C_1180, "msr hfgrtr_el2, x0"),
        (0xD538_CC00, "mrs x0, icc_iar1_el1"),
        (0xD53F_FFFF, "mrs xzr, s3_7_c15_c15_7"),
        (0xD508_7903, "at s1e1rp, x3"),
        (0xD508_751F, "ic iallu"),
        (0xD508_7503, "sys #0, c7, c5, #0, x3"),
        (0xD528_7503, "sysl x3, #0, c7, c5, #0"),
        (0xD503_42DF, "msr daifset, #2"),
        (0xD503_201F, "nop"),
        (0xD503_207F, "wfi"),
        (0xD503_1020, "wfit x0"),
        (0xD503_30FF, "sb"),
        (0xD503_3E3F, "dsb synxs"),
        (0xD400_0002, "hvc #0"),
        (0xFFFF_FFFF, ".word 0xffffffff"),
    ],
)
def test_texts(word: int, text: str) -> None:
    assert disassemble(word, 0x1004, TABLE) == text


def test_without_symbols_a_target_is_its_address() -> None:
    assert disassemble(0x1400_0001, 0x1004) == "b 0x1008"


@settings(deadline=None)
@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1).map(lambda address: address & ~3))
def test_every_word_at_every_address_has_a_text(word: int, address: int) -> None:
    text = disassemble(word, address, TABLE)
    assert text and "\n" not in text


@settings(deadline=None)
@given(st.integers(0, (1 << 22) - 1).map(lambda low: 0xD500_0000 | low))
def test_every_word_of_the_system_space_has_a_text(word: int) -> None:
    assert disassemble(word, 0)
