"""List registers as values: what one says, and what all of them together report to the hypervisor.

Read `arch/registers/gic_virtual.py` before this file and `machine/gic/virtual.py` after it. Both GIC versions keep a
list register in the 64-bit layout of ICH_LR<n>_EL2; `machine/gic/gich.py` translates GICv2's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_LR_EL2, ICH_MISR_EL2, ICH_VMCR_EL2, LR_EOI_BIT

INVALID, PENDING, ACTIVE, PENDING_AND_ACTIVE = range(4)
"""ICH_LR<n>_EL2.State <63:62>. Only PENDING is ever signalled: PENDING_AND_ACTIVE waits for the deactivation."""

STATE_SHIFT: Final = 62
PENDING_BIT: Final = PENDING << STATE_SHIFT
ACTIVE_BIT: Final = ACTIVE << STATE_SHIFT
HW_BIT: Final = ICH_LR_EL2.HW.mask
EOI_BIT: Final = 1 << LR_EOI_BIT
_GROUP_SHIFT: Final = ICH_LR_EL2.Group.lsb
PRIORITY_SHIFT: Final = ICH_LR_EL2.Priority.lsb
PRIORITY_MASK: Final = ICH_LR_EL2.Priority.mask
_PHYSICAL: Final = ICH_LR_EL2.pINTID
_VIRTUAL_MASK: Final = ICH_LR_EL2.vINTID.mask
_ENABLES: Final = 0xFE
"""ICH_HCR_EL2<7:1>: each enables the cause at the same bit of ICH_MISR_EL2. The cause EOI <0> has no enable."""


def state_of(lr: int) -> int:
    """Return the state <63:62>."""
    return lr >> STATE_SHIFT


def group_of(lr: int) -> int:
    """Return the group <60>, 0 or 1."""
    return lr >> _GROUP_SHIFT & 1


def priority_of(lr: int) -> int:
    """Return the priority <55:48>, 0 the most urgent."""
    return lr >> PRIORITY_SHIFT & 0xFF


def virtual_intid_of(lr: int) -> int:
    """Return the INTID that the guest sees, <31:0>."""
    return lr & _VIRTUAL_MASK


def physical_intid_of(lr: int) -> int:
    """Return pINTID <44:32>: with HW = 1 the physical interrupt; with HW = 0 see `EOI_BIT` and, in GICv2, CPUID."""
    return lr >> _PHYSICAL.lsb & _PHYSICAL.max


def wants_end(lr: int) -> bool:
    """Tell whether the end of this interrupt is reported to the hypervisor: HW = 0 and the EOI bit is set."""
    return lr & (HW_BIT | EOI_BIT) == EOI_BIT


def end_status(lrs: Sequence[int]) -> int:
    """Return a bit for each list register whose interrupt has ended and which reports that.

    Ref: IHI 0069, ICH_EISR_EL2; IHI 0048, GICH_EISR0 and GICH_EISR1.
    """
    return _bits(state_of(lr) == INVALID and wants_end(lr) for lr in lrs)


def empty_status(lrs: Sequence[int]) -> int:
    """Return a bit for each list register that may be filled without losing anything.

    Ref: IHI 0069, ICH_ELRSR_EL2; IHI 0048, GICH_ELRSR0 and GICH_ELRSR1.
    """
    return _bits(state_of(lr) == INVALID and not wants_end(lr) for lr in lrs)


def maintenance_status(lrs: Sequence[int], hcr: int, vmcr: int) -> int:
    """Return why a maintenance interrupt is wanted; ICH_HCR_EL2.En decides only whether it is signalled.

    Ref: IHI 0069, ICH_MISR_EL2 and pseudocode MaintenanceInterruptStatus; IHI 0048, GICH_MISR.
    """
    wanted = hcr & _ENABLES
    status = ICH_MISR_EL2.EOI.mask if end_status(lrs) else 0
    return status | wanted & _causes(lrs, hcr, vmcr) if wanted else status


def _causes(lrs: Sequence[int], hcr: int, vmcr: int) -> int:
    states = [state_of(lr) for lr in lrs]
    causes = 0
    if len(states) - states.count(INVALID) <= 1:
        causes |= ICH_MISR_EL2.U.mask
    if hcr & ICH_HCR_EL2.EOIcount.mask:
        causes |= ICH_MISR_EL2.LRENP.mask
    if PENDING not in states:
        causes |= ICH_MISR_EL2.NP.mask
    causes |= ICH_MISR_EL2.VGrp0E.mask if vmcr & ICH_VMCR_EL2.VENG0.mask else ICH_MISR_EL2.VGrp0D.mask
    causes |= ICH_MISR_EL2.VGrp1E.mask if vmcr & ICH_VMCR_EL2.VENG1.mask else ICH_MISR_EL2.VGrp1D.mask
    return causes


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << index for index, flag in enumerate(flags) if flag)
