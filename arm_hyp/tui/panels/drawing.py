"""What several panels draw with: texts of guests made harmless, wrapped words, bars, sizes, a reading that failed.

Read `tui/look.py` and `tui/view.py` before this file, any panel after it.
"""

from __future__ import annotations

import textwrap
import unicodedata
from functools import lru_cache
from typing import Final

from rich.style import Style
from rich.text import Text

from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui.look import Look
from arm_hyp.tui.view import View

_UNITS: Final = ("TiB", "GiB", "MiB", "KiB")
_EIGHTHS: Final = 8


@lru_cache(maxsize=1024)
def visible(text: str) -> str:
    """Return a guest's text with a stand-in for each control character: ^[ for ESC, \\x9b for what has no letter."""
    return "".join(_stand_in(one) if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp") else one for one in text)


def _stand_in(one: str) -> str:
    code = ord(one)
    return "^" + chr(code ^ 0x40) if code < 0x20 or code == 0x7F else f"\\x{code:02x}"


def wrapped(text: str, width: int, style: Style, indent: str = "") -> list[Text]:
    """Return a long text as lines of at most `width` cells; lines behind the first begin with `indent`."""
    room = max(width, len(indent) + 4)
    return [
        Text(line, style) for line in textwrap.wrap(text, room, subsequent_indent=indent, break_on_hyphens=False)
    ] or [Text()]


def shortened(text: str, width: int, look: Look) -> str:
    """Return a text of at most `width` characters, with a mark where it was cut."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + look.glyphs.more[:width]


def bar(share: float, width: int, look: Look) -> str:
    """Return a level bar of exactly `width` cells for a share from 0 to 1. What is not nothing is seen."""
    eighths = round(min(max(share, 0.0), 1.0) * width * _EIGHTHS)
    full, rest = divmod(max(eighths, 1 if share > 0 else 0), _EIGHTHS)
    text = look.glyphs.bars[_EIGHTHS] * full + (look.glyphs.bars[rest] if rest else "")
    return text.ljust(width)


def size_text(size_bytes: int) -> str:
    """Write a size in the largest unit that it is a multiple of: 6 MiB, 4,100 bytes."""
    for step, unit in enumerate(_UNITS):
        unit_bytes = 1 << 10 * (len(_UNITS) - step)
        if size_bytes and size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes:,} {unit}"
    return f"{size_bytes:,} bytes"


def failed(view: View, message: ask.Message, width: int, look: Look) -> list[Text]:
    """Say that a reading failed, in one sentence; nothing where it did not."""
    found = view.failure(message)
    if found is None:
        return []
    way_out = f" ({found.way_out})" if found.way_out else ""
    text = f"{look.glyphs.fault} {found.thing}: {found.cause}{way_out}"
    return wrapped(visible(text), width, look.style("bad"), "  ")


def nothing(text: str, width: int, look: Look) -> list[Text]:
    """Say why there is nothing to show, and what would make it show something."""
    return wrapped(text, width, look.style("dim"))
