"""The line mode: whole sentences, no frames or signs, from a pipe too; Ctrl-C stops a run first, then leaves."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from app_support import RECORDINGS
from msgspec import structs

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.process.answers import Answer
from arm_hyp.timeline.process.messages import Message
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.recording import read_recording, write_recording
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.tui.app import Options
from arm_hyp.tui.plain import COMMANDS, run_plain
from arm_hyp.tui.session_link import SessionLink

WHY = "WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1: HCR_EL2.TWI traps a WFI that would wait from EL1 and EL0."


def session(guest: str = "02-wfi.s", hypervisor: str | None = None) -> Session:
    image = guest if "/" in guest else str(guests_directory() / guest)
    return Session(Configuration(image=image, settings=("HCR_EL2.TWI=1",), hypervisor=hypervisor))


def said(
    commands: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    link: SessionLink | None = None,
    options: Options | None = None,
    status: int = 0,
) -> list[list[str]]:
    """Give the commands, and return what was said to each of them."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in commands)))
    assert run_plain(link or SessionLink(session()), options or Options(runs_ahead=True)) == status
    out = capsys.readouterr().out
    assert "\x1b" not in out
    parts = [part.splitlines()[1:] for part in f"\n{out}".split("\n> ")]
    return parts[1:]


def test_a_trap_is_told_in_two_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    trap, step = said(["trap", "s"], monkeypatch, capsys)
    assert trap == [WHY, "Position 10.2, EL2, at el2_vectors+0x400."]
    assert step == ["Position 11, EL2, at at_el2. Next: mrs x1, esr_el2."]


