"""Tables in hand-made memory, changed between TLBIs and ERETs: stage 2 of two VMs, and stage 1 of processes."""

import pytest
from checker_support import RAM, HandMade, barrier, ended, returned, taken, tlbi

from arm_hyp.arch.registers import HCR_EL2
from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.explain.checkers import Watch

ROOT, OTHER, LEVEL2, LEVEL3 = RAM, RAM + 0x1000, RAM + 0x2000, RAM + 0x3000
A, B = 0x4008_0000, 0x4009_0000
PAGE = 0x7FF
"""Stage 2: AF, inner shareable, S2AP read and write, normal memory; a page or, at level 1, a table's low bits."""
READ_ONLY = PAGE & ~(1 << 7)
USER = 0xF4F
"""Stage 1: AF, nG, inner shareable, AP: EL0 too, attribute 3; a page."""
VTCR = 0x8001_3560
TCR = 32 | 1 << 23
FLUSH = (tlbi("VMALLS12E1IS"), barrier("dsb ish"), barrier("isb"))
BY_IPA = (tlbi("IPAS2E1IS", 0), barrier("dsb ish"))
COMBINED = (tlbi("VMALLE1IS"), barrier("dsb ish"), barrier("isb"))
ERET = returned(0x100)


def vm(vmid: int = 1, root: int = ROOT) -> TranslationRegisters:
    """Stage 2 alone, from level 1."""
    hcr = int(HCR_EL2.of(VM=1, RW=1))
    return TranslationRegisters(hcr_el2=hcr, vtcr_el2=VTCR, vttbr_el2=vmid << 48 | root)


def process(asid: int = 1, root: int = ROOT) -> TranslationRegisters:
    """Stage 1 of EL1&0 alone, the lower half."""
    return TranslationRegisters(hcr_el2=1 << 31, sctlr_el1=1, tcr_el1=TCR, ttbr0_el1=asid << 48 | root)


def machine(controls: TranslationRegisters, leaf: int, cpus: int = 1) -> HandMade:
    """IPA or VA 0 leads over three tables to one page."""
    made = HandMade(cpus)
    made.controls = controls
    made.write64(ROOT, LEVEL2 | 3)
    made.write64(LEVEL2, LEVEL3 | 3)
    made.write64(LEVEL3, leaf)
    return made


def codes(made: HandMade, *steps) -> list[str]:
    """Give a watch events, with changes of the machine in between."""
    watch = Watch(made)
    for step in (ERET if made.controls.hcr_el2 & 1 else returned(0x100, from_el=1, to_el=0, spsr=0), *steps):
        step() if callable(step) else watch.emit(step)
    return [finding.code for finding in watch.findings]


def sets(made: HandMade, address: int, value: int):
    return lambda: made.write64(address, value)


def switches(made: HandMade, controls: TranslationRegisters):
    return lambda: setattr(made, "controls", controls)


def stage2(*steps, leaf: int = A | PAGE) -> list[str]:
    made = machine(vm(), leaf)
    return codes(made, *[sets(made, *step) if isinstance(step, tuple) else step for step in steps])


# --- break before make ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [B | PAGE, A | PAGE & ~0x3C, A | PAGE & ~0x300, A | PAGE | 1 << 52])
def test_another_page_type_or_contiguity_in_one_step(new):
    assert stage2((LEVEL3, new), *FLUSH, ERET) == ["HYP013"]


def test_break_before_make():
    assert stage2((LEVEL3, 0), *FLUSH, (LEVEL3, B | PAGE), *FLUSH, ERET) == []


def test_a_break_without_tlbi_is_none():
    assert stage2((LEVEL3, 0), (LEVEL3, B | PAGE), *FLUSH, ERET) == ["HYP013"]


@pytest.mark.parametrize("new", [A | PAGE | 1 << 55, A | READ_ONLY, A | PAGE | 1 << 54])
def test_rights_and_software_bits_may_change_in_place(new):
    assert stage2((LEVEL3, new), *FLUSH, ERET) == []


