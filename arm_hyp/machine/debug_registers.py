"""The debug registers that no debugger uses here: claim tags, OS double lock, communications channel.

Read `cpu/system_registers.py` before this file and `machine/wiring.py` after it. Software saves, restores and
clears them; none has an effect on what runs.

Simplified: no external debugger is attached, so nobody empties DBGDTRTX_EL0 or fills DBGDTRRX_EL0: what is sent is
lost, and received words read as zero. OSDLR_EL1.DLK keeps its value but does not lock.
Ref: Arm ARM D17.3; H4 (the Debug Communications Channel).
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort

CLAIM_TAGS: Final = 0xFF
_KEPT: Final = {
    "OSDLR_EL1": 1,
    "DBGPRCR_EL1": 1,
    "MDCCINT_EL1": 3 << 29,
    "OSDTRRX_EL1": 0xFFFF_FFFF,
    "OSDTRTX_EL1": 0xFFFF_FFFF,
    "OSECCR_EL1": 0xFFFF_FFFF,
}
"""Registers that keep what is written, and their bits that are not RES0."""


class DebugRegisters:
    """These registers of one CPU."""

    def __init__(self) -> None:
        self._values = dict.fromkeys(_KEPT, 0)
        self._claimed = 0

    def ports(self) -> dict[Encoding, RegisterPort]:
        """Return the registers by encoding, ready for a core."""
        rows = {name: self._kept(name, bits) for name, bits in _KEPT.items()} | {
            "DBGCLAIMSET_EL1": RegisterPort(lambda: CLAIM_TAGS, self._claim),
            "DBGCLAIMCLR_EL1": RegisterPort(lambda: self._claimed, self._disclaim),
            "DBGDTR_EL0": RegisterPort(lambda: 0, _lost),
            "DBGDTRTX_EL0": RegisterPort(None, _lost),
        }
        ports = {by_name(name).encoding: port for name, port in rows.items()}
        shared = by_name("DBGDTRTX_EL0").encoding  # DBGDTRRX_EL0, where it is read
        return ports | {shared: RegisterPort(lambda: 0, _lost)}

    def _kept(self, name: str, bits: int) -> RegisterPort:
        def write(value: int) -> None:
            self._values[name] = value & bits

        return RegisterPort(lambda: self._values[name], write)

    def _claim(self, value: int) -> None:
        self._claimed |= value & CLAIM_TAGS

    def _disclaim(self, value: int) -> None:
        self._claimed &= ~value

    def snapshot(self) -> dict[str, int]:
        """Return the state."""
        return self._values | {"claimed": self._claimed}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back."""
        self._values = {name: state[name] for name in _KEPT}
        self._claimed = state["claimed"]


def _lost(value: int) -> None:
    """Send a word to the debugger that is not there."""
