"""The panel `ladder` on real guests: pictures, the caption, clicks, and the form for long runs."""

from __future__ import annotations

from functools import lru_cache

import pytest
from rich.text import Text
from view_support import LOOK, PLAIN, check_text, text_of, view_at, view_of
from vm_views import machine_session

from arm_hyp.resources import guests_directory
from arm_hyp.runner.messages import Run
from arm_hyp.runner.vm_file import read_vm_file
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Chunk, ConsoleAnswer, DensityAnswer, Failed
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.ladder.density import columns_of, stretch, whole_level
from arm_hyp.tui.ladder.milestones import Milestone, console_of, milestones_of
from arm_hyp.tui.ladder.panel import LadderPanel, before_of
from arm_hyp.tui.look import Look
from arm_hyp.tui.view import View

SIZES = ((38, 8), (60, 12), (78, 9), (100, 30), (130, 12))
CASES = {
    "call": ("01-ladder.s", (13, 1), (), None),
    "smc": ("01-ladder.s", (60, 1), (), None),
    "between": ("01-ladder.s", (62, 0), (), None),
    "end": ("01-ladder.s", (137, 0), (), None),
    "wfi": ("02-wfi.s", (10, 2), ("HCR_EL2.TWI=1",), None),
    "waits": ("02-wfi.s", (11, 0), (), None),
    "faults": ("05-stage2-faults.s", (106, 1), (), None),
    "same-level": ("25-demand-paging.s", (47, 3), (), ""),
    "illegal": ("09-illegal-return.s", (70, 1), (), None),
    "nothing": ("24-reset.s", (40, 0), (), None),
}


def view_of_case(name: str, panel: LadderPanel) -> View:
    guest, position, settings, hypervisor = CASES[name]
    return view_at(guest, position, [panel], settings, hypervisor)


@lru_cache(maxsize=1)
def two_vms() -> Session:
    session = Session(read_vm_file(str(guests_directory() / "vms" / "counting.toml")))
    session.send(Run(6_000_000))
    return session


def view_of_vms(n: int, panel: LadderPanel, seq: int = 0, whose: ask.Whose | None = None) -> View:
    two_vms().send(ask.Seek(Position(n, seq)))
    return view_of(two_vms(), [panel], whose)


def metas(lines: list[Text], key: str) -> list[tuple[str, object]]:
    """Return the texts that carry a meaning, with it."""
    return [
        (line.plain[span.start : span.end], span.style.meta[key])
        for line in lines
        for span in line.spans
        if not isinstance(span.style, str) and key in span.style.meta
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CASES)
def test_the_ladder_of_a_guest_looks_like_this(name: str, size: tuple[int, int], regenerate: bool):
    panel = LadderPanel()
    text = text_of(panel, view_of_case(name, panel), *size)
    check_text(f"ladder/{name}-{size[0]}x{size[1]}", text, regenerate)


@pytest.mark.parametrize("name", ["call", "faults", "same-level", "illegal"])
def test_the_ladder_looks_like_this_in_ascii(name: str, regenerate: bool):
    panel = LadderPanel()
    text = text_of(panel, view_of_case(name, panel), 78, 9, PLAIN)
    assert text.isascii()
    check_text(f"ladder/{name}-ascii", text, regenerate)


@pytest.mark.parametrize("look", [LOOK, PLAIN], ids=["unicode", "ascii"])
@pytest.mark.parametrize("size", SIZES)
def test_the_ladder_of_two_vms_looks_like_this(size: tuple[int, int], look: Look, regenerate: bool):
    panel = LadderPanel()
    text = text_of(panel, view_of_vms(first_of_light(), panel, 1), *size, look)
    check_text(f"ladder/vms-{size[0]}x{size[1]}{'' if look is LOOK else '-ascii'}", text, regenerate)


def first_of_light() -> int:
    """Return where the second VM has its first exception."""
    found = two_vms().send(ask.Exceptions())
    return next(row.position.n for row in found.rows if row.vm == 1 and row.what == "taken")  # type: ignore[union-attr]


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_run_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = LadderPanel()
    panel.zoom_all(view_of_vms(5_000_000, panel))
    text = text_of(panel, view_of_vms(5_000_000, panel), *size)
    check_text(f"ladder/whole-{size[0]}x{size[1]}", text, regenerate)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [38, 78, 130])
