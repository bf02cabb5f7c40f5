"""The virtual GIC of one VM: all that the rest of the hypervisor uses of it.

Read the other files of `hypervisor/vgic/` before this one, in the order that the package's docstring gives, and
`hypervisor/vm.py` after it. A vCPU is named by its index, an interrupt by its INTID.

On every round: `load` once on a physical CPU, then `flush`, the guest runs, `sync`, and at last `put`.

Ref: Linux, kvm_vgic_* in vgic.c and vgic-init.c; IHI 0048, IHI 0069.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI, SPI_COUNT
from arm_hyp.arch.registers.gic_virtual import ICH_VMCR_EL2
from arm_hyp.hypervisor.vgic import debug, delivery, mmio_v2, mmio_v3
from arm_hyp.hypervisor.vgic.dist import VgicDist
from arm_hyp.hypervisor.vgic.interfaces import VirtualCpuInterface
from arm_hyp.hypervisor.vgic.irq import LineLevel, VgicIrq
from arm_hyp.machine import board
from arm_hyp.machine.seams import Device, IrqLine

Report = Callable[[int, int, bool], None]
"""`report(vcpu, intid, level)`: an input changed. Ref: Linux's tracepoint vgic_update_irq_pending."""
_VMCR: Final = ICH_VMCR_EL2


def no_report(vcpu: int, intid: int, level: bool) -> None:
    """Report to nobody."""


class VgicFrame(NamedTuple):
    """A device for the VM's bus: `device(vcpu)` answers at `ipa_base`."""

    name: str
    ipa_base: int
    size_bytes: int
    device: Callable[[int], Device]


class Vgic:
    """A GICv2 (for 1 to 8 vCPUs) or a GICv3. `version` is that of the machine: the hardware does half of the work.

    `affinities[vcpu]` is Aff3.Aff2.Aff1.Aff0 in 8 bits each, by default Aff0 is the index. `kick(vcpu)` is called when
    a vCPU that may be blocked or run elsewhere has something new. Raises: ValueError, for a shape that no GIC has.
    """

    def __init__(
        self,
        version: int,
        vcpus: int,
        kick: Callable[[int], None],
        report: Report = no_report,
        spis: int = SPI_COUNT,
        affinities: Sequence[int] | None = None,
    ) -> None:
        _check(version, vcpus, spis)
        self._report = report
        self._dist = VgicDist(version, list(affinities or range(vcpus)), spis, kick)
        self.frames = _FRAMES[version](self._dist)

    # --- inputs ------------------------------------------------------------------------------------------------------

    def spi(self, intid: int) -> IrqLine:
        """Return the input of an SPI. Raises: ValueError."""
        if intid < FIRST_SPI:
            raise ValueError(f"INTID {intid} is not an SPI")
        return partial(self._drive, self._dist.irq(0, intid))

    def ppi(self, vcpu: int, intid: int) -> IrqLine:
        """Return the input of a PPI of one vCPU. Raises: ValueError."""
        if not FIRST_PPI <= intid < FIRST_SPI:
            raise ValueError(f"INTID {intid} is not a PPI")
        return partial(self._drive, self._dist.irq(vcpu, intid))

    def _drive(self, irq: VgicIrq, level: bool) -> None:
        """Set the level of an input; the rise of an edge-triggered one is latched."""
        if irq.line_level == level:
            return
        irq.line_level = level
        irq.pending_latch |= level and irq.edge
        self._tell(irq, level)

    def _tell(self, irq: VgicIrq, level: bool) -> None:
        self._report(irq.owner or 0, irq.intid, level)
        self._dist.queue(irq)

    def inject(self, vcpu: int, intid: int, level: bool = True) -> None:
        """Set the line of a level-sensitive interrupt, or pend another once. Raises: ValueError, for a wrong INTID.

        An SGI of a GICv2 comes from the vCPU itself. Ref: Linux, kvm_vgic_inject_irq.
        """
        irq = self._dist.irq(vcpu, intid)
        if not irq.edge:
            self._drive(irq, level)
        elif level:
            irq.source |= irq.has_senders << vcpu
            irq.pending_latch = True
            self._tell(irq, level)

    def map_physical(self, vcpu: int, intid: int, physical_intid: int, line_level: LineLevel) -> None:
        """Link a PPI to a physical one: the guest's deactivation deactivates both (LR.HW = 1).

        Call it once, when the VM is made. Raises: ValueError, for other interrupts. Ref: Linux, kvm_vgic_map_phys_irq.
        """
        if not FIRST_PPI <= intid < FIRST_SPI:
            raise ValueError(f"INTID {intid} is not a PPI")
        irq = self._dist.irq(vcpu, intid)
        irq.hwintid, irq.read_line = physical_intid, line_level

    def send_sgi(self, vcpu: int, register: str, value: int) -> None:
        """Do a guest's write of ICC_SGI1R_EL1, ICC_SGI0R_EL1 or ICC_ASGI1R_EL1. Raises: KeyError, for another name."""
        mmio_v3.send_sgi(self._dist, vcpu, register, value)

    def write_dir(self, vcpu: int, value: int) -> None:
        """Do a guest's write of ICC_DIR_EL1, which always traps here (ICH_HCR_EL2.TDIR)."""
        mmio_v2.write_dir(self._dist, vcpu, value)

    # --- what a vCPU gets --------------------------------------------------------------------------------------------

    def has_pending(self, vcpu: int) -> bool:
        """Tell whether a vCPU has an interrupt that would end a WFI: its group enabled, its priority above the mask.

        As on KVM neither the running priority nor PSTATE matters. Ref: Linux, kvm_vgic_vcpu_pending_irq.
        """
        cpu = self._dist.cpus[vcpu]
        if not cpu.ap_list:
            return False
        vmcr = cpu.current_vmcr()
        mask = vmcr >> _VMCR.VPMR.lsb & _VMCR.VPMR.max
        return any(
            irq.pending and irq.enabled and not irq.active and irq.priority < mask and bool(vmcr >> irq.group & 1)
            for irq in cpu.ap_list
        )

    def is_physical_active(self, vcpu: int, intid: int) -> bool:
        """Tell whether the physical interrupt behind a linked one must be active, as the guest has yet to end it.

        `load` sees to it. Ref: Linux, kvm_vgic_map_is_active.
        """
        irq = self._dist.irq(vcpu, intid)
        return irq.hw and (irq.active or irq.pending_now)

    def load(self, vcpu: int, interface: VirtualCpuInterface) -> None:
        """Load a vCPU on the physical CPU that has this interface. Its timer's line must be right already."""
        delivery.load(self._dist, self._dist.cpus[vcpu], interface)

    def attach(self, vcpu: int, interface: VirtualCpuInterface | None) -> None:
        """Say, after `restore`, on which CPU a vCPU is loaded, whose hardware was restored too. Touches nothing."""
        self._dist.cpus[vcpu].interface = interface

    def flush(self, vcpu: int) -> None:
        """Fill the list registers: the guest runs next."""
        delivery.flush(self._dist, self._dist.cpus[vcpu])

    def sync(self, vcpu: int) -> None:
        """Fold the list registers: the guest has run. May be called again.

        All that a maintenance interrupt is for happens here and in `flush`: its handler has nothing to do.
        """
        delivery.sync(self._dist, self._dist.cpus[vcpu])

    def put(self, vcpu: int) -> None:
        """Unload a vCPU from the physical CPU."""
        delivery.put(self._dist, self._dist.cpus[vcpu])

    def reset_vcpu(self, vcpu: int) -> None:
        """Reset a GICv3's CPU interface with its vCPU, which is not loaded; a GICv2's is not part of the CPU."""
        cpu = self._dist.cpus[vcpu]
        assert cpu.interface is None, f"vCPU {vcpu} is loaded"
        if self._dist.version == 3:
            cpu.vmcr, cpu.active_priorities = 0, [0, 0]

    # --- for observers -----------------------------------------------------------------------------------------------

    def interrupts(self, vcpu: int) -> list[VgicIrq]:
        """Return the interrupts as a vCPU sees them: its own, and the shared ones, as of the last `sync`."""
        return [*self._dist.cpus[vcpu].private, *self._dist.spis]

    def enables(self, vcpu: int) -> tuple[int, int]:
        """Return GICD_CTLR's group enables <1:0>, and ICH_VMCR_EL2 of a vCPU."""
        return self._dist.groups, self._dist.cpus[vcpu].current_vmcr()

    def dump(self) -> str:
        """Return the whole state in the columns of Linux's `vgic-state`."""
        return debug.dump(self._dist)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain data."""
        return self._dist.snapshot()

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. `attach` follows for each vCPU. Raises: ValueError, for the state of another shape."""
        self._dist.restore(state)


