"""An exception in the vector itself stops the run with a diagnosis; and which bits of VBAR_ELx name the vector.

Ref: Arm ARM D1.3.1 (vector offsets), VBAR_EL1: <10:0> are RES0.
"""

from __future__ import annotations

import pytest
from core_support import BASE, POWER_OFF, VECTORS, events, machine, vectors

from arm_hyp.events import ExceptionTaken
from arm_hyp.machine.machine import Machine

LIMIT = 100_000
TO_EL1 = "mov x9, #0x3c5\n msr spsr_el2, x9\n adr x9, el1\n msr elr_el2, x9\n eret\nel1:\n"


def dead(made: Machine) -> str:
    """Run until the machine dies, and return the diagnosis."""
    outcome = made.run(LIMIT)
    assert outcome.reason == "dead", outcome
    assert made.core.retired < 100
    return made.core.dead_because


def set_vbar(level: int, low_bits: int = 0) -> str:
    return f"ldr x0, ={VECTORS | low_bits:#x}\n msr vbar_el{level}, x0\n isb\n"


@pytest.mark.parametrize("level", [1, 2])
def test_an_undefined_instruction_in_the_vector(level: int) -> None:
    table = vectors(sync_same=".inst 0")
    vector = VECTORS + 0x200
    made = machine((TO_EL1 if level == 1 else "") + set_vbar(level) + ".inst 0\n b .\n .ltorg\n" + table)
    diagnosis = dead(made)
    assert "exception loop" in diagnosis
    assert f"{vector:#x}" in diagnosis
    taken = events(made, ExceptionTaken)
    assert taken[0].elr < VECTORS, "the first came from the program"
    assert all((event.elr, event.vector, event.to_el) == (vector, vector, level) for event in taken[1:])
    assert len({event.n for event in taken}) == 1, "nothing retires in the loop"


def test_from_a_lower_level_the_loop_is_in_the_other_vector() -> None:
    """HVC goes to 0x400, whose UNDEFINED instruction goes to 0x200, whose own goes there again."""
    table = vectors(sync_lower=".inst 0", sync_same=".inst 0")
    made = machine(set_vbar(2) + TO_EL1 + "hvc #0\n b .\n .ltorg\n" + table)
    diagnosis = dead(made)
    assert f"the exception from {VECTORS + 0x200:#x} to the vector at {VECTORS + 0x200:#x}" in diagnosis
    assert [event.vector - VECTORS for event in events(made, ExceptionTaken)][:3] == [0x400, 0x200, 0x200]


def test_a_misaligned_stack_in_the_vector() -> None:
    """SCTLR_EL2.SA: the vector saves registers on the stack whose misalignment brought us here."""
    table = vectors(sync_same="str x0, [sp]\n b .")
    source = set_vbar(2) + "mrs x9, sctlr_el2\n orr x9, x9, #8\n msr sctlr_el2, x9\n isb\n"
    source += "ldr x9, =0x40090808\n mov sp, x9\n ldr x0, [sp]\n b .\n .ltorg\n"
    diagnosis = dead(machine(source + table))
    assert "exception loop" in diagnosis
    assert f"{VECTORS + 0x200:#x}" in diagnosis


def test_an_svc_in_its_own_vector() -> None:
    """SVC completes, so this loop retires instructions: no diagnosis, the limit ends it."""
    table = vectors(sync_same="svc #0")
    made = machine(TO_EL1 + set_vbar(1) + "svc #0\n b .\n .ltorg\n" + table)
    assert made.run(1000).reason == "limit"
    assert made.core.retired == 1000


def test_a_handler_that_makes_progress_is_no_loop() -> None:
    """Twenty UNDEFINED instructions one after the other, each skipped by the handler."""
    handler = "mrs x1, elr_el2\n add x1, x1, #4\n msr elr_el2, x1\n eret"
    made = machine(set_vbar(2) + ".inst 0\n" * 20 + POWER_OFF + ".ltorg\n" + vectors(sync_same=handler))
    assert made.run(LIMIT).reason == "guest"
    assert len(events(made, ExceptionTaken)) >= 20


@pytest.mark.parametrize("level", [1, 2])
def test_the_low_bits_of_vbar_do_not_move_the_vector(level: int) -> None:
    table = vectors(sync_same=POWER_OFF)
    made = machine((TO_EL1 if level == 1 else "") + set_vbar(level, 0x7FF) + ".inst 0\n b .\n .ltorg\n" + table)
    assert made.run(LIMIT).reason == "guest"
    first = events(made, ExceptionTaken)[0]
    assert (first.to_el, first.vector) == (level, VECTORS + 0x200)
    assert BASE <= first.elr < VECTORS