def test_all_lines_but_the_captions_are_as_wide_as_the_panel(name: str, width: int):
    panel = LadderPanel()
    lines = panel.lines(view_of_case(name, panel), width, 12, LOOK)
    assert all(line.cell_len == width for line in lines[:2])


def test_the_caption_names_the_trap_its_cause_and_the_next_keys():
    panel = LadderPanel()
    lines = panel.lines(view_of_case("smc", panel), 78, 7, LOOK)
    assert lines[-1].plain == ("▲ SMC  EL1 → EL2 at on_svc+0x24: HCR_EL2.[TSC] is 1           y why  w flip it")
    assert ("[TSC]", "HCR_EL2.TSC") in metas(lines, "flip")
    assert ("[TSC]", "HCR_EL2.TSC") in metas(lines, "explain")
    assert [meaning for _, meaning in metas(lines, "press")] == ["why", "why", "whatif", "whatif"]


def test_a_call_has_no_bit_to_flip():
    panel = LadderPanel()
    lines = panel.lines(view_of_case("call", panel), 78, 7, LOOK)
    assert not metas(lines, "flip") and {meaning for _, meaning in metas(lines, "press")} == {"why"}


def test_a_click_on_an_exception_goes_to_it_and_its_name_is_explained():
    panel = LadderPanel()
    lines = panel.lines(view_of_case("between", panel), 78, 7, LOOK)
    triangles = [go for text, go in metas(lines, "go") if text == "▲"]
    assert triangles == [(13, 1), (45, 1), (60, 1), (72, 1), (30, 1), (37, 1)]
    assert {meaning for _, meaning in metas(lines, "explain")} >= {"EC 0x16", "EC 0x15", "EC 0x17"}


def test_a_click_anywhere_on_a_lane_leads_somewhere_in_the_run():
    panel = LadderPanel()
    view = view_of_case("between", panel)
    row = panel.lines(view, 78, 7, LOOK)[1]
    goes = [go for _, go in metas([row], "go")]
    assert goes == sorted(goes) and goes[0] == (0, 0)  # type: ignore[type-var]
    assert goes[-1] == tuple(view.status.frontier)


def test_the_cursor_is_tinted_over_the_full_height():
    panel = LadderPanel()
    lines = panel.lines(view_of_case("smc", panel), 78, 7, LOOK)
    tint = LOOK.style("cursor")
    columns = [[span.start for span in line.spans if span.style == tint] for line in lines[:-1]]
    assert len({tuple(one) for one in columns}) == 1 and len(columns[0]) == 1
    assert lines[0].plain[columns[0][0]] == "▼"


def test_between_exceptions_the_caption_says_where_the_cpu_is_and_what_is_next():
    panel = LadderPanel()
    text = text_of(panel, view_of_case("between", panel), 100, 8)
    assert "in EL2 at at_el2+0x4, 2 instructions after the SMC; next: ERET at 71" in text


def test_a_run_that_has_ended_says_so():
    panel = LadderPanel()
    text = text_of(panel, view_of_case("end", panel), 100, 8)
    assert "■ the end: the guest powered off (PSCI SYSTEM_OFF)" in text


def test_a_run_without_exceptions_says_so():
    panel = LadderPanel()
    assert "in EL2 at _start+0x70; no exception and no return so far" in text_of(
        panel, view_of_case("nothing", panel), 78, 9
    )


def test_with_few_lines_the_ruler_goes_before_a_lane():
    panel = LadderPanel()
    view = view_of_case("smc", panel)
    assert len(panel.lines(view, 78, 6, LOOK)) == 6
    assert panel.lines(view, 78, 6, LOOK)[0].plain.startswith("EL2")


def test_lanes_that_are_not_shown_are_counted():
    panel = LadderPanel()
    assert "+1 lane" in text_of(panel, view_of_case("smc", panel), 78, 5)


def test_the_heading_names_the_cpu_or_the_vcpu():
    panel = LadderPanel()
    assert panel.heading(view_of_case("call", panel)) == "the ladder: cpu0"
    assert panel.heading(view_of_vms(1000, panel, whose=ask.Whose(0, 1))) == "the ladder: light/vcpu0"