def test_what_a_step_changes_is_told_and_enter_repeats(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first, again, two_back = said(["goto at_el2", "step", "", "back 2"], monkeypatch, capsys)
    assert first == ["Position 12, EL2, at at_el2+0x4. Next: lsr x1, x1, #0x1a.", "X1 is now 0x7e00000."]
    assert again[0].startswith("Position 13,") and two_back[0].startswith("Position 11,")


def test_a_run_tells_what_was_printed_and_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran, over, previous = said(["run", "run", "previous"], monkeypatch, capsys)
    assert ran[:2] == ["The console prints: trapped WFI", "The console prints: no second trap"]
    assert ran[2].endswith("The run has ended: the guest powered off (PSCI SYSTEM_OFF).")
    assert over == ["The guest powered off (PSCI SYSTEM_OFF)."]
    assert previous[0].startswith("HVC #0 at EL1 is a call to EL2")


def test_the_end_is_told_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    *_, trap, again = said(["run", "back 3", "trap", "trap"], monkeypatch, capsys)
    assert trap[0] == "No exception follows."
    assert trap[1].endswith("The run has ended: the guest powered off (PSCI SYSTEM_OFF).")
    assert again == ["No exception follows: the guest powered off (PSCI SYSTEM_OFF)."]


def test_why_what_if_and_undo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ahead, _, why, whatif, branches, undo = said(
        ["why", "t", "y", "whatif HCR_EL2.TWI", "branches", "undo"], monkeypatch, capsys
    )
    assert ahead[0] == "Next: adr x0, el2_vectors." and ahead[-1] == "No exception has been taken so far."
    assert why[0] == WHY and "Rule HCR_EL2.TWI applies: HCR_EL2.<E2H,TGE> is 0b00; HCR_EL2.TWI is 1." in why
    assert any(line.startswith("EC is 0x1: trapped WFI") for line in why)
    assert whatif[0] == "Branch branch1: HCR_EL2.TWI is 0 here; undo goes back to main."
    assert "WFI waits for ever" in whatif[1]
    assert branches[1].startswith("branch1, where you are, from main at 10.1")
    assert undo[:2] == ["Back on main.", WHY]


def test_words_registers_walks_and_the_console_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    word, registers, walk, empty, mark, marks = said(
        ["explain HCR_EL2.TWI", "registers", "walk el1", "console", "mark start", "marks"], monkeypatch, capsys
    )
    assert word[0].startswith("HCR_EL2.TWI")
    assert registers == ["PC 0x40080000. PSTATE 0x3c9.", "The other 32 are zero."]
    assert walk[0].startswith("0x40080028, read, leads to PA 0x40080028") and "Stage 1 is off" in walk[1]
    assert empty == ["Nothing was printed so far."]
    assert mark == ["Mark start: 0."] and marks == ["start: 0."]


def test_a_walk_of_two_stages_tells_each_descriptor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    link = SessionLink(session("25-demand-paging.s", ""))
    fault, walk, look = said(["goto 4.1", "walk 0x40400008", "look"], monkeypatch, capsys, link)
    assert look == ["Looking at vm0, vCPU 0."]
    assert fault[0].startswith("STR x0, [x19, #8] at EL1 goes to EL2") and "hypervisor in Python" in fault[1]
    assert "faults: translation fault, level 2 of stage 2" in walk[0]
    assert walk[-1].startswith("Stage 2, level 2: entry 2 of the table at ") and "is 0x0" in walk[-1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("foo", "foo: is no command"),
        ("sea x", "nothing named x"),
        ("ma", "may be mark or marks"),
        ("goto", "goto: wants PLACE"),
        ("trap 5", "5: trap takes nothing"),
        ("step 0", "is no number of steps"),
        ("step x", "is no number of steps"),
        ("walk nowhere", "is neither a symbol nor an address"),
        ("whatif HCR_EL2.XYZ", "has no such field"),
        ("goto \x1b[2J", "^[[2J"),
    ],
)
def test_what_is_wrong_is_said_and_it_goes_on(
    line: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, right = said([line, "where"], monkeypatch, capsys)
    assert len(wrong) == 1 and words in wrong[0]
    assert right == ["Position 0, EL2, at _start. Next: adr x0, el2_vectors."]


def test_help_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (listed,) = said(["help"], monkeypatch, capsys)
    assert {line.split()[0].rstrip(":,") for line in listed if line.startswith("  ")} == {one.name for one in COMMANDS}
    letters = [one.short for one in COMMANDS if one.short]
    assert len(letters) == len(set(letters)) and not set(letters) & {one.name for one in COMMANDS}


def test_quitting_writes_the_recording_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for index, commands in enumerate((["run", "quit"], ["run"])):  # the end of the input quits, too
        file = tmp_path / f"{index}.hyp"
        *_, last = said(commands, monkeypatch, capsys, options=Options(record=str(file)))
        assert file.stat().st_size > 0 and str(file) in last[-1]


HOSTILE = r"""
_start: ldr x1, =0x09000000
        adr x2, text
1:      ldrb w0, [x2], #1
        cbz w0, 2f
        strb w0, [x1]
        b 1b
2:      ldr x0, =0x84000008
        smc #0
text:   .asciz "\033]0;owned\007\033[2Jhi\033c\n"
"""


def test_what_a_guest_prints_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (guest := tmp_path / "hostile.s").write_text(HOSTILE)
    ran, _ = said(["run", "console"], monkeypatch, capsys, SessionLink(session(str(guest))))
    assert ran[0] == "The console prints: hi^[c"


class Interrupted(SessionLink):
    """A machine whose runs never end by themselves: so many Ctrl-C arrive while the first is on."""

    def __init__(self, session: Session, presses: int) -> None:
        super().__init__(session)
        self._presses, self._stopped = presses, asyncio.Event()

    async def ask(self, message: Message) -> Answer:
        if isinstance(message, Run) and self._presses:
            self._presses -= 1
            os.kill(os.getpid(), signal.SIGINT)
            await self._stopped.wait()
            if self._presses:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
        return await super().ask(message)

    def stop(self) -> None:
        self._stopped.set()


def test_ctrl_c_stops_a_run_and_the_second_one_leaves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, where = said(["run", "where"], monkeypatch, capsys, Interrupted(session(), 1), Options())
    assert where[0].startswith("Position ")
    (ran,) = said(["run", "where"], monkeypatch, capsys, Interrupted(session(), 2), Options(), status=130)
    assert ran == []


def test_a_run_that_is_not_the_recorded_one_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = read_recording(str(RECORDINGS / "handlers.hyp"))
    checks = recording.trace.checks[:-1] + bytes([recording.trace.checks[-1] ^ 1])
    path = tmp_path / "other.hyp"
    write_recording(str(path), replace(recording, trace=structs.replace(recording.trace, checks=checks)))
    with Replay.open(str(path)) as replay:
        answers = said(["end", "back"], monkeypatch, capsys, SessionLink(Session(replay)), Options(is_recording=True))
    told = [[line for line in one if line.startswith("This is not the recorded run: event ")] for one in answers]
    assert [len(one) for one in told] == [1, 0]


def test_a_recording_is_run_to_its_end_and_what_comes_behind_that_is_no_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Replay.open(str(RECORDINGS / "handlers.hyp")) as replay:
        end = replay.recording.end.n
        options = Options(is_recording=True, runs_ahead=True)
        ran, beyond = said(["run", "step 100"], monkeypatch, capsys, SessionLink(Session(replay)), options)
    assert any(line.startswith(f"Position {end}") for line in ran)
    assert not any(line.startswith(f"Position {end}") or "not the recorded run" in line for line in beyond)
