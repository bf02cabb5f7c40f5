"""Scenarios of the virtual interface: each runs through the registers of GICv2 and of GICv3, with one expectation."""

from __future__ import annotations

import pytest
from test_gic_virtual_support import (
    ACTIVE,
    BENCHES,
    EN,
    EOI_COUNT_ONE,
    EOI_STATUS,
    INVALID,
    LRENP,
    LRENPIE,
    NP,
    NPIE,
    PENDING,
    PENDING_AND_ACTIVE,
    UIE,
    VGRP0D,
    VGRP0DIE,
    VGRP0E,
    VGRP0EIE,
    VGRP1D,
    VGRP1DIE,
    VGRP1E,
    VGRP1EIE,
    Bench,
    U,
)

EOI_BIT = 1 << 9
"""Bit 9 of pINTID with HW = 0: report the end of this interrupt."""

ALL_CAUSES = UIE | LRENPIE | NPIE | VGRP0EIE | VGRP0DIE | VGRP1EIE | VGRP1DIE


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest) -> Bench:
    return BENCHES[request.param]()


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """An interface that is enabled, with both groups enabled and nothing masked."""
    bench.open()
    return bench


# --- the life of a virtual interrupt -----------------------------------------------------------------------------


def test_an_interrupt_goes_from_pending_to_active_to_invalid(ready: Bench) -> None:
    ready.fill(0, 40, Priority=0x48)
    assert ready.high == {"virq"} and ready.read("RPR") == 0xFF
    assert ready.read("HPPIR1") == 40
    assert ready.read("IAR1") == 40
    assert ready.state(0) == ACTIVE and ready.high == set()
    assert ready.read("RPR") == 0x48 and ready.active == 1 << 9
    ready.write("EOIR1", 40)
    assert ready.state(0) == INVALID and ready.active == 0 and ready.read("RPR") == 0xFF
    assert ready.read("IAR1") == ready.read("HPPIR1") == 1023
    assert ready.eoi_count == 0


def test_group_0_is_a_virtual_fiq_and_has_registers_of_its_own(ready: Bench) -> None:
    ready.fill(0, 40, Group=0)
    assert ready.high == {"vfiq"}
    assert ready.read("IAR1") == ready.read("HPPIR1") == 1023 and ready.state(0) == PENDING
    assert ready.read("HPPIR0") == ready.read("IAR0") == 40
    ready.write("EOIR0", 40)
    assert ready.state(0) == INVALID and ready.active == 0


def test_group_1_is_not_acknowledged_by_group_0s_register(ready: Bench) -> None:
    ready.fill(0, 40)
    assert ready.read("IAR0") == ready.read("HPPIR0") == 1023
    assert ready.state(0) == PENDING and ready.high == {"virq"}


def test_pending_and_active_is_signalled_again_only_after_its_deactivation(ready: Bench) -> None:
    ready.fill(0, 40, PENDING)
    assert ready.read("IAR1") == 40
    ready.fill(0, 40, PENDING_AND_ACTIVE)
    assert ready.high == set() and ready.read("HPPIR1") == 1023
    ready.write("EOIR1", 40)
    assert ready.state(0) == PENDING and ready.high == {"virq"}
    assert ready.read("IAR1") == 40 and ready.state(0) == ACTIVE


def test_with_eoi_mode_1_the_end_drops_the_priority_and_dir_deactivates(ready: Bench) -> None:
    ready.set_mode(eoi_mode=1)
    ready.fill(0, 40, HW=1, pINTID=52)
    assert ready.read("IAR1") == 40
    ready.write("EOIR1", 40)
    assert ready.state(0) == ACTIVE and ready.active == 0 and ready.deactivated == []
    ready.write("DIR", 40)
    assert ready.state(0) == INVALID and ready.deactivated == [52]


def test_dir_is_ignored_with_eoi_mode_0(ready: Bench) -> None:
    ready.fill(0, 40, ACTIVE)
    ready.write("DIR", 40)
    ready.write("DIR", 41)
    assert ready.state(0) == ACTIVE and ready.eoi_count == 0


def test_hw_deactivates_the_physical_interrupt_once(ready: Bench) -> None:
    ready.fill(0, 27, HW=1, pINTID=30)
    assert ready.read("IAR1") == 27 and ready.deactivated == []
    ready.write("EOIR1", 27)
    ready.write("EOIR1", 27)
    assert ready.deactivated == [30]