def test_of_several_cpus_only_the_one_looked_at_is_shown(regenerate: bool):
    panel = LadderPanel()
    session = machine_session("19-smp.s", cpus=2)
    session.send(ask.Seek(Position(session.timeline.frontier.n // 2)))
    for cpu in range(2):
        view = view_of(session, [panel], ask.Whose(cpu))
        assert panel.heading(view) == f"the ladder: cpu{cpu}"
        check_text(f"ladder/smp-cpu{cpu}", text_of(panel, view, 100, 9), regenerate)


def test_a_reading_that_failed_is_said():
    panel = LadderPanel()
    view = view_of_case("call", panel)
    broken = View(view.subject, view.status, view.whose, {**view.answers, before_of(view): Failed("x", "is gone")})
    assert text_of(panel, broken, 60, 9) == "✗ x: is gone\n"


# --- from afar --------------------------------------------------------------------------------------------------------


def test_zooming_out_ends_with_the_whole_run_and_in_with_single_exceptions():
    panel = LadderPanel()
    view = view_of_vms(5_000_000, panel)
    levels = []
    for zoom in [panel.zoom_out] * 20 + [panel.zoom_in] * 20:
        zoom(view)
        levels.append(panel.level)
    furthest = whole_level(view.status.frontier)
    assert levels[19] == furthest and levels[-1] == 0
    assert levels[:20] == sorted(levels[:20]) and levels[20:] == sorted(levels[20:], reverse=True)
    assert set(levels[:20]) - {furthest} <= set(levels[20:])


def test_the_first_form_from_afar_shows_more_than_single_exceptions_do():
    panel = LadderPanel()
    panel.zoom_out(view_of_vms(5_000_000, panel))
    view = view_of_vms(5_000_000, panel)
    answer = next(answer for answer in view.answers.values() if isinstance(answer, DensityAnswer))
    assert answer.edges[0].n < 880_000 * 5 < 5_724_060 < answer.edges[-1].n


def test_the_whole_run_is_one_key_away_and_back():
    panel = LadderPanel()
    view = view_of_vms(5_000_000, panel)
    panel.zoom_all(view)
    assert panel.level == whole_level(view.status.frontier)
    panel.zoom_all(view)
    assert panel.level == 0


@pytest.mark.parametrize("level", [1, 3, 6, 99])
@pytest.mark.parametrize("width", [30, 70, 196])
def test_columns_cover_a_stretch_with_the_cursor_in_it_and_lose_nothing(level: int, width: int):
    panel, cursor = LadderPanel(), Position(4_500_000)
    view = view_of_vms(cursor.n, panel)
    answer = two_vms().send(stretch(level, cursor, view.status.frontier, None))
    assert isinstance(answer, DensityAnswer)
    is_whole = level >= whole_level(view.status.frontier)
    columns = columns_of(answer, width, cursor, is_whole=is_whole)
    assert columns.width == width
    assert columns.edges[0] <= cursor <= columns.edges[-1]
    at = columns.column_of(cursor)
    assert columns.edges[at] <= cursor < columns.edges[at + 1]
    for before, after, *of in zip(
        columns.edges, columns.edges[1:], *(lane.instructions for lane in columns.lanes.values()), strict=False
    ):
        assert sum(of) == after.n - before.n
    if is_whole:
        taken = sum(sum(lane.taken) for lane in columns.lanes.values())
        rows = two_vms().send(ask.Exceptions(at_most=10_000)).rows  # type: ignore[union-attr]
        assert taken == sum(row.what == "taken" for row in rows)


def test_what_guests_printed_stands_on_the_ruler_and_leads_there():
    panel = LadderPanel()
    panel.zoom_all(view_of_vms(5_000_000, panel))
    lines = panel.lines(view_of_vms(5_000_000, panel), 120, 12, LOOK)
    assert '5,000,000 "line 5"▼' in lines[0].plain
    assert "╷line 2" in lines[0].plain
    goes = dict(metas([lines[0]], "go"))
    assert (880_033, 1) <= goes["╷line 2"] < (1_760_060, 0)  # type: ignore[operator]


def test_lines_of_a_guest_are_milestones_where_they_began_and_never_escape_sequences():
    panel = LadderPanel()
    view = view_of_vms(5_000_000, panel)
    message = console_of(view)
    assert message is not None
    chunks = (
        Chunk(Position(10), b"[    0.100000] Boo"),
        Chunk(Position(20), b"ting\r\n\n"),
        Chunk(Position(30), b"\x1b[2Jand \xe9"),
    )
    made = View(view.subject, view.status, view.whose, {**view.answers, message: ConsoleAnswer(0, chunks)})
    assert milestones_of(made) == (
        Milestone(Position(10), "Booting"),
        Milestone(Position(30), "^[[2Jand é"),
    )
