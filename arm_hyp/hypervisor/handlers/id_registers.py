"""The ID registers of a VM: those of the CPU, without what the hypervisor does not give to VMs.

Read `arch/registers/features.py` and `hypervisor/handlers/sysreg_rows.py` before this file,
`hypervisor/handlers/sysregs.py` after it. HCR_EL2.TID3 traps them. The rule: what a VM cannot use, or what needs
controls or state at EL2 that this hypervisor does not handle, must not be claimed; nothing is claimed that the CPU does
not have. A field in `_SHOWN` has the same value whatever the CPU says, so that a new CPU does not show new features.

Compare Linux: read_id_reg and `id_unallocated`, `raz_visibility` in `arch/arm64/kvm/sys_regs.c`.

Simplified: KVM 6.1 shows ID_AA64PFR0_EL1.EL2 and ID_AA64MMFR1_EL1.VH as the CPU has them, although its VMs have no EL2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.bitfields import Register
from arm_hyp.arch.registers import features
from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.hypervisor.exits import SysregExit
from arm_hyp.hypervisor.handlers.sysreg_rows import Row, Rows, read_cpu, read_zero
from arm_hyp.hypervisor.vcpu import Vcpu

ABSENT: Final = 0
NO_DOUBLE_LOCK: Final = 0b1111


class Shown(NamedTuple):
    """Fields of an ID register that have this value for every VM, and why."""

    register: type[Register]
    fields: str
    value: int
    reason: str


_SHOWN: Final = (
    Shown(features.ID_AA64PFR0_EL1, "EL2 SEL2 RME", ABSENT, "a VM's highest level but the firmware's is EL1"),
    Shown(features.ID_AA64PFR0_EL1, "SVE", ABSENT, "SVE registers are not switched"),
    Shown(features.ID_AA64PFR0_EL1, "RAS AMU MPAM", ABSENT, "their registers are the host's, and not emulated"),
    Shown(features.ID_AA64PFR1_EL1, "SME GCS", ABSENT, "their registers are not switched"),
    Shown(features.ID_AA64PFR1_EL1, "MTE MTE_frac MTEX", ABSENT, "tags of a VM's memory are not kept"),
    Shown(features.ID_AA64PFR1_EL1, "RAS_frac MPAM_frac DF2 PFAR", ABSENT, "as RAS and MPAM in ID_AA64PFR0_EL1"),
    Shown(features.ID_AA64PFR1_EL1, "NMI", ABSENT, "the vGIC has no non-maskable interrupts"),
    Shown(features.ID_AA64PFR1_EL1, "RNDR_trap THE", ABSENT, "controls of EL2 and EL3 that are not handled"),
    Shown(features.ID_AA64DFR0_EL1, "PMUVer MTPMU PMSS SEBEP HPMN0", ABSENT, "a VM has no PMU"),
    Shown(features.ID_AA64DFR0_EL1, "PMSVer BRBE", ABSENT, "profiling buffers hold addresses of the host"),
    Shown(features.ID_AA64DFR0_EL1, "TraceVer TraceFilt TraceBuffer ExtTrcBuff", ABSENT, "a VM has no trace unit"),
    Shown(features.ID_AA64DFR0_EL1, "DoubleLock", NO_DOUBLE_LOCK, "OSDLR_EL1 is RAZ/WI: nobody powers a vCPU down"),
    Shown(features.ID_AA64ISAR0_EL1, "TME", ABSENT, "a trap would abort each transaction"),
    Shown(features.ID_AA64ISAR1_EL1, "LS64 XS", ABSENT, "they need HCRX_EL2"),
    Shown(features.ID_AA64ISAR2_EL1, "WFxT", ABSENT, "WFI is emulated without a timeout"),
    Shown(features.ID_AA64ISAR2_EL1, "MOPS SYSREG_128 SYSINSTR_128", ABSENT, "they need HCRX_EL2"),
    Shown(features.ID_AA64MMFR0_EL1, "FGT ECV", ABSENT, "controls of EL2, which a VM does not have"),
    Shown(features.ID_AA64MMFR1_EL1, "VH VMIDBits XNX HCX TWED", ABSENT, "controls of EL2, which a VM does not have"),
    Shown(features.ID_AA64MMFR1_EL1, "LO", ABSENT, "HCR_EL2.TLOR: LORegions are of physical addresses"),
    Shown(features.ID_AA64MMFR2_EL1, "NV FWB EVT", ABSENT, "controls of EL2, which a VM does not have"),
)
_PAUTH: Final = (
    Shown(features.ID_AA64ISAR1_EL1, "APA API GPA GPI", ABSENT, "HCR_EL2.API or APK is 0"),
    Shown(features.ID_AA64ISAR2_EL1, "APA3 GPA3", ABSENT, "HCR_EL2.API or APK is 0"),
)
_PAUTH_ON: Final = HCR_EL2.API.mask | HCR_EL2.APK.mask


class Filter(NamedTuple):
    """What is done to a value: some bits are kept, others are set."""

    kept: int
    set: int

    def apply(self, value: int) -> int:
        """Return what the VM sees."""
        return value & self.kept | self.set


def _filters(rows: tuple[Shown, ...]) -> Mapping[str, Filter]:
    filters: dict[str, Filter] = {}
    for row in rows:
        for name in row.fields.split():
            field, old = row.register.field(name), filters.get(row.register.__name__, Filter((1 << 64) - 1, 0))
            filters[row.register.__name__] = Filter(old.kept & ~field.mask, old.set | row.value << field.lsb)
    return filters


_WITH_PAUTH: Final = _filters(_SHOWN)
_WITHOUT_PAUTH: Final = _filters(_SHOWN + _PAUTH)


def read_id(vcpu: Vcpu, exit: SysregExit) -> int:
    """Read an ID register as the VM sees it."""
    filters = _WITH_PAUTH if vcpu.read("HCR_EL2") & _PAUTH_ON == _PAUTH_ON else _WITHOUT_PAUTH
    return filters[exit.name].apply(read_cpu(vcpu, exit))


_UNKNOWN_HERE: Final = (
    "ID_AA64PFR2_EL1 ID_AA64DFR1_EL1 ID_AA64AFR0_EL1 ID_AA64AFR1_EL1 ID_AA64ISAR3_EL1 ID_AA64MMFR3_EL1 ID_AA64MMFR4_EL1"
)
_OF_SVE: Final = "ID_AA64ZFR0_EL1 ID_AA64SMFR0_EL1 ID_AA64FPFR0_EL1"
_AARCH32_LAST: Final = 3
"""CRm 1 to 3 are the AArch32 ID registers, 4 to 7 the others."""


def _reason(name: str, crm: int) -> str:
    """Say why an ID register that is not in `_SHOWN` reads as zero."""
    if name in _UNKNOWN_HERE.split():
        return "HCR_EL2.TID3: features that are newer than this hypervisor, or implementation defined"
    if name in _OF_SVE.split():
        return "HCR_EL2.TID3: the VM has no SVE and no SME"
    if crm <= _AARCH32_LAST:
        return "HCR_EL2.TID3: the VM has no AArch32"
    return "HCR_EL2.TID3: reserved, RAZ"


def id_rows() -> Rows:
    """All 56 registers of the ID space: op0 3, op1 0, CRn 0, CRm 1 to 7."""
    for row in _space():
        if row.name in _WITHOUT_PAUTH:
            yield Row(row.name, read_id, None, "HCR_EL2.TID3: the CPU's, without what a VM does not get")
        else:
            yield Row(row.name, read_zero, None, _reason(row.name, row.encoding.crm))


def _space() -> Iterator[sysregs.SystemRegister]:
    return (row for row in sysregs.TABLE if row.group == "id" and row.encoding.crm > 0)
