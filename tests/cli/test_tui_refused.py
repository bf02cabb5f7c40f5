"""What `arm-hyp tui` refuses, in a terminal and without one: one line, status 2, and the terminal as it was."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

from arm_hyp.cli import run as run_command
from arm_hyp.cli.settings import Settings
from arm_hyp.cli.tui import WITHOUT_SCREEN
from arm_hyp.resources import guests_directory
from arm_hyp.timeline.recordings import container

RECORDING = Path(__file__).resolve().parents[1] / "fixtures" / "recordings" / "bare.hyp"
WFI = str(guests_directory() / "02-wfi.s")
LONGEST_S = 60.0
SHOWS_SCREEN = "\x1b[?1049h"
LEAVES_SCREEN = "\x1b[?1049l"
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def in_terminal(*arguments: str, command: str = "tui", **environment: str) -> tuple[int, str]:
    """Run the terminal in a pseudo-terminal until it ends by itself; return its status, and all that it wrote."""
    end, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    with subprocess.Popen(
        [sys.executable, "-m", "arm_hyp.cli.main", command, *arguments],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment},
        start_new_session=True,
    ) as process:
        data = b""
        while process.poll() is None or _has_more(end):
            data += os.read(end, 1 << 16) if _has_more(end) else b""
        assert termios.tcgetattr(inner) == before, "the terminal is as it was"
    os.close(inner)
    os.close(end)
    text = data.decode("utf-8", "replace")
    assert text.count(SHOWS_SCREEN) == text.count(LEAVES_SCREEN)
    return process.returncode, _SEQUENCE.sub("", text.rpartition(LEAVES_SCREEN)[2])


def _has_more(end: int) -> bool:
    return bool(select.select([end], [], [], 0.05)[0])


def damaged(folder: Path, change: str) -> Path:
    data = bytearray(RECORDING.read_bytes())
    if change == "cut off":
        del data[len(data) * 2 // 3 :]
    elif change == "flipped":
        data[len(data) // 2] ^= 0x10
    elif change == "newer":
        data[len(container.MAGIC) : len(container.MAGIC) + 4] = struct.pack("<I", container.FORMAT + 1)
    else:
        data[:] = b""
    path = folder / "run.hyp"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [("cut off", "cut off"), ("flipped", "damaged"), ("newer", "of a newer arm-hyp"), ("empty", "is empty")],
)
def test_a_recording_that_is_none_any_more(tmp_path: Path, change: str, words: str) -> None:
    path = damaged(tmp_path, change)
    status, said = in_terminal(str(path))
    lines = [line for line in said.splitlines() if line.strip()]
    assert status == 2 and len(lines) == 1, said
    assert lines[0].startswith(f"arm-hyp: {path}") and words in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.s",), "nowhere.s"),
        (("nowhere.hyp",), "nowhere.hyp: does not exist; check the path, or wait for its run"),
        ((WFI, "--theme", "pink"), "pink"),
        ((WFI, "--trace", "x"), "is for runs without a screen"),
        ((WFI, "--embed", "all"), "is for runs without a screen"),
        ((WFI, "--stat"), "--stat: is for runs without a screen"),
        ((WFI, "--max-instructions", "10000000"), "--max-instructions: is for runs without a screen"),
        ((WFI, "--tui"), "--tui: only arm-hyp run has it"),
        ((str(RECORDING), "--el", "1"), "a recording has its own machine"),
    ],
)
def test_what_cannot_be_shown(arguments: tuple[str, ...], words: str) -> None:
    status, said = in_terminal(*arguments)
    lines = [line for line in said.splitlines() if line.strip()]
    assert status == 2 and len(lines) == 1 and words in lines[0], said


def test_each_option_of_a_run_is_used_or_refused_by_its_name() -> None:
    of_fields = {field.name for field in fields(Settings)}
    not_asked_for = {"limit", "wants_terminal", "counts_exceptions", "branch"}
    assert {*WITHOUT_SCREEN, "record"} | not_asked_for == of_fields
    given = {name for parameter in get_command(run_command.app).params for name in parameter.opts}
    assert set(WITHOUT_SCREEN.values()) <= given


def test_run_shows_its_guest_where_that_is_asked_for() -> None:
    status, said = in_terminal(WFI, "--tui", command="run", TERM="dumb")
    assert status == 2 and "TERM=dumb" in said


def test_a_dumb_terminal_is_sent_to_the_line_mode() -> None:
    status, said = in_terminal(WFI, TERM="dumb")
    assert status == 2 and "TERM=dumb" in said and "--plain" in said and "\x1b" not in said


def test_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "arm_hyp.cli.main", "tui", WFI],
        stdin=subprocess.PIPE, capture_output=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr == b"arm-hyp tui: there is no terminal; run it in one, or use --plain\n"
