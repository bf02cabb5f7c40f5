"""A run as a terminal recording: asciicast version 2, with a marker at every step.

Read `pictures/steps.py` before this file, `cli/export.py` after it. A player jumps from marker to marker.
Ref: asciicast v2, https://docs.asciinema.org/manual/asciicast/v2/.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Final, TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

from arm_hyp.tui.picture import Size
from arm_hyp.tui.pictures.steps import Picture

STEP_S: Final = 1.5
_CLEAR: Final = "\x1b[?25l\x1b[2J"
_END: Final = "\x1b[0m"
_CONSOLE: Final = Console(file=io.StringIO(), color_system="truecolor", force_terminal=True, _environ={})


class CastWriter:
    """Writes pictures as they come: the first whole, of the others the lines that differ."""

    def __init__(self, file: TextIO, size: Size, title: str) -> None:
        self._file, self._time_s = file, 0.0
        self._before: Sequence[str] = ()
        self._put({"version": 2, "width": size.width, "height": size.height, "title": title})

    def add(self, one: Picture) -> None:
        """Write a picture, and its marker."""
        lines = [ansi(line) for line in one.lines]
        changed = [
            f"\x1b[{row};1H{line}"
            for row, line in enumerate(lines, 1)
            if not self._before or self._before[row - 1] != line
        ]
        text = "".join(changed) if self._before else _CLEAR + "".join(changed)
        self._put([round(self._time_s, 3), "o", text])
        self._put([round(self._time_s, 3), "m", one.label])
        self._before, self._time_s = lines, self._time_s + STEP_S

    def close(self) -> None:
        """Let the last picture stand as long as the others."""
        self._put([round(self._time_s, 3), "o", f"{_END}\x1b[?25h"])

    def _put(self, row: object) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")


def ansi(line: Text) -> str:
    """Return a line with the escape sequences of a terminal that knows all colours."""
    return "".join(
        style.render(text, color_system=ColorSystem.TRUECOLOR) if style else text
        for text, style, _ in line.render(_CONSOLE, end="")
    )