def test_software_interrupts_deactivate_nothing_physical(ready: Bench) -> None:
    ready.fill(0, 27, pINTID=30)
    ready.read("IAR1")
    ready.write("EOIR1", 27)
    assert ready.state(0) == INVALID and ready.deactivated == []


def test_a_special_pintid_deactivates_nothing_physical(ready: Bench) -> None:
    ready.fill(0, 40, HW=1, pINTID=1023)
    ready.read("IAR1")
    ready.write("EOIR1", 40)
    assert ready.state(0) == INVALID and ready.deactivated == []


@pytest.mark.parametrize("special", [1020, 1021, 1023])
def test_a_special_intid_in_a_list_register_is_never_active(ready: Bench, special: int) -> None:
    ready.fill(0, special)
    assert ready.read("IAR1") == special
    assert ready.state(0) == INVALID and ready.active == 0 and ready.high == set()


@pytest.mark.parametrize("special", [1020, 1021, 1022, 1023])
def test_the_end_of_a_special_intid_does_nothing(ready: Bench, special: int) -> None:
    ready.write("AP0", 1 << 4)
    ready.write("EOIR1", special)
    ready.set_mode(eoi_mode=1)
    ready.write("DIR", special)
    assert ready.active == 1 << 4 and ready.eoi_count == 0


# --- what is signalled -------------------------------------------------------------------------------------------


def test_nothing_is_signalled_while_the_interface_is_disabled(ready: Bench) -> None:
    ready.fill(0, 40)
    ready.write("HCR", 0)
    assert ready.high == set() and ready.read("IAR1") == 1023 and ready.state(0) == PENDING
    assert ready.read("HPPIR1") == 40, "only the acknowledge registers look at En"
    ready.write("HCR", EN)
    assert ready.high == {"virq"}


@pytest.mark.parametrize("enables", [(0, 1), (1, 0)])
def test_a_disabled_group_is_neither_signalled_nor_shown(ready: Bench, enables: tuple[int, int]) -> None:
    ready.fill(0, 40, Group=0, Priority=0x10)
    ready.fill(1, 41, Group=1, Priority=0x10)
    ready.set_enables(*enables)
    assert ready.high == ({"virq"} if enables[1] else {"vfiq"})
    assert ready.read("HPPIR0") == (40 if enables[0] else 1023)
    assert ready.read("HPPIR1") == (41 if enables[1] else 1023)
    ready.set_enables(0, 0)
    assert ready.high == set()


@pytest.mark.parametrize(("pmr", "passes"), [(0x00, False), (0x80, False), (0x87, False), (0x88, True), (0xFF, True)])
def test_the_priority_mask_lets_only_more_urgent_ones_pass(ready: Bench, pmr: int, passes: bool) -> None:
    ready.fill(0, 40, Priority=0x80)
    ready.write("PMR", pmr)
    assert ready.high == ({"virq"} if passes else set())
    assert ready.read("HPPIR1") == 40, "the mask does not hide a pending interrupt"
    assert ready.read("IAR1") == (40 if passes else 1023)


def test_the_least_urgent_priority_never_passes(ready: Bench) -> None:
    ready.fill(0, 40, Priority=0xF8)
    assert ready.high == set() and ready.read("IAR1") == 1023


def test_the_most_urgent_comes_first_and_the_lowest_list_register_of_equals(ready: Bench) -> None:
    for n, (intid, priority) in enumerate([(40, 0x80), (41, 0x40), (42, 0x40), (43, 0xC0)]):
        ready.fill(n, intid, Priority=priority)
    seen = []
    for _ in range(4):
        seen.append(ready.read("IAR1"))
        ready.write("EOIR1", seen[-1])
    assert seen == [41, 42, 40, 43]


def test_a_more_urgent_interrupt_preempts_and_an_equal_one_does_not(ready: Bench) -> None:
    ready.fill(0, 40, Priority=0x80)
    ready.read("IAR1")
    ready.fill(1, 41, Priority=0x80)
    assert ready.high == set() and ready.read("IAR1") == 1023
    ready.fill(2, 42, Priority=0x40, Group=0)
    assert ready.high == {"vfiq"} and ready.read("IAR0") == 42
    assert ready.read("RPR") == 0x40 and ready.active == 1 << 16 | 1 << 8
    ready.write("EOIR0", 42)
    assert ready.read("RPR") == 0x80 and ready.high == set()
    ready.write("EOIR1", 40)
    assert ready.high == {"virq"}


