"""A set of translation tables, remembered as it was when it was last looked at: what has changed since?

Read `arch/translation/tables.py` before this file, `shadow_tlb.py` after it. A page of tables that is the same byte for
byte is not looked at again, so that a look at all tables of a kernel costs little.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from arm_hyp.arch.translation.parameters import LAST_LEVEL, Tables
from arm_hyp.arch.translation.results import StepKind
from arm_hyp.arch.translation.tables import descriptor_kind

PAGES_AT_MOST: Final = 8192
"""Tables that refer to themselves would grow without end; past this many nothing further is followed."""
_ADDRESS: Final = (1 << 48) - 1
_AF: Final = 1 << 10
_NOT_GLOBAL: Final = 1 << 11
_CONTIGUOUS: Final = 1 << 52
_SHAREABILITY: Final = 0b11 << 8
_ATTRIBUTES: Final = {1: 0b111 << 2, 2: 0b1111 << 2}
"""AttrIndx <4:2>, MemAttr <5:2>."""
_MUST_AGREE: Final = {stage: mask | _SHAREABILITY | _CONTIGUOUS for stage, mask in _ATTRIBUTES.items()}

Read = Callable[[int, int], bytes | None]
"""`read(address, size_bytes)`: memory of the address space that the tables lie in; None where there is none."""


class Entry(NamedTuple):
    """A block or page descriptor that a TLB may hold: what it translates (`start`, in bytes `size`), and its value.

    `asid` is None where it is global. `address` is where the descriptor lies.
    """

    stage: int
    start: int
    size: int
    descriptor: int
    asid: int | None
    address: int

    @property
    def end(self) -> int:
        """The first input address behind it."""
        return self.start + self.size

    @property
    def output(self) -> int:
        """The output address of `start`."""
        return self.descriptor & _ADDRESS & -self.size

    def agrees(self, other: Entry) -> bool:
        """Tell whether both may be in a TLB together: same size, output, memory type. Ref: Arm ARM D8.14.1."""
        is_same = (self.start, self.size, self.output) == (other.start, other.size, other.output)
        return is_same and not (self.descriptor ^ other.descriptor) & _MUST_AGREE[self.stage]

    def allows_more(self, other: Entry) -> bool:
        """Tell whether this grants an access that another does not."""
        return bool(_rights(self) & ~_rights(other))

    def overlaps(self, other: Entry) -> bool:
        """Tell whether both translate some address."""
        return self.start < other.end and other.start < self.end


def _rights(entry: Entry) -> int:
    """Return what a descriptor grants, a bit each. S2AP <7:6> grants; AP<2> <7> and XN, UXN <54>, PXN <53> deny."""
    denied = ~entry.descriptor
    if entry.stage == 2:
        return entry.descriptor & 0b11 << 6 | denied & 1 << 54
    return entry.descriptor & 1 << 6 | denied & (1 << 7 | 0b11 << 53)


class Change(NamedTuple):
    """What was lost and what was gained where one descriptor changed."""

    lost: tuple[Entry, ...]
    gained: tuple[Entry, ...]


class _Page(NamedTuple):
    address: int
    data: bytes


class TableTree:
    """The tables from one root. `first` is the first input address of their range."""

    def __init__(self, shape: Tables, stage: int, first: int, asid: int | None, read: Read) -> None:
        self.shape, self.asid = shape, asid
        self._stage, self._first, self._read, self._is_used = stage, first, read, True
        self._pages: dict[tuple[int, int], _Page] = {}  # (level, first input address); a table before those below it
        self._load(0, first, shape.base)

    # --- looking -----------------------------------------------------------------------------------------------------

    def scan(self, read: Read, is_used: bool) -> list[Change]:
        """Look at all tables again, and return what has changed.

        Of tables that are not `is_used`, nothing new can get into a TLB: it counts as changed when they are used again.
        """
        self._read, self._is_used = read, is_used
        return [change for key in list(self._pages) for change in self._look(key)]

    def scan_path(self, address: int, read: Read, is_used: bool) -> list[Change]:
        """Do what `scan` does for the tables that translate one input address."""
        self._read, self._is_used = read, is_used
        changes, base = [], self._first
        for level, lsb in self.shape.levels:
            changes += self._look((level, base))
            if (level, base) in self._pages:
                base += (address - base) >> lsb << lsb
        return changes

    def _look(self, key: tuple[int, int]) -> list[Change]:
        """Look at one table again. What cannot be read now is as it was."""
        page = self._pages.get(key)
        data = None if page is None else self._bytes(page.address, len(page.data))
        return [] if page is None or data is None or data == page.data else self._compare(key, page, data)

    def entries(self) -> Iterator[Entry]:
        """Return everything that is mapped."""
        return self._below(0, self._first)

    def at(self, address: int) -> Entry | None:
        """Return what translates an input address, if it is mapped."""
        base = self._first
        for index, (level, lsb) in enumerate(self.shape.levels):
            page = self._pages.get((level, base))
            number = address - base >> lsb
            if page is None or not 0 <= number * 8 < len(page.data):
                return None
            word = struct.unpack_from("<Q", page.data, number * 8)[0]
            base += number << lsb
            if self._kind(word, index) is not StepKind.TABLE:
                return self._entry(word, index, base, page.address + number * 8)
        return None

    # --- inside ------------------------------------------------------------------------------------------------------

    def _bytes(self, address: int, size_bytes: int) -> bytes | None:
        data = self._read(address, size_bytes)
        if data is None or not self.shape.is_big_endian:
            return data
        return b"".join(data[at : at + 8][::-1] for at in range(0, size_bytes, 8))

    def _size_of_table(self, index: int) -> int:
        bits = self.shape.input_bits - self.shape.levels[0][1] if index == 0 else self.shape.granule_bits - 3
        return 8 << max(bits, 0)

    def _kind(self, word: int, index: int) -> StepKind:
        return descriptor_kind(word, self.shape.granule_bits, self.shape.levels[index][0])

    def _entry(self, word: int, index: int, start: int, address: int) -> Entry | None:
        """Return a block or page that a TLB may hold: without the access flag it may not."""
        if self._kind(word, index) not in (StepKind.BLOCK, StepKind.PAGE) or not word & _AF:
            return None
        is_global = self._stage == 2 or not word & _NOT_GLOBAL
        size = 1 << self.shape.levels[index][1]
        return Entry(self._stage, start, size, word, None if is_global else self.asid, address)

    def _load(self, index: int, base: int, address: int) -> None:
        """Remember a table and all tables below it."""
        if len(self._pages) >= PAGES_AT_MOST:
            return
        level, lsb = self.shape.levels[index]
        size_bytes = self._size_of_table(index)
        data = self._bytes(address, size_bytes) or bytes(size_bytes)
        self._pages[level, base] = _Page(address, data)
        if level == LAST_LEVEL:
            return
        for number, word in enumerate(_words(data)):
            if word & 1 and self._kind(word, index) is StepKind.TABLE:
                self._load(index + 1, base + (number << lsb), self._table_address(word))

    def _table_address(self, word: int) -> int:
        return word & _ADDRESS & -1 << self.shape.granule_bits

    def _below(self, index: int, base: int) -> Iterator[Entry]:
        """Return what a table and the tables below it map."""
        level, lsb = self.shape.levels[index]
        page = self._pages.get((level, base))
        for number, word in enumerate(_words(page.data) if page is not None else ()):
            if word & 1 and page is not None:
                yield from self._of_word(word, index, base + (number << lsb), page.address + number * 8)

    def _of_word(self, word: int, index: int, start: int, address: int) -> Iterator[Entry]:
        if self._kind(word, index) is StepKind.TABLE:
            yield from self._below(index + 1, start)
        elif (entry := self._entry(word, index, start, address)) is not None:
            yield entry

    def _compare(self, key: tuple[int, int], page: _Page, data: bytes) -> list[Change]:
        index = next(index for index, (level, _) in enumerate(self.shape.levels) if level == key[0])
        old, new = _words(page.data), list(_words(data))
        changed = [number for number in range(len(new)) if new[number] != old[number]]
        lsb = self.shape.levels[index][1]
        changes = [
            self._change(index, key[1] + (number << lsb), page.address + number * 8, old[number], new[number])
            for number in changed
        ]
        if not self._is_used:
            for number in changed:
                new[number] = 0
        self._pages[key] = _Page(page.address, struct.pack(f"<{len(new)}Q", *new))
        return changes

    def _change(self, index: int, start: int, address: int, old: int, new: int) -> Change:
        was_table, is_table = (self._kind(word, index) is StepKind.TABLE for word in (old, new))
        if was_table and is_table and self._is_used and self._table_address(old) == self._table_address(new):
            return Change((), ())
        lost = tuple(self._of_word(old, index, start, address))
        if was_table:
            self._forget(index + 1, start)
        if is_table and self._is_used:
            self._load(index + 1, start, self._table_address(new))
        return Change(lost, tuple(self._of_word(new, index, start, address)))

    def _forget(self, index: int, base: int) -> None:
        level, lsb = self.shape.levels[index]
        page = self._pages.pop((level, base), None)
        if page is None or level == LAST_LEVEL:
            return
        for number, word in enumerate(_words(page.data)):
            if word & 1 and self._kind(word, index) is StepKind.TABLE:
                self._forget(index + 1, base + (number << lsb))


def _words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 8}Q", data)
