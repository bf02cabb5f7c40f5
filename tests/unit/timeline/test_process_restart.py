"""A machine process that dies, is killed or hangs: the next one stands where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from process_support import (
    BUSY,
    FOREVER,
    HANDLERS,
    HANGING_LINES,
    SMALL,
    calls,
    has_advanced,
    state,
    straight,
    wait_for_progress,
    with_handlers,
)

from arm_hyp.errors import UserError
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke, Run
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Answer, Failed, Moved, Restarted, StatusAnswer
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay

# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_in_the_middle_of_a_run_is_replaced_where_it_was(
    ended_by: signal.Signals, made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    configuration = made(BUSY)
    process = start(configuration)
    process.ask(Run(FOREVER))
    heard = wait_for_progress(process, has_advanced).position
    os.kill(process.pid, ended_by)
    answer = process.answer()
    assert isinstance(answer, Restarted) and ended_by.name in answer.reason and answer.handler is None
    assert answer.position >= heard
    status = process.send(ask.Status())
    assert isinstance(status, StatusAnswer) and status.position == status.frontier == answer.position
    assert state(process) == straight(configuration, answer.position)
    further = Position(answer.position.n + 100_000)
    process.send(Run(further.n))
    assert state(process) == straight(configuration, further)


def test_branches_edits_marks_and_the_cursor_survive(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    for message in (Run(3000), ask.Seek(Position(1000)), Edit(("X0=5",)), Run(5000), Poke(0x4010_0000, b"abc")):
        process.send(message)
    process.send(ask.Mark("middle", Position(2500)))
    process.send(ask.Breakpoints(("main", "EC=0x24")))
    process.send(ask.Seek(Position(4000)))
    before, at = process.send(ask.Status()), state(process)
    assert isinstance(process.kill(), Restarted)
    assert process.send(ask.Status()) == before and state(process) == at
    process.send(ask.Switch("main"))
    main = state(process)
    process.kill()
    assert state(process) == main
    process.send(ask.Switch("branch1"))
    process.send(ask.Seek(Position(4000)))
    assert state(process) == at


def test_a_machine_that_cannot_start_again_says_so(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    (tmp_path / "g.s").write_text(BUSY)
    process = start(Configuration(image=str(tmp_path / "g.s"), memory_bytes=SMALL))
    (tmp_path / "g.s").unlink()
    answer = process.kill()
    assert isinstance(answer, Failed) and "g.s" in answer.cause + answer.thing
    assert process.send(ask.Status()) == answer, "whoever asks again learns why, too"


def test_a_machine_that_is_silent_while_it_starts_is_given_up(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(made(BUSY))
    monkeypatch.setattr("arm_hyp.timeline.process.process._START_S", 0.0)
    answer = process.kill("it was killed")
    assert isinstance(answer, Failed) and answer.cause.startswith("it was killed; another one cannot go on: ")
    assert "it was silent for 0 s" in answer.cause
    with pytest.raises(UserError, match="it was silent for 0 s"):
        start(made(BUSY))


# --- a user's handlers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deadline_s", [None, 0.0])
def test_a_handler_that_never_returns_is_ended_at_the_exit_before_it(
    deadline_s: float | None, tmp_path: Path, start: Callable[..., MachineProcess]
) -> None:
    configuration = with_handlers(tmp_path, hangs_at=3)
    os.mkfifo(tmp_path / "h.py.fifo")
    process = start(configuration)
    process.ask(Run(1000))
    assert (tmp_path / "h.py.fifo").read_text() == "x"  # now it hangs
    answer = process.kill("the user was tired of it") if deadline_s is None else process.answer(deadline_s)
    assert isinstance(answer, Restarted) and answer.handler is not None
    call = answer.handler
    assert answer.reason == ("the user was tired of it" if deadline_s is None else "it was not done after 0 s")
    assert call.vcpu == "vm0/vcpu0" and call.decorator == "@handler(EC.WFX)"
    file, line = call.at.removesuffix(", in wfx").split(":")
    assert file == str(tmp_path / "h.py") and int(line) in HANGING_LINES
    assert answer.position == call.position
    assert calls(tmp_path) == 3
    assert state(process) == straight(with_handlers(tmp_path, hangs_at=0), answer.position)
    back = process.send(ask.Previous("exit"))
    assert isinstance(back, Answer) and calls(tmp_path) == 3 + 2


def test_what_handlers_did_is_not_done_again(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    process = start(with_handlers(tmp_path, hangs_at=0))
    process.send(Run(10))
    before, called = state(process), calls(tmp_path)
    assert called
    process.kill()
    assert (state(process), calls(tmp_path)) == (before, called)
    process.send(Run(1000))
    assert calls(tmp_path) == 6


def test_a_user_whose_file_is_broken_meanwhile_loses_nothing(
    tmp_path: Path, start: Callable[..., MachineProcess]
) -> None:
    process = start(with_handlers(tmp_path, hangs_at=0))
    process.send(Run(10))
    before, text = state(process), (tmp_path / "h.py").read_text()
    (tmp_path / "h.py").write_text("def (")
    assert isinstance(process.kill(), Restarted) and state(process) == before
    (tmp_path / "h.py").write_text(text.replace('get("n", 0) + 1', 'get("n", 0) + 100'))
    assert isinstance(process.send(ask.LoadHandlers(str(tmp_path / "h.py"))), Moved)
    process.send(Run(1000))
    after = state(process)
    assert isinstance(process.kill(), Restarted) and state(process) == after
    process.send(ask.Seek(Position(10)))
    assert state(process) == before


def test_a_recording_goes_on_where_its_user_was(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    path = sorted((Path(__file__).parents[2] / "fixtures" / "recordings").glob("*.hyp"))[0]
    session, process = Session(Replay.open(str(path))), start(RecordingFile(str(path)))
    for message in (Run(3000), ask.StepBack(5), ask.Status(), ask.StateHash()):
        assert process.send(message) == session.send(message)
    before = state(process)
    process.kill()
    assert state(process) == before


def test_what_a_user_prints_reaches_no_terminal(
    tmp_path: Path, start: Callable[..., MachineProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    configuration = with_handlers(tmp_path, hangs_at=0)
    (tmp_path / "h.py").write_text('import os\nprint("loaded")\nos.write(1, b"raw")\n' + HANDLERS)
    (tmp_path / "h.py").write_text((tmp_path / "h.py").read_text().replace("HANGS_AT", "0"))
    process = start(configuration)
    assert "loaded" in process.captured and "raw" in process.captured
    assert capfd.readouterr() == ("", "")
