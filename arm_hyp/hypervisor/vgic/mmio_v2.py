"""What a GICv2 guest finds: GICD, and of GICC only the register that deactivates interrupts.

Read `hypervisor/vgic/mmio.py` and `machine/gic/gicv2_sgi.py` before this file. The rest of GICC is the hardware's GICV,
which stage 2 maps at the guest's GICC: its first page, because the second holds GICC_DIR (see `delivery.ENABLED`).

Ref: Linux, vgic-mmio-v2.c; IHI 0048 4.3.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI
from arm_hyp.arch.registers.gic_virtual import ICH_VMCR_EL2
from arm_hyp.hypervisor.vgic.delivery import deactivate, halted
from arm_hyp.hypervisor.vgic.dist import VgicDist
from arm_hyp.hypervisor.vgic.irq import VgicIrq
from arm_hyp.hypervisor.vgic.mmio import IIDR, ROWS, Row, words, write_groups
from arm_hyp.machine.gic.gicv2 import IDENTIFICATION
from arm_hyp.machine.gic.registers import Frame, Word, constant, identification, whole, write_only

FRAME_BYTES: Final = 0x1000
_LISTED, _OTHERS, _SELF = 0, 1, 2


def distributor_frame(dist: VgicDist, vcpu: int) -> Frame:
    """Return GICD as one vCPU sees it."""
    lines = (FIRST_SPI + len(dist.spis)) // 32 - 1
    table: dict[int, Word] = {
        0x000: whole(lambda: dist.groups, partial(write_groups, dist)),
        0x004: constant(lines | (len(dist.cpus) - 1) << 5),
        0x008: constant(IIDR),
        0xF00: write_only(partial(_send_sgi, dist, vcpu)),
    }
    irqs = [*dist.cpus[vcpu].private, *dist.spis]
    table |= words(dist, irqs, ROWS) | words(dist, irqs[:FIRST_PPI], _SENDER_ROWS)
    if len(dist.cpus) > 1:  # with one CPU GICD_ITARGETSR is RAZ/WI
        own = constant(0x0101_0101 << vcpu)._replace(bytes_allowed=True)
        table |= {_ITARGETSR + n: own for n in range(0, FIRST_SPI, 4)} | words(dist, dist.spis, _TARGET_ROWS)
    return Frame(table | identification(FRAME_BYTES, IDENTIFICATION))


# --- targets and senders ---------------------------------------------------------------------------------------------


def _set_targets(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    """Write GICD_ITARGETSR: of several targets the lowest gets the interrupt, as on KVM; of none, nobody."""
    irq.targets = value & (1 << len(dist.cpus)) - 1
    irq.target_vcpu = (irq.targets & -irq.targets).bit_length() - 1 if irq.targets else None


def _add_senders(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    irq.source |= value & (1 << len(dist.cpus)) - 1
    irq.pending_latch = irq.source != 0


def _remove_senders(dist: VgicDist, irq: VgicIrq, value: int) -> None:
    irq.source &= ~value
    irq.pending_latch = irq.source != 0


_ITARGETSR: Final = 0x800
_TARGET_ROWS: Final = (Row(_ITARGETSR, 8, lambda irq: irq.targets, _set_targets, bytes_allowed=True),)
_SENDER_ROWS: Final = (
    Row(0xF10, 8, lambda irq: irq.source, _remove_senders, only_ones=True, bytes_allowed=True),
    Row(0xF20, 8, lambda irq: irq.source, _add_senders, only_ones=True, bytes_allowed=True),
)
"""GICD_CPENDSGIR, GICD_SPENDSGIR."""


def _send_sgi(dist: VgicDist, sender: int, value: int) -> None:
    """Write GICD_SGIR: TargetListFilter<25:24>, CPUTargetList<23:16>, SGIINTID<3:0>."""
    chosen = {_LISTED: value >> 16 & 0xFF, _OTHERS: ~(1 << sender), _SELF: 1 << sender}.get(value >> 24 & 3, 0)
    for cpu in dist.cpus:
        if chosen >> cpu.index & 1:
            irq = cpu.private[value & 0xF]
            _add_senders(dist, irq, 1 << sender)
            dist.queue(irq)


# --- GICC_DIR --------------------------------------------------------------------------------------------------------


def deactivate_frame(dist: VgicDist, vcpu: int) -> Frame:
    """Return the second page of GICC of one vCPU: GICC_DIR."""
    return Frame({0: write_only(partial(write_dir, dist, vcpu))})


def write_dir(dist: VgicDist, vcpu: int, value: int) -> None:
    """Do a guest's write of GICC_DIR or ICC_DIR_EL1, whoever acknowledged the interrupt; ignored with EOImode 0.

    `value`<23:0> is the INTID (of GICC_DIR <9:0>; the sender above it does not matter).
    """
    intid = value & (0x3FF if dist.version == 2 else 0xFF_FFFF)
    if not dist.cpus[vcpu].current_vmcr() & ICH_VMCR_EL2.VEOIM.mask or intid > dist.last_intid:
        return
    with halted(dist):
        irq = dist.irq(vcpu, intid)
        if irq.active:
            deactivate(dist, irq)
            dist.queue(irq)
