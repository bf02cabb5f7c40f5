"""`arm-hyp export`: the file is what `run --trace` writes; it is complete or not there; bad input in one line."""

from __future__ import annotations

import csv
import os
import signal
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from arm_hyp.cli import export as command
from arm_hyp.cli.main import main
from arm_hyp.debug.exports.formats import FORMATS
from arm_hyp.resources import guests_directory
from arm_hyp.timeline.recordings.recording import read_recording, write_recording

GUESTS = guests_directory()
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RUNS = {
    "bare": (str(GUESTS / "18-inject-gicv3.s"), "--gic", "3"),
    "vm": (str(GUESTS / "28-vm-smp.s"), "--hypervisor", "--vcpus", "2"),
    "handlers": (str(EXAMPLES / "handlers.s"), "--hypervisor", str(EXAMPLES / "handlers.py")),
}
LIVE = {"perfetto": "perfetto", "ftrace": "kvm", "jsonl": "jsonl", "csv": "csv"}


def recorded(folder: Path, which: str, *arguments: str) -> Path:
    """Run a guest, and record it."""
    file = folder / f"{which}.hyp"
    assert main(["run", *RUNS[which], "--record", str(file), *arguments]) == 0
    return file


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return recorded(tmp_path, "vm")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Export, and return the one line that says why not."""
    capsys.readouterr()
    assert main(["export", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize(
    ("which", "form"), [(which, form) for which in RUNS for form in FORMATS if (which, form) != ("bare", "ftrace")]
)
def test_an_export_is_what_the_run_itself_would_have_written(which: str, form: str, tmp_path: Path) -> None:
    live = tmp_path / "live"
    file = recorded(tmp_path, which, "--trace", str(live), "--trace-format", LIVE[form])
    assert main(["export", str(file), "--to", form]) == 0
    exported = file.with_suffix(FORMATS[form].suffix)
    assert exported.read_bytes() == live.read_bytes() != b""
    assert {path.name for path in tmp_path.iterdir()} == {"live", file.name, exported.name}


def test_the_file_can_be_named_and_be_standard_output(
    run: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    named = tmp_path / "named"
    assert main(["export", str(run), "--to", "perfetto", "-o", str(named)]) == 0
    capfdbinary.readouterr()
    assert main(["export", str(run), "--to", "perfetto", "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == named.read_bytes()


def test_a_pipe_is_written_and_stays_one(run: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert main(["export", str(run), "--to", "csv", "-o", str(pipe)]) == 0
        assert reader.communicate(timeout=60)[0].startswith(b"n,seq,")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_file_is_overwritten_only_by_force(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = run.with_suffix(".csv")
    there.write_text("mine")
    assert "--force" in refused(capsys, str(run), "--to", "csv")
    assert there.read_text() == "mine"
    assert main(["export", str(run), "--to", "csv", "--force"]) == 0
    assert there.read_text().startswith("n,seq,")


def test_a_part_of_the_run_can_be_exported(run: Path) -> None:
    def rows(*arguments: str) -> list[dict[str, str]]:
        assert main(["export", str(run), "--to", "csv", "--force", *arguments]) == 0
        with run.with_suffix(".csv").open(newline="") as file:
            return list(csv.DictReader(file))

    every, part = rows(), rows("--from", "40", "--until", "100")
    assert part[0] == every[0] and part[0]["event"] == "started"
    assert part[1:] == [row for row in every[1:] if 40 <= int(row["n"]) < 100] != []


LONG = """
        mov     w20, #20
1:      mov     w21, #0x20000
2:      subs    w21, w21, #1
        b.ne    2b
        hvc     #0
        subs    w20, w20, #1
        b.ne    1b
        ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
"""
"""Runs for longer than it takes until a signal is looked at."""


def test_an_interrupted_export_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (guest := tmp_path / "long.s").write_text(LONG)
    (there := tmp_path / "run.pftrace").write_text("mine")
    run = tmp_path / "run.hyp"
    assert main(["run", str(guest), "--hypervisor", "--record", str(run)]) == 0
    signals = iter([signal.SIGINT])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(command, "_show", lambda percent: [signal.raise_signal(each) for each in signals])
    assert main(["export", str(run), "--to", "perfetto", "--force"]) == 130
    assert f"{there} was not written" in capsys.readouterr().err
    assert there.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {guest.name, run.name, there.name}


def test_progress_is_shown_at_a_terminal(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["export", str(run), "--to", "jsonl"]) == 0
    shown = [int(part.rstrip(" %")) for part in capsys.readouterr().err.split("\r")[:-1] if part]
    assert shown[0] == 0 and shown == sorted(set(shown)) and 90 <= shown[-1] <= 100


@pytest.mark.parametrize("form", ["csv", "html", "cast", "svg"])
def test_a_replay_that_differs_is_not_exported(run: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    recording = read_recording(str(run))
    checks = bytearray(recording.trace.checks)
    checks[20] ^= 1
    write_recording(str(run), replace(recording, trace=structs.replace(recording.trace, checks=bytes(checks))))
    assert main(["export", str(run), "--to", form]) == 3
    said = capsys.readouterr().err
    assert "differs from the recording" in said and "was not written" in said
    assert [path.name for path in run.parent.iterdir()] == [run.name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "pdf"), "no such format"),
        (("--to", "csv", "-o", "nowhere/file"), "no such directory"),
        (("--to", "csv", "-o", "."), "is a directory"),
        (("--to", "csv", "--from", "1000000"), "the run ends at"),
        (("--to", "csv", "--from", "5", "--until", "5"), "nothing lies before it"),
        ((), "--to"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], words: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refused(capsys, str(run), *arguments)


def test_the_recording_itself_is_never_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run.read_bytes()
    assert "is the recording itself" in refused(capsys, str(run), "--to", "csv", "-o", str(run), "--force")
    assert run.read_bytes() == before


def test_a_guest_is_no_recording_and_the_line_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, str(GUESTS / "02-wfi.s"), "--to", "csv", "-o", "-")
    assert "is no recording" in said and "run --record" in said


def test_without_vms_there_are_no_events_of_kvm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = recorded(tmp_path, "bare")
    assert "there is no VM" in refused(capsys, str(file), "--to", "ftrace")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
