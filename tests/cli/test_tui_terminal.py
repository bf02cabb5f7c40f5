"""`arm-hyp tui` in a real terminal, tmux: used, quit, ended from outside; it leaves the terminal as it was."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from arm_hyp.resources import guests_directory
from arm_hyp.timeline.recordings.recording import read_recording

WFI = (str(guests_directory() / "02-wfi.s"), "--set", "HCR_EL2.TWI=1")
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PATIENCE_S = 40.0
LOOP = "1: add x0, x0, #1\n b 1b\n"
PROMPT = "ready>"


class Tmux:
    """A terminal with a shell in it, whose screen can be read."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        shell = f"exec env PS1='{PROMPT} ' LC_ALL=C.UTF-8 COLUMNS=80 LINES=24 bash --norc --noprofile"
        self.run("-f", os.devnull, "new-session", "-d", "-x", "80", "-y", "24", shell)
        self.until(PROMPT)

    def run(self, *arguments: str) -> str:
        """Have tmux do something."""
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.run("send-keys", *keys)

    def type(self, line: str) -> None:
        """Type a command."""
        self.run("send-keys", "-l", line)
        self.press("Enter")

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return self.run("capture-pane", "-p")

    def ask(self, form: str) -> str:
        """Ask for a property of the terminal."""
        return self.run("display-message", "-p", form).strip()

    def until(self, *texts: str) -> None:
        """Wait until all of some texts are on the screen."""
        self.wait(lambda: all(text in self.screen for text in texts), f"{texts}")

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.screen}"

    def close(self) -> None:
        """End it, and the shell."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, timeout=PATIENCE_S)


class Program:
    """`arm-hyp tui` in that shell."""

    def __init__(self, tmux: Tmux, folder: Path, *arguments: str) -> None:
        self.tmux, self._folder = tmux, folder
        tmux.type(f"stty -a > {folder}/before")
        self.shell = int(tmux.ask("#{pane_pid}"))
        tmux.type(shlex.join([sys.executable, "-m", "arm_hyp.cli.main", "tui", *arguments]))
        tmux.until("1 the ladder", "2 code")
        tmux.wait(lambda: tmux.ask("#{alternate_on}") == "1", "the screen")
        self.pid = children(self.shell)[0]
        tmux.wait(lambda: bool(children(self.pid)), "the machine process")
        self.machine = children(self.pid)[0]

    def has_ended(self, status: int) -> None:
        """Check that it has ended so, that the terminal is as it was, and that nobody is left."""
        tmux = self.tmux
        tmux.wait(lambda: not children(self.shell), "the end")
        tmux.press("Enter")
        tmux.type(f"echo status $? ; stty -a > {self._folder}/after; echo done")
        tmux.until("done\n")
        assert tmux.ask("#{alternate_on} #{cursor_flag} #{mouse_any_flag}") == "0 1 0"
        assert (self._folder / "after").read_text() == (self._folder / "before").read_text()
        tmux.wait(lambda: not is_alive(self.machine), "the end of the machine process")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):  # any thread may have started one
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(one) for one in path.read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("tmux is not installed")
        pytest.skip("tmux is not installed")
    made = Tmux(tmp_path)
    yield made
    made.close()


def test_a_first_quarter_of_an_hour(tmux: Tmux, tmp_path: Path) -> None:
    program = Program(tmux, tmp_path, *WFI)
    tmux.until("WFI", "HVC", "0 · EL2 · paused")
    tmux.press("Right")
    tmux.until(" 1 · EL2 · paused")
    tmux.press("Left")
    tmux.until(" 0 · EL2 · paused")
    tmux.press("PageDown")
    tmux.until("10.2 · EL2 · paused", "HCR_EL2.[TWI] is 1", "y why")
    tmux.press("y")
    tmux.until("ESR_EL2", "EC <31:26>")
    tmux.press("y")
    tmux.until("3 registers")
    tmux.press("w")
    tmux.until("HCR_EL2.TWI is 0 here; Backspace goes back to main")
    tmux.press("BSpace")
    tmux.until("back on main", "HCR_EL2.[TWI] is 1")
    tmux.press("g")
    tmux.until("go to", "Esc back")
    tmux.press("-l", "42")
    tmux.until(" 42 ")
    tmux.press("Enter")
    tmux.until("42 · EL2 · paused")
    tmux.run("resize-window", "-x", "120", "-y", "40")
    tmux.until("4 bits", "3 registers")
    tmux.run("resize-window", "-x", "39", "-y", "11")
    tmux.until("too small: 40x12 at least")
    tmux.run("resize-window", "-x", "80", "-y", "24")
    tmux.until("3 registers")
    tmux.press("?")
    tmux.until("all keys", "One step on")
    tmux.press("q")
    tmux.wait(lambda: "all keys" not in tmux.screen, "the panels")
    tmux.press("q")
    program.has_ended(0)
    tmux.until("status 0")


def loop(folder: Path) -> str:
    path = folder / "loop.s"
    path.write_text(LOOP)
    return str(path)


def running(tmux: Tmux, folder: Path) -> Program:
    """Return a program in the middle of a run that never ends."""
    program = Program(tmux, folder, loop(folder), "--live", "--reduced-motion")
    tmux.until("paused")
    tmux.press("Space")
    tmux.until("runs full")
    return program


def test_ctrl_c_pauses_a_run_and_quits_at_last(tmux: Tmux, tmp_path: Path) -> None:
    program = running(tmux, tmp_path)
    tmux.press("C-c")
    tmux.until("paused")
    tmux.press("g")
    tmux.until("Esc back")
    tmux.press("C-c")
    tmux.wait(lambda: "Esc back" not in tmux.screen, "the panels")
    tmux.press("C-c")
    program.has_ended(0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, None)])
def test_a_signal_in_the_middle_of_a_run_leaves_a_sane_terminal(
    tmux: Tmux, tmp_path: Path, number: signal.Signals, status: int | None
) -> None:
    program = running(tmux, tmp_path)
    os.kill(program.pid, number)
    if status is None:  # as Ctrl-C: it pauses, and quits then
        tmux.until("paused")
        os.kill(program.pid, number)
    program.has_ended(status or 0)
    tmux.until(f"status {status or 0}")


def test_where_the_terminal_goes_away_nobody_is_left(tmux: Tmux, tmp_path: Path) -> None:
    program = running(tmux, tmp_path)
    tmux.close()
    deadline = time.monotonic() + PATIENCE_S
    while is_alive(program.pid) or is_alive(program.machine):
        assert time.monotonic() < deadline, "somebody is left"


def test_killed_in_the_middle_nobody_is_left(tmux: Tmux, tmp_path: Path) -> None:
    program = running(tmux, tmp_path)
    os.kill(program.pid, signal.SIGKILL)
    tmux.wait(lambda: not is_alive(program.pid) and not is_alive(program.machine), "the end of both")


def test_what_is_to_be_recorded_is_written_at_the_end(tmux: Tmux, tmp_path: Path) -> None:
    program = Program(tmux, tmp_path, *WFI, "--record", str(tmp_path / "run.hyp"))
    tmux.until("paused")
    tmux.press("q")
    program.has_ended(0)
    assert read_recording(str(tmp_path / "run.hyp")).run.end.n == 153


def test_in_the_c_locale_it_is_drawn_in_ascii(tmux: Tmux, tmp_path: Path) -> None:
    tmux.type("export LC_ALL=C")
    program = Program(tmux, tmp_path, *WFI)
    tmux.until("WFI", "paused")
    assert tmux.screen.isascii()
    tmux.press("q")
    program.has_ended(0)


def test_handlers_are_edited_in_the_users_editor_and_loaded_on_a_branch(tmux: Tmux, tmp_path: Path) -> None:
    guest, handlers = (str(shutil.copy(EXAMPLES / name, tmp_path)) for name in ("handlers.s", "handlers.py"))
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nprintf "in the editor "\nread -r words\nsed -i -E "s/def (add|plus)/def $words/" "$1"\n'
    )
    editor.chmod(0o755)
    tmux.type(f"unset VISUAL; export EDITOR={editor}")
    program = Program(tmux, tmp_path, guest, "--hypervisor", handlers)
    tmux.until("paused")
    for words, told in (("plus", "branch branch1: the handlers are loaded anew"), ("+(", "no Python: invalid syntax")):
        tmux.press("e")
        tmux.until("in the editor")
        tmux.type(words)
        tmux.until("1 the ladder", told)
        assert f"def {words}(vcpu" in Path(handlers).read_text()
    tmux.press("q")
    program.has_ended(0)
