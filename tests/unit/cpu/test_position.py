"""The position (n, seq): one count for all CPUs, and events without a number leave no mark."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.cpu.core import Core
from arm_hyp.cpu.position import Position


def cpu(retired: int = 0) -> Core:
    """A CPU that only counts."""
    return cast(Core, SimpleNamespace(retired=retired))


def test_numbered_events_count_and_start_again_with_n() -> None:
    where = Position()
    assert [where.at(n, True) for n in (0, 0, 0, 5, 5, 9)] == [(0, 1), (0, 2), (0, 3), (5, 1), (5, 2), (9, 1)]


def test_the_others_share_the_number_of_the_last_one() -> None:
    where = Position()
    where.at(3, True)
    where.at(3, True)
    assert where.at(3, False) == (3, 2)
    assert where.at(4, False) == (4, 0)
    assert where.at(4, True) == (4, 1)
    assert where.at(4, False) == (4, 1)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans())))
def test_who_asks_for_unnumbered_positions_changes_nothing(steps: list[tuple[int, bool]]) -> None:
    """With a sink all events ask for their position, without one only those that are numbered."""
    watched, silent = Position(), Position()
    n = 0
    for advance, numbered in steps:
        n += advance
        seen = watched.at(n, numbered)
        if numbered:
            assert silent.at(n, True) == seen
        assert (watched.last_n, watched.seq) == (silent.last_n, silent.seq)


def test_without_a_cpu_nothing_has_retired() -> None:
    assert Position().retired == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100))))
def test_the_machine_counts_what_all_cpus_retire(turns: list[tuple[int, int]]) -> None:
    where, cpus = Position(), [cpu() for _ in range(4)]
    where.turn(cpus[0])
    for index, count in turns:
        where.turn(cpus[index])
        cpus[index].retired += count  # type: ignore[misc]
        assert where.retired == sum(each.retired for each in cpus)
