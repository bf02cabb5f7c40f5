"""The PL061 GPIO: eight pins. On this board line 3 is the power key, and no pin drives anything.

Read `machine/primecell.py` before this file.

Ref: Arm PrimeCell GPIO (PL061) TRM, DDI 0190, chapter 3.
Simplified: outputs lead nowhere, and GPIOAFSEL is kept without effect. The integration test registers (0x600 and on)
are not modelled: they are reserved here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.machine.primecell import PrimeCell
from arm_hyp.machine.seams import IrqLine, no_line

GPIODATA_BYTES: Final = 0x400
GPIODIR, GPIOIS, GPIOIBE, GPIOIEV, GPIOIE, GPIORIS, GPIOMIS, GPIOIC, GPIOAFSEL = range(0x400, 0x424, 4)
PERIPH_ID: Final = bytes((0x61, 0x10, 0x04, 0x00))
POWER_KEY_LINE: Final = 3

_PLAIN: Final = (GPIODIR, GPIOIS, GPIOIBE, GPIOIEV, GPIOIE, GPIOAFSEL)


class Pl061(PrimeCell):
    """A PL061. `irq` is GPIOINTR, the OR of all unmasked interrupts.

    A pin with GPIOIS = 0 remembers an edge until GPIOIC clears it: both edges with GPIOIBE = 1, else the rising one
    with GPIOIEV = 1, else the falling one. A pin with GPIOIS = 1 interrupts while its level is GPIOIEV, and GPIOIC
    does nothing to it.
    """

    def __init__(self, irq: IrqLine = no_line) -> None:
        super().__init__(PERIPH_ID, irq)
        self._plain = dict.fromkeys(_PLAIN, 0)
        self._inputs = self._outputs = self._edges = 0
        data = range(0, GPIODATA_BYTES, 4)
        self._registers({offset: self._data_reader(offset >> 2) for offset in data}, {})
        self._registers({}, {offset: self._data_writer(offset >> 2) for offset in data})
        self._registers({offset: self._plain_reader(offset) for offset in _PLAIN}, {})
        self._registers({}, {offset: self._plain_writer(offset) for offset in _PLAIN})
        self._registers({GPIORIS: self._raw, GPIOMIS: lambda: self._raw() & self._plain[GPIOIE]}, {GPIOIC: self._clear})

    def set_input(self, line: int, level: bool) -> None:
        """Drive a pin, 0 to 7, from outside. Raises: ValueError for another."""
        if not 0 <= line < 8:
            raise ValueError(f"the PL061 has lines 0 to 7, and no line {line}")
        before, bit = self._inputs, 1 << line
        self._inputs = before | bit if level else before & ~bit
        self._edges |= self._notice_edge(before ^ self._inputs)
        self._settle()

    def _notice_edge(self, changed: int) -> int:
        plain = self._plain
        wanted = plain[GPIOIBE] | ~(self._inputs ^ plain[GPIOIEV])
        return changed & wanted & ~plain[GPIOIS] & ~plain[GPIODIR]

    # --- registers ---------------------------------------------------------------------------------------------------

    def _pins(self) -> int:
        direction = self._plain[GPIODIR]
        return self._outputs & direction | self._inputs & ~direction

    def _data_reader(self, mask: int) -> Callable[[], int]:
        """Return a reader of GPIODATA: address bits <9:2> choose the pins, the others read as 0."""
        return lambda: self._pins() & mask

    def _data_writer(self, mask: int) -> Callable[[int], None]:
        """Return a writer of GPIODATA: address bits <9:2> choose the pins; only outputs can be written."""

        def write(value: int) -> None:
            pins = mask & self._plain[GPIODIR]
            self._outputs = self._outputs & ~pins | value & pins
            self._settle()

        return write

    def _plain_reader(self, offset: int) -> Callable[[], int]:
        return lambda: self._plain[offset]

    def _plain_writer(self, offset: int) -> Callable[[int], None]:
        def write(value: int) -> None:
            self._plain[offset] = value & 0xFF
            self._settle()

        return write

    def _raw(self) -> int:
        sense = self._plain[GPIOIS]
        return self._edges & ~sense | ~(self._pins() ^ self._plain[GPIOIEV]) & sense

    def _clear(self, value: int) -> None:
        self._edges &= ~value
        self._settle()

    def _settle(self, force: bool = False) -> None:
        self._drive(bool(self._raw() & self._plain[GPIOIE]), force)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state; `registers` by offset in hexadecimal."""
        registers = {f"{offset:03x}": value for offset, value in self._plain.items()}
        return {"registers": registers, "inputs": self._inputs, "outputs": self._outputs, "edges": self._edges}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive the line."""
        self._plain = {offset: state["registers"][f"{offset:03x}"] for offset in _PLAIN}
        self._inputs, self._outputs, self._edges = state["inputs"], state["outputs"], state["edges"]
        self._settle(force=True)
