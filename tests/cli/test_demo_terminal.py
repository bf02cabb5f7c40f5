"""`arm-hyp demo` in a terminal: the tour begins, a key takes over, quitting leaves the terminal as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios

_LONGEST_S = 60.0


class Terminal:
    """The other end of a program's terminal."""

    def __init__(self, *arguments: str) -> None:
        self._end, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arm_hyp.cli.main", *arguments],
            stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(inner)
        self.shown = ""

    def until(self, text: str) -> None:
        """Read on until a text has been shown since the last call."""
        seen = ""
        while text not in seen:
            assert select.select([self._end], [], [], _LONGEST_S)[0], f"{text!r} was not shown: {seen[-2000:]!r}"
            seen += os.read(self._end, 1 << 16).decode("utf-8", "replace")
        self.shown += seen

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._end, keys)

    def close(self) -> int:
        """Wait for the program's end; return its status."""
        status = self.process.wait(_LONGEST_S)
        os.close(self._end)
        return status


def test_a_tour_plays_and_can_be_taken_over() -> None:
    terminal = Terminal("demo", "--speed", "0.1")
    terminal.until("1 of 10")
    assert "arm-hyp demo demand-paging" in terminal.shown  # the list stays behind the screen
    terminal.press(b"\x1b[C")
    terminal.until("the keys are yours")
    terminal.press(b"q")
    terminal.until("\x1b[?1049l")
    assert terminal.close() == 0
