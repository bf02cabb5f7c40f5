"""List registers: filled before a guest runs (flush), folded after it (sync), and refilled by maintenance interrupts.

Read `hypervisor/vgic/list_registers.py` and `hypervisor/vgic/dist.py` before this file, `hypervisor/vgic/vgic.py` after
it.

When a vCPU has more interrupts than there are list registers, those that can be delivered go first, then the active
ones, whose end the hardware then only counts (EOIcount), then those of a group that the guest has disabled.

Ref: Linux, kvm_vgic_flush_hwstate, kvm_vgic_sync_hwstate, vgic_v3_configure_hcr, vgic_v3_fold_lr_state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_VMCR_EL2
from arm_hyp.hypervisor.vgic.dist import VgicCpu, VgicDist
from arm_hyp.hypervisor.vgic.interfaces import VirtualCpuInterface
from arm_hyp.hypervisor.vgic.irq import VgicIrq
from arm_hyp.hypervisor.vgic.list_registers import compute_lr, fold_lr, populate_lr
from arm_hyp.machine.gic.virtual_list import ACTIVE_BIT

_HCR: Final = ICH_HCR_EL2
ENABLED: Final = int(_HCR.of(En=1, TDIR=1))
"""What ICH_HCR_EL2 always holds. Every ICV_DIR_EL1 is trapped: the interrupt may be in no list register, or be an SPI
that another vCPU acknowledged. On GICv2 the second page of GICV is trapped for the same reason, by stage 2."""
_DELIVERABLE, _ACTIVE, _DISABLED = range(3)
_BOTH_GROUPS: Final = ICH_VMCR_EL2.VENG1.mask | ICH_VMCR_EL2.VENG0.mask
"""While all interrupts have a list register it does not matter which groups the guest has enabled."""


def flush(dist: VgicDist, cpu: VgicCpu) -> None:
    """Fill the list registers of a loaded vCPU that is about to run."""
    interface = cpu.interface
    assert interface is not None, f"vCPU {cpu.index} is not loaded"
    cpu.is_live = True
    if not cpu.ap_list and cpu.hcr == ENABLED and not any(cpu.lrs):
        return
    vmcr = interface.read_vmcr() if len(cpu.ap_list) > interface.count else _BOTH_GROUPS
    cpu.ap_list.sort(key=lambda irq: (_urgency(irq, vmcr), irq.priority, irq.intid))
    cpu.in_lrs = cpu.ap_list[: interface.count]
    hcr = ENABLED | _maintenance(cpu.ap_list[interface.count :], vmcr, interface.count)
    _write_list_registers(dist, cpu)
    if hcr != cpu.hcr:
        interface.write_hcr(hcr)
        cpu.hcr = hcr


def _urgency(irq: VgicIrq, vmcr: int) -> int:
    if irq.active:
        return _ACTIVE
    return _DELIVERABLE if vmcr >> irq.group & 1 else _DISABLED


def _write_list_registers(dist: VgicDist, cpu: VgicCpu) -> None:
    """Write each list register that changes."""
    assert cpu.interface is not None
    values = [populate_lr(irq, dist.forwards(irq)) for irq in cpu.in_lrs]
    for irq in cpu.in_lrs:
        irq.on_lr = True
    values += [0] * (cpu.interface.count - len(values))
    for index, value in enumerate(values):
        if value != cpu.lrs[index]:
            cpu.interface.write_lr(index, value)
    cpu.lrs = values


def _maintenance(outside: list[VgicIrq], vmcr: int, count: int) -> int:
    """Return the maintenance interrupts that tell when one of the interrupts left outside must come in.

    None of these conditions holds already, or the guest would make no progress: with a single list register underflow
    always holds, so that only NPIE is asked for.
    """
    wanted = {_urgency(irq, vmcr) for irq in outside}
    hcr = 0
    if _DELIVERABLE in wanted:
        hcr |= _HCR.NPIE.mask | (_HCR.UIE.mask if count > 1 else 0)
    if _ACTIVE in wanted:
        hcr |= _HCR.LRENPIE.mask
    if wanted - {_ACTIVE}:
        hcr |= _HCR.VGrp0DIE.mask if vmcr & ICH_VMCR_EL2.VENG0.mask else _HCR.VGrp0EIE.mask
        hcr |= _HCR.VGrp1DIE.mask if vmcr & ICH_VMCR_EL2.VENG1.mask else _HCR.VGrp1EIE.mask
    return hcr


def sync(dist: VgicDist, cpu: VgicCpu) -> None:
    """Fold the list registers of a vCPU after it has run; do nothing if they are folded already."""
    if not cpu.is_live:
        return
    cpu.is_live = False
    if not cpu.in_lrs and not cpu.hcr & _HCR.LRENPIE.mask:
        return
    folded, cpu.in_lrs = cpu.in_lrs, []
    for index, irq in enumerate(folded):
        _fold(dist, cpu, index, irq)
    if cpu.hcr & _HCR.LRENPIE.mask:
        folded += _fold_ends(dist, cpu, folded)
    for irq in folded:
        dist.settle(irq, cpu.index)
    if folded and cpu.interface is not None:
        _end_maintenance(cpu, cpu.interface)


def _end_maintenance(cpu: VgicCpu, interface: VirtualCpuInterface) -> None:
    """Switch the interface off while it asks for maintenance, until `flush` takes the cause away.

    So its line is low when EL2 acknowledges interrupts, and low when it has deactivated this one. KVM does it at
    every exit.
    """
    if interface.read_misr():
        interface.write_hcr(0)
        cpu.hcr = 0


def _fold(dist: VgicDist, cpu: VgicCpu, index: int, irq: VgicIrq) -> None:
    assert cpu.interface is not None
    before, after = cpu.lrs[index], cpu.interface.read_lr(index)
    cpu.lrs[index], irq.on_lr = after, False
    if fold_lr(irq, before, after):
        dist.set_physical_active(irq, False)


def _fold_ends(dist: VgicDist, cpu: VgicCpu, folded: list[VgicIrq]) -> list[VgicIrq]:
    """Deactivate as many of the interrupts that were in no list register as the guest has ended, and return them.

    A guest ends interrupts in the reverse order of their activation, so that the most urgent are those that it ended.
    Simplified: of a guest that ends them in another order the wrong one is deactivated, as on KVM.
    """
    assert cpu.interface is not None
    cpu.hcr = cpu.interface.read_hcr()
    ended = cpu.hcr >> _HCR.EOIcount.lsb & _HCR.EOIcount.max
    outside = [irq for irq in cpu.ap_list if irq.active and irq not in folded][:ended]
    for irq in outside:
        deactivate(dist, irq)
    return outside


def deactivate(dist: VgicDist, irq: VgicIrq) -> None:
    """Deactivate an interrupt in the guest's place, and the physical one that it is linked to."""
    lr = compute_lr(irq, dist.forwards(irq))
    fold_lr(irq, lr, lr & ~ACTIVE_BIT)
    dist.set_physical_active(irq, False)


