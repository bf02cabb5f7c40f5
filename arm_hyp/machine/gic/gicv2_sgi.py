"""Software-generated interrupts of GICv2: pending once for each CPU that sent it.

Read `machine/gic/distributor.py` before this file. The bank's pending latch of an SGI is set while any sender is left.

Ref: IHI 0048 3.2.5, 4.3.15 (GICD_SGIR), 4.3.16 (GICD_CPENDSGIRn), 4.3.17 (GICD_SPENDSGIRn).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from arm_hyp.arch.gic import FIRST_PPI
from arm_hyp.machine.gic.distributor import Distributor
from arm_hyp.machine.gic.registers import Word

_LISTED, _OTHERS, _SELF = 0, 1, 2
_SGIS: Final = FIRST_PPI


class SoftwareInterrupts:
    """The senders of every SGI of every CPU: `_senders[cpu][intid]` has a bit for each sending CPU."""

    def __init__(self, distributor: Distributor) -> None:
        self._distributor = distributor
        self._senders = [[0] * _SGIS for _ in range(distributor.cpus)]

    def generate(self, sender: int, value: int) -> None:
        """Do a write of GICD_SGIR: TargetListFilter<25:24>, CPUTargetList<23:16>, SGIINTID<3:0>."""
        everyone = (1 << self._distributor.cpus) - 1
        targets = {_LISTED: value >> 16 & 0xFF, _OTHERS: ~(1 << sender), _SELF: 1 << sender}
        chosen = targets.get(value >> 24 & 3, 0) & everyone
        for cpu in range(self._distributor.cpus):
            if chosen >> cpu & 1:
                self._change(cpu, value & 0xF, self._senders[cpu][value & 0xF] | 1 << sender)

    def lowest_sender(self, cpu: int, intid: int) -> int:
        """Return the CPU whose SGI is acknowledged first: the lowest that sent one."""
        senders = self._senders[cpu][intid]
        return max((senders & -senders).bit_length() - 1, 0)

    def take(self, cpu: int, intid: int) -> int:
        """Remove the first sender of an acknowledged SGI and return it; the SGI stays pending while others are left."""
        sender = self.lowest_sender(cpu, intid)
        self._change(cpu, intid, self._senders[cpu][intid] & ~(1 << sender))
        return sender

    def _change(self, cpu: int, intid: int, senders: int) -> None:
        self._senders[cpu][intid] = senders
        bank = self._distributor.private[cpu]
        bank.latch = bank.latch | 1 << intid if senders else bank.latch & ~(1 << intid)
        self._distributor.changed(cpu)

    def words(self, cpu: int) -> dict[int, Word]:
        """Return GICD_CPENDSGIRn and GICD_SPENDSGIRn as one CPU sees them: a byte of senders for each SGI."""
        table: dict[int, Word] = {}
        for n in range(0, _SGIS, 4):
            for offset, update in ((0xF10, _cleared), (0xF20, _added)):
                table[offset + n] = Word(
                    partial(self._read, cpu, n), partial(self._write, cpu, n, update), bytes_allowed=True
                )
        return table

    def _read(self, cpu: int, first: int) -> int:
        return int.from_bytes(bytes(self._senders[cpu][first : first + 4]), "little")

    def _write(self, cpu: int, first: int, update: Callable[[int, int], int], value: int, lanes: int) -> None:
        existing = (1 << self._distributor.cpus) - 1
        for lane in range(4):
            bits = value >> 8 * lane & existing
            if bits:
                self._change(cpu, first + lane, update(self._senders[cpu][first + lane], bits))

    def snapshot(self) -> list[list[int]]:
        """Return the state as plain data."""
        return [list(senders) for senders in self._senders]

    def restore(self, state: list[list[int]]) -> None:
        """Take a state back."""
        self._senders = [list(senders) for senders in state]


def _cleared(senders: int, bits: int) -> int:
    return senders & ~bits


def _added(senders: int, bits: int) -> int:
    return senders | bits
