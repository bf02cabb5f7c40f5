"""A pending interrupt that is masked is taken right behind the instruction that unmasks it, wherever that is.

Ref: Arm ARM D1.3.6 (PSTATE.I), C5.2.2 (DAIF); the machine looks ahead instead of stopping at every write of DAIF.
"""

from __future__ import annotations

import pytest
from core_support import BASE, POWER_OFF, events, machine, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.arch.interrupts import LINE_IRQ
from arm_hyp.cpu.pending import plain_length
from arm_hyp.events import ExceptionTaken

SETUP = """
    ldr x0, =0x40090000
    msr vbar_el2, x0
    mrs x0, hcr_el2
    orr x0, x0, #1 << 4
    msr hcr_el2, x0
    mov x15, #0
    mov x7, #0x40100000
    adr x16, behind
    msr elr_el2, x16
    mov x17, #9
    msr spsr_el2, x17
"""
SETUP_INSTRUCTIONS = 11
PLAIN = ("nop", "add x1, x1, #3", "eor x2, x2, x1", "str x1, [x7, #-8]", "ldr x2, [x7, #-8]", "madd x4, x1, x2, x3")
UNMASKS = ("msr daifclr, #2", "msr daifclr, #15", "msr daif, x15", "eret\nbehind:")


def elr_of(before: list[str], unmask: str, after: list[str], cut: bool) -> int:
    lines = "\n".join([*before, unmask, *after])
    label = "" if "behind:" in unmask else "behind:\n"
    made = machine(f"{SETUP}{lines}\n{label} b .\n .ltorg\n" + vectors(irq_same=POWER_OFF + ".ltorg\n"))
    made.core.set_line(LINE_IRQ, True)
    while cut and not made.step(1) and made.retired < 1000:
        pass
    if not cut:
        assert made.run(1000).reason == "guest"
    (taken,) = events(made, ExceptionTaken)
    assert isinstance(taken, ExceptionTaken)
    return taken.elr


@settings(deadline=None, max_examples=40)
@given(
    before=st.lists(st.sampled_from(PLAIN), max_size=70),
    unmask=st.sampled_from(UNMASKS),
    after=st.lists(st.sampled_from(PLAIN), max_size=3),
    cut=st.booleans(),
)
def test_the_interrupt_is_taken_right_behind(before: list[str], unmask: str, after: list[str], cut: bool) -> None:
    assert elr_of(before, unmask, after, cut) == BASE + 4 * (SETUP_INSTRUCTIONS + len(before) + 1)


@pytest.mark.parametrize(
    "word", [0xD503_42FF, 0xD51B_4220, 0xD69F_03E0, 0x1400_0000, 0xD400_0001, 0xB400_0000, 0xD503_201F]
)
def test_branches_and_system_instructions_end_a_plain_stretch(word: int) -> None:
    add = 0x9100_0421
    assert plain_length([add, add, word, add]) == 2
    assert plain_length([word]) == 0


def test_a_stretch_without_them_goes_to_its_end() -> None:
    assert plain_length([0x9100_0421] * 5) == 4
    assert plain_length([]) == 0
