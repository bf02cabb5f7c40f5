"""What HCRX_EL2 traps, on the model that has it: TCR2_EL1, SCTLR2_EL1, and TLBI with nXS.

Read `test_fine_grained.py` before. Ref: Arm ARM, HCRX_EL2; accessing TCR2_EL1, SCTLR2_EL1; TLBI VAE1; DSB.
"""

from __future__ import annotations

import pytest
from core_support import POWER_OFF, events, machine, vectors
from test_asked_events import Asking
from test_fine_grained import ALL, BITS, MODEL, SET_VECTORS, guest, syndrome, traps, write

from arm_hyp.arch.registers.hypervisor import HCRX_EL2
from arm_hyp.arch.sysregs import parse_name
from arm_hyp.cpu.snapshot import restore, snapshot
from arm_hyp.events import Barrier, Maintenance
from arm_hyp.explain.why import why_trapped

TCR2, SCTLR2, PLAIN = HCRX_EL2.of(TCR2En=1), HCRX_EL2.of(SCTLR2En=1), HCRX_EL2.of(FGTnXS=1)
ALL_SET = (1 << 64) - 1
E2H = "ldr x9, =0x480000000\n msr hcr_el2, x9\n isb\n"
# what EL1 does, the bit that lets it, and what else traps it
TRAPPED = [
    ("mrs x3, tcr2_el1", "TCR2En", TCR2, ""),
    ("msr tcr2_el1, x3", "TCR2En", TCR2, ""),
    ("mrs x3, sctlr2_el1", "SCTLR2En", SCTLR2, ""),
    ("msr sctlr2_el1, x3", "SCTLR2En", SCTLR2, ""),
    ("tlbi vmalle1nxs", "FGTnXS", PLAIN, "TLBIVMALLE1"),
    ("tlbi vae1isnxs, x3", "FGTnXS", PLAIN, "TLBIVAE1IS"),
]
HELD = [f"{name}_el{el}" for name in ("tcr2", "sctlr2") for el in (1, 2)]


@pytest.mark.parametrize(("instruction", "field", "lets", "also"), TRAPPED, ids=lambda value: str(value))
def test_a_bit_that_is_0_traps_and_with_it_set_the_trap_is_gone(
    instruction: str, field: str, lets: int, also: str
) -> None:
    setup = write("HFGITR_EL2", BITS["HFGITR_EL2", also]) if also else ""
    body = f"mov x3, #0\n {instruction}\n mov x4, #1\n"
    made = guest(setup + write("HCRX_EL2", ALL_SET & ~lets), body)
    (trap,) = traps(made)
    assert trap.instruction is not None
    assert (trap.from_el, trap.to_el, trap.esr, trap.elr) == (1, 2, syndrome(trap.instruction), trap.pc)
    reason = f"HFGITR_EL2.{also} is 1: HCRX_EL2.{field} is 0" if also else f"HCRX_EL2.{field} is 0"
    assert f"because {reason}" in why_trapped(trap, MODEL)
    assert trap.controls["hcrx_el2"] & lets == 0
    let = guest(setup + write("HCRX_EL2", lets), body)
    assert (traps(let), let.core.x(4), let.core.x(3)) == ([], 1, 0)


@pytest.mark.parametrize("name", HELD)
def test_the_registers_have_no_bits(name: str) -> None:
    """Each field belongs to a feature that the model does not have. Ref: Arm ARM, TCR2_EL1, SCTLR2_EL1."""
    made = machine(f"ldr x1, ={ALL:#x}\n msr {name}, x1\n mrs x2, {name}\n" + POWER_OFF, model=MODEL)
    before = snapshot(made.core)["stored"]
    made.core.set_x(2, 5)
    assert made.run(100).reason == "guest"
    assert (made.core.x(2), snapshot(made.core)["stored"]) == (0, before)


@pytest.mark.parametrize("name", ["tcr2_el12", "sctlr2_el12"])
def test_they_have_their_names_of_vhe(name: str) -> None:
    source = E2H + f"mov x2, #5\n mrs x2, {name}\n msr {name}, x2\n" + POWER_OFF
    assert machine(SET_VECTORS + source + vectors(), model=MODEL).run(100).reason == "guest"
    without = machine(SET_VECTORS + f"mrs x2, {name}\n" + vectors(sync_same=POWER_OFF), model=MODEL)
    assert (without.run(100).reason, [event.ec for event in traps(without)]) == ("guest", [0])


