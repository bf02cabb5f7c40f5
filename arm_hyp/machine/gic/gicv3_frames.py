"""The memory-mapped registers of GICv3: the distributor, and the two frames of every redistributor.

Read `machine/gic/registers.py` and `machine/gic/gicv3.py` before this file.

With affinity routing the distributor has nothing for INTID 0 to 31 (RAZ/WI): that is in the redistributors.

Ref: IHI 0069 12.9 (GICD_*), 12.11 (GICR_*).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_SPI, INTID_COUNT
from arm_hyp.machine.gic.distributor import Distributor
from arm_hyp.machine.gic.registers import BankWords, Frame, Word, constant, identification, whole

IIDR: Final = 0x43B
"""GICD_IIDR and GICR_IIDR: implementer Arm (0x43b), product and revision 0."""
_FIXED_CTLR: Final = 1 << 6 | 1 << 4  # DS, ARE
_NO_1_OF_N, _A3V = 1 << 25, 1 << 24
_ID_BITS: Final = 9
"""GICD_TYPER.IDbits: INTIDs have 10 bits, as there are no LPIs."""
TYPER: Final = _NO_1_OF_N | _A3V | _ID_BITS << 19 | INTID_COUNT // 32 - 1
GICD_IDENTIFICATION: Final = (0x44, 0, 0, 0, 0x92, 0xB4, 0x3B, 0x00, 0x0D, 0xF0, 0x05, 0xB1)
GICR_IDENTIFICATION: Final = (0x44, 0, 0, 0, 0x93, 0xB4, 0x3B, 0x00, 0x0D, 0xF0, 0x05, 0xB1)
"""PIDR4 to PIDR7, PIDR0 to PIDR3, CIDR0 to CIDR3. PIDR2<7:4> is the architecture: 3."""
_FRAME_BYTES: Final = 0x1_0000
_CPU_BYTES: Final = 2 * _FRAME_BYTES
_SGI_BASE: Final = _FRAME_BYTES
_IROUTER: Final = 0x6000
_AFFINITY_BITS: Final = 0xFF_00FF_FFFF
"""GICD_IROUTER<n>: Aff3<39:32>, Aff2<23:16>, Aff1<15:8>, Aff0<7:0>. Interrupt_Routing_Mode<31> is RES0 (No1N)."""
_ASLEEP: Final = 1 << 1 | 1 << 2  # GICR_WAKER.ProcessorSleep, ChildrenAsleep


class Routes:
    """GICD_IROUTER<n>: the CPU that each SPI goes to, by its affinity. An affinity that no CPU has gets nothing."""

    def __init__(self, distributor: Distributor, affinities: Sequence[int]) -> None:
        self._distributor, self._affinities = distributor, affinities
        self._routes = [0] * distributor.shared.count
        for n in range(len(self._routes)):
            self._set_target(n)

    def words(self) -> dict[int, Word]:
        """Return the registers: 64 bits each, as two words."""
        table: dict[int, Word] = {}
        for n in range(len(self._routes)):
            for half in (0, 1):
                offset = _IROUTER + 8 * (FIRST_SPI + n) + 4 * half
                table[offset] = whole(partial(self._read, n, 32 * half), partial(self._write, n, 32 * half))
        return table

    def _read(self, n: int, shift: int) -> int:
        return self._routes[n] >> shift & 0xFFFF_FFFF

    def _write(self, n: int, shift: int, value: int) -> None:
        kept = self._routes[n] & ~(0xFFFF_FFFF << shift)
        self._routes[n] = (kept | value << shift) & _AFFINITY_BITS
        self._set_target(n)
        self._distributor.changed(None)

    def _set_target(self, n: int) -> None:
        route, targets = self._routes[n], self._distributor.shared.targets
        affinity = route >> 8 & 0xFF00_0000 | route & 0xFF_FFFF
        for cpu, own in enumerate(self._affinities):
            targets[cpu] = targets[cpu] & ~(1 << n) | (own == affinity) << n

    def snapshot(self) -> list[int]:
        """Return the state as plain data."""
        return list(self._routes)

    def restore(self, state: list[int]) -> None:
        """Take a state back; the bank takes back what follows from it."""
        self._routes = list(state)


def distributor_frame(distributor: Distributor, routes: Routes) -> Frame:
    """Return GICD: 64 KiB."""

    def write_control(value: int) -> None:
        distributor.groups = value & 3
        distributor.changed(None)

    table: dict[int, Word] = {
        0x000: whole(lambda: _FIXED_CTLR | distributor.groups, write_control),
        0x004: constant(TYPER),
        0x008: constant(IIDR),
    }
    table |= BankWords(distributor.shared, partial(distributor.changed, None), sgi_pending_writable=True).words()
    return Frame(table | routes.words() | identification(_FRAME_BYTES, GICD_IDENTIFICATION))


class Redistributors:
    """GICR of all CPUs as one device: for each CPU RD_base, then SGI_base, 64 KiB each."""

    def __init__(self, distributor: Distributor, affinities: Sequence[int]) -> None:
        self._distributor, self._affinities = distributor, affinities
        self._wakers = [_ASLEEP] * len(affinities)
        self._frames = [Frame(self._words(cpu)) for cpu in range(len(affinities))]

    def _words(self, cpu: int) -> dict[int, Word]:
        bank = self._distributor.private[cpu]
        table: dict[int, Word] = {
            0x0004: constant(IIDR),
            0x0008: constant(cpu << 8 | (cpu == len(self._affinities) - 1) << 4),
            0x000C: constant(self._affinities[cpu]),
            0x0014: whole(lambda: self._wakers[cpu], partial(self._write_waker, cpu)),
        }
        shared = BankWords(bank, partial(self._distributor.changed, cpu), sgi_pending_writable=True).words()
        table |= {_SGI_BASE + offset: word for offset, word in shared.items()}
        return table | identification(_FRAME_BYTES, GICR_IDENTIFICATION)

    def _write_waker(self, cpu: int, value: int) -> None:
        """Write GICR_WAKER: ChildrenAsleep follows ProcessorSleep at once."""
        self._wakers[cpu] = _ASLEEP if value & 1 << 1 else 0

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register; RAZ behind the last CPU."""
        cpu = offset // _CPU_BYTES
        return self._frames[cpu].read(offset % _CPU_BYTES, size_bytes) if cpu < len(self._frames) else 0

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register; WI behind the last CPU."""
        cpu = offset // _CPU_BYTES
        if cpu < len(self._frames):
            self._frames[cpu].write(offset % _CPU_BYTES, size_bytes, value)

    def snapshot(self) -> dict[str, Any]:
        """Return GICR_WAKER of each CPU; the rest is the distributor's state."""
        return {"wakers": list(self._wakers)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take GICR_WAKER back."""
        self._wakers = list(state["wakers"])
