"""A frame around lines: exactly so many cells wide and high, with a title.

Read `tui/look.py` before this file, `tui/layouts.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from arm_hyp.tui.look import ASCII, Look


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


def framed(
    lines: Sequence[Text],
    width: int,
    height: int,
    look: Look,
    *,
    title: str = "",
    digit: str = "",
    has_focus: bool = False,
    note: str = "",
) -> list[Text]:
    """Return `height` lines of `width` cells: a box with a title, the key of the panel, and a note at the right."""
    upper_left, level, upper_right, upright, lower_left, lower_right = tuple(
        look.glyphs.box_focus if has_focus else look.glyphs.box
    )
    style = look.style("focus" if has_focus else "faint")
    inside = max(width - 2, 0)
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
    rows = [fitted(head, width, look)]
    edge = Text(upright, style)
    for index in range(max(height - 2, 0)):
        line = lines[index] if index < len(lines) else Text()
        rows.append(Text.assemble(edge, fitted(line, inside, look), edge))
    rows.append(Text.assemble((lower_left, style), (level * inside, style), (lower_right, style)))
    return rows[:height]


def _ascii(title: str) -> str:
    """Return a title in ASCII alone: what is between its parts is a dash, what is in them a question mark."""
    return title.replace("\u00b7", "-").encode("ascii", "replace").decode()
