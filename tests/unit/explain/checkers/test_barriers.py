"""What completes a TLBI, and what synchronizes a write of a control register."""

import pytest
from checker_support import HandMade, barrier, ended, found, returned, sets_table, taken, tlbi, writes

ON = {"SCTLR_EL1": 1, "SCTLR_EL2": 1}


def machine() -> HandMade:
    made = HandMade()
    made.registers = dict(ON)
    return made


def found_after(instructions: int, first, *rest):
    """Return what is raised if so many instructions retire behind the first event."""
    from arm_hyp.explain.checkers import Watch

    made = machine()
    watch = Watch(made)
    watch.emit(first)
    made.count += instructions
    for event in rest:
        watch.emit(event)
    return [finding.code for finding in watch.findings]


@pytest.mark.parametrize("dsb", ["dsb sy", "dsb ish", "dsb osh"])
def test_a_dsb_completes_a_shared_tlbi(dsb):
    assert found(tlbi("VMALLE1IS"), barrier(dsb), returned(0)) == []


@pytest.mark.parametrize("dsb", ["dsb nsh", "dsb ishst", "dsb ishld", "dsb st"])
def test_a_dsb_that_is_too_weak_does_not(dsb):
    assert found(tlbi("VMALLE1IS"), barrier(dsb), returned(0)) == ["HYP012"]


def test_nsh_completes_a_tlbi_of_this_cpu():
    assert found(tlbi("VMALLE1"), barrier("dsb nsh"), barrier("isb")) == []


def test_an_isb_without_dsb_is_too_early():
    assert found(tlbi("VMALLE1"), barrier("isb")) == ["HYP012"]


def test_a_tlbi_that_was_interrupted_waits_on():
    interrupt = (taken(0x104, None, from_el=1, to_el=1), returned(0x104, from_el=1))
    assert found(tlbi("VAE1IS", el=1), *interrupt, barrier("dsb ish", el=1)) == []
    assert found(tlbi("VAE1IS", el=1), *interrupt, barrier("isb", el=1)) == ["HYP012"]


def test_a_handler_that_forgets_its_dsb_is_found_at_its_eret():
    assert found(taken(0x104), tlbi("VMALLS12E1IS"), returned(0x104)) == ["HYP012"]


def test_a_tlbi_that_no_dsb_ever_follows_is_found():
    assert found_after(65, tlbi("VMALLE1"), ended()) == ["HYP012"]
    assert found_after(64, tlbi("VMALLE1"), ended()) == []


def test_tlb_maintenance_of_python_is_complete():
    assert found(taken(0x104, python=True), tlbi("VMALLS12E1IS"), returned(0x104)) == []


def test_a_control_needs_its_isb_soon():
    assert found_after(17, sets_table("TTBR0_EL1", 0x1000, el=1), barrier("isb", el=1)) == ["HYP011"]
    assert found_after(16, sets_table("TTBR0_EL1", 0x1000, el=1), barrier("isb", el=1)) == []


def test_an_exception_synchronizes_too():
    assert found_after(16, sets_table("TTBR0_EL1", 0x1000, el=1), taken(0x104), barrier("isb")) == []


def test_a_control_of_the_guest_waits_for_the_eret():
    assert found_after(500, sets_table("VTTBR_EL2", 0x1000), returned(0)) == []
    assert found_after(500, sets_table("TTBR0_EL1", 0x1000), returned(0)) == []


def test_what_is_prepared_before_the_mmu_is_on_may_wait():
    made = machine()
    made.registers = {}
    assert found(sets_table("TTBR0_EL2", 0x1000), witness=made) == []
    made.count = 500
    assert found(sets_table("TTBR0_EL2", 0x1000), ended(), witness=made) == []


def test_turning_the_mmu_on_or_off_needs_an_isb_but_other_bits_do_not():
    assert found_after(17, writes("SCTLR_EL2", 0), barrier("isb")) == ["HYP011"]
    assert found_after(17, writes("SCTLR_EL2", 1 | 1 << 26), barrier("isb")) == []