def _check(version: int, vcpus: int, spis: int) -> None:
    if version not in _FRAMES:
        raise ValueError(f"there is no vGIC of version {version}, only 2 and 3")
    if vcpus < 1 or (version == 2 and vcpus > 8):
        raise ValueError(f"a GICv{version} cannot have {vcpus} vCPUs")
    if spis % 32 or not 0 < spis <= 960:
        raise ValueError(f"a GIC has 32 to 960 SPIs, in steps of 32, not {spis}")


def _frames_v2(dist: VgicDist) -> tuple[VgicFrame, ...]:
    gicd = [mmio_v2.distributor_frame(dist, cpu.index) for cpu in dist.cpus]
    second_page = [mmio_v2.deactivate_frame(dist, cpu.index) for cpu in dist.cpus]
    return (
        VgicFrame("vgic-dist", board.GICD_BASE, mmio_v2.FRAME_BYTES, gicd.__getitem__),
        VgicFrame("vgic-dir", board.GICC_BASE + board.PAGE_BYTES, board.PAGE_BYTES, second_page.__getitem__),
    )


def _frames_v3(dist: VgicDist) -> tuple[VgicFrame, ...]:
    gicd, gicr = mmio_v3.distributor_frame(dist), mmio_v3.Redistributors(dist)
    return (
        VgicFrame("vgic-dist", board.GICD_BASE, mmio_v3.FRAME_BYTES, lambda vcpu: gicd),
        VgicFrame("vgic-redist", board.GICR_BASE, mmio_v3.CPU_BYTES * len(dist.cpus), lambda vcpu: gicr),
    )


_FRAMES: Final = {2: _frames_v2, 3: _frames_v3}
