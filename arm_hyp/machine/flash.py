"""NOR flash as on QEMU's `virt`: two 16-bit chips side by side, with Intel's command set and a CFI table.

Read `machine/seams.py` before this file and `machine/flash_wiring.py` after it. While a bank is in read-array mode it
can be mapped as plain memory; any write to it is a command, and from then on it answers as a device.

Ref: JEDEC JESD68.01 (Common Flash Interface); Intel Basic and Extended Command Sets (JEP137, 0x0001 and 0x0003).
Simplified: both chips obey one state machine, which takes commands from the low byte of an access; programming and
erasing take no time; locks, protection registers, suspend and the status register's error bits do not exist.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any, Final

BANK_BYTES: Final = 64 << 20
SECTOR_BYTES: Final = 256 << 10
"""A sector of both chips together."""
PAGE_BYTES: Final = 4096
MANUFACTURER, DEVICE = 0x89, 0x18
READY: Final = 0x80
"""Status register, bit 7: the chip is ready."""
_LOG2_BUFFER_BYTES: Final = 11
_ERASED: Final = b"\xff"

READ_ARRAY, STATUS, IDENTIFIER, QUERY = "array", "status", "identifier", "query"
"""What a bank answers reads with."""


def _cfi_table() -> bytes:
    """Return the table of one chip, a byte for each of its addresses from 0x10. Ref: JESD68.01, 4.3."""
    sectors = BANK_BYTES // SECTOR_BYTES
    sector_bytes = SECTOR_BYTES // 2
    table = bytearray(0x50)
    table[0x10:0x1B] = b"QRY\x01\x00\x31\x00\x00\x00\x00\x00"  # Intel, its own table at 0x31
    table[0x1B:0x1F] = b"\x45\x55\x00\x00"  # supply voltages
    table[0x1F:0x27] = bytes((7, 7, 10, 0, 4, 4, 4, 0))  # timeouts, powers of two
    table[0x27] = (BANK_BYTES // 2).bit_length() - 1
    table[0x28:0x2A] = b"\x01\x00"  # 16-bit chip
    table[0x2A:0x2C] = _LOG2_BUFFER_BYTES.to_bytes(2, "little")
    table[0x2C] = 1  # one kind of sector
    table[0x2D:0x2F] = (sectors - 1).to_bytes(2, "little")
    table[0x2F:0x31] = (sector_bytes >> 8).to_bytes(2, "little")
    table[0x31:0x36] = b"PRI10"
    return bytes(table)


class FlashBank:
    """One bank. `content` lies at its start and the rest is erased; `array` is the memory that holds the content."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = content
        self.mapped_bytes = -(-len(content) // PAGE_BYTES) * PAGE_BYTES
        self.array = mmap.mmap(-1, self.mapped_bytes or PAGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._pages: dict[int, bytearray] = {}
        self._clear()

    def _clear(self) -> None:
        """Set everything to its state at power-on."""
        self.array[:] = self._content.ljust(len(self.array), _ERASED)
        self._pages.clear()
        self._changed: set[int] = set()
        self.mode = READ_ARRAY
        self._next: str | None = None
        self._left = 0

    def reset(self) -> None:
        """Reset the chips: they keep what they hold."""
        self.mode, self._next, self._left = READ_ARRAY, None, 0

    @property
    def is_idle(self) -> bool:
        """Tell whether reads give the contents and no command is under way."""
        return self.mode == READ_ARRAY and self._next is None

    # --- contents ----------------------------------------------------------------------------------------------------

    def _page(self, number: int) -> memoryview:
        """Return a page that is about to be changed."""
        self._changed.add(number)
        if number * PAGE_BYTES < self.mapped_bytes:
            return memoryview(self.array)[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]
        return memoryview(self._pages.setdefault(number, bytearray(_ERASED * PAGE_BYTES)))

    def _byte(self, offset: int) -> int:
        if offset < self.mapped_bytes:
            return self.array[offset]
        page = self._pages.get(offset // PAGE_BYTES)
        return 0xFF if page is None else page[offset % PAGE_BYTES]

    def _program(self, offset: int, size_bytes: int, value: int) -> None:
        """Clear the bits that are 0 in the value: programming never sets one."""
        for index, byte in enumerate(value.to_bytes(size_bytes, "little")):
            page = self._page((offset + index) // PAGE_BYTES)
            page[(offset + index) % PAGE_BYTES] &= byte

    def _erase(self, offset: int) -> None:
        first = offset // SECTOR_BYTES * SECTOR_BYTES // PAGE_BYTES
        for number in range(first, first + SECTOR_BYTES // PAGE_BYTES):
            self._page(number)[:] = _ERASED * PAGE_BYTES

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, offset: int, size_bytes: int) -> int:
        """Read what the mode gives: the contents, or the same answer from both chips."""
        if self.mode == READ_ARRAY:
            return int.from_bytes(bytes(self._byte(offset + index) for index in range(size_bytes)), "little")
        answer = _ANSWERS[self.mode](offset >> 2)
        return (answer | answer << 16) >> 8 * (offset & 3) & (1 << 8 * size_bytes) - 1

    # --- writing: commands and what follows them ---------------------------------------------------------------------

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a command, or the cycle that the last command waits for."""
        if self._next is None:
            self._command(value & 0xFF)
        else:
            _CYCLES[self._next](self, offset, size_bytes, value)

    def _command(self, command: int) -> None:
        """Obey a command; one that means nothing returns to the array. Ref: JEP137."""
        self.mode, self._next = _COMMANDS.get(command, (READ_ARRAY, None))

    def _word(self, offset: int, size_bytes: int, value: int) -> None:
        self._program(offset, size_bytes, value)
        self._next = None

    def _confirm_erase(self, offset: int, size_bytes: int, value: int) -> None:
        if value & 0xFF == 0xD0:
            self._erase(offset)
        self._confirm(offset, size_bytes, value)

    def _confirm(self, offset: int, size_bytes: int, value: int) -> None:
        """End a command of two cycles; an array command in its second place ends it too."""
        self._next = None
        if value & 0xFF == 0xFF:
            self.mode = READ_ARRAY

    def _count(self, offset: int, size_bytes: int, value: int) -> None:
        self._left = (value & 0xFFFF) + 1
        self._next = "data"

    def _data(self, offset: int, size_bytes: int, value: int) -> None:
        self._program(offset, size_bytes, value)
        self._left -= 1
        if not self._left:
            self._next = "confirm"

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state: of the contents, the pages that were changed since power-on."""
        pages = {}
        for number in sorted(self._changed):
            start = number * PAGE_BYTES
            pages[number] = bytes(self._byte(start + index) for index in range(PAGE_BYTES))
        return {"pages": pages, "mode": self.mode, "next": self._next, "left": self._left}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._clear()
        for number, data in state["pages"].items():
            self._page(number)[:] = data
        self.mode, self._next, self._left = state["mode"], state["next"], state["left"]


_TABLE: Final = _cfi_table()
_IDENTIFIERS: Final = {0: MANUFACTURER, 1: DEVICE}
_ANSWERS: Final[dict[str, Callable[[int], int]]] = {
    STATUS: lambda address: READY,
    IDENTIFIER: lambda address: _IDENTIFIERS.get(address & 0xFF, 0),
    QUERY: lambda address: _TABLE[address] if address < len(_TABLE) else 0,
}
_COMMANDS: Final[dict[int, tuple[str, str | None]]] = {
    0x10: (STATUS, "word"),
    0x40: (STATUS, "word"),
    0x20: (STATUS, "erase"),
    0x50: (READ_ARRAY, None),
    0x60: (STATUS, "confirm"),
    0x70: (STATUS, None),
    0x90: (IDENTIFIER, None),
    0x98: (QUERY, None),
    0xE8: (STATUS, "count"),
    0xFF: (READ_ARRAY, None),
}
"""Commands: what reads give afterwards, and which cycle is to follow."""
_CYCLES: Final[dict[str, Callable[[FlashBank, int, int, int], None]]] = {
    "word": FlashBank._word,
    "erase": FlashBank._confirm_erase,
    "confirm": FlashBank._confirm,
    "count": FlashBank._count,
    "data": FlashBank._data,
}
