"""What is too long for the bottom line, whole: in a frame above it, until the next key.

Read `tui/bar.py` and `tui/frames.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from arm_hyp.tui.frames import frame_of
from arm_hyp.tui.look import Look
from arm_hyp.tui.text import flowed
from arm_hyp.tui.widgets import strip_of

_MOST_LINES: Final = 8


def is_long(note: str, width: int) -> bool:
    """Tell whether the bottom line would cut a note."""
    return cell_len(note) + 1 > width


def notice_lines(note: str, is_bad: bool, width: int, look: Look) -> list[Text]:
    """Return a note in a frame, `width` cells wide."""
    style = look.style("bad" if is_bad else "text")
    lines = [Text.assemble(" ", line) for line in flowed(Text(note, style), max(width - 4, 1))][:_MOST_LINES]
    title = "error" if is_bad else "note"
    return frame_of(width, len(lines) + 2, look, title=title, has_focus=True, note="the next key goes on").around(lines)


class Notice(Widget):
    """The frame, over the panels, while there is something to say in it."""

    DEFAULT_CSS = "Notice { layer: notice; position: absolute; display: none; }"

    _lines: tuple[Strip, ...] = ()

    def tell(self, note: str, is_bad: bool, look: Look) -> None:
        """Say something above the bottom line; nothing hides the frame."""
        self.display = bool(note)
        if not note:
            return
        width, height = self.screen.size
        base = look.style("surface")
        self._lines = tuple(strip_of(line, base) for line in notice_lines(note, is_bad, width, look))
        self.styles.width, self.styles.height = width, len(self._lines)
        self.styles.offset = (0, max(height - 1 - len(self._lines), 0))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width)