def test_a_table_in_place_of_a_block_and_back():
    block = 0x4000_0000 | PAGE - 2
    assert stage2((ROOT, block), *FLUSH, ERET) == ["HYP013"]
    assert stage2((ROOT, 0), *FLUSH, (ROOT, block), *FLUSH, (ROOT, 0), *FLUSH, (ROOT, LEVEL2 | 3), ERET) == []


def test_what_the_tlb_never_held_needs_no_break():
    assert stage2((LEVEL3, B | PAGE), ERET, leaf=A | PAGE & ~(1 << 10)) == []  # no access flag
    assert stage2((LEVEL3, B | PAGE), ERET, leaf=0) == []


def test_a_table_elsewhere_with_the_same_entries_is_no_change():
    made = machine(vm(), A | PAGE)
    made.write64(OTHER, A | PAGE)
    assert codes(made, sets(made, LEVEL2, OTHER | 3), ERET) == []


# --- unmapped, not invalidated ----------------------------------------------------------------------------------------


def test_unmapped_without_tlbi():
    assert stage2((LEVEL3, 0), ERET) == ["HYP014"]
    assert stage2((LEVEL3, 0), *FLUSH, ERET) == []


@pytest.mark.parametrize("new", [A | READ_ONLY, A | PAGE | 1 << 54])
def test_rights_taken_without_tlbi(new):
    assert stage2((LEVEL3, new), ERET) == ["HYP014"]


def test_more_rights_need_no_tlbi():
    assert stage2((LEVEL3, A | PAGE), ERET, leaf=A | READ_ONLY) == []


def test_tlbi_by_ipa_needs_another_for_what_was_combined():
    assert stage2((LEVEL3, 0), *BY_IPA, *COMBINED, ERET) == []
    assert stage2((LEVEL3, 0), *BY_IPA, ERET) == ["HYP014"]
    assert stage2((LEVEL3, 0), *COMBINED, ERET) == ["HYP014"]


def test_tlbi_of_another_page_does_not_help():
    assert stage2((LEVEL3, 0), tlbi("IPAS2E1IS", 1), barrier("dsb ish"), *COMBINED, ERET) == ["HYP014"]


def test_each_is_told_once():
    assert stage2((LEVEL3, 0), ERET, ERET, ERET) == ["HYP014"]


def test_with_several_cpus_only_python_is_judged_at_its_eret():
    made = machine(vm(), A | PAGE, cpus=2)
    assert codes(made, sets(made, LEVEL3, 0), ERET) == []
    made = machine(vm(), A | PAGE, cpus=2)
    assert codes(made, taken(0x100, python=True), sets(made, LEVEL3, 0), ERET) == ["HYP014"]


def test_mapped_elsewhere_after_an_eret_that_nobody_could_judge():
    made = machine(vm(), A | PAGE, cpus=2)
    assert codes(made, sets(made, LEVEL3, 0), ERET, sets(made, LEVEL3, B | PAGE), ERET) == ["HYP014"]


# --- tags -------------------------------------------------------------------------------------------------------------


def test_a_vmid_for_other_tables():
    made = machine(vm(), A | PAGE)
    made.write64(OTHER, B & -(1 << 30) | 0x8000_0000 | PAGE - 2)
    assert codes(made, switches(made, vm(1, OTHER)), ERET) == ["HYP015"]


def test_another_vmid_or_a_tlbi_in_between():
    made = machine(vm(), A | PAGE)
    made.write64(OTHER, 0x8000_0000 | PAGE - 2)
    assert codes(made, switches(made, vm(2, OTHER)), ERET) == []
    made.controls = vm()
    flush = tlbi("ALLE1IS"), barrier("dsb ish"), barrier("isb")
    assert codes(made, switches(made, vm(1, OTHER)), *flush, ERET) == []


def test_a_tlbi_for_another_vmid_does_not_help():
    made = machine(vm(), A | PAGE)
    made.write64(OTHER, 0x8000_0000 | PAGE - 2)
    steps = switches(made, vm(2)), *FLUSH, switches(made, vm(1, OTHER)), ERET
    assert codes(made, *steps) == ["HYP015"]


