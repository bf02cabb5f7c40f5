"""A CPU with FEAT_FGT and FEAT_HCX: its registers as software sees them, and what they trap in a guest."""

from __future__ import annotations

import pytest
from core_support import POWER_OFF, VECTORS, events, machine, vectors

from arm_hyp.arch.registers.fine_grained import TRAP_BITS
from arm_hyp.arch.sysregs import by_name
from arm_hyp.arch.traps import Controls, FineGrained
from arm_hyp.cpu.snapshot import reset, restore, snapshot
from arm_hyp.events import ExceptionTaken, NullSink
from arm_hyp.explain.why import why_trapped
from arm_hyp.machine.machine import Machine

MODEL = "max-fgt"
NAMES = [name.upper() for name in FineGrained._fields]
BITS = {(row.register, row.field): 1 << row.bit for row in TRAP_BITS}
ALL = 0xFEDC_BA98_7654_3210
SET_VECTORS = f"ldr x9, ={VECTORS:#x}\n msr vbar_el2, x9\n msr vbar_el1, x9\n"
SKIP = "mrs x11, elr_el2\n add x11, x11, #4\n msr elr_el2, x11\n eret\n"


def move(name: str, rt: int, *, is_read: bool) -> str:
    """MRS or MSR as a word: the assembler does not know the newer names."""
    op0, op1, crn, crm, op2 = by_name(name).encoding
    return f".inst {0xD500_0000 | is_read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt:#x}\n"


def write(name: str, value: int) -> str:
    return f"ldr x9, ={value:#x}\n" + move(name, 9, is_read=False)


def enter(el: int) -> str:
    return f"adr x9, 2f\n msr elr_el2, x9\n mov x9, #{0x3C0 | el << 2 | (el > 0):#x}\n msr spsr_el2, x9\n eret\n 2:\n"


def guest(setup: str, body: str, el: int = 1, model: str = MODEL, **handlers: str) -> Machine:
    """Run `body` at EL1 or EL0, then spin; EL2 goes on behind what traps to it."""
    table = {"sync_lower": SKIP} | handlers
    made = machine(SET_VECTORS + setup + enter(el) + body + "b .\n" + vectors(**table), model=model)
    made.run(200)
    return made


def traps(made: Machine) -> list[ExceptionTaken]:
    return [event for event in events(made, ExceptionTaken) if isinstance(event, ExceptionTaken)]