def test_the_binary_point_of_group_1_decides_about_preemption(ready: Bench) -> None:
    ready.write("BPR1", 7)
    ready.fill(0, 40, Priority=0x88)
    assert ready.read("IAR1") == 40 and ready.read("RPR") == 0x80 and ready.active == 1 << 16
    ready.fill(1, 41, Priority=0x80)
    assert ready.high == set() and ready.read("IAR1") == 1023
    ready.fill(1, 41, Priority=0x78)
    assert ready.read("IAR1") == 41 and ready.read("RPR") == 0 and ready.active == 1 << 16 | 1


def test_a_binary_point_that_changes_splits_the_running_priority_too(ready: Bench) -> None:
    ready.fill(0, 40, Priority=0x88)
    assert ready.read("IAR1") == 40 and ready.read("RPR") == 0x88
    ready.fill(1, 41, Priority=0x80)
    assert ready.high == {"virq"}
    ready.write("BPR1", 4)
    assert ready.high == set() and ready.read("IAR1") == 1023


def test_the_common_binary_point_makes_group_1_use_group_0s(ready: Bench) -> None:
    ready.write("BPR0", 5)
    ready.set_mode(cbpr=1)
    ready.fill(0, 40, Priority=0xA8)
    assert ready.read("IAR1") == 40 and ready.read("RPR") == 0x80


# --- ends without a list register --------------------------------------------------------------------------------


def test_an_end_without_list_register_is_counted(ready: Bench) -> None:
    ready.write("AP0", 0b10010)
    ready.write("EOIR1", 40)
    assert (ready.eoi_count, ready.active) == (1, 0b10000)
    ready.write("EOIR1", 40)
    assert (ready.eoi_count, ready.active) == (2, 0)
    ready.write("EOIR1", 40)
    assert ready.eoi_count == 2, "with no active priority the end is ignored"


def test_with_eoi_mode_1_dir_is_counted_and_the_end_is_not(ready: Bench) -> None:
    ready.set_mode(eoi_mode=1)
    ready.write("AP0", 0b10)
    ready.write("EOIR1", 40)
    assert (ready.eoi_count, ready.active) == (0, 0)
    ready.write("DIR", 40)
    assert ready.eoi_count == 1


def test_the_count_wraps_in_its_five_bits(ready: Bench) -> None:
    ready.write("HCR", EN | 31 * EOI_COUNT_ONE)
    ready.write("AP0", 1)
    ready.write("EOIR1", 40)
    assert ready.read("HCR") == EN


# --- the maintenance interrupt -----------------------------------------------------------------------------------


def test_no_cause_is_reported_unless_it_is_enabled(bench: Bench) -> None:
    bench.open(EN | 5 * EOI_COUNT_ONE)
    assert bench.read("MISR") == 0 and bench.high == set()


def test_the_end_of_a_reporting_interrupt_raises_maintenance(ready: Bench) -> None:
    ready.fill(2, 40, pINTID=EOI_BIT)
    ready.read("IAR1")
    assert ready.read("EISR") == 0 and ready.read("ELRSR") == 0b1011
    ready.write("EOIR1", 40)
    assert ready.read("EISR") == 0b0100 and ready.read("ELRSR") == 0b1011
    assert ready.read("MISR") == EOI_STATUS and ready.high == {"maintenance"}
    ready.write("LR2", 0)
    assert ready.read("EISR") == 0 and ready.read("ELRSR") == 0b1111 and ready.high == set()


def test_hw_makes_bit_9_a_part_of_pintid(ready: Bench) -> None:
    ready.fill(0, 40, INVALID, HW=1, pINTID=EOI_BIT)
    assert ready.read("EISR") == 0 and ready.read("ELRSR") == 0b1111


@pytest.mark.parametrize(("valid", "expected"), [(0, U), (1, U), (2, 0), (4, 0)])
def test_underflow_while_at_most_one_list_register_is_valid(ready: Bench, valid: int, expected: int) -> None:
    ready.write("HCR", EN | UIE)
    for n in range(valid):
        ready.fill(n, 40 + n, PENDING if n % 2 else ACTIVE)
    assert ready.read("MISR") == expected
    assert ("maintenance" in ready.high) == bool(expected)


