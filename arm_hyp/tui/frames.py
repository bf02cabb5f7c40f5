"""A frame around lines: exactly so many cells wide and high, with a title.

Read `tui/look.py` before this file, `tui/layouts.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from arm_hyp.tui.look import ASCII, Look

_NOTHING: Final = Text()


def fitted(line: Text, width: int, look: Look) -> Text:
    """Return a line of exactly `width` cells: cut with a mark that there is more, or filled."""
    if line.cell_len > width:
        line = line.copy()
        line.truncate(max(width - 1, 0))
        line.append(look.glyphs.more[:width], look.style("dim"))
    if line.cell_len < width:
        line = line.copy()
        line.append(" " * (width - line.cell_len))
    return line


@dataclass(frozen=True)
class Frame:
    """A box of so many cells around lines: its first and last line, and what stands at both sides of each between."""

    width: int
    height: int
    look: Look
    head: Text
    edge: Text
    foot: Text

    def row(self, line: Text) -> Text:
        """Return a line within the frame."""
        return Text.assemble(self.edge, fitted(line, max(self.width - 2, 0), self.look), self.edge)

    def around(self, lines: Sequence[Text]) -> list[Text]:
        """Return the frame with lines in it, and nothing below them."""
        inside = [lines[index] if index < len(lines) else _NOTHING for index in range(max(self.height - 2, 0))]
        return [self.head, *map(self.row, inside), self.foot][: self.height]


def frame_of(
    width: int,
    height: int,
    look: Look,
    *,
    title: str = "",
    digit: str = "",
    has_focus: bool = False,
    note: str = "",
) -> Frame:
    """Return a frame with a title, the key of the panel, and a note at the right."""
    upper_left, level, upper_right, upright, lower_left, lower_right = tuple(
        look.glyphs.box_focus if has_focus else look.glyphs.box
    )
    style = look.style("focus" if has_focus else "faint")
    head = Text.assemble((upper_left, style), (level, style))
    if digit:
        head.append(f" {digit}", look.style("key", press=f"panel_{digit}"))
    shown = _ascii(title) if look.glyphs is ASCII else title
    head.append(f" {shown} ", look.style("focus" if has_focus else "title"))
    tail = f" {note} " if note else ""
    room = width - head.cell_len - cell_len(tail) - 1
    if room < 1:
        tail, room = "", width - head.cell_len - 1
    head.append(level * max(room, 0), style)
    head.append(tail, look.style("dim"))
    head.append(upper_right, style)
    foot = Text.assemble((lower_left, style), (level * max(width - 2, 0), style), (lower_right, style))
    return Frame(width, height, look, fitted(head, width, look), Text(upright, style), foot)


def _ascii(title: str) -> str:
    """Return a title in ASCII alone: what is between its parts is a dash, what is in them a question mark."""
    return title.replace("\u00b7", "-").encode("ascii", "replace").decode()
