"""Rows of the journal as spans of the ladder, and the short names of exceptions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from ladder_support import journals, known, returned, row, taken

from arm_hyp.hypervisor.costs import EXIT_NS
from arm_hyp.timeline.position import Position
from arm_hyp.tui.ladder.lanes import lane_name, shown_lanes, vm_names
from arm_hyp.tui.ladder.names import LONGEST, explained_as, name_of, short_count, short_time
from arm_hyp.tui.ladder.spans import Known, Lane, Via, spans_of

ILLEGAL_STATE = 0x0E


def test_a_call_and_its_return_are_a_pulse():
    spans = spans_of(known(returned(12, 1, 2, 1), taken(13, 1, 1, 2), returned(24, 1, 2, 1), end=Position(30)))
    assert [(span.lane, span.via, span.name, span.instructions) for span in spans] == [
        (Lane(2), Via.START, "", 12),
        (Lane(1), Via.RET, "", 1),
        (Lane(2), Via.TRAP, "HVC", 11),
        (Lane(1), Via.RET, "", 6),
    ]
    assert [span.is_open for span in spans] == [False, False, False, True]


def test_a_run_without_exceptions_is_one_span():
    (span,) = spans_of(known(end=Position(157)))
    assert (span.lane, span.instructions, span.is_open) == (Lane(2), 157, True)


def test_nothing_is_known_before_rows_that_do_not_reach_to_the_start():
    first = taken(1000, 1, 1, 2)
    spans = spans_of(Known((first,), 2, first.position, 1000, Position(1010), 1010, True))
    assert [span.start for span in spans] == [first.position]


def test_rows_of_other_cpus_give_the_ends_of_what_is_known():
    spans = spans_of(Known((taken(500, 1, 1, 2),), 2, Position(400, 1), 400, Position(900, 1), 900, False))
    assert [(span.start.n, span.end.n, span.is_open) for span in spans] == [(400, 500, False), (500, 900, False)]


def test_a_vm_is_left_for_el2_and_another_one_entered():
    spans = spans_of(known(taken(50, 1, 1, 2, vm=0), returned(50, 2, 2, 1, vm=1), taken(60, 1, 1, 2, vm=1)))
    assert [span.lane for span in spans] == [Lane(1, 0), Lane(2), Lane(1, 1), Lane(2)]


def test_an_illegal_return_stays_at_its_level():
    spans = spans_of(known(returned(26, 1, 2, 0), taken(26, 2, 2, 2, ILLEGAL_STATE), end=Position(30)))
    assert [(span.lane, span.via) for span in spans] == [
        (Lane(2), Via.START), (Lane(2), Via.ILLEGAL), (Lane(2), Via.TRAP),
    ]  # fmt: skip


def test_a_return_to_a_higher_level_is_illegal_also_as_the_last_thing():
    assert spans_of(known(returned(13, 1, 2, 3)))[-1].lane == Lane(2)


def test_a_cpu_that_goes_on_at_another_level_was_reset():
    spans = spans_of(known(returned(12, 1, 2, 1), returned(40, 1, 2, 1), end=Position(50)))
    assert [(span.lane.el, span.via) for span in spans] == [(2, Via.START), (1, Via.RET), (2, Via.RESET), (1, Via.RET)]


def test_a_handler_in_python_retires_nothing_and_what_it_costs_is_not_idle():
    spans = spans_of(
        known(taken(4, 1, 1, 2, python=True, time_ns=4), returned(4, 2, 2, 1, time_ns=4 + EXIT_NS), end=Position(9))
    )
    assert (spans[1].is_python, spans[1].label) == (True, "py")


def test_time_without_instructions_is_idle():
    waits = known(
        taken(88, 1, 1, 2, 1, time_ns=88, python=True), returned(88, 2, 2, 1, time_ns=88 + EXIT_NS + 3_200_000)
    )
    assert spans_of(waits)[1].label == "py zz 3.2 ms"
    by_itself = known(taken(88, 1, 1, 1, kind="irq", time_ns=100_088))
    assert spans_of(by_itself)[0].label == "88 zz 100 us"


@given(journals())
def test_spans_have_no_gap_and_cover_all_that_is_known(journal: Known):
    spans = spans_of(journal)
    assert spans
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert all(before.start < after.start for before, after in pairwise(spans))
    assert spans[-1].end == journal.end or not journal.is_open
    assert spans[0].start in (journal.begin, *(one.position for one in journal.rows[:1]))


@pytest.mark.parametrize(
    ("esr", "name"),
    [
        (0x01 << 26, "WFI"),
        (0x01 << 26 | 1, "WFE"),
        (0x18 << 26 | 3 << 20 | 1, "MRS"),
        (0x18 << 26 | 3 << 20, "MSR"),
        (0x18 << 26 | 1 << 20, "SYS"),
        (0x24 << 26, "DABT"),
        (0x3F << 26, "EC 0x3f"),
    ],
)
def test_an_exception_is_named_by_its_syndrome(esr: int, name: str):
    assert name_of(row(0, 1, "taken", 1, 2, "sync", esr)) == name


def test_every_exception_has_a_name_that_fits():
    names = [name_of(taken(0, 1, 1, 2, ec)) for ec in range(64)]
    assert all(0 < len(name) <= LONGEST for name in names)
    assert explained_as(taken(0, 1, 1, 2, 0x24)) == "EC 0x24"


def test_an_interrupt_that_was_injected_is_told_apart():
    assert name_of(taken(0, 1, 1, 1, kind="irq", virtual=True)) == "vIRQ"
    assert name_of(taken(0, 1, 1, 2, kind="serror")) == "SError"
    assert name_of(returned(0, 1, 2, 1)) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (1299, "1.2k"), (52_000, "52k"), (999_999, "999k"), (10**15, "1000T")],
)
def test_counts_are_short(count: int, text: str):
    assert short_count(count) == text


@pytest.mark.parametrize(
    ("time_ns", "text"), [(999, "999 ns"), (3_200_000, "3.2 ms"), (100_000, "100 us"), (10**10, "10 s")]
)
def test_times_are_short(time_ns: int, text: str):
    assert short_time(time_ns) == text


def test_vms_have_short_names_and_one_alone_has_none():
    assert vm_names(["guest"], 80) == ("",)
    assert vm_names(["heavy", "light"], 80) == ("heavy", "light")
    assert vm_names(["linux-one", "linux-two"], 80) == ("linux-o", "linux-t")
    assert vm_names(["linux-one", "linux-two"], 40) == ("vm0", "vm1")
    assert lane_name(Lane(1, 1), ("A", "B")) == "B EL1"


def test_with_little_room_the_lanes_near_the_cursor_and_el2_are_shown():
    used = [Lane(2), Lane(1, 0), Lane(0, 0), Lane(1, 1), Lane(0, 1), Lane(1, 2)]
    assert shown_lanes(used, Lane(1, 2), 9) == tuple(used)
    assert shown_lanes(used, Lane(1, 2), 3) == (Lane(2), Lane(0, 1), Lane(1, 2))
    assert shown_lanes(used, Lane(1, 2), 1) == (Lane(1, 2),)
