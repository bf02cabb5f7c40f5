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
    if sys.stdout.isatty():
        columns = max(shutil.get_terminal_size().columns, _NARROWEST)
        line = textwrap.fill(
            line, columns, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False,
            break_long_words=True, break_on_hyphens=False,
        )  # fmt: skip
    print(line, flush=True)