def test_list_register_entry_not_present_while_the_count_is_not_zero(ready: Bench) -> None:
    ready.write("HCR", EN | LRENPIE)
    assert ready.read("MISR") == 0
    ready.write("AP0", 1)
    ready.write("EOIR1", 40)
    assert ready.read("MISR") == LRENP and ready.high == {"maintenance"}
    ready.write("HCR", EN | LRENPIE)
    assert ready.read("MISR") == 0 and ready.high == set()


@pytest.mark.parametrize(("state", "expected"), [(INVALID, NP), (PENDING, 0), (ACTIVE, NP), (PENDING_AND_ACTIVE, NP)])
def test_no_pending_unless_a_list_register_is_only_pending(ready: Bench, state: int, expected: int) -> None:
    ready.write("HCR", EN | NPIE)
    ready.fill(3, 40, state)
    assert ready.read("MISR") == expected
    assert ("maintenance" in ready.high) == bool(expected)


@pytest.mark.parametrize(
    ("enable", "groups", "expected"),
    [
        (VGRP0EIE, (0, 1), 0),
        (VGRP0EIE, (1, 0), VGRP0E),
        (VGRP0DIE, (0, 1), VGRP0D),
        (VGRP0DIE, (1, 0), 0),
        (VGRP1EIE, (0, 1), VGRP1E),
        (VGRP1EIE, (1, 0), 0),
        (VGRP1DIE, (0, 1), 0),
        (VGRP1DIE, (1, 0), VGRP1D),
    ],
)
def test_group_enables_raise_maintenance(ready: Bench, enable: int, groups: tuple[int, int], expected: int) -> None:
    ready.write("HCR", EN | enable)
    ready.set_enables(*groups)
    assert ready.read("MISR") == expected
    assert ready.high == ({"maintenance"} if expected else set())


def test_en_decides_about_the_line_but_not_about_misr(ready: Bench) -> None:
    ready.write("HCR", ALL_CAUSES | EOI_COUNT_ONE)
    assert ready.read("MISR") == U | LRENP | NP | VGRP0E | VGRP1E and ready.high == set()
    ready.write("HCR", ALL_CAUSES | EN)
    assert ready.read("MISR") == U | NP | VGRP0E | VGRP1E and ready.high == {"maintenance"}


# --- state -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(BENCHES))
def test_restore_takes_everything_back_and_drives_every_line(name: str) -> None:
    old, new = BENCHES[name](), BENCHES[name]()
    old.open(EN | UIE)
    old.write("BPR1", 5)
    old.fill(0, 40, Priority=0x90)
    old.read("IAR1")
    old.fill(1, 41, Priority=0x20)
    new.write("HCR", old.read("HCR"))
    new.recorder.calls.clear()
    new.interface.restore(old.interface.snapshot())
    assert new.recorder.calls == [("virq", True), ("vfiq", False), ("maintenance", False)]
    assert new.interface.snapshot() == old.interface.snapshot()
    assert new.read("IAR1") == 41 and new.read("RPR") == 0x20


def test_restore_refuses_the_state_of_another_number_of_list_registers(bench: Bench) -> None:
    state = type(bench)(5).interface.snapshot()
    with pytest.raises(ValueError, match="5 list registers"):
        bench.interface.restore(state)


def test_a_line_is_driven_only_when_it_changes(ready: Bench) -> None:
    ready.recorder.calls.clear()
    ready.fill(0, 40)
    ready.fill(1, 41)
    assert ready.recorder.calls == [("virq", True)]


@pytest.mark.parametrize("name", list(BENCHES))
@pytest.mark.parametrize("count", [1, 4, 16])
def test_the_number_of_list_registers_is_an_option(name: str, count: int) -> None:
    bench = BENCHES[name](count)
    bench.open()
    assert bench.read("VTR") & 0x1F == count - 1 and bench.read("ELRSR") == (1 << count) - 1
    bench.fill(count - 1, 40)
    assert bench.read("ELRSR") == (1 << count - 1) - 1 and bench.read("IAR1") == 40


@pytest.mark.parametrize("name", list(BENCHES))
@pytest.mark.parametrize("count", [0, 17])
def test_another_number_of_list_registers_is_refused(name: str, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        BENCHES[name](count)
