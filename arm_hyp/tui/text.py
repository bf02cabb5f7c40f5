"""Long text with styles broken into lines: what stands for something still does so on the next line.

Read `tui/panels/drawing.py` (plain text) before this file, `tui/panels/trap.py` after it.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text


def flowed(text: Text, width: int, indent: int = 0) -> list[Text]:
    """Break a text at spaces into lines of at most `width` cells; those after the first begin with `indent` spaces.

    A word that is too long is cut.
    """
    lines: list[Text] = []
    start, plain = 0, text.plain
    while start < len(plain):
        lead = " " * min(indent, max(width - 2, 0)) if lines else ""
        end = _line_end(plain, start, max(width - len(lead), 1))
        line = text[start:end]
        line.rstrip()
        lines.append(Text(lead, end="") + line if lead else line)
        start = end
        while start < len(plain) and plain[start] == " ":
            start += 1
    return lines or [Text()]


def _line_end(plain: str, start: int, cells: int) -> int:
    """Return where a line ends that begins at `start`: after its last space that fits, or in the middle of a word."""
    used, last_space = 0, 0
    for index in range(start, len(plain)):
        if plain[index] == " ":
            last_space = index
        used += cell_len(plain[index])
        if used > cells:
            return last_space or max(index, start + 1)
    return len(plain)
