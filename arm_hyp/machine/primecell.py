"""What the PrimeCell peripherals share: 32-bit registers found by offset, and the identification registers at the end.

Read `machine/seams.py` before this file, `machine/pl011.py`, `machine/pl031.py` and `machine/pl061.py` after it.
A device fills two tables, one of readers and one of writers; all that is not in them is reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from arm_hyp.machine.seams import IrqLine

SIZE_BYTES: Final = 0x1000
PERIPH_ID0: Final = 0xFE0
_PCELL_ID: Final = bytes((0x0D, 0xF0, 0x05, 0xB1))

Readers = Mapping[int, Callable[[], int]]
Writers = Mapping[int, Callable[[int], None]]


class PrimeCell:
    """A device of 4 KiB whose registers are words. `periph_id` holds PeriphID0 to PeriphID3.

    Reserved offsets, those that are not multiples of 4 included, read as zero and ignore writes, as under QEMU; so do
    the missing direction of read-only and write-only registers. Narrow accesses at a register's own offset reach it:
    a read gives its low bits, a write the low bits of the value and zeros above.
    """

    def __init__(self, periph_id: bytes, irq: IrqLine) -> None:
        self._irq, self._level = irq, False
        self._readers: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[int], None]] = {}
        self._ids = dict(zip(range(PERIPH_ID0, SIZE_BYTES, 4), periph_id + _PCELL_ID, strict=True))

    def _registers(self, readers: Readers, writers: Writers) -> None:
        self._readers.update(readers)
        self._writers.update(writers)

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register by its offset."""
        reader = self._readers.get(offset)
        value = reader() if reader else self._ids.get(offset, 0)
        return value & (1 << 8 * size_bytes) - 1

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register by its offset."""
        writer = self._writers.get(offset)
        if writer:
            writer(value)

    def _drive(self, level: bool, force: bool = False) -> None:
        """Drive the interrupt line where its level changed."""
        if level is not self._level or force:
            self._level = level
            self._irq(level)
