"""Priorities: binary points, group priorities, and what is active."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.arch import gic
from arm_hyp.machine.gic.priority import ActivePriorities, highest_active_group, running_priority


def test_special_intids() -> None:
    assert [intid for intid in range(1100) if gic.is_special(intid)] == [1020, 1021, 1022, 1023]


@pytest.mark.parametrize(("bits", "mask"), [(4, 0xF0), (5, 0xF8), (8, 0xFF)])
def test_unimplemented_priority_bits_are_the_low_ones(bits: int, mask: int) -> None:
    assert gic.priority_mask(bits) == mask


@pytest.mark.parametrize(
    ("bits", "group0", "group1", "words"), [(5, 2, 3, 1), (6, 1, 2, 2), (7, 0, 1, 4), (8, 0, 1, 4)]
)
def test_the_smallest_binary_points_and_the_number_of_registers(
    bits: int, group0: int, group1: int, words: int
) -> None:
    assert (gic.minimum_bpr(bits, 0), gic.minimum_bpr(bits, 1)) == (group0, group1)
    assert gic.clamp_bpr(0, bits, 0) == group0 and gic.clamp_bpr(0xFF, bits, 1) == 7
    assert gic.active_priority_words(bits) == words


@pytest.mark.parametrize(
    ("bpr", "group0", "group1"),
    [(0, 0xFE, 0xFF), (1, 0xFC, 0xFE), (2, 0xF8, 0xFC), (3, 0xF0, 0xF8), (6, 0x80, 0xC0), (7, 0x00, 0x80)],
)
def test_group_priority_masks_are_those_of_the_manuals_table(bpr: int, group0: int, group1: int) -> None:
    assert (gic.group_priority_mask(bpr, 0), gic.group_priority_mask(bpr, 1)) == (group0, group1)


def test_cbpr_splits_both_groups_by_group_0s_binary_point() -> None:
    assert gic.group_priority(0xFF, 1, bpr0=4, bpr1=2, cbpr=False) == 0xFC
    assert gic.group_priority(0xFF, 1, bpr0=4, bpr1=2, cbpr=True) == 0xE0
    assert gic.group_priority(0xFF, 0, bpr0=4, bpr1=2, cbpr=False) == 0xE0
    assert [gic.common_bpr1(bpr0) for bpr0 in (2, 6, 7)] == [3, 7, 7]


def test_the_running_priority_is_the_most_urgent_active_one() -> None:
    active = ActivePriorities(5)
    assert not active.any and active.running_priority == 0xFF
    active.activate(0x80)
    active.activate(0x40)
    assert active.running_priority == 0x40 and active.register(0) == 1 << 16 | 1 << 8
    active.drop_highest()
    assert active.running_priority == 0x80
    active.drop_highest()
    active.drop_highest()
    assert not active.any and active.running_priority == 0xFF


def test_eight_bits_of_priority_need_four_registers() -> None:
    active = ActivePriorities(8)
    active.activate(0xFE)
    assert [active.register(n) for n in range(5)] == [0, 0, 0, 1 << 31, 0]
    active.set_register(1, 0x1_0000_0001)
    assert active.running_priority == 0x40 and active.register(1) == 1


def test_registers_that_are_not_needed_ignore_writes() -> None:
    active = ActivePriorities(5)
    active.set_register(1, 1)
    assert not active.any


def test_group_0_has_the_running_priority_first() -> None:
    group0, group1 = ActivePriorities(5), ActivePriorities(5)
    assert highest_active_group(group0, group1) is None and running_priority(group0, group1) == 0xFF
    group1.activate(0x40)
    assert highest_active_group(group0, group1) == 1
    group0.activate(0x40)
    assert highest_active_group(group0, group1) == 0
    group1.activate(0x38)
    assert highest_active_group(group0, group1) == 1 and running_priority(group0, group1) == 0x38


@given(st.lists(st.integers(0, 31).map(lambda level: level << 3), unique=True))
def test_priorities_drop_in_order_and_survive_a_snapshot(levels: list[int]) -> None:
    active = ActivePriorities(5)
    for level in levels:
        active.activate(level)
    again = ActivePriorities(5)
    again.restore(active.snapshot())
    for level in sorted(levels):
        assert again.running_priority == level
        again.drop_highest()
    assert not again.any
