"""All interrupts of a VM, which vCPU each of them is for, and what every vCPU has on its list.

Read `hypervisor/vgic/irq.py` before this file and `hypervisor/vgic/delivery.py` after it.

Ref: Linux, struct vgic_dist, struct vgic_cpu and vgic.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_SPI
from arm_hyp.hypervisor.vgic.interfaces import VirtualCpuInterface
from arm_hyp.hypervisor.vgic.irq import VgicIrq

_CPU_STATE: Final = ("vmcr", "hcr", "is_live", "waker")
WAKER_ASLEEP: Final = 1 << 1 | 1 << 2
"""GICR_WAKER.ProcessorSleep and ChildrenAsleep."""


class VgicCpu:
    """The vGIC's part of one vCPU: its SGIs and PPIs, and its side of the list registers.

    `ap_list` are the interrupts that are active, or pending and enabled, and for this vCPU. `interface` is there while
    the vCPU is loaded on a physical CPU; `lrs` and `hcr` are then what the hardware holds as far as we know, and
    `in_lrs[n]` is the interrupt in list register n. `is_live`: the guest runs with them, so they are not folded yet.
    """

    def __init__(self, index: int, affinity: int, version: int) -> None:
        self.index, self.affinity = index, affinity
        self.private = [VgicIrq(intid, index, version) for intid in range(FIRST_SPI)]
        self.ap_list: list[VgicIrq] = []
        self.in_lrs: list[VgicIrq] = []
        self.lrs: list[int] = []
        self.interface: VirtualCpuInterface | None = None
        self.hcr = self.vmcr = 0
        self.active_priorities = [0, 0]
        self.is_live = False
        self.waker = WAKER_ASLEEP

    def current_vmcr(self) -> int:
        """Return ICH_VMCR_EL2 of this vCPU, from the hardware if it is loaded."""
        return self.vmcr if self.interface is None else self.interface.read_vmcr()

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; the interface is not in it."""
        return {name: getattr(self, name) for name in _CPU_STATE} | {
            "active_priorities": list(self.active_priorities),
            "private": [irq.snapshot() for irq in self.private],
            "ap_list": [irq.intid for irq in self.ap_list],
            "in_lrs": [irq.intid for irq in self.in_lrs],
            "lrs": list(self.lrs),
        }


class VgicDist:
    """The distributor of a VM. `groups`<1:0> are GICD_CTLR.EnableGrp0 and EnableGrp1.

    `kick(vcpu)` is called when a vCPU has something new to look at: it may be blocked, or run with old list registers.
    """

    def __init__(self, version: int, affinities: list[int], spis: int, kick: Callable[[int], None]) -> None:
        self.version, self.kick = version, kick
        self.cpus = [VgicCpu(index, affinity, version) for index, affinity in enumerate(affinities)]
        self.spis = [VgicIrq(FIRST_SPI + n, None, version) for n in range(spis)]
        self.groups = 0
        self._reset()

    def _reset(self) -> None:
        """Give the interrupts what they start with: IMPLEMENTATION DEFINED or UNKNOWN values as on KVM.

        An SPI of a GICv3 goes to affinity 0.0.0.0; one of a GICv2 to the only CPU, or to nobody.
        """
        first = next((cpu.index for cpu in self.cpus if cpu.affinity == 0), None)
        for irq in self.irqs():
            irq.group = int(self.version == 3)
            irq.enabled = irq.has_senders
            if irq.is_spi and (self.version == 3 or len(self.cpus) == 1):
                irq.target_vcpu = first

    def irq(self, vcpu: int, intid: int) -> VgicIrq:
        """Return an interrupt as a vCPU sees it. Raises: ValueError, for an INTID that this vGIC has not."""
        if not 0 <= intid < FIRST_SPI + len(self.spis):
            raise ValueError(f"INTID {intid} is not an SGI, PPI or SPI of this vGIC (0 to {self.last_intid})")
        return self.cpus[vcpu].private[intid] if intid < FIRST_SPI else self.spis[intid - FIRST_SPI]

    @property
    def last_intid(self) -> int:
        """The highest INTID."""
        return FIRST_SPI + len(self.spis) - 1

    def irqs(self) -> Iterator[VgicIrq]:
        """Yield every interrupt, the private ones of each vCPU first."""
        for cpu in self.cpus:
            yield from cpu.private
        yield from self.spis

    def target(self, irq: VgicIrq) -> int | None:
        """Return the vCPU that must know of an interrupt now: as it is active, or may be signalled; or None.

        An active one stays with the vCPU that acknowledged it. Ref: Linux, vgic_target_oracle.
        """
        if irq.active:
            return irq.target_vcpu if irq.vcpu is None else irq.vcpu
        return irq.target_vcpu if self.forwards(irq) else None

    def forwards(self, irq: VgicIrq) -> bool:
        """Tell whether an interrupt is pending, enabled, and of a group that GICD_CTLR enables."""
        return irq.pending and irq.enabled and bool(self.groups >> irq.group & 1)

    def queue(self, irq: VgicIrq) -> None:
        """Put an interrupt on the list that it belongs on, after any change, and kick the vCPU if it is pending.

        A vCPU that runs is kicked also when its list register may show what is no longer pending: KVM lets the guest
        see that, a spurious interrupt. Ref: Linux, vgic_queue_irq_unlock.
        """
        if not irq.on_lr:
            self._move(irq, self.target(irq))
        if irq.vcpu is not None and (irq.pending or irq.on_lr):
            self.kick(irq.vcpu)

    def settle(self, irq: VgicIrq, vcpu: int) -> None:
        """Do the same for an interrupt that was folded, whose vCPU needs no kick: only another one that gets it now.

        Ref: Linux, vgic_prune_ap_list.
        """
        self._move(irq, self.target(irq))
        if irq.vcpu not in (None, vcpu):
            self.queue(irq)

    def _move(self, irq: VgicIrq, target: int | None) -> None:
        if irq.vcpu == target:
            return
        if irq.vcpu is not None:
            self.cpus[irq.vcpu].ap_list.remove(irq)
        irq.vcpu = target
        if target is not None:
            self.cpus[target].ap_list.append(irq)

    def set_physical_active(self, irq: VgicIrq, is_active: bool) -> None:
        """Set the active state of the physical interrupt behind a hardware-linked one.

        A vCPU that is not loaded has none: the state is set when it is loaded.
        """
        interface = self.cpus[irq.owner or 0].interface
        if irq.hw and interface is not None:
            interface.set_physical_active(irq.hwintid, is_active)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain data."""
        return {
            "groups": self.groups,
            "cpus": [cpu.snapshot() for cpu in self.cpus],
            "spis": [irq.snapshot() for irq in self.spis],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. Which vCPU is loaded where is not in it. Raises: ValueError, for another shape."""
        self.groups = state["groups"]
        for irq, saved in zip(self.spis, state["spis"], strict=True):
            irq.restore(saved)
        for cpu, saved in zip(self.cpus, state["cpus"], strict=True):
            self._restore_cpu(cpu, saved)

    def _restore_cpu(self, cpu: VgicCpu, state: dict[str, Any]) -> None:
        for name in _CPU_STATE:
            setattr(cpu, name, state[name])
        for irq, saved in zip(cpu.private, state["private"], strict=True):
            irq.restore(saved)
        cpu.active_priorities, cpu.lrs = list(state["active_priorities"]), list(state["lrs"])
        cpu.ap_list = [self.irq(cpu.index, intid) for intid in state["ap_list"]]
        cpu.in_lrs = [self.irq(cpu.index, intid) for intid in state["in_lrs"]]
