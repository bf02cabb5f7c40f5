"""`arm-hyp run --record` and `arm-hyp replay`: however a run ends it is recorded, and repeated with any trace."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_run import source
from test_run_board import read_until

from arm_hyp.resources import guests_directory
from arm_hyp.timeline.recordings.recording import OPEN, read_recording, write_recording

MODULE = [sys.executable, "-m", "arm_hyp.cli.main"]
PLAIN = {**os.environ, "NO_COLOR": "1"}
ECHO = """
        ldr     x1, =0x09000000
        mov     w0, #0x10               // UARTLCR_H.FEN
        str     w0, [x1, #0x2c]
        mov     w0, #'>'
        str     w0, [x1]
1:      mov     x9, #2000
2:      subs    x9, x9, #1
        b.ne    2b
        ldr     w2, [x1, #0x18]
        tbnz    w2, #4, 1b
        ldr     w0, [x1]
        str     w0, [x1]
        cmp     w0, #'q'
        b.ne    1b
        ldr     x0, =0x84000008
        smc     #0
"""
GUEST = str(guests_directory() / "08-virq.s")
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "recordings"


def command(*arguments: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    environment = PLAIN | more
    return subprocess.run(
        [*MODULE, *arguments], capture_output=True, text=True, env=environment, cwd=cwd, timeout=120, check=False
    )


def record(path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return command("run", *arguments, "--record", str(path), **more)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a command that refuses."""
    assert done.returncode == 2 and done.stdout == "", (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("arm-hyp: "), done.stderr
    return lines[0]


@pytest.mark.parametrize("options", [["--trace", "-"], ["--trace", "-", "--trace-format", "jsonl"], ["--stat"]])
def test_a_replay_shows_what_the_run_shows(tmp_path, options):
    """Also with options that the recorded run did not have: the trace of the replay is that of the run."""
    recorded = record(tmp_path / "run.hyp", GUEST)
    assert (recorded.returncode, recorded.stderr.splitlines()[-1]) == (0, f"recorded in {tmp_path / 'run.hyp'}")
    shown, again = command("run", GUEST, *options), command("replay", str(tmp_path / "run.hyp"), *options)
    assert (again.returncode, again.stdout) == (shown.returncode, shown.stdout)
    told = again.stderr.splitlines()
    assert told[-1].startswith(f"{tmp_path / 'run.hyp'}: the same as recorded (")
    without_speed = [[line for line in each if "host" not in line] for each in (told[:-1], shown.stderr.splitlines())]
    assert without_speed[0] == without_speed[1]


def test_the_replay_needs_nothing_but_the_file(tmp_path):
    shutil.copytree(guests_directory(), tmp_path / "guests")
    here, away = tmp_path / "run.hyp", tmp_path / "away"
    record(here, str(tmp_path / "guests" / "08-virq.s"))
    shutil.rmtree(tmp_path / "guests")
    away.mkdir()
    shutil.move(here, away)
    assert command("replay", "run.hyp", cwd=away).returncode == 0


def test_the_checks_and_dumps_of_a_run_are_those_of_its_replay(tmp_path):
    wrong = str(guests_directory() / "checks" / "hyp001-wrong.s")
    record(tmp_path / "run.hyp", wrong)
    again = command("replay", str(tmp_path / "run.hyp"), "--check", "all")
    assert "HYP001 at hyp001" in again.stderr
    dumped = command("replay", str(FIXTURES / "handlers.hyp"), "--dump", "vcpus,vgic")
    assert "--- vgic of vm0 ---" in dumped.stderr
    assert "there is no VM to show" in one_line(command("replay", str(tmp_path / "run.hyp"), "--dump", "vgic"))


def test_the_status_is_that_of_the_run(tmp_path):
    done = record(tmp_path / "run.hyp", source(tmp_path, "b .\n"), "--max-instructions", "50")
    again = command("replay", str(tmp_path / "run.hyp"))
    assert (done.returncode, again.returncode) == (1, 1)
    assert "the limit of 50 instructions was reached" in again.stderr


# --- however it ends --------------------------------------------------------------------------------------------------


def typed(folder: Path, keys: list[tuple[bytes, bytes]], *options: str, **more: str) -> subprocess.Popen[bytes]:
    """Run at a terminal; of each pair wait for the first, then type the second. Returns the process, ended."""
    ours, theirs = pty.openpty()
    arguments = ["run", source(folder, ECHO), "--console", "pl011", "--max-instructions", str(1 << 40), *options]
    with subprocess.Popen(
        [*MODULE, *arguments], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=PLAIN | more
    ) as process:
        assert process.stderr is not None
        for awaited, key in keys:
            read_until(ours, awaited)
            os.write(ours, key)
        process.wait(60)
    os.close(theirs)
    os.close(ours)
    return process


def test_a_run_at_a_terminal_is_repeated_without_one(tmp_path):
    path = tmp_path / "run.hyp"
    process = typed(tmp_path, [(b">", b"hello"), (b"hello", b" there q")], "--record", str(path))
    assert process.returncode == 0
    again = command("replay", str(path))
    assert (again.returncode, again.stdout) == (0, ">hello there q")
    assert "the same as recorded" in again.stderr


def test_a_run_that_is_ended_by_a_key_is_recorded_up_to_there(tmp_path):
    path = tmp_path / "run.hyp"
    process = typed(tmp_path, [(b">", b"hello"), (b"hello", b"\x01x")], "--record", str(path))
    assert process.returncode == 130
    again = command("replay", str(path))
    assert (again.returncode, again.stdout) == (130, ">hello")
    assert "the same as recorded" in again.stderr and "ended by Ctrl-A x" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_by_a_signal_is_recorded_up_to_there(tmp_path, number):
    path, guest = tmp_path / "run.hyp", source(tmp_path, ECHO)
    (tmp_path / "input").write_bytes(b"hello\n")
    arguments = [guest, "--input", str(tmp_path / "input"), "--max-instructions", str(1 << 40), "--record", str(path)]
    with subprocess.Popen([*MODULE, "run", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b">hello\n"
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    again = command("replay", str(path))
    assert (again.returncode, again.stdout) == (128 + number, ">hello\n")
    assert "the same as recorded" in again.stderr


def test_a_run_whose_output_nobody_reads_is_recorded(tmp_path):
    """`arm-hyp run ... | head`: what was printed until then is in the recording."""
    path, guest = tmp_path / "run.hyp", source(tmp_path, "ldr x1, =0x09000000\n1: mov w0, #10\n str w0, [x1]\n b 1b\n")
    with subprocess.Popen(
        [*MODULE, "run", guest, "--record", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        process.wait(60)
    recording = read_recording(str(path))
    assert recording.end.reason == OPEN
    assert command("replay", str(path)).returncode == 0


def test_a_handler_that_fails_is_recorded(tmp_path):
    (tmp_path / "handlers.py").write_text(
        "from arm_hyp.hypervisor import hypercall\n@hypercall(7)\ndef f(vcpu, call):\n    return 1 // 0\n"
    )
    guest = source(tmp_path, "mov x0, #7\n hvc #0\n")
    done = record(tmp_path / "run.hyp", guest, "--hypervisor", str(tmp_path / "handlers.py"))
    (tmp_path / "handlers.py").write_text("raise SystemExit('somebody ran this')\n")
    again = command("replay", str(tmp_path / "run.hyp"))
    assert (done.returncode, again.returncode) == (1, 1)
    assert "handlers.py:4" in again.stderr and "ZeroDivisionError" in again.stderr
    assert "somebody ran this" not in again.stderr and "the same as recorded" in again.stderr


# --- what differs -----------------------------------------------------------------------------------------------------


def changed(path: Path, **fields: object) -> None:
    """Change what a recording says of its run's configuration."""
    from dataclasses import replace

    from msgspec import structs

    made = read_recording(str(path))
    run = structs.replace(made.run, configuration=structs.replace(made.run.configuration, **fields))
    write_recording(str(path), replace(made, run=run))


def test_a_different_run_is_told_at_its_first_event(tmp_path):
    path = tmp_path / "run.hyp"
    record(path, GUEST)
    changed(path, settings=("HCR_EL2.TGE=1",))
    again = command("replay", str(path))
    assert again.returncode == 3
    line = again.stderr.splitlines()[-1]
    assert re.search(r"the replay differs from the recording: event \d+ of \d+ at [\d.]+: something else", line), line


def test_a_different_output_is_told_where_it_is_printed(tmp_path):
    path = tmp_path / "run.hyp"
    guest = source(tmp_path, "ldr x1, =0x09000000\n str w20, [x1]\n ldr x0, =0x84000008\n smc #0\n")
    record(path, guest, "--set", "X20=0x41")
    changed(path, settings=("X20=0x42",))
    again = command("replay", str(path))
    assert again.returncode == 3
    assert "prints b'B', and b'A' was recorded" in again.stderr.splitlines()[-1]


def test_a_different_end_is_told(tmp_path):
    path = tmp_path / "run.hyp"
    guest = source(tmp_path, "cbnz x20, .\n ldr x0, =0x84000008\n smc #0\n")
    record(path, guest)
    changed(path, settings=("X20=1",))
    again = command("replay", str(path))
    assert again.returncode == 3
    assert re.search(r"the recorded run ends at \d+: the guest powered off", again.stderr.splitlines()[-1])


# --- bad input --------------------------------------------------------------------------------------------------------


def test_only_a_recording_is_overwritten(tmp_path):
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    assert "is there already, and is no recording" in one_line(record(path, GUEST))
    assert path.read_text() == "precious"
    again = tmp_path / "run.hyp"
    assert record(again, GUEST).returncode == 0
    assert record(again, GUEST).returncode == 0


@pytest.mark.parametrize(
    ("path", "words"),
    [(".", "is a directory"), ("nowhere/run.hyp", "there is no such directory"), ("/dev/null", "is no recording")],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path, path, words):
    done = command("run", GUEST, "--record", path, cwd=tmp_path)
    assert words in one_line(done)


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "cut.hyp").write_bytes((FIXTURES / "bare.hyp").read_bytes()[:-7])
    for arguments, words in (
        ([GUEST], "is no recording of arm-hyp"),
        (["nowhere.hyp"], "does not exist"),
        (["cut.hyp"], "is damaged: it is cut off"),
        ([str(FIXTURES / "bare.hyp"), "--trace-format", "xml"], "xml"),
        ([str(FIXTURES / "bare.hyp"), "--check", "HYP999"], "HYP999"),
        ([str(FIXTURES / "bare.hyp"), "--files", "nowhere"], "does not exist"),
    ):
        assert words in one_line(command("replay", *arguments, cwd=tmp_path))
    assert "only arm-hyp run records" in one_line(command("whatif", GUEST, "--set", "HCR_EL2.TWI=1", "--record", "a"))
    assert "no such choice" in one_line(command("run", GUEST, "--record", str(tmp_path / "a"), "--embed", "some"))


def test_files_that_are_not_inside_are_found_by_what_they_hold(tmp_path):
    folder, away = tmp_path / "guests", tmp_path / "away"
    folder.mkdir()
    away.mkdir()
    guest = Path(source(folder, ECHO))
    (folder / "typed").write_bytes(b"abc q")
    path = away / "run.hyp"
    done = record(path, str(guest), "--input", str(folder / "typed"), "--embed", "none")
    assert done.returncode == 0
    cache = {"ARM_HYP_CACHE": str(tmp_path / "cache")}
    assert "needs guest.s (" in one_line(command("replay", str(path), **cache))
    (away / "guest.s").write_text("wfi\n")
    line = one_line(command("replay", str(path), **cache))
    assert f"{away / 'guest.s'} is another file of that name" in line and "--files PATH" in line
    assert "is another file" in one_line(command("replay", str(path), "--files", str(away), **cache))
    for place in (folder, guest):
        assert command("replay", str(path), "--files", str(place), **cache).stdout == ">abc q"
    guest.rename(tmp_path / "renamed.s")
    (tmp_path / "cache").mkdir()
    shutil.copy(tmp_path / "renamed.s", tmp_path / "cache" / "other.s")
    assert command("replay", str(path), **cache).stdout == ">abc q"


def test_a_recording_of_many_events_is_small(tmp_path):
    path = tmp_path / "run.hyp"
    record(path, str(guests_directory() / "16-preemption.s"))
    trace = command("run", str(guests_directory() / "16-preemption.s"), "--trace", "-", "--trace-format", "jsonl")
    assert path.stat().st_size < len(trace.stdout) / 2
    assert json.loads(trace.stdout.splitlines()[-1])["event"] == "ended"