@pytest.mark.parametrize("name", NAMES)
def test_each_register_holds_all_bits_at_el2(name: str) -> None:
    source = move(name, 1, is_read=True) + write(name, ALL) + move(name, 2, is_read=True) + POWER_OFF
    made = machine(source, model=MODEL)
    assert made.run(100).reason == "guest"
    assert (made.core.x(1), made.core.x(2)) == (0, ALL)
    assert made.core.controls.read(name.lower()) == ALL


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_read", [True, False])
def test_each_register_is_undefined_below_el2(name: str, is_read: bool) -> None:
    made = guest("", move(name, 1, is_read=is_read))
    assert [(event.ec, event.from_el, event.to_el) for event in traps(made)] == [(0, 1, 1)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", ["a72", "max"])
def test_the_other_models_have_none(model: str, name: str) -> None:
    made = machine(SET_VECTORS + move(name, 1, is_read=True) + vectors(sync_same=POWER_OFF), model=model)
    assert made.run(100).reason == "guest"
    assert [event.ec for event in traps(made)] == [0]
    assert made.core.registers.read(by_name(name).encoding) is None
    assert made.core.controls.snapshot().keys() == set(Controls._fields)


# register, field, instruction, the EL it runs at
CASES = """
HFGRTR_EL2  TCR_EL1      1  mrs x3, tcr_el1
HFGWTR_EL2  TTBR0_EL1    1  msr ttbr0_el1, x3
HFGRTR_EL2  TPIDR_EL0    0  mrs x3, tpidr_el0
HFGWTR_EL2  TPIDR_EL0    0  msr tpidr_el0, x3
HFGRTR_EL2  CTR_EL0      0  mrs x3, ctr_el0
HFGWTR_EL2  SCTLR_EL1    1  msr sctlr_el1, x3
HFGWTR_EL2  VBAR_EL1     1  msr vbar_el1, x3
HFGRTR_EL2  ISR_EL1      1  mrs x3, isr_el1
HFGITR_EL2  SVC_EL0      0  svc #9
HFGITR_EL2  SVC_EL1      1  svc #9
HFGITR_EL2  ERET         1  eret
HFGITR_EL2  DCZVA        0  dc zva, x3
HFGITR_EL2  DCCIVAC      1  dc civac, x3
HFGITR_EL2  ICIVAU       1  ic ivau, x3
HFGITR_EL2  ATS1E1R      1  at s1e1r, x3
HFGITR_EL2  TLBIVMALLE1  1  tlbi vmalle1
HDFGRTR_EL2 PMCCNTR_EL0  1  mrs x3, pmccntr_el0
HDFGWTR_EL2 MDSCR_EL1    1  msr mdscr_el1, x3
"""
ROWS = [line.split(None, 3) for line in CASES.splitlines() if line]
EL0_MAY = "ldr x9, =0x34d5da1d\n bic x9, x9, #1\n msr sctlr_el1, x9\n ldr x3, =0x40100000\n"
"""SCTLR_EL1.{UCI, UCT, DZE} = 1, M = 0; X3 is an address in RAM."""


def syndrome(word: int) -> int:
    """ESR_EL2 by the manual: imm16 of SVC, nothing for ERET, else the fields of the word. Ref: Arm ARM, ISS of 0x18."""
    if word >> 24 == 0xD4:
        return 0x15 << 26 | 1 << 25 | word >> 5 & 0xFFFF
    if word == 0xD69F_03E0:
        return 0x1A << 26 | 1 << 25
    op0, op1, crn, crm = word >> 19 & 3, word >> 16 & 7, word >> 12 & 15, word >> 8 & 15
    op2, rt, is_read = word >> 5 & 7, word & 31, word >> 21 & 1
    return 0x18 << 26 | 1 << 25 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | is_read


@pytest.mark.parametrize(("register", "field", "el", "instruction"), ROWS)
def test_a_bit_traps_what_it_names_and_is_the_reason(register: str, field: str, el: str, instruction: str) -> None:
    made = guest(EL0_MAY + write(register, BITS[register, field]), instruction + "\n mov x4, #1\n", int(el))
    (trap,) = traps(made)
    assert trap.instruction is not None
    assert (trap.from_el, trap.to_el, trap.esr) == (int(el), 2, syndrome(trap.instruction))
    assert trap.elr == trap.pc  # what traps has not completed
    assert made.core.x(4) == 1
    assert f"because {register}.{field} is 1" in why_trapped(trap, MODEL)
    assert trap.controls[register.lower()] == BITS[register, field]


@pytest.mark.parametrize(("register", "field", "el", "instruction"), ROWS)
def test_what_the_bits_let_pass_does_as_on_max(register: str, field: str, el: str, instruction: str) -> None:
    """All bits but one are set, so that the rules decide; `max` runs the same code with NOPs where it is set."""

    def after(setup: str, model: str) -> tuple[object, ...]:
        body = f"{instruction}\n mov x4, #1\n"
        made = guest(EL0_MAY + setup, body, int(el), model, sync_same="mov x5, #1\n b .\n")
        taken = [(event.n, event.pc, event.esr, event.elr, event.spsr, event.to_el) for event in traps(made)]
        return taken, made.core.pc, made.core.pstate, [made.core.x(number) for number in range(9)]

    others = (1 << 64) - 1 & ~BITS[register, field]
    assert after(write(register, others), MODEL) == after("nop\n nop\n", "max")


def test_a_host_at_el0_is_not_trapped() -> None:
    """HCR_EL2.{E2H, TGE} = {1, 1}: EL0 belongs to the host, which has HFGITR_EL2 for its guests."""
    host = write("HFGITR_EL2", BITS["HFGITR_EL2", "SVC_EL0"]) + "ldr x9, =0x488000000\n msr hcr_el2, x9\n isb\n"
    (call,) = traps(guest(host, "svc #9\n", 0, sync_lower="b .\n"))
    assert (call.to_el, call.elr) == (2, call.pc + 4)
    assert "HCR_EL2.TGE is 1" in why_trapped(call, MODEL)


def test_code_that_ran_before_the_first_bit_was_set_traps_too() -> None:
    """Its translation is from before: EL1 reads TCR_EL1, asks EL2 by HVC to set the bit, and reads again."""
    body = "mov x4, #0\n 1: mrs x3, tcr_el1\n add x4, x4, #1\n hvc #0\n cmp x4, #3\n b.ne 1b\n"
    on_trap = "mrs x10, esr_el2\n lsr x10, x10, #26\n cmp x10, #0x16\n b.ne 1f\n"
    on_trap += write("HFGRTR_EL2", BITS["HFGRTR_EL2", "TCR_EL1"]) + "eret\n 1:\n" + SKIP
    assert [event.ec for event in traps(guest("", body, sync_lower=on_trap))] == [0x16, 0x18, 0x16, 0x18, 0x16]


def test_they_are_part_of_a_snapshot_and_0_after_a_reset() -> None:
    setup = "".join(write(name, ALL + number) for number, name in enumerate(NAMES))
    made = machine(setup + "b .\n", model=MODEL)
    made.run(40)
    state, held = snapshot(made.core), made.core.controls.fine_grained
    assert held == FineGrained(*(ALL + number for number in range(6)))
    reset(made.core)
    assert made.core.controls.fine_grained == FineGrained()
    other = machine("b .\n", NullSink(), model=MODEL)
    restore(other.core, state)
    assert other.core.controls.fine_grained == held and snapshot(other.core) == state


def test_a_restored_bit_traps_in_code_that_is_translated_already() -> None:
    """The state comes from another machine, and the code here has run without any bit."""
    made = guest("", "1: mrs x3, tcr_el1\n b 1b\n")
    assert traps(made) == []
    state = snapshot(made.core)
    state["controls"] |= {"hfgrtr_el2": BITS["HFGRTR_EL2", "TCR_EL1"]}
    restore(made.core, state)
    made.run(300)
    assert {event.ec for event in traps(made)} == {0x18}