@contextmanager
def halted(dist: VgicDist) -> Iterator[None]:
    """Fold the list registers of every vCPU that runs, and fill them again afterwards.

    So the registers of the distributor show, and change, the state that interrupts have now. Ref: Linux,
    vgic_access_active_prepare, which stops the other vCPUs. Here nothing else runs while Python runs at EL2.
    """
    live = [cpu for cpu in dist.cpus if cpu.is_live]
    for cpu in live:
        sync(dist, cpu)
    try:
        yield
    finally:
        for cpu in live:
            flush(dist, cpu)


def load(dist: VgicDist, cpu: VgicCpu, interface: VirtualCpuInterface) -> None:
    """Load a vCPU on a physical CPU: its priorities, its mask, and the active state of what it is linked to there.

    A physical interrupt is active while the guest has it pending or active, so that it does not come again.
    Ref: Linux, kvm_vgic_load, and kvm_timer_vcpu_load_gic for the active state.
    """
    assert cpu.interface is None, f"vCPU {cpu.index} is loaded already"
    cpu.interface = interface
    interface.write_vmcr(cpu.vmcr)
    for group, value in enumerate(cpu.active_priorities):
        interface.write_active_priorities(group, value)
    cpu.lrs = [interface.read_lr(index) for index in range(interface.count)]
    cpu.hcr = interface.read_hcr()
    for irq in cpu.private:
        if irq.read_line is not None:
            irq.line_level = irq.read_line()
            dist.queue(irq)
            dist.set_physical_active(irq, irq.active or irq.line_level)


def put(dist: VgicDist, cpu: VgicCpu) -> None:
    """Unload a vCPU: fold its list registers, save the rest, and switch the hardware's interface off.

    What is left in the list registers is overwritten when the next vCPU is loaded and runs. Ref: Linux, kvm_vgic_put.
    """
    assert cpu.interface is not None, f"vCPU {cpu.index} is not loaded"
    sync(dist, cpu)
    interface = cpu.interface
    interface.write_hcr(0)
    cpu.vmcr = interface.read_vmcr()
    cpu.active_priorities = [interface.read_active_priorities(group) for group in (0, 1)]
    cpu.interface = None
