"""What differs between the virtual interfaces of GICv2 and GICv3: one row of facts for each.

Read `machine/gic/virtual_list.py` before this file and `machine/gic/virtual.py` after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arm_hyp.arch.gic import clamp_bpr, priority_mask
from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_LR_EL2, ICH_VMCR_EL2, ICH_VTR_EL2

PRIORITY_BITS: Final = 5
"""Virtual priorities have 5 bits and 32 preemption levels, as on QEMU's `virt`: VTR.PRIbits and PREbits are 4."""

MAX_LIST_REGISTERS: Final = 16
_LR, _HCR, _VMCR = ICH_LR_EL2, ICH_HCR_EL2, ICH_VMCR_EL2
_LR_FLAGS: Final = _LR.State.mask | _LR.HW.mask | _LR.Group.mask | priority_mask(PRIORITY_BITS) << _LR.Priority.lsb
_HCR_GICV2: Final = _HCR.EOIcount.mask | 0xFF
_HCR_TRAPS: Final = _HCR.TDIR.mask | _HCR.TALL1.mask | _HCR.TALL0.mask | _HCR.TC.mask
_VMCR_GICV3: Final = (
    priority_mask(PRIORITY_BITS) << _VMCR.VPMR.lsb
    | _VMCR.VBPR0.mask
    | _VMCR.VBPR1.mask
    | _VMCR.VEOIM.mask
    | _VMCR.VCBPR.mask
    | _VMCR.VENG1.mask
    | _VMCR.VENG0.mask
)


@dataclass(frozen=True)
class VirtualLayout:
    """The facts of one GIC version.

    `*_mask`: the bits that software can change; `vmcr_fixed`: the bits of VMCR that are always one. `vtr` lacks
    ListRegs. `intid_bits`: the width of a virtual INTID. `has_source_cpu`: an SGI's identifier carries the CPU that
    sent it, <12:10>. `has_grouped_priorities`: each group has its own active priorities registers.
    `checks_ended`: an end of interrupt that names an interrupt of another group or priority than those that end now
    drops the priority but deactivates nothing.
    """

    lr_mask: int
    hcr_mask: int
    vmcr_mask: int
    vmcr_fixed: int
    vtr: int
    intid_bits: int
    has_source_cpu: bool
    has_grouped_priorities: bool
    checks_ended: bool

    def vmcr(self, value: int) -> int:
        """Return what VMCR keeps of a written value; too small a binary point becomes the minimum."""
        bpr0 = clamp_bpr(value >> _VMCR.VBPR0.lsb, PRIORITY_BITS, 0)
        bpr1 = clamp_bpr(value >> _VMCR.VBPR1.lsb, PRIORITY_BITS, 1)
        kept = value & self.vmcr_mask & ~(_VMCR.VBPR0.mask | _VMCR.VBPR1.mask)
        return kept | self.vmcr_fixed | bpr0 << _VMCR.VBPR0.lsb | bpr1 << _VMCR.VBPR1.lsb


_VTR_PRIORITIES: Final = ICH_VTR_EL2.of(PRIbits=PRIORITY_BITS - 1, PREbits=PRIORITY_BITS - 1)

GICV2: Final = VirtualLayout(
    lr_mask=_LR_FLAGS | 0x3FF << _LR.pINTID.lsb | 0x3FF,
    hcr_mask=_HCR_GICV2,
    vmcr_mask=_VMCR_GICV3 | _VMCR.VFIQEn.mask | _VMCR.VAckCtl.mask,
    vmcr_fixed=0,
    vtr=_VTR_PRIORITIES,
    intid_bits=10,
    has_source_cpu=True,
    has_grouped_priorities=False,
    checks_ended=False,
)
"""Ref: IHI 0048 5.3. An end of interrupt of the wrong group is UNPREDICTABLE; as on QEMU it takes effect.

Four knowing differences from QEMU's GICv2, where the architecture speaks or GICv3 shows the better way: an interrupt of
a disabled group hides none of the other group; HPPIR shows what the priority mask hides, with the CPU of an SGI; the
aliased registers exist; a binary point that changes while an interrupt is active splits the running priority too.
"""

GICV3: Final = VirtualLayout(
    lr_mask=_LR_FLAGS | _LR.pINTID.mask | 0xFF_FFFF,
    hcr_mask=_HCR_GICV2 | _HCR_TRAPS,
    vmcr_mask=_VMCR_GICV3,
    vmcr_fixed=_VMCR.VFIQEn.mask,
    vtr=_VTR_PRIORITIES.replace(IDbits=1, A3V=1, nV4=1, TDS=1),
    intid_bits=24,
    has_source_cpu=False,
    has_grouped_priorities=True,
    checks_ended=True,
)
"""Ref: IHI 0069 chapter 12 (ICH_*). INTIDs have 24 bits, affinity 3 exists, TDIR exists. System registers only
(ICC_SRE_EL1.SRE = 1), so that Group 0 is always a virtual FIQ and AckCtl does not exist.

Simplified: no direct injection (GICv4: nV4 = 1, DVIM and vSGIEOICount RES0), no NMI (FEAT_GICv3_NMI), no locally
generated SErrors (SEIS = 0, so that TSEI is RES0).
"""
