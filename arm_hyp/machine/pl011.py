"""The PL011 UART: what is written to it prints, what the host types arrives in its FIFO.

Read `machine/primecell.py` before this file. Sending and receiving take no time: a byte is out when it is written, and
the 32 bit times of silence after which the receive timeout interrupt comes have passed as soon as a byte is in.

Ref: Arm PrimeCell UART (PL011) TRM, DDI 0183: "Interrupts", "Register descriptions".
Simplified, each as QEMU does, because software for its board relies on it: UARTCR's enables are kept but stop nothing;
the receive interrupt comes with the first byte, whatever UARTIFLS.RXIFLSEL says; UARTDMACR is kept, but no DMA
controller is there; baud rate, parity, word length and the IrDA part are without effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.machine.primecell import SIZE_BYTES, PrimeCell
from arm_hyp.machine.seams import IrqLine, no_line

__all__ = ["SIZE_BYTES", "Pl011"]

UARTDR, UARTRSR, UARTFR, UARTILPR = 0x000, 0x004, 0x018, 0x020
UARTIBRD, UARTFBRD, UARTLCR_H, UARTCR, UARTIFLS = 0x024, 0x028, 0x02C, 0x030, 0x034
UARTIMSC, UARTRIS, UARTMIS, UARTICR, UARTDMACR = 0x038, 0x03C, 0x040, 0x044, 0x048

INT_RI, INT_CTS, INT_DCD, INT_DSR, INT_RX, INT_TX, INT_RT, INT_FE, INT_PE, INT_BE, INT_OE = (1 << n for n in range(11))
"""The interrupts: bits of UARTIMSC, UARTRIS, UARTMIS and UARTICR."""
FE, PE, BE, OE = 1, 2, 4, 8
"""Errors of a received byte: UARTRSR<3:0>, and UARTDR<11:8> with the byte."""
FR_RI, FR_TXFE, FR_RXFF, FR_TXFF, FR_RXFE, FR_BUSY, FR_DCD, FR_DSR, FR_CTS = (1 << n for n in range(8, -1, -1))
FIFO_BYTES: Final = 16
PERIPH_ID: Final = bytes((0x11, 0x10, 0x14, 0x00))

_FEN, _BRK = 1 << 4, 1 << 0
_LBE: Final = 1 << 7
_LOOPED: Final = ((1 << 10, FR_DSR), (1 << 11, FR_CTS), (1 << 12, FR_DCD), (1 << 13, FR_RI))
"""In loopback, the modem outputs of UARTCR (DTR, RTS, Out1, Out2) and the modem inputs of UARTFR that they reach."""
_MODEM_INTERRUPTS: Final = ((FR_RI, INT_RI), (FR_CTS, INT_CTS), (FR_DCD, INT_DCD), (FR_DSR, INT_DSR))

_PLAIN: Final = {
    UARTILPR: (0xFF, 0),
    UARTIBRD: (0xFFFF, 0),
    UARTFBRD: (0x3F, 0),
    UARTLCR_H: (0xFF, 0),
    UARTCR: (0xFF87, 0x300),
    UARTIFLS: (0x3F, 0x12),
    UARTIMSC: (0x7FF, 0),
    UARTDMACR: (0x7, 0),
}
"""Registers that keep what is written: implemented bits, and the value after reset. Ref: TRM, register summary."""


class Pl011(PrimeCell):
    """A PL011. `output` takes the bytes it sends, `irq` is UARTINTR, the OR of all unmasked interrupts."""

    def __init__(self, output: Callable[[int], None], irq: IrqLine = no_line) -> None:
        super().__init__(PERIPH_ID, irq)
        self._output = output
        self._plain = {offset: reset for offset, (_, reset) in _PLAIN.items()}
        self._fifo: list[int] = []
        self._rsr = self._ris = 0
        self._overrun = False
        self._registers({offset: self._plain_reader(offset) for offset in _PLAIN}, {})
        self._registers({}, {offset: self._plain_writer(offset) for offset in _PLAIN})
        self._registers(
            {
                UARTDR: self._read_data,
                UARTRSR: lambda: self._rsr,
                UARTFR: self._read_flags,
                UARTRIS: lambda: self._ris,
                UARTMIS: lambda: self._ris & self._plain[UARTIMSC],
            },
            {
                UARTDR: self._transmit,
                UARTRSR: self._clear_errors,
                UARTLCR_H: self._write_line_control,
                UARTCR: self._write_control,
                UARTICR: self._clear_interrupts,
            },
        )

    # --- the line to the host ----------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many bytes fit into the receive FIFO now: it holds 16, or 1 while UARTLCR_H.FEN is 0."""
        return self._depth - len(self._fifo)

    def receive(self, byte: int, errors: int = 0) -> bool:
        """Take a byte from the line, perhaps with FE, PE or BE; False and no effect if the FIFO has no room."""
        if not self.room:
            return False
        self._fifo.append(byte & 0xFF | (errors | (OE if self._overrun else 0)) << 8)
        self._overrun = False
        self._raise(INT_RX | INT_RT | (errors & (FE | PE | BE)) * INT_FE)
        return True

    def overrun(self) -> None:
        """Lose a byte that came while the FIFO was full. The next byte received carries the mark.

        Ref: TRM, UARTDR.OE and UARTRSR.OE.
        """
        self._overrun = True
        self._rsr |= OE
        self._raise(INT_OE)

    # --- registers ---------------------------------------------------------------------------------------------------

    @property
    def _depth(self) -> int:
        return FIFO_BYTES if self._plain[UARTLCR_H] & _FEN else 1

    def _plain_reader(self, offset: int) -> Callable[[], int]:
        return lambda: self._plain[offset]

    def _plain_writer(self, offset: int) -> Callable[[int], None]:
        mask = _PLAIN[offset][0]

        def write(value: int) -> None:
            self._plain[offset] = value & mask
            self._settle()

        return write

    def _read_data(self) -> int:
        """Take the oldest byte; with an empty FIFO, 0 (UNKNOWN on hardware). Ref: TRM, UARTDR."""
        entry = self._fifo.pop(0) if self._fifo else 0
        self._rsr = self._rsr & OE | entry >> 8
        if not self._fifo:
            self._ris &= ~(INT_RX | INT_RT)
        self._settle()
        return entry

    def _transmit(self, value: int) -> None:
        byte = value & 0xFF
        self._output(byte)
        if self._plain[UARTCR] & _LBE:
            self._loop_back(byte)
        self._raise(INT_TX)

    def _loop_back(self, byte: int, errors: int = 0) -> None:
        if not self.receive(byte, errors):
            self.overrun()

    def _clear_errors(self, value: int) -> None:
        self._rsr = 0

    def _read_flags(self) -> int:
        empty = 0 if self._fifo else FR_RXFE
        return FR_TXFE | empty | (0 if self.room else FR_RXFF) | self._modem_inputs()

    def _modem_inputs(self) -> int:
        control = self._plain[UARTCR]
        return sum(flag for output, flag in _LOOPED if control & output) if control & _LBE else 0

    def _write_line_control(self, value: int) -> None:
        """Write UARTLCR_H: a change of FEN empties the FIFO; a break in loopback comes back as one."""
        changed = self._plain[UARTLCR_H] ^ value
        self._plain[UARTLCR_H] = value & 0xFF
        if changed & _FEN:
            self._fifo.clear()
            self._ris &= ~(INT_RX | INT_RT)
        if changed & value & _BRK and self._plain[UARTCR] & _LBE:
            self._loop_back(0, BE)
        self._settle()

    def _write_control(self, value: int) -> None:
        """Write UARTCR: in loopback its modem outputs reach the modem inputs, and a change interrupts."""
        before = self._modem_inputs()
        self._plain[UARTCR] = value & _PLAIN[UARTCR][0]
        changed = before ^ self._modem_inputs()
        self._raise(sum(interrupt for flag, interrupt in _MODEM_INTERRUPTS if changed & flag))

    def _clear_interrupts(self, value: int) -> None:
        self._ris &= ~value
        self._settle()

    def _raise(self, interrupts: int) -> None:
        self._ris |= interrupts
        self._settle()

    def _settle(self, force: bool = False) -> None:
        self._drive(bool(self._ris & self._plain[UARTIMSC]), force)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state; `registers` by offset in hexadecimal, FIFO entries with their errors in <11:8>."""
        return {
            "registers": {f"{offset:03x}": value for offset, value in self._plain.items()},
            "fifo": list(self._fifo),
            "rsr": self._rsr,
            "ris": self._ris,
            "overrun": self._overrun,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive the line."""
        self._plain = {offset: state["registers"][f"{offset:03x}"] for offset in _PLAIN}
        self._fifo = list(state["fifo"])
        self._rsr, self._ris, self._overrun = state["rsr"], state["ris"], state["overrun"]
        self._settle(force=True)
