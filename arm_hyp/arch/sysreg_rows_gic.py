"""Rows of the GIC CPU interface, of the generic timers, and of the _EL12 and _EL02 names of VHE.

Read `arch/sysreg_rows_debug.py` before, `arch/sysreg_rows_operations.py` after.

ICV_* registers share their encodings with ICC_*: HCR_EL2.{FMO,IMO} decides which of the two an access reaches. They are
further names in `arch/sysregs.py`, not rows.

Ref: GIC architecture specification (IHI 0069) 12.2 and 12.4; Arm ARM D17.10 (timers), D17.1.3 (VHE names).
"""

from __future__ import annotations

from arm_hyp.arch.sysreg_table import SystemRegister, numbered, numbered_banks, register_rows

_GIC = "\n".join(
    (
        """
ICC_ASGI1R_EL1   3 0 12 11 6  1  WO emulated GICv3
ICC_BPR0_EL1     3 0 12 8 3   1  RW emulated GICv3
ICC_BPR1_EL1     3 0 12 12 3  1  RW emulated GICv3
ICC_CTLR_EL1     3 0 12 12 4  1  RW emulated GICv3
ICC_CTLR_EL3     3 6 12 12 4  3  RW emulated GICv3
ICC_DIR_EL1      3 0 12 11 1  1  WO emulated GICv3
ICC_EOIR0_EL1    3 0 12 8 1   1  WO emulated GICv3
ICC_EOIR1_EL1    3 0 12 12 1  1  WO emulated GICv3
ICC_HPPIR0_EL1   3 0 12 8 2   1  RO emulated GICv3
ICC_HPPIR1_EL1   3 0 12 12 2  1  RO emulated GICv3
ICC_IAR0_EL1     3 0 12 8 0   1  RO emulated GICv3
ICC_IAR1_EL1     3 0 12 12 0  1  RO emulated GICv3
ICC_IGRPEN0_EL1  3 0 12 12 6  1  RW emulated GICv3
ICC_IGRPEN1_EL1  3 0 12 12 7  1  RW emulated GICv3
ICC_IGRPEN1_EL3  3 6 12 12 7  3  RW emulated GICv3
ICC_NMIAR1_EL1   3 0 12 9 5   1  RO emulated NMI
ICC_PMR_EL1      3 0 4 6 0    1  RW emulated GICv3
ICC_RPR_EL1      3 0 12 11 3  1  RO emulated GICv3
ICC_SGI0R_EL1    3 0 12 11 7  1  WO emulated GICv3
ICC_SGI1R_EL1    3 0 12 11 5  1  WO emulated GICv3
ICC_SRE_EL1      3 0 12 12 5  1  RW emulated GICv3
ICC_SRE_EL2      3 4 12 9 5   2  RW emulated GICv3
ICC_SRE_EL3      3 6 12 12 5  3  RW emulated GICv3
ICH_EISR_EL2     3 4 12 11 3  2  RO emulated GICv3
ICH_ELRSR_EL2    3 4 12 11 5  2  RO emulated GICv3
ICH_HCR_EL2      3 4 12 11 0  2  RW emulated GICv3
ICH_MISR_EL2     3 4 12 11 2  2  RO emulated GICv3
ICH_VMCR_EL2     3 4 12 11 7  2  RW emulated GICv3
ICH_VTR_EL2      3 4 12 11 1  2  RO emulated GICv3
""",
        numbered("ICC_AP0R{n}_EL1 3 0 12 8 {above4} 1 RW emulated active-priorities-{n}", 4),
        numbered("ICC_AP1R{n}_EL1 3 0 12 9 {n} 1 RW emulated active-priorities-{n}", 4),
        numbered("ICH_AP0R{n}_EL2 3 4 12 8 {n} 2 RW emulated active-priorities-{n}", 4),
        numbered("ICH_AP1R{n}_EL2 3 4 12 9 {n} 2 RW emulated active-priorities-{n}", 4),
        numbered_banks("ICH_LR{n}_EL2 3 4 12 {crm} {low} 2 RW emulated list-register-{n}", 16, 12),
    )
)

