"""What is read of the past: the same in a process and of a recording, and without a mark in the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from process_support import state
from reload_support import begun
from turns_support import ALL, LIMIT

from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.timeline.process.saver import Saver
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay

HERE = Position(60)
READINGS: tuple[ask.OneReading, ...] = (
    ask.Exceptions(),
    ask.Density(columns=9),
    ask.Density(Position(50), Position(150), 3, cpu=0),
    ask.Density(columns=0),
    ask.Exits(),
    ask.Exits(START, HERE),
    ask.HandlerAt(HERE),
    ask.Timers(),
    ask.Timers(ask.Whose(0, 0)),
    ask.Timers(ask.Whose(9)),
    ask.PrintedBy(0),
    ask.PrintedBy(1 << 40),
)


@pytest.mark.parametrize("name", ["preemption", "neighbours"])
def test_readings_are_the_same_in_a_process_and_leave_no_mark(name: str, start: Callable[..., MachineProcess]) -> None:
    session, process = Session(ALL[name]), start(ALL[name])
    for who in (session, process):
        who.send(ask.Seek(Position(LIMIT)))
        who.send(ask.Seek(HERE))
    before = state(session)
    for reading in READINGS:
        assert session.send(reading) == process.send(reading), reading
        assert session.timeline.position == HERE and state(session) == before, reading
    session.send(ask.Seek(Position(LIMIT)))
    assert state(session) == straight_on(name)


def straight_on(name: str) -> bytes:
    session = Session(ALL[name])
    session.send(ask.Seek(Position(LIMIT)))
    return state(session)


def test_readings_of_a_recording_and_its_branch_are_those_of_the_run(tmp_path: Path) -> None:
    configuration = begun(tmp_path).configuration
    session = Session(configuration)
    session.send(ask.Seek(Position(30)))
    session.send(ask.Branch("other"))
    session.send(ask.Seek(HERE))
    expected = session.send(ask.Several(READINGS))
    Saver(configuration, session.timeline).save(str(tmp_path / "r.hyp"), limit=1 << 62)
    with Replay.open(str(tmp_path / "r.hyp")) as replay:
        opened = Session(replay)
        opened.go_to_opened()
        assert opened.timeline.history.name == "other"
        assert opened.send(ask.Several(READINGS)) == expected


def test_a_new_process_reads_the_same_of_a_run_that_it_took_over(start: Callable[..., MachineProcess]) -> None:
    process = start(ALL["timers"])
    process.send(ask.Seek(Position(LIMIT)))
    process.send(ask.Seek(HERE))
    before = process.send(ask.Several(READINGS))
    process.kill()
    assert process.send(ask.Several(READINGS)) == before
