"""What a key sends to a guest's console: the bytes of a terminal.

Read nothing before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from typing import Final

_BYTES: Final = {
    "enter": b"\r", "tab": b"\t", "backspace": b"\x7f", "escape": b"\x1b", "delete": b"\x1b[3~",
    "up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D",
    "home": b"\x1b[H", "end": b"\x1b[F", "pageup": b"\x1b[5~", "pagedown": b"\x1b[6~",
}  # fmt: skip


def bytes_of(key: str, character: str | None) -> bytes:
    """Return what a terminal would send for a key; nothing for one that it does not know."""
    if key in _BYTES:
        return _BYTES[key]
    if key.startswith("ctrl+") and len(key) == 6 and key[5].isalpha():
        return bytes([ord(key[5].upper()) - 0x40])
    return (character or "").encode()
