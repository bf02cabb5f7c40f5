"""What a GICv3 guest finds: GICD, one redistributor for each vCPU, and the registers that send SGIs.

Read `hypervisor/vgic/mmio.py` and `machine/gic/gicv3_frames.py` before this file. The guest's other ICC_* registers are
the hardware's ICV_*, by HCR_EL2.IMO and FMO.

One Security state (GICD_CTLR.DS is 1), affinity routing always (ARE is 1), no LPIs, as on the machine itself.

Simplified: GICR_WAKER keeps what is written, but a redistributor marked asleep still forwards interrupts.

Ref: Linux, vgic-mmio-v3.c; IHI 0069 12.9, 12.11.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_SPI
from arm_hyp.arch.registers.gic import ICC_SGI1R_EL1
from arm_hyp.hypervisor.vgic.delivery import halted
from arm_hyp.hypervisor.vgic.dist import WAKER_ASLEEP, VgicCpu, VgicDist
from arm_hyp.hypervisor.vgic.irq import VgicIrq
from arm_hyp.hypervisor.vgic.mmio import IIDR, ROWS, words, write_groups
from arm_hyp.machine.gic.gicv3_frames import GICD_IDENTIFICATION, GICR_IDENTIFICATION
from arm_hyp.machine.gic.registers import Frame, Word, constant, identification, whole

FRAME_BYTES: Final = 0x1_0000
CPU_BYTES: Final = 2 * FRAME_BYTES
_FIXED_CTLR: Final = 1 << 6 | 1 << 4  # DS, ARE
_TYPER: Final = 1 << 25 | 1 << 24 | 9 << 19  # No1N, A3V, IDbits: INTIDs of 10 bits
_PROCESSOR_SLEEP: Final = 1 << 1
_IROUTER: Final = 0x6000
_AFFINITY_BITS: Final = 0xFF_00FF_FFFF
"""GICD_IROUTER<n>: Aff3<39:32>, Aff2<23:16>, Aff1<15:8>, Aff0<7:0>."""


def distributor_frame(dist: VgicDist) -> Frame:
    """Return GICD, the same for every vCPU; it has nothing for INTID 0 to 31."""
    table: dict[int, Word] = {
        0x000: whole(lambda: _FIXED_CTLR | dist.groups, partial(write_groups, dist)),
        0x004: constant(_TYPER | (FIRST_SPI + len(dist.spis)) // 32 - 1),
        0x008: constant(IIDR),
    }
    table |= words(dist, dist.spis, ROWS)
    for irq in dist.spis:
        for half in (0, 4):
            table[_IROUTER + 8 * irq.intid + half] = _router_word(dist, irq, 8 * half)
    return Frame(table | identification(FRAME_BYTES, GICD_IDENTIFICATION))


def _router_word(dist: VgicDist, irq: VgicIrq, shift: int) -> Word:
    """Return one half of GICD_IROUTER<n>. An affinity that no vCPU has gets nothing."""

    def write(value: int) -> None:
        with halted(dist):
            irq.mpidr = (irq.mpidr & ~(0xFFFF_FFFF << shift) | value << shift) & _AFFINITY_BITS
            irq.target_vcpu = _vcpu_at(dist, irq.mpidr >> 8 & 0xFF00_0000 | irq.mpidr & 0xFF_FFFF)
            dist.queue(irq)

    return whole(lambda: irq.mpidr >> shift & 0xFFFF_FFFF, write)


def _vcpu_at(dist: VgicDist, affinity: int) -> int | None:
    return next((cpu.index for cpu in dist.cpus if cpu.affinity == affinity), None)


class Redistributors:
    """GICR of all vCPUs as one device: for each RD_base, then SGI_base, 64 KiB each. Its state is the vGIC's."""

    def __init__(self, dist: VgicDist) -> None:
        self._frames = [Frame(_redistributor_words(dist, cpu)) for cpu in dist.cpus]

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register; RAZ behind the last vCPU."""
        vcpu = offset // CPU_BYTES
        return self._frames[vcpu].read(offset % CPU_BYTES, size_bytes) if vcpu < len(self._frames) else 0

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register; WI behind the last vCPU."""
        vcpu = offset // CPU_BYTES
        if vcpu < len(self._frames):
            self._frames[vcpu].write(offset % CPU_BYTES, size_bytes, value)

    def snapshot(self) -> dict[str, Any]:
        """Return nothing: the vGIC saves its frames."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take nothing back: the vGIC restores its frames."""


def _redistributor_words(dist: VgicDist, cpu: VgicCpu) -> dict[int, Word]:
    """Return RD_base: CTLR is RAZ/WI without LPIs, TYPER tells the number, the affinity, and which one is the last."""

    def write_waker(value: int) -> None:
        cpu.waker = WAKER_ASLEEP if value & _PROCESSOR_SLEEP else 0

    is_last = cpu is dist.cpus[-1]
    table: dict[int, Word] = {
        0x0000: constant(0),
        0x0004: constant(IIDR),
        0x0008: constant(cpu.index << 8 | is_last << 4),
        0x000C: constant(cpu.affinity),
        0x0014: whole(lambda: cpu.waker, write_waker),
    }
    table |= {FRAME_BYTES + offset: word for offset, word in words(dist, cpu.private, ROWS).items()}
    return table | identification(FRAME_BYTES, GICR_IDENTIFICATION)


# --- SGIs ------------------------------------------------------------------------------------------------------------

_GROUP_OF: Final = {"ICC_SGI1R_EL1": 1, "ICC_SGI0R_EL1": 0, "ICC_ASGI1R_EL1": 0}
"""The group that an SGI must have at its target. With one Security state ICC_ASGI1R_EL1 reaches Group 0."""


def send_sgi(dist: VgicDist, sender: int, register: str, value: int) -> None:
    """Do a guest's write of ICC_SGI1R_EL1 or one of its siblings: to all others (IRM), or to those listed.

    Raises: KeyError, for another register. Ref: Linux, vgic_v3_dispatch_sgi.
    """
    request, group = ICC_SGI1R_EL1(value), _GROUP_OF[register]
    for cpu in dist.cpus:
        irq = cpu.private[request.INTID]
        if irq.group == group and (cpu.index != sender if request.IRM else _is_listed(request, cpu.affinity)):
            irq.pending_latch = True
            dist.queue(irq)


def _is_listed(request: ICC_SGI1R_EL1, affinity: int) -> bool:
    """Tell whether a vCPU is in TargetList; ICC_CTLR_EL1.RSS is 0, so that RS is RES0."""
    cluster = request.Aff3 << 16 | request.Aff2 << 8 | request.Aff1
    aff0 = affinity & 0xFF
    return affinity >> 8 == cluster and aff0 < 16 and bool(request.TargetList >> aff0 & 1)
