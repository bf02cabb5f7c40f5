"""Text that others wrote made safe to show, and long text broken into lines.

Read `tui/look.py` before this file, any panel after it.
"""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.text import Text

TAB_CELLS: Final = 8
_DELETE: Final = 0x7F


def visible(text: str) -> str:
    """Return text from a guest or a file with a stand-in for each character that a terminal would act on: ^[, \\x9b."""
    return text if text.isprintable() else "".join(map(_stand_in, text.expandtabs(TAB_CELLS)))


def _stand_in(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x20 or code == _DELETE:
        return f"^{chr(code ^ 0x40)}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def wrapped(text: Text, width: int, indent: int = 0) -> list[Text]:
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
