"""Branches, marks and breakpoints survive quitting: a timeline in a recording, taken up again."""

from pathlib import Path

import pytest
from timeline_support import BUSY, ECHO, VM_CASES, state, written

from arm_hyp.errors import UserError
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import read_recording, write_recording
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import PART, open_timeline, record
from arm_hyp.timeline.timeline import Timeline


def began(made: Configuration) -> tuple[Timeline, Recorder]:
    recorder = Recorder(made)
    timeline = Timeline(made)

    recorder.collect(timeline.runner)
    return timeline, recorder


def used(made: Configuration) -> tuple[Timeline, Recorder]:
    """Return a timeline with two branches, one of a branch, with edits on both."""
    timeline, recorder = began(made)
    timeline.run(900)
    timeline.seek(Position(300))
    timeline.edit(Edit(("X10=0x77",)))
    timeline.run(1200)
    timeline.seek(Position(1000))
    timeline.edit(Edit(("X10=0x99",)))
    timeline.edit(Poke(0x4010_0000, b"seen"))
    timeline.run(1100)
    timeline.marks["here"] = Position(500)
    timeline.breakpoints.append("0x40080004")
    timeline.seek(Position(1050))
    return timeline, recorder


def everywhere(timeline: Timeline) -> dict[tuple[str, Position], object]:
    found = {}
    for name in list(timeline.branches):
        timeline.switch(name)
        for n in range(0, timeline.frontier.n + 1, 149):
            place = timeline.seek(Position(n))
            found[name, place] = state(timeline)
    return found


@pytest.mark.parametrize("text", [BUSY, ECHO], ids=["busy", "echo"])
def test_all_branches_come_back(text: str, tmp_path: Path):
    timeline, recorder = used(written(tmp_path, text))
    write_recording(str(tmp_path / "run.hyp"), record(timeline, recorder, 10_000))
    assert (timeline.history.name, timeline.position) == ("branch2", Position(1050))
    with Replay.open(str(tmp_path / "run.hyp")) as replay:
        again, branch, cursor = open_timeline(replay)
        assert (branch, cursor) == ("branch2", Position(1050))
        assert again.marks == timeline.marks and again.breakpoints == timeline.breakpoints
        assert everywhere(again) == everywhere(timeline)
        assert [h.parent for h in again.branches.values()] == [None, "main", "branch1"]
        assert not again.difference


def test_the_main_branch_is_the_recorded_run(tmp_path: Path):
    timeline, recorder = used(written(tmp_path, BUSY))
    write_recording(str(tmp_path / "run.hyp"), record(timeline, recorder, 10_000))
    with Replay.open(str(tmp_path / "run.hyp")) as replay:
        runner = replay.runner()
        answer = replay.run(runner)
        assert answer["n"] == 900 and replay.difference(runner, answer) == ""


def test_input_comes_again_on_every_branch(tmp_path: Path):
    timeline, recorder = began(written(tmp_path, ECHO))
    timeline.type(b"one")
    timeline.run(300_000)
    timeline.seek(Position(1000))
    timeline.branch("other")
    timeline.type(b"two")
    timeline.run(300_000)
    assert [bytes(c) for c in timeline.runner.consoles] == [b"two"]
    write_recording(str(tmp_path / "run.hyp"), record(timeline, recorder, 300_000))
    with Replay.open(str(tmp_path / "run.hyp")) as replay:
        again = open_timeline(replay).timeline
        for name, text in (("main", b"one"), ("other", b"two")):
            again.switch(name)
            assert again.run(300_000)["n"] == 300_000 and [bytes(c) for c in again.runner.consoles] == [text]


def test_vms_come_back_too(tmp_path: Path):
    made = next(case.made for case in VM_CASES if case.name.startswith("27"))
    timeline, recorder = began(made)
    timeline.run(700)
    timeline.seek(Position(400))
    timeline.edit(Edit(("X19=5",), vm=1))
    timeline.run(600)
    write_recording(str(tmp_path / "run.hyp"), record(timeline, recorder, 10_000))
    with Replay.open(str(tmp_path / "run.hyp")) as replay:
        assert everywhere(open_timeline(replay).timeline) == everywhere(timeline)


def test_going_on_from_the_end_of_a_recording_is_new(tmp_path: Path):
    timeline, recorder = began(written(tmp_path, ECHO))
    timeline.run(500)
    write_recording(str(tmp_path / "run.hyp"), record(timeline, recorder, 500))
    with Replay.open(str(tmp_path / "run.hyp")) as replay:
        again = open_timeline(replay).timeline
        again.run(400)
        with pytest.raises(UserError, match="the run has gone on already"):
            again.type(b"x")
        again.run(100_000)
        again.type(b"x")
        again.run(300_000)
        assert bytes(again.runner.consoles[0]) == b"x"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"current": "nowhere"}, "a name of no branch"),
        ({"cursor": [-1, 0]}, "a position"),
        ({"branches": 7}, "Expected `array`"),
        ({"more": 1}, "unknown field"),
        ({"breakpoints": [1]}, "Expected `str`"),
    ],
)
def test_damaged_branches_are_refused_in_one_line(change, words, tmp_path: Path):
    timeline, recorder = used(written(tmp_path, BUSY))
    path = str(tmp_path / "run.hyp")
    recording = record(timeline, recorder, 10_000)
    write_recording(path, recording.with_part(PART, recording.part(PART) | change))
    assert read_recording(path)
    with Replay.open(path) as replay, pytest.raises(UserError, match="its branches are damaged") as refused:
        open_timeline(replay)
    assert words in str(refused.value) and "\n" not in str(refused.value)
