"""What a user's handlers did at each exit, as it is read of the past, against what the run told when it happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from reload_support import FILES, FIRST, SECOND, begun, load

from arm_hyp.events import RecordingSink
from arm_hyp.kvm_events import HandlerEffect, HandlerOutput, KvmExit
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.exit_answers import HandlerAnswer
from arm_hyp.timeline.process.journal_reads import Past
from arm_hyp.timeline.process.saver import Saver
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.timeline import Timeline

FAILING = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def wfx(vcpu, exit):
    seen = [1, 2]
    print("before")
    seen[5] = 0
    vcpu.skip_instruction()
"""
RETRYING = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def wfx(vcpu, exit):
    times = vcpu.data["times"] = vcpu.data.get("times", 0) + 1
    print("look", times)
    if times % 3 == 0:
        vcpu.skip_instruction()
"""


def read(timeline: Timeline, position: Position) -> HandlerAnswer:
    return Past(timeline).handler(ask.HandlerAt(position))


def waits_of(timeline: Timeline) -> list[Position]:
    return [entry.position for entry in timeline.journal if entry.ec == 1]


def told(sink: RecordingSink) -> list[tuple[Position, list[str], list[str], list[str]]]:
    """Return for each exit its position, the handler with its place, what it did, and what it printed."""
    exits: list[tuple[Position, list[str], list[str], list[str]]] = []
    for event in sink.events:
        if isinstance(event, KvmExit):
            exits.append((Position(event.n, event.seq), [], [], []))
        elif isinstance(event, HandlerEffect):
            exits[-1][1].extend((event.handler, event.place))
            exits[-1][2].extend(event.actions)
        elif isinstance(event, HandlerOutput):
            exits[-1][3].append(event.text)
    return exits


@pytest.mark.parametrize("handlers", [*FILES, RETRYING], ids=[*FILES, "retrying"])
def test_each_exit_has_what_its_handlers_told(handlers: str, tmp_path: Path) -> None:
    sink = RecordingSink()
    timeline = begun(tmp_path, handlers, sink=sink)
    timeline.run(1000)
    here, exits = timeline.position, told(sink)
    for position, handler, actions, printed in exits:
        answer = read(timeline, position)
        assert answer.position == position and (answer.vm, answer.vcpu) == (0, 0)
        first = answer.runs[0] if answer.runs else None
        assert ([] if first is None else [first.handler, f"{first.file}:{first.line}"]) == handler
        if len(answer.runs) == 1 and first is not None:
            assert list(first.actions) == actions
        assert [line.text for line in answer.output] == printed
    assert sum(bool(handler) for _, handler, _, _ in exits) >= 5 and timeline.position == here


def test_the_lines_and_variables_of_a_run_and_the_text_they_are_in(tmp_path: Path) -> None:
    timeline = begun(tmp_path, RETRYING)
    timeline.run(1000)
    first = timeline.journal.after(START, lambda entry: entry.ec == 1)
    assert first is not None
    answer = read(timeline, first.position)
    text = answer.sources["h.py"].splitlines()
    ran = [text[line.line - 1].strip() for line in answer.runs[0].ran]
    assert ran == [
        'times = vcpu.data["times"] = vcpu.data.get("times", 0) + 1',
        'print("look", times)',
        "if times % 3 == 0:",
    ]
    assert answer.runs[0].last == answer.runs[0].ran[-1] and answer.runs[0].locals == {"times": "1"}
    assert answer.runs[0].function == "wfx"


def test_an_exit_stays_the_last_one_until_the_next(tmp_path: Path) -> None:
    timeline = begun(tmp_path)
    timeline.run(1000)
    one, other = [entry.position for entry in timeline.journal if entry.to_el == 2 and entry.what == "taken"][3:5]
    assert read(timeline, Position(other.n, other.seq - 1)).position == one
    assert read(timeline, Position(0)).position is None


def test_a_failure_is_at_the_line_that_failed(tmp_path: Path) -> None:
    timeline = begun(tmp_path, FAILING)
    timeline.run(1000)
    answer = read(timeline, timeline.position)
    last = answer.runs[0].last
    assert last is not None and answer.sources[last.file].splitlines()[last.line - 1].strip() == "seen[5] = 0"
    assert "IndexError" in answer.runs[0].failure and answer.failure and answer.output[0].text == "before"


def test_each_exit_has_the_text_of_its_time(tmp_path: Path) -> None:
    timeline = begun(tmp_path, "first")
    timeline.run(1000)
    waits = waits_of(timeline)
    timeline.seek(waits[2])
    load(timeline, tmp_path, "second")
    timeline.run(1000)
    waits = waits_of(timeline)
    (tmp_path / "h.py").write_text("")
    assert read(timeline, waits[1]).sources == {"h.py": FIRST}
    assert read(timeline, waits[-1]).sources == {"h.py": SECOND}


def test_a_recording_has_all_of_it(tmp_path: Path) -> None:
    made = begun(tmp_path)
    session = Session(made.configuration)
    session.send(ask.Seek(Position(1000)))
    place = waits_of(session.timeline)[-1]
    expected = session.send(ask.HandlerAt(place))
    Saver(made.configuration, session.timeline).save(str(tmp_path / "r.hyp"), limit=1 << 62)
    (tmp_path / "h.py").unlink()
    with Replay.open(str(tmp_path / "r.hyp")) as replay:
        again = Session(replay)
        again.send(ask.Seek(place))
        found = again.send(ask.HandlerAt(place))
    assert isinstance(found, HandlerAnswer) and found.runs and found == expected


def test_without_handlers_an_exit_is_nobodys(tmp_path: Path) -> None:
    timeline = begun(tmp_path, "")
    timeline.run(1000)
    answer = read(timeline, timeline.frontier)
    assert answer.position is not None and answer.runs == () and answer.sources == {}
