"""The PL011 UART: its data register prints.

Read `events.py` before this file. A device knows its offsets, not where it is mapped.
Simplified: the data and flag registers only; the other registers come with the board and are refused loudly until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

UARTDR, UARTFR = 0x000, 0x018
SIZE_BYTES: Final = 0x1000
_TX_EMPTY_RX_EMPTY: Final = 1 << 7 | 1 << 4


class Pl011:
    """A PL011 that transmits at once. `output` takes the bytes; read and write raise KeyError for other registers.

    Ref: Arm PrimeCell UART (PL011) TRM, 3.3.
    """

    def __init__(self, output: Callable[[int], None]) -> None:
        self._output = output

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register by its offset."""
        if offset == UARTFR:
            return _TX_EMPTY_RX_EMPTY
        raise KeyError(f"PL011 register at offset {offset:#x} is not modelled")

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register by its offset."""
        if offset != UARTDR:
            raise KeyError(f"PL011 register at offset {offset:#x} is not modelled")
        self._output(value & 0xFF)

    def snapshot(self) -> dict[str, int]:
        """Return the state: this model of the transmitter has none."""
        return {}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back. Raises: ValueError if it is not one of this device."""
        if state:
            raise ValueError("the state is not of this PL011")
