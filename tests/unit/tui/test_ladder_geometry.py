"""Cells and positions of the ladder, and what is drawn of any journal."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from ladder_support import journals, known, returned, taken
from view_support import LOOK, PLAIN

from arm_hyp.timeline.position import Position
from arm_hyp.tui.ladder.drawing import Picture, draw, ruler
from arm_hyp.tui.ladder.geometry import Axis, width_of
from arm_hyp.tui.ladder.lanes import lane_name, shown_lanes
from arm_hyp.tui.ladder.spans import Known, Lane, Span, spans_of


def axis_of(journal: Known) -> Axis:
    return Axis.of(spans_of(journal))


def picture_of(axis: Axis, cursor: Position, width: int, most: int = 9) -> Picture:
    inside = max(width - 8, 1)
    seen = Picture(axis, axis.window(inside, cursor), inside, (), (), 8)
    used = {axis.spans[index].lane for index in seen.visible}
    lanes = shown_lanes(used, axis.spans[axis.index_at(cursor)].lane, most)
    return seen._replace(lanes=lanes, names=tuple(lane_name(lane, ("A", "B", "C")) for lane in lanes))


@given(journals())
def test_the_begin_of_each_span_has_a_cell_of_its_own_and_back(journal: Known):
    axis = axis_of(journal)
    cells = [axis.cell_of(span.start) for span in axis.spans]
    assert cells == list(axis.edges[:-1])
    assert [axis.position_of(cell) for cell in cells] == [span.start for span in axis.spans]


@given(journals())
def test_a_cell_leads_to_a_position_that_leads_back(journal: Known):
    axis = axis_of(journal)
    positions = [axis.position_of(cell) for cell in range(axis.end + 1)]
    assert positions == sorted(positions)
    assert all(axis.position_of(axis.cell_of(position)) == position for position in positions)


@given(journals(), st.data())
def test_a_position_lies_in_the_cells_of_its_span(journal: Known, data: st.DataObject):
    axis = axis_of(journal)
    index = data.draw(st.integers(0, len(axis.spans) - 1))
    span = axis.spans[index]
    n = data.draw(st.integers(span.start.n, span.end.n))
    position = max(Position(n), span.start)
    if position < span.end or span.is_open:
        assert axis.edges[index] <= axis.cell_of(position) < axis.edges[index + 1] + span.is_open


@given(journals())
def test_cells_grow_with_positions(journal: Known):
    axis = axis_of(journal)
    span = max(axis.spans, key=lambda one: one.instructions)
    steps = [Position(span.start.n + span.instructions * part // 50) for part in range(51)]
    cells = [axis.cell_of(max(position, span.start)) for position in steps]
    assert cells == sorted(cells)


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_more_instructions_are_never_narrower(some: int, others: int):
    spans = [Span(Lane(1), Position(0), Position(count)) for count in sorted((some, others))]
    assert width_of(spans[0]) <= width_of(spans[1])


@given(journals())
def test_names_and_labels_fit_into_their_pulse(journal: Known):
    for span in spans_of(journal):
        assert width_of(span) >= max(len(span.label), len(span.name)) + 3


@given(journals(), st.integers(9, 120), st.integers(1, 9), st.data())
def test_lines_are_exactly_as_wide_as_the_screen(journal: Known, width: int, most: int, data: st.DataObject):
    axis = axis_of(journal)
    cursor = data.draw(st.sampled_from([span.start for span in axis.spans] + [axis.spans[-1].end]))
    picture = picture_of(axis, cursor, width, most)
    for look in (LOOK, PLAIN):
        lines = [ruler(picture, cursor, look), *draw(picture, cursor, look)]
        assert {line.cell_len for line in lines} == {width}
    assert all(line.plain.isascii() for line in draw(picture, cursor, PLAIN))


@given(journals(), st.integers(20, 120), st.data())
def test_the_cursor_is_always_seen(journal: Known, width: int, data: st.DataObject):
    axis = axis_of(journal)
    cursor = data.draw(st.sampled_from([axis.position_of(cell) for cell in range(axis.end + 1)]))
    assert 0 <= axis.cell_of(cursor) - axis.window(width, cursor) < width


@given(journals())
def test_nothing_is_drawn_over_a_name_or_a_label(journal: Known):
    axis = axis_of(journal)
    picture = picture_of(axis, axis.spans[0].start, axis.end + 9, most=99)
    drawn = [line.plain for line in draw(picture, axis.spans[0].start, LOOK)]
    for (before, span), edge in zip(pairwise(axis.spans), axis.edges[1:], strict=False):
        row = picture.row_of(span.lane)
        at = 8 + edge
        assert span.label in drawn[row][at : at + width_of(span)]
        if span.name:
            top = min(row, picture.row_of(before.lane)) if row <= picture.row_of(before.lane) else row - 2
            assert drawn[top + 1][at + 2 : at + 2 + len(span.name)] == span.name


def test_a_small_ladder_looks_like_this():
    journal = known(
        returned(12, 1, 2, 1), taken(13, 1, 1, 2), returned(24, 1, 2, 1), returned(29, 1, 1, 0),
        taken(1300, 1, 0, 2, kind="irq"), returned(1310, 1, 2, 0), taken(1400, 1, 0, 1, 0x15),
        taken(1402, 1, 1, 1, 0x25), returned(1410, 1, 1, 1), end=Position(1500),
    )  # fmt: skip
    axis = axis_of(journal)
    picture = picture_of(axis, Position(1300, 1), 85)
    assert [line.plain.rstrip() for line in draw(picture, Position(1300, 1), LOOK)] == [
        "EL2     ━━12━┓  ·┏━11━━┓·   ·   ·  ┏━10━━┓  ·   ·   ·   ·   ·   ·",
        "             ▼   ▲ HVC ▼           ▲ IRQ │",
        "EL1     ·   ·┗━1━┛  ·  ┗━5━┓·   ·  ╏·   ·│  ·  ┏━━2━━┳━━8━━━┯━90━━▸",
        "                           ▼       ╏     ▼     ▲ SVC ▲ DABT ▼",
        "EL0     ·   ·   ·   ·   ·  ┗━1.2k━━┛·   ·┗━90━━┛·   ·   ·   ·   ·",
    ]
