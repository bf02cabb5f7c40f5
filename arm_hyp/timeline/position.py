"""Where in a run something is: instructions retired, and events since the last of them.

Read `cpu/position.py`, which counts both, before this file, and `timeline/timeline.py` after it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from arm_hyp.errors import UserError

_FORM: Final = re.compile(r"([0-9][0-9,_]*)(?:\.([0-9]+))?")


class Position(NamedTuple):
    """A place in a run: `n` instructions have retired, and `seq` numbered events have happened since the last of them.

    Numbered are exceptions, returns, effects of handlers, inputs and edits.
    """

    n: int
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.n:,}.{self.seq}" if self.seq else f"{self.n:,}"


START: Final = Position(0, 0)


def parse_position(text: str) -> Position:
    """Return the position that is written as N or N.SEQ; N may have commas. Raises: UserError."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UserError(f"position {text}", "is not N or N.SEQ", "N instructions, SEQ events after them: 12345.1")
    n, seq = match.groups()
    return Position(int(n.replace(",", "").replace("_", "")), int(seq or 0))
