"""Memory-mapped registers as a table of 32-bit words, and the words that every distributor has.

Read `machine/gic/distributor.py` before this file and `machine/gic/gicv2.py` after it. A frame is a table from offset
to `Word`; what is not in it is reserved, RAZ/WI.

Access sizes: every word can be accessed as 32 bits; those with `bytes_allowed` also as bytes and halfwords. Any other
access, and any that is not aligned to its size, is RAZ/WI. Ref: IHI 0048 4.1.4; IHI 0069 12.1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from arm_hyp.machine.gic.distributor import Bank

ALL: Final = 0xFFFF_FFFF
IDENTIFICATION_WORDS: Final = 12
IDENTIFICATION_BYTES: Final = 4 * IDENTIFICATION_WORDS
"""The ID registers end a frame: PIDR4 to PIDR7, PIDR0 to PIDR3, CIDR0 to CIDR3."""


class Word(NamedTuple):
    """One register: `read()`, and `write(value, lanes)` where `lanes` are the bits that the access covers."""

    read: Callable[[], int]
    write: Callable[[int, int], None]
    bytes_allowed: bool = False


def ignore(value: int, lanes: int) -> None:
    """Ignore a write: the register is read-only."""


def zero() -> int:
    """Read as zero: the register is write-only."""
    return 0


def constant(value: int) -> Word:
    """Return a read-only register."""
    return Word(lambda: value, ignore)


def read_only(read: Callable[[], int]) -> Word:
    """Return a register that only reads."""
    return Word(read, ignore)


def write_only(write: Callable[[int], object]) -> Word:
    """Return a register that only takes whole words, and reads as zero."""
    return whole(zero, write)


def whole(read: Callable[[], int], write: Callable[[int], object]) -> Word:
    """Return a register that is written as a whole word."""

    def written(value: int, lanes: int) -> None:
        write(value)

    return Word(read, written)


def identification(last_offset: int, values: Iterable[int]) -> dict[int, Word]:
    """Return the twelve ID registers that end a frame at `last_offset` (the first byte after it)."""
    first = last_offset - IDENTIFICATION_BYTES
    return {first + 4 * n: constant(value) for n, value in enumerate(values)}


class Frame:
    """A table of registers as a `Device`.

    Its state belongs to the controller as a whole, which saves and restores it: here both do nothing.
    """

    def __init__(self, words: Mapping[int, Word]) -> None:
        self._words = words

    def _word(self, offset: int, size_bytes: int) -> Word | None:
        if offset % size_bytes:
            return None
        word = self._words.get(offset & ~3)
        return word if word is not None and (size_bytes == 4 or word.bytes_allowed) else None

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register; 0 where there is none, or none of this size."""
        word = self._word(offset, size_bytes)
        if word is None:
            return 0
        return word.read() >> 8 * (offset & 3) & (1 << 8 * size_bytes) - 1

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register; ignored where there is none, or none of this size."""
        word = self._word(offset, size_bytes)
        if word is not None:
            shift, lanes = 8 * (offset & 3), (1 << 8 * size_bytes) - 1
            word.write((value & lanes) << shift, lanes << shift)

    def snapshot(self) -> dict[str, Any]:
        """Return nothing: the controller saves its frames."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take nothing back: the controller restores its frames."""


class BankWords:
    """The registers of one bank: groups, enables, pending, active, priorities, configuration.

    `changed` is called after every write. `sgi_pending_writable`: GICv2 pends SGIs by other registers.
    """

    def __init__(self, bank: Bank, changed: Callable[[], None], sgi_pending_writable: bool) -> None:
        self._bank, self._changed = bank, changed
        self._pendable = bank.mask if bank.base or sgi_pending_writable else bank.mask & ~0xFFFF

    def words(self) -> dict[int, Word]:
        """Return the registers by the offsets that GICD and the SGI frame of a redistributor share."""
        table: dict[int, Word] = {}
        first = self._bank.base
        for n in range(0, self._bank.count, 32):
            at = (first + n) // 8
            for offset, make in self._bit_rows():
                table[offset + at] = make(n)
        for n in range(0, self._bank.count, 4):
            table[0x400 + first + n] = Word(
                partial(self._read_priorities, n), partial(self._write_priorities, n), bytes_allowed=True
            )
        for n in range(0, self._bank.count, 16):
            table[0xC00 + (first + n) // 4] = whole(partial(self._read_edge, n), partial(self._write_edge, n))
        return table

    def _bit_rows(self) -> tuple[tuple[int, Callable[[int], Word]], ...]:
        bank = self._bank
        return (
            (0x080, lambda n: self._bits(n, lambda: bank.group, self._write_group)),
            (0x100, lambda n: self._bits(n, lambda: bank.enabled, self._enable)),
            (0x180, lambda n: self._bits(n, lambda: bank.enabled, self._disable)),
            (0x200, lambda n: self._bits(n, lambda: bank.pending, self._set_pending)),
            (0x280, lambda n: self._bits(n, lambda: bank.pending, self._clear_pending)),
            (0x300, lambda n: self._bits(n, lambda: bank.active, self._set_active)),
            (0x380, lambda n: self._bits(n, lambda: bank.active, self._clear_active)),
        )

    def _bits(self, n: int, read: Callable[[], int], write: Callable[[int, int], None]) -> Word:
        def written(value: int) -> None:
            write(value << n, ALL << n)
            self._changed()

        return whole(lambda: read() >> n & ALL, written)

    def _write_group(self, bits: int, lanes: int) -> None:
        self._bank.group = self._bank.group & ~lanes | bits

    def _enable(self, bits: int, lanes: int) -> None:
        self._bank.enabled |= bits

    def _disable(self, bits: int, lanes: int) -> None:
        self._bank.enabled &= ~bits | self._bank.always_enabled

    def _set_pending(self, bits: int, lanes: int) -> None:
        self._bank.latch |= bits & self._pendable

    def _clear_pending(self, bits: int, lanes: int) -> None:
        self._bank.latch &= ~(bits & self._pendable)

    def _set_active(self, bits: int, lanes: int) -> None:
        self._bank.active |= bits

    def _clear_active(self, bits: int, lanes: int) -> None:
        self._bank.active &= ~bits

    def _read_priorities(self, n: int) -> int:
        return int.from_bytes(self._bank.priorities[n : n + 4], "little")

    def _write_priorities(self, n: int, value: int, lanes: int) -> None:
        for lane in range(4):
            if lanes >> 8 * lane & 0xFF:
                self._bank.set_priority(n + lane, value >> 8 * lane & 0xFF)
        self._changed()

    def _read_edge(self, n: int) -> int:
        bits = self._bank.edge >> n
        return sum((bits >> k & 1) << 2 * k + 1 for k in range(16))

    def _write_edge(self, n: int, value: int) -> None:
        bits = sum((value >> 2 * k + 1 & 1) << k for k in range(16))
        self._bank.set_edge(self._bank.edge & ~(0xFFFF << n) | bits << n)
        self._changed()
