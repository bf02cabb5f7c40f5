"""What the prompt prints: in the terminal's encoding, broken at words where there is a terminal, else line by line.

Read `tui/text.py` before this file, `tui/plain.py` after it.
"""

from __future__ import annotations

import os
import sys

from rich.cells import cell_len
from rich.text import Text

from arm_hyp.tui.text import flowed


def print_text(text: str) -> None:
    """Print a text now."""
    encoding = sys.stdout.encoding or "ascii"
    shown = text.encode(encoding, "replace").decode(encoding)
    print("\n".join(in_columns(shown, _columns())), flush=True)


def in_columns(text: str, columns: int | None) -> list[str]:
    """Break lines that are wider than so many cells at spaces; what was indented stays so. None: break nothing."""
    lines: list[str] = []
    for line in text.split("\n"):
        if columns is None or cell_len(line) <= columns:
            lines.append(line)
        else:
            indent = len(line) - len(line.lstrip(" "))
            lines += [one.plain for one in flowed(Text(line), columns, indent)]
    return lines


def _columns() -> int | None:
    """Return how wide the terminal is; None where there is none: whoever reads breaks the lines."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None