_TIMERS = """
CNTFRQ_EL0       3 3 14 0 0   0/3 RW native reset=62500000
CNTHCTL_EL2      3 4 14 1 0   2   RW shadow reset=3
CNTHP_CTL_EL2    3 4 14 2 1   2   RW emulated
CNTHP_CVAL_EL2   3 4 14 2 2   2   RW emulated
CNTHP_TVAL_EL2   3 4 14 2 0   2   RW emulated
CNTHPS_CTL_EL2   3 4 14 5 1   2   RW emulated SEL2
CNTHPS_CVAL_EL2  3 4 14 5 2   2   RW emulated SEL2
CNTHPS_TVAL_EL2  3 4 14 5 0   2   RW emulated SEL2
CNTHV_CTL_EL2    3 4 14 3 1   2   RW emulated VHE
CNTHV_CVAL_EL2   3 4 14 3 2   2   RW emulated VHE
CNTHV_TVAL_EL2   3 4 14 3 0   2   RW emulated VHE
CNTHVS_CTL_EL2   3 4 14 4 1   2   RW emulated SEL2
CNTHVS_CVAL_EL2  3 4 14 4 2   2   RW emulated SEL2
CNTHVS_TVAL_EL2  3 4 14 4 0   2   RW emulated SEL2
CNTKCTL_EL1      3 0 14 1 0   1   RW shadow
CNTPCTSS_EL0     3 3 14 0 5   0   RO emulated ECV
CNTPCT_EL0       3 3 14 0 1   0   RO emulated
CNTPOFF_EL2      3 4 14 0 6   2   RW emulated ECV2
# The secure physical timer: Secure EL1 could use it too, but this machine's EL1 is Non-secure.
CNTPS_CTL_EL1    3 7 14 2 1   3   RW emulated
CNTPS_CVAL_EL1   3 7 14 2 2   3   RW emulated
CNTPS_TVAL_EL1   3 7 14 2 0   3   RW emulated
CNTP_CTL_EL0     3 3 14 2 1   0   RW emulated
CNTP_CVAL_EL0    3 3 14 2 2   0   RW emulated
CNTP_TVAL_EL0    3 3 14 2 0   0   RW emulated
CNTVCTSS_EL0     3 3 14 0 6   0   RO emulated ECV
CNTVCT_EL0       3 3 14 0 2   0   RO emulated
CNTVOFF_EL2      3 4 14 0 3   2   RW emulated
CNTV_CTL_EL0     3 3 14 3 1   0   RW emulated
CNTV_CVAL_EL0    3 3 14 3 2   0   RW emulated
CNTV_TVAL_EL0    3 3 14 3 0   0   RW emulated
"""

_VHE = """
AFSR0_EL12       3 5 5 1 0    2  RW emulated VHE
AFSR1_EL12       3 5 5 1 1    2  RW emulated VHE
AMAIR_EL12       3 5 10 3 0   2  RW emulated VHE
CNTKCTL_EL12     3 5 14 1 0   2  RW emulated VHE
CNTP_CTL_EL02    3 5 14 2 1   2  RW emulated VHE
CNTP_CVAL_EL02   3 5 14 2 2   2  RW emulated VHE
CNTP_TVAL_EL02   3 5 14 2 0   2  RW emulated VHE
CNTV_CTL_EL02    3 5 14 3 1   2  RW emulated VHE
CNTV_CVAL_EL02   3 5 14 3 2   2  RW emulated VHE
CNTV_TVAL_EL02   3 5 14 3 0   2  RW emulated VHE
CONTEXTIDR_EL12  3 5 13 0 1   2  RW emulated VHE
CPACR_EL12       3 5 1 0 2    2  RW emulated VHE
ELR_EL12         3 5 4 0 1    2  RW emulated VHE
ESR_EL12         3 5 5 2 0    2  RW emulated VHE
FAR_EL12         3 5 6 0 0    2  RW emulated VHE
MAIR_EL12        3 5 10 2 0   2  RW emulated VHE
MPAM1_EL12       3 5 10 5 0   2  RW emulated VHE+MPAM
PMSCR_EL12       3 5 9 9 0    2  RW emulated VHE+SPE
SCTLR_EL12       3 5 1 0 0    2  RW emulated VHE
SCTLR2_EL12      3 5 1 0 3    2  RW emulated VHE+SCTLR2
SCXTNUM_EL12     3 5 13 0 7   2  RW emulated VHE+CSV2_2
SMCR_EL12        3 5 1 2 6    2  RW emulated VHE+SME
SPSR_EL12        3 5 4 0 0    2  RW emulated VHE
TCR_EL12         3 5 2 0 2    2  RW emulated VHE
TCR2_EL12        3 5 2 0 3    2  RW emulated VHE+TCR2
TFSR_EL12        3 5 5 6 0    2  RW emulated VHE+MTE2
TRFCR_EL12       3 5 1 2 1    2  RW emulated VHE+TRF
TTBR0_EL12       3 5 2 0 0    2  RW emulated VHE
TTBR1_EL12       3 5 2 0 1    2  RW emulated VHE
VBAR_EL12        3 5 12 0 0   2  RW emulated VHE
ZCR_EL12         3 5 1 2 0    2  RW emulated VHE+SVE
"""

_GROUPS = {"gic": _GIC, "timer": _TIMERS, "vhe": _VHE}

ROWS: tuple[SystemRegister, ...] = tuple(row for group, text in _GROUPS.items() for row in register_rows(group, text))