def user(*steps, controls: TranslationRegisters | None = None) -> list[str]:
    made = machine(controls or process(), A | USER)
    made.write64(OTHER, LEVEL2 | 3)
    return codes(made, *[step(made) if callable(step) else step for step in steps])


TO_EL0 = returned(0x100, from_el=1, to_el=0, spsr=0)
UNMAPS = [lambda made: sets(made, LEVEL3, 0)]


@pytest.mark.parametrize(
    ("operation", "operand", "helps"),
    [
        ("VAE1IS", 1 << 48, True),
        ("VALE1IS", 1 << 48, True),
        ("VAAE1IS", 0, True),
        ("ASIDE1IS", 1 << 48, True),
        ("VMALLE1IS", 0, True),
        ("VAE1IS", 2 << 48, False),
        ("VAE1IS", 1 << 48 | 1, False),
        ("ASIDE1IS", 2 << 48, False),
        ("ALLE2IS", 0, False),
    ],
)
def test_what_each_tlbi_reaches_of_a_process(operation, operand, helps):
    flush = tlbi(operation, operand, el=1), barrier("dsb ish", el=1)
    assert user(*UNMAPS, *flush, TO_EL0) == ([] if helps else ["HYP014"])


def test_another_process_has_another_asid():
    switch = lambda made: switches(made, process(2, OTHER))  # noqa: E731
    assert user(switch, TO_EL0) == []
    assert user(*UNMAPS, switch, TO_EL0) == []
    assert user(*UNMAPS, switch, TO_EL0, lambda made: switches(made, process()), TO_EL0) == ["HYP014"]


def test_a_page_of_the_kernel_may_be_invalidated_later():
    made = machine(process(), A | USER & ~(1 << 6) | 1 << 54)
    assert codes(made, sets(made, LEVEL3, 0), TO_EL0) == []


def kernel(asid: int) -> TranslationRegisters:
    """The upper half alone: TTBR1_EL1, with the ASID in TTBR0_EL1."""
    tcr = 1 << 7 | 32 << 16 | 2 << 30
    return TranslationRegisters(hcr_el2=1 << 31, sctlr_el1=1, tcr_el1=tcr, ttbr0_el1=asid << 48, ttbr1_el1=ROOT)


def test_a_kernel_has_the_same_tables_with_every_asid():
    made = machine(kernel(1), A | USER)
    other = switches(made, kernel(2))
    assert codes(made, other, TO_EL0, sets(made, LEVEL3, B | USER), ended(el=1)) == ["HYP013"]
    made = machine(kernel(1), A | USER)
    flush = tlbi("VMALLE1IS", el=1), barrier("dsb ish", el=1)
    steps = switches(made, kernel(2)), TO_EL0, sets(made, LEVEL3, 0), *flush, sets(made, LEVEL3, B | USER), ended(el=1)
    assert codes(made, *steps) == []


def test_code_that_runs_where_nothing_is_mapped():
    made = machine(process(), A | USER)
    made.cpus = 2
    svc = taken(0x104, 0x15, from_el=0, to_el=1, spsr=0)
    assert codes(made, sets(made, LEVEL3, 0), TO_EL0, svc) == ["HYP014"]


def test_tables_that_were_freed_meanwhile_mean_nothing():
    made = machine(process(), A | USER)
    away, back = switches(made, process(2, OTHER)), switches(made, process())
    garbage, tables = sets(made, LEVEL2, 0x8000_0000 | USER - 2), sets(made, LEVEL2, LEVEL3 | 3)
    assert codes(made, away, TO_EL0, garbage, TO_EL0, tables, back, TO_EL0) == []


def test_tables_that_refer_to_themselves_come_to_an_end():
    made = machine(vm(), A | PAGE)
    for index in range(512):
        made.write64(LEVEL2 + 8 * index, LEVEL2 | 3)
    assert codes(made, ERET, ended()) == []
