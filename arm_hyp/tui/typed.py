"""What a key sends to a guest's console: the bytes of a terminal; and whether keys go there at all.

Read `tui/keys.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.tui.keys import ESCAPE_FROM_CONSOLE

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


class Typing:
    """Which console the keys go to, if they go to one. The escape key leaves it; at once again, the guest gets one."""

    def __init__(self) -> None:
        self.vm: int | None = None
        self._left: int | None = None
        """The console that the last key has left."""

    def begin(self, vm: int) -> None:
        """Have the keys go to a console."""
        self.vm = vm

    def take(self, key: str, character: str | None) -> bytes | None:
        """Return what the guest gets of a key; None: the key is not the guest's."""
        vm, left, self._left = self.vm, self._left, None
        if key != ESCAPE_FROM_CONSOLE:
            return None if vm is None else bytes_of(key, character)
        if vm is None:
            self.vm = left
            return None if left is None else bytes_of(key, character)
        self.vm, self._left = None, vm
        return b""
