"""A place of a run on the screen: one line, folded under its words where the terminal is narrow.

Read `timeline/place.py` before this file, `cli/find.py` and `cli/show.py` after it.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arm_hyp.timeline.place import Place

_INDENT: Final = " " * 14
_NARROWEST: Final = 40


def print_line(place: Place) -> None:
    """Print a place: in a pipe or a file as one line."""
    print_folded(str(place), _INDENT)


def print_folded(line: str, indent: str = "  ") -> None:
    """Print a line, at a terminal folded to its width."""
    print(fold(line, indent, terminal_columns()), flush=True)


def terminal_columns() -> int | None:
    """Return the width of the terminal; None in a pipe or a file, where nothing is folded."""
    return max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None


def fold(line: str, indent: str, columns: int | None) -> str:
    """Return a line folded to so many columns; as it is without any."""
    if columns is None:
        return line
    return textwrap.fill(
        line, columns, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False,
        break_long_words=True, break_on_hyphens=False,
    )  # fmt: skip
