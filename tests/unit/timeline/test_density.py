"""How much ran where, against counts that add up one instruction and one exception after the other."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from turns_support import ALL, LIMIT, straight

from arm_hyp.errors import UserError
from arm_hyp.timeline import density
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.journal_reads import Past
from arm_hyp.timeline.timeline import Timeline

SLOW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
PLACES = st.builds(Position, st.integers(0, LIMIT + 100), st.integers(0, 3))


def naive(timeline: Timeline, asked: ask.Density, edges: tuple[Position, ...]) -> tuple[Counter[object], ...]:
    """Return the instructions and the exceptions by VM, level and column."""
    turns, frontier = timeline.history.turns, timeline.frontier.n
    ran: Counter[object] = Counter()
    for start, end, number in zip(turns.starts, [*turns.starts, frontier][1:], turns.running, strict=True):
        lane = turns.lanes[number]
        for n in range(start, end):
            for column in columns_of(Position(n), edges, end=lambda edge: Position(edge.n)):
                ran[lane.vm, lane.el, column] += asked.cpu in (None, lane.cpu)
    taken: Counter[object] = Counter()
    for row in Past(timeline).exceptions(ask.Exceptions(at_most=10_000)).rows:
        if row.what == "taken":
            for column in columns_of(row.position, edges):
                taken[row.vm, row.to_el, column] += asked.cpu in (None, row.cpu)
    return ran, taken


def columns_of(place: Position, edges: tuple[Position, ...], end=lambda edge: edge) -> list[int]:
    return [i for i in range(len(edges) - 1) if end(edges[i]) <= place < end(edges[i + 1])]


@pytest.mark.parametrize("name", ALL)
@SLOW
@given(places=st.tuples(PLACES, PLACES), columns=st.integers(1, 40), cpu=st.sampled_from((None, 0, 1)))
def test_columns_add_up_what_ran(name: str, places: tuple[Position, Position], columns: int, cpu: int | None) -> None:
    timeline = straight(name).timeline
    asked = ask.Density(min(places), max(places), columns, cpu)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(density, "BLOCK", 16)
        answer = Past(timeline).density(asked)
    ran, taken = naive(timeline, asked, answer.edges)
    assert len(answer.edges) == columns + 1 and (*answer.edges,) == (*sorted(answer.edges),)
    found = {(row.vm, row.el, i): row.instructions[i] for row in answer.lanes for i in range(columns)}
    assert +Counter(found) == +ran
    assert +Counter({(row.vm, row.el, i): row.taken[i] for row in answer.lanes for i in range(columns)}) == +taken


def test_sums_grow_with_the_run_and_are_kept_by_branch() -> None:
    timeline = Timeline(ALL["preemption"])
    past, whole = Past(timeline), ask.Density(columns=7)
    for n in (100, 400, LIMIT):
        timeline.seek(Position(n))
        assert past.density(whole) == Past(timeline).density(whole)
        assert sum(sum(row.instructions) for row in past.density(whole).lanes) == timeline.frontier.n
    timeline.seek(Position(300))
    timeline.branch("other")
    assert past.density(whole) == Past(timeline).density(whole) and past.density(whole).edges[-1].n == 300


@pytest.mark.parametrize("columns", [0, 1001])
def test_a_number_of_columns_that_cannot_be_is_refused(columns: int) -> None:
    with pytest.raises(UserError):
        Past(straight("virq").timeline).density(ask.Density(columns=columns))