@pytest.mark.parametrize("instruction", [f"mrs x3, {name}" for name in HELD] + ["tlbi vmalle1nxs", "dsb ishnxs"])
@pytest.mark.parametrize("model", ["a72", "max"])
def test_the_other_models_have_none_of_it(model: str, instruction: str) -> None:
    made = machine(SET_VECTORS + instruction + "\n" + vectors(sync_same=POWER_OFF), model=model)
    assert made.run(100).reason == "guest"
    assert [(event.ec, event.from_el) for event in traps(made)] == [(0, 2)]


def test_a_hypervisor_that_sets_hcrx_el2_only_makes_nothing_slower() -> None:
    """No fine-grained trap is set, so no instruction becomes a site for one."""
    made = guest(write("HCRX_EL2", TCR2 | SCTLR2), "mrs x3, tcr2_el1\n mrs x4, tcr_el1\n")
    assert traps(made) == []
    assert not made.core.fine_grained.are_wanted


def test_an_el1_that_the_firmware_starts_may_use_them() -> None:
    """Nobody at EL2 could take the traps."""
    made = machine("mov x3, #5\n mrs x3, tcr2_el1\n msr sctlr2_el1, x3\n b .\n", model=MODEL, start_el=1)
    made.run(20)
    assert (traps(made), made.core.x(3)) == ([], 0)
    assert not made.core.fine_grained.are_wanted


def test_a_restored_bit_traps_in_code_that_is_translated_already() -> None:
    made = guest(write("HCRX_EL2", TCR2), "1: mrs x3, tcr2_el1\n b 1b\n")
    assert traps(made) == []
    state = snapshot(made.core)
    state["controls"] |= {"hcrx_el2": 0}
    restore(made.core, state)
    made.run(300)
    assert {event.ec for event in traps(made)} == {0x18}


MAP = """
    ldr x20, =0x40100000              // level 1; level 2 is the page behind it
    ldr x21, =0x40000705              // a block: all of RAM as it is
    str x21, [x20, #8]
    ldr x21, =0x40101003              // from 2 GiB on: blocks of 2 MiB
    str x21, [x20, #16]
    ldr x22, =0x40200705
    str x22, [x20, #0x1000]
    ldr x23, =0x40400705
    mov x1, #1
    ldr x9, =0x40200000
    str x1, [x9]
    mov x1, #2
    ldr x9, =0x40400000
    str x1, [x9]
    msr ttbr0_el2, x20
    mov x21, #0xff
    msr mair_el2, x21
    ldr x21, =0x80823520              // 32 bits of VA, 4 KiB granule
    msr tcr_el2, x21
    isb
    ldr x21, =0x30c50831
    msr sctlr_el2, x21
    isb
    ldr x9, =0x80000000
    ldr x1, [x9]
    str x23, [x20, #0x1000]
    dsb ishst
    ldr x2, [x9]
    lsr x3, x9, #12
"""


@pytest.mark.parametrize("operation", ["tlbi alle2nxs", "tlbi vae2nxs, x3", "tlbi vale2isnxs, x3"])
def test_what_is_invalidated_with_nxs_is_translated_anew(operation: str) -> None:
    made = machine(f"{MAP}{operation}\n dsb ishnxs\n isb\n ldr x4, [x9]\n b .\n", model=MODEL)
    made.run(100)
    assert (made.core.x(1), made.core.x(2), made.core.x(4)) == (1, 1, 2)
    (done,) = events(made, Maintenance)
    assert isinstance(done, Maintenance)
    assert done.operation.lower() == operation.partition(",")[0]
    assert events(made, Barrier) == []  # nobody asked for it


def test_a_dsb_with_nxs_is_told_to_who_asks() -> None:
    sink = Asking()
    machine("dsb ishnxs\n dsb synxs\n isb\n b .\n", sink, model=MODEL).run(10)
    assert [event.instruction for event in sink.events if isinstance(event, Barrier)] == [
        "dsb ishnxs",
        "dsb synxs",
        "isb",
    ]


@pytest.mark.parametrize(("operation", "reached"), [("TLBI VAE1ISNXS", [0, 1]), ("TLBI VAE1NXS", [])])
def test_the_inner_shareable_form_reaches_the_other_cpus(
    operation: str, reached: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = machine("b .\n", model=MODEL, cpus=2)
    seen: list[int] = []
    for core in made.cpus.cores:
        monkeypatch.setattr(core.maintenance, "invalidate", lambda *_, index=core.index: seen.append(index))
    assert made.core.broadcast is not None
    made.core.broadcast(parse_name(operation), 0)
    assert seen == reached
