"""An interrupt as the value of a list register, and back.

Read `hypervisor/vgic/irq.py` and `machine/gic/virtual_list.py` before this file, `hypervisor/vgic/delivery.py` after
it. Values have the layout of ICH_LR<n>_EL2 on both versions; a GICv2's SGI carries its sender in pINTID<2:0>.

Ref: Linux, vgic_v3_compute_lr, vgic_v3_populate_lr and vgic_v3_fold_lr; IHI 0069, ICH_LR<n>_EL2.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2
from arm_hyp.hypervisor.vgic.irq import VgicIrq
from arm_hyp.machine.gic.virtual_list import ACTIVE_BIT, EOI_BIT, HW_BIT, PENDING_BIT, PRIORITY_SHIFT, physical_intid_of

_GROUP_SHIFT: Final = ICH_LR_EL2.Group.lsb
_PHYSICAL_SHIFT: Final = ICH_LR_EL2.pINTID.lsb
_SENDER: Final = 7


def compute_lr(irq: VgicIrq, is_forwarded: bool) -> int:
    """Return the list register that shows an interrupt to the guest as it is.

    `is_forwarded`: it is pending and enabled. KVM shows an active one as pending also if it was disabled meanwhile.
    """
    lr = irq.intid | irq.priority << PRIORITY_SHIFT | irq.group << _GROUP_SHIFT | _link(irq)
    if irq.active:
        lr |= ACTIVE_BIT
    if is_forwarded and not (irq.active and _waits_for_deactivation(irq)):
        lr |= PENDING_BIT
    return lr


def _waits_for_deactivation(irq: VgicIrq) -> bool:
    """Tell whether the interrupt must not be pending and active in one list register.

    With HW = 1 the physical distributor holds what is pending. A line is looked at again when the interrupt has ended.
    A list register has room for one sender only.
    """
    return irq.hw or not irq.edge or irq.has_senders


def _link(irq: VgicIrq) -> int:
    """Return HW and pINTID: the physical interrupt, or the sender of a GICv2's SGI and whether we must see the end.

    We must see the end of a level-sensitive interrupt to look at its line, and of an SGI that has more senders.
    """
    if irq.hw:
        return HW_BIT | irq.hwintid << _PHYSICAL_SHIFT
    sender = irq.active_source if irq.active else lowest_sender(irq)
    waiting = irq.source if irq.active else irq.source & irq.source - 1
    return sender << _PHYSICAL_SHIFT | (EOI_BIT if waiting or not irq.edge else 0)


def lowest_sender(irq: VgicIrq) -> int:
    """Return the vCPU whose SGI is delivered first; 0 if the interrupt has no sender."""
    return max((irq.source & -irq.source).bit_length() - 1, 0)


def populate_lr(irq: VgicIrq, is_forwarded: bool) -> int:
    """Return the list register of an interrupt, and take from the interrupt what the guest now may acknowledge.

    So whatever comes while the guest runs is new. Of a hardware-linked level only a rise is ever reported to us: the
    line is put low here, and read again when the list register is folded.
    """
    lr = compute_lr(irq, is_forwarded)
    if lr & PENDING_BIT:
        if irq.edge:
            irq.source &= ~(1 << lowest_sender(irq))
            irq.pending_latch = irq.source != 0
        elif irq.hw:
            irq.line_level = False
    return lr


def fold_lr(irq: VgicIrq, before: int, after: int) -> bool:
    """Bring an interrupt up to date from its list register, as written and as the guest left it.

    Return whether the physical interrupt that it is linked to must be let go, because its line is low and the guest
    will never end it.
    """
    is_pending = bool(after & PENDING_BIT)
    was_deactivated = irq.active and not after & ACTIVE_BIT
    irq.active = bool(after & ACTIVE_BIT)
    if irq.edge:
        _fold_edge(irq, after, is_pending)
    elif before & PENDING_BIT and not is_pending:
        irq.pending_latch = False  # acknowledged
    return _resample(irq, is_pending or (was_deactivated and irq.line_level))


def _fold_edge(irq: VgicIrq, lr: int, is_pending: bool) -> None:
    irq.pending_latch |= is_pending
    if irq.has_senders:
        sender = physical_intid_of(lr) & _SENDER
        irq.source |= is_pending << sender
        irq.active_source = sender if irq.active else 0


def _resample(irq: VgicIrq, is_wanted: bool) -> bool:
    """Read the line of a hardware-linked level again. Ref: Linux, vgic_irq_handle_resampling."""
    if irq.read_line is None or irq.edge or not is_wanted:
        return False
    irq.line_level = irq.read_line()
    return not irq.line_level
