"""The registers that both versions of the distributor have: one table of rows, served by one loop.

Read `hypervisor/vgic/dist.py` and `machine/gic/registers.py` before this file, `hypervisor/vgic/mmio_v2.py` and
`hypervisor/vgic/mmio_v3.py` after it.

Ref: Linux, vgic-mmio.c; IHI 0048 4.3; IHI 0069 12.9 and 12.11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from arm_hyp.arch.gic import priority_mask
from arm_hyp.hypervisor.vgic.delivery import halted
from arm_hyp.hypervisor.vgic.dist import VgicDist
from arm_hyp.hypervisor.vgic.irq import VgicIrq
from arm_hyp.machine.gic.registers import Word
from arm_hyp.machine.gic.virtual_layout import PRIORITY_BITS

IIDR: Final = 0x4B00_343B
"""GICD_IIDR and GICR_IIDR: implementer Arm, product 0x4b, revision 3, as KVM's vGIC calls itself."""
_WORD_BITS: Final = 32


class Row(NamedTuple):
    """One kind of register: `bits` for each interrupt, from `offset` on.

    `write` is called for each interrupt whose bits the access covers; with `only_ones` only where they are not zero.
    """

    offset: int
    bits: int
    read: Callable[[VgicIrq], int]
    write: Callable[[VgicDist, VgicIrq, int], None]
    only_ones: bool = False
    bytes_allowed: bool = False


def words(dist: VgicDist, irqs: Sequence[VgicIrq], rows: Sequence[Row]) -> dict[int, Word]:
    """Return the registers of some rows for a whole number of words of interrupts."""
    table: dict[int, Word] = {}
    for row in rows:
        per_word = _WORD_BITS // row.bits
        for first in range(0, len(irqs), per_word):
            chunk = irqs[first : first + per_word]
            offset = row.offset + chunk[0].intid * row.bits // 8
            table[offset] = Word(partial(_read, dist, row, chunk), partial(_write, dist, row, chunk), row.bytes_allowed)
    return table


def _read(dist: VgicDist, row: Row, irqs: Sequence[VgicIrq]) -> int:
    with halted(dist):
        return sum(row.read(irq) << n * row.bits for n, irq in enumerate(irqs))


def _write(dist: VgicDist, row: Row, irqs: Sequence[VgicIrq], value: int, lanes: int) -> None:
    mask = (1 << row.bits) - 1
    with halted(dist):
        for n, irq in enumerate(irqs):
            bits, covered = value >> n * row.bits & mask, lanes >> n * row.bits & mask
            if covered and (bits or not row.only_ones):
                row.write(dist, irq, bits)
                dist.queue(irq)


# --- what the rows do ------------------------------------------------------------------------------------------------


def _set_group(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    irq.group = value


def _enable(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    """Enable an interrupt. A linked one is let go if its line fell while it was disabled, so that it can come again."""
    irq.enabled = True
    if irq.read_line is not None and not irq.edge:
        was_high, irq.line_level = irq.line_level, irq.read_line()
        if was_high and not irq.line_level and not irq.active:
            dist.set_physical_active(irq, False)


def _disable(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    """Disable an interrupt; the SGIs of a GICv2 are always enabled, which is IMPLEMENTATION DEFINED."""
    irq.enabled = irq.has_senders


def _set_pending(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    """Pend an interrupt. A linked one is then the guest's to end, so that the physical one is active."""
    if not irq.has_senders:
        irq.pending_latch = True
        dist.set_physical_active(irq, True)


def _clear_pending(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    if not irq.has_senders:
        irq.pending_latch = False
        if not irq.active:
            dist.set_physical_active(irq, False)


def _set_active(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    irq.active = True
    dist.set_physical_active(irq, True)


def _clear_active(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    irq.active = False
    dist.set_physical_active(irq, False)


def _set_priority(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    irq.priority = value & priority_mask(PRIORITY_BITS)


def _configure(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    """Choose edge or level for an SPI. SGIs are edges; that PPIs are levels is IMPLEMENTATION DEFINED, as on KVM."""
    if irq.is_spi:
        irq.edge = bool(value >> 1)


ROWS: Final = (
    Row(0x080, 1, lambda irq: irq.group, _set_group),
    Row(0x100, 1, lambda irq: irq.enabled, _enable, only_ones=True),
    Row(0x180, 1, lambda irq: irq.enabled, _disable, only_ones=True),
    Row(0x200, 1, lambda irq: irq.pending_now, _set_pending, only_ones=True),
    Row(0x280, 1, lambda irq: irq.pending_now, _clear_pending, only_ones=True),
    Row(0x300, 1, lambda irq: irq.active, _set_active, only_ones=True),
    Row(0x380, 1, lambda irq: irq.active, _clear_active, only_ones=True),
    Row(0x400, 8, lambda irq: irq.priority, _set_priority, bytes_allowed=True),
    Row(0xC00, 2, lambda irq: irq.edge << 1, _configure),
)
"""IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IPRIORITYR, ICFGR."""


def write_groups(dist: VgicDist, value: int) -> None:
    """Write GICD_CTLR.EnableGrp1 <1> and EnableGrp0 <0>."""
    with halted(dist):
        dist.groups = value & 3
        for irq in dist.irqs():
            if irq.vcpu is not None or irq.active or irq.pending_latch or irq.line_level:
                dist.queue(irq)  # the others are on no list, and stay so
