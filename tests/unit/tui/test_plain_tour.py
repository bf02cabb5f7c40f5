"""Tours at the prompt: told in sentences, Enter goes on, whatever else is done between."""

from __future__ import annotations

import io

import pytest

from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.app import Options
from arm_hyp.tui.plain import run_plain
from arm_hyp.tui.session_link import SessionLink
from arm_hyp.tui.tours.plain import TourShell, command_of, parts_of
from arm_hyp.tui.tours.tour import Step, Tour, tours

TOUR = Tour(
    title="Waits",
    summary="Short.",
    guest="02-wfi.s",
    settings=("HCR_EL2.TWI=1",),
    step=(
        Step("One", "Told first.", do=("goto 10.1", "zoom")),
        Step("Why?", "Told second.", do=("next_trap",), question="Who?", answer="EL2."),
    ),
)


def said(lines: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Play the tour with these lines, and return what was said before and after each."""
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    link, options = SessionLink(Session(TOUR.configuration)), Options(runs_ahead=True)
    assert run_plain(link, options, lambda *parts: TourShell(TOUR, *parts)) == 0
    return [part.splitlines() for part in capsys.readouterr().out.split("\n> ")]


def test_enter_goes_on_a_question_waits_and_the_prompt_is_left_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin, second, answer, over, more = said("\n\n\nwhere\n", monkeypatch, capsys)
    assert begin[-3:-1] == ["Step 1 of 2: One.", "Told first."] and "Position 10.1, EL1, at el1. Next: wfi." in begin
    assert second[-4:-1] == ["Step 2 of 2: Why?", "Told second.", "Question: Who?"]
    assert second[1].startswith("WFI at EL1 traps to EL2 because") and "EL2." not in second
    assert answer[1] == "Answer: EL2." and over[1].startswith("The tour is over.")
    assert more[-1].startswith("Position 10.2, EL2")


def test_the_tour_goes_on_from_where_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, away, branch, second = said("end\nwhatif HCR_EL2.TGE\n\n", monkeypatch, capsys)
    assert "Position 153" in "\n".join(away)
    assert branch[1].startswith("Branch branch1")
    assert second[1] == "Back to where the tour is, at 10.1." and "Step 2 of 2: Why?" in second
    assert "Position 10.2, EL2, at el2_vectors+0x400." in second


def test_every_tour_can_be_told() -> None:
    for tour in tours():
        assert sum(bool(part.commands) for part in parts_of(tour)) >= len(tour.step) // 2, tour.name
        for step in tour.step:
            assert all(command_of(do) or do.name in ONLY_SEEN for do in step.actions), step.do


ONLY_SEEN = {"panel", "zoom", "ladder_in", "ladder_out", "text", "theme", "focus_next", "subject"}
"""What a screen shows and no sentence can."""
