"""Rows of the registers of the base architecture and its extensions, but for ID, debug, PMU, GIC and timers.

Read `arch/sysreg_table.py` before (it explains the columns), `arch/sysreg_rows_id.py` after.

TCR2_ELx and SCTLR2_ELx keep nothing: each of their fields belongs to a further feature, and no model claims any of
those.

Ref: Arm ARM D17.2 (general system control registers).
"""

from __future__ import annotations

from arm_hyp.arch.sysreg_table import SystemRegister, numbered, register_rows

_CONTROL = """
ACTLR_EL1       3 0 1 0 1   1  RW native
ACTLR_EL2       3 4 1 0 1   2  RW native
ACTLR_EL3       3 6 1 0 1   3  RW native
CPACR_EL1       3 0 1 0 2   1  RW shadow
CPTR_EL2        3 4 1 1 2   2  RW shadow   reset=0x33ff
CPTR_EL3        3 6 1 1 2   3  RW shadow
HACR_EL2        3 4 1 1 7   2  RW native
HCR_EL2         3 4 1 1 0   2  RW shadow
HCRX_EL2        3 4 1 2 2   2  RW emulated HCX
HSTR_EL2        3 4 1 1 3   2  RW native
RMR_EL1         3 0 12 0 2  1  RW native   highest-el-1
RMR_EL2         3 4 12 0 2  2  RW native   highest-el-2
RMR_EL3         3 6 12 0 2  3  RW native   AArch32AtEL3
RVBAR_EL1       3 0 12 0 1  1  RO native   highest-el-1
RVBAR_EL2       3 4 12 0 1  2  RO native   highest-el-2
RVBAR_EL3       3 6 12 0 1  3  RO native
SCR_EL3         3 6 1 1 0   3  RW shadow
SCTLR_EL1       3 0 1 0 0   1  RW native   reset=0xc50838
SCTLR_EL2       3 4 1 0 0   2  RW native
SCTLR_EL3       3 6 1 0 0   3  RW native   reset=0xc50838
SCTLR2_EL1      3 0 1 0 3   1  RW emulated SCTLR2 keeps=0
SCTLR2_EL2      3 4 1 0 3   2  RW emulated SCTLR2 keeps=0
HFGRTR_EL2      3 4 1 1 4   2  RW emulated FGT
HFGWTR_EL2      3 4 1 1 5   2  RW emulated FGT
HFGITR_EL2      3 4 1 1 6   2  RW emulated FGT
HDFGRTR_EL2     3 4 3 1 4   2  RW emulated FGT
HDFGWTR_EL2     3 4 3 1 5   2  RW emulated FGT
HAFGRTR_EL2     3 4 3 1 6   2  RW emulated FGT+AMU
"""

_MEMORY = """
AMAIR_EL1       3 0 10 3 0  1  RW native
AMAIR_EL2       3 4 10 3 0  2  RW native
AMAIR_EL3       3 6 10 3 0  3  RW native
CONTEXTIDR_EL1  3 0 13 0 1  1  RW native
CONTEXTIDR_EL2  3 4 13 0 1  2  RW native   VHE
LORC_EL1        3 0 10 4 3  1  RW native   LOR
LOREA_EL1       3 0 10 4 1  1  RW native   LOR
LORID_EL1       3 0 10 4 7  1  RO native   LOR
LORN_EL1        3 0 10 4 2  1  RW native   LOR
LORSA_EL1       3 0 10 4 0  1  RW native   LOR
MAIR_EL1        3 0 10 2 0  1  RW native
MAIR_EL2        3 4 10 2 0  2  RW native
MAIR_EL3        3 6 10 2 0  3  RW native
PAR_EL1         3 0 7 4 0   1  RW native
TCR_EL1         3 0 2 0 2   1  RW native
TCR_EL2         3 4 2 0 2   2  RW native
TCR_EL3         3 6 2 0 2   3  RW native
TCR2_EL1        3 0 2 0 3   1  RW emulated TCR2 keeps=0
TCR2_EL2        3 4 2 0 3   2  RW emulated TCR2 keeps=0
TTBR0_EL1       3 0 2 0 0   1  RW native
TTBR0_EL2       3 4 2 0 0   2  RW native
TTBR0_EL3       3 6 2 0 0   3  RW native
TTBR1_EL1       3 0 2 0 1   1  RW native
TTBR1_EL2       3 4 2 0 1   2  RW native   VHE
VNCR_EL2        3 4 2 2 0   2  RW emulated NV2
VSTCR_EL2       3 4 2 6 2   2  RW emulated SEL2
VSTTBR_EL2      3 4 2 6 0   2  RW emulated SEL2
VTCR_EL2        3 4 2 1 2   2  RW native
VTTBR_EL2       3 4 2 1 0   2  RW native
"""

_EXCEPTIONS = """
AFSR0_EL1       3 0 5 1 0   1  RW native
AFSR0_EL2       3 4 5 1 0   2  RW native
AFSR0_EL3       3 6 5 1 0   3  RW native
AFSR1_EL1       3 0 5 1 1   1  RW native
AFSR1_EL2       3 4 5 1 1   2  RW native
AFSR1_EL3       3 6 5 1 1   3  RW native
ELR_EL1         3 0 4 0 1   1  RW native
ELR_EL2         3 4 4 0 1   2  RW native
ELR_EL3         3 6 4 0 1   3  RW native
ESR_EL1         3 0 5 2 0   1  RW native
ESR_EL2         3 4 5 2 0   2  RW native
ESR_EL3         3 6 5 2 0   3  RW native
FAR_EL1         3 0 6 0 0   1  RW native
FAR_EL2         3 4 6 0 0   2  RW native
FAR_EL3         3 6 6 0 0   3  RW native
HPFAR_EL2       3 4 6 0 4   2  RW native
ISR_EL1         3 0 12 1 0  1  RO native
SPSR_EL1        3 0 4 0 0   1  RW native
SPSR_EL2        3 4 4 0 0   2  RW native
SPSR_EL3        3 6 4 0 0   3  RW native
SP_EL0          3 0 4 1 0   1  RW native
SP_EL1          3 4 4 1 0   2  RW native
SP_EL2          3 6 4 1 0   3  RW native
VBAR_EL1        3 0 12 0 0  1  RW native
VBAR_EL2        3 4 12 0 0  2  RW native
VBAR_EL3        3 6 12 0 0  3  RW native
"""

_AARCH32 = """
DACR32_EL2      3 4 3 0 0   2  RW native   AArch32AtEL1
FPEXC32_EL2     3 4 5 3 0   2  RW native   AArch32AtEL1
IFSR32_EL2      3 4 5 0 1   2  RW native   AArch32AtEL1
SDER32_EL2      3 4 1 3 1   2  RW native   AArch32AtEL1
SDER32_EL3      3 6 1 1 1   3  RW native   AArch32AtEL1
SPSR_ABT        3 4 4 3 1   2  RW native   AArch32AtEL1
SPSR_FIQ        3 4 4 3 3   2  RW native   AArch32AtEL1
SPSR_IRQ        3 4 4 3 0   2  RW native   AArch32AtEL1
SPSR_UND        3 4 4 3 2   2  RW native   AArch32AtEL1
"""

_PSTATE = """
ALLINT          3 0 4 3 0   1  RW native   NMI
CurrentEL       3 0 4 2 2   1  RO native   reset=0xc
DAIF            3 3 4 2 1   0  RW native   reset=0x3c0
DIT             3 3 4 2 5   0  RW native   DIT
NZCV            3 3 4 2 0   0  RW native
PAN             3 0 4 2 3   1  RW native   PAN
SPSel           3 0 4 2 0   1  RW native   reset=1
SSBS            3 3 4 2 6   0  RW native   SSBS2
TCO             3 3 4 2 7   0  RW native   MTE
UAO             3 0 4 2 4   1  RW native   UAO
FPCR            3 3 4 4 0   0  RW native
FPSR            3 3 4 4 1   0  RW native
"""

_THREAD = """
SCXTNUM_EL0     3 3 13 0 7  0  RW native   CSV2_2
SCXTNUM_EL1     3 0 13 0 7  1  RW native   CSV2_2
SCXTNUM_EL2     3 4 13 0 7  2  RW native   CSV2_2
SCXTNUM_EL3     3 6 13 0 7  3  RW native   CSV2_2
TPIDR2_EL0      3 3 13 0 5  0  RW native   SME
TPIDR_EL0       3 3 13 0 2  0  RW native
TPIDR_EL1       3 0 13 0 4  1  RW native
TPIDR_EL2       3 4 13 0 2  2  RW native
TPIDR_EL3       3 6 13 0 2  3  RW native
TPIDRRO_EL0     3 3 13 0 3  0/1 RW native
"""

_POINTER_AUTHENTICATION = """
APDAKeyHi_EL1   3 0 2 2 1   1  RW native   PAuth
APDAKeyLo_EL1   3 0 2 2 0   1  RW native   PAuth
APDBKeyHi_EL1   3 0 2 2 3   1  RW native   PAuth
APDBKeyLo_EL1   3 0 2 2 2   1  RW native   PAuth
APGAKeyHi_EL1   3 0 2 3 1   1  RW native   PAuth
APGAKeyLo_EL1   3 0 2 3 0   1  RW native   PAuth
APIAKeyHi_EL1   3 0 2 1 1   1  RW native   PAuth
APIAKeyLo_EL1   3 0 2 1 0   1  RW native   PAuth
APIBKeyHi_EL1   3 0 2 1 3   1  RW native   PAuth
APIBKeyLo_EL1   3 0 2 1 2   1  RW native   PAuth
"""

_RANDOM = """
RNDR            3 3 2 4 0   0  RO emulated RNG
RNDRRS          3 3 2 4 1   0  RO emulated RNG
"""

_RAS = """
DISR_EL1        3 0 12 1 1  1  RW emulated RAS
ERRIDR_EL1      3 0 5 3 0   1  RO emulated RAS
ERRSELR_EL1     3 0 5 3 1   1  RW emulated RAS
ERXADDR_EL1     3 0 5 4 3   1  RW emulated RAS
ERXCTLR_EL1     3 0 5 4 1   1  RW emulated RAS
ERXFR_EL1       3 0 5 4 0   1  RO emulated RAS
ERXMISC0_EL1    3 0 5 5 0   1  RW emulated RAS
ERXMISC1_EL1    3 0 5 5 1   1  RW emulated RAS
ERXMISC2_EL1    3 0 5 5 2   1  RW emulated RASv1p1
ERXMISC3_EL1    3 0 5 5 3   1  RW emulated RASv1p1
ERXPFGCDN_EL1   3 0 5 4 6   1  RW emulated RASv1p1
ERXPFGCTL_EL1   3 0 5 4 5   1  RW emulated RASv1p1
ERXPFGF_EL1     3 0 5 4 4   1  RO emulated RASv1p1
ERXSTATUS_EL1   3 0 5 4 2   1  RW emulated RAS
VDISR_EL2       3 4 12 1 1  2  RW emulated RAS
VSESR_EL2       3 4 5 2 3   2  RW emulated RAS
"""

_SVE = """
ZCR_EL1         3 0 1 2 0   1  RW native   SVE
ZCR_EL2         3 4 1 2 0   2  RW native   SVE
ZCR_EL3         3 6 1 2 0   3  RW native   SVE
SMCR_EL1        3 0 1 2 6   1  RW native   SME
SMCR_EL2        3 4 1 2 6   2  RW native   SME
"""

_MTE = """
GCR_EL1         3 0 1 0 6   1  RW native   MTE2
RGSR_EL1        3 0 1 0 5   1  RW native   MTE2
TFSRE0_EL1      3 0 5 6 1   1  RW native   MTE2
TFSR_EL1        3 0 5 6 0   1  RW native   MTE2
TFSR_EL2        3 4 5 6 0   2  RW native   MTE2
TFSR_EL3        3 6 5 6 0   3  RW native   MTE2
"""

_MPAM = """
MPAM0_EL1       3 0 10 5 1  1  RW emulated MPAM
MPAM1_EL1       3 0 10 5 0  1  RW emulated MPAM
MPAM2_EL2       3 4 10 5 0  2  RW emulated MPAM
MPAM3_EL3       3 6 10 5 0  3  RW emulated MPAM
MPAMHCR_EL2     3 4 10 4 0  2  RW emulated MPAM
MPAMIDR_EL1     3 0 10 4 4  1  RO emulated MPAM
MPAMVPMV_EL2    3 4 10 4 1  2  RW emulated MPAM
""" + numbered("MPAMVPM{n}_EL2 3 4 10 6 {n} 2 RW emulated MPAM", 8)

_CORTEX_A72 = """
CBAR_EL1        3 1 15 3 0  1  RO native   not-modelled
CPUACTLR_EL1    3 1 15 2 0  1  RW native   not-modelled
CPUECTLR_EL1    3 1 15 2 1  1  RW native   not-modelled
CPUMERRSR_EL1   3 1 15 2 2  1  RW native   not-modelled
L2ACTLR_EL1     3 1 15 0 0  1  RW native   not-modelled
L2CTLR_EL1      3 1 11 0 2  1  RW native   not-modelled
L2ECTLR_EL1     3 1 11 0 3  1  RW native   not-modelled
L2MERRSR_EL1    3 1 15 2 3  1  RW native   not-modelled
"""

_GROUPS = {
    "control": _CONTROL,
    "memory": _MEMORY,
    "exception": _EXCEPTIONS,
    "aarch32": _AARCH32,
    "pstate": _PSTATE,
    "thread": _THREAD,
    "pauth": _POINTER_AUTHENTICATION,
    "random": _RANDOM,
    "ras": _RAS,
    "sve": _SVE,
    "mte": _MTE,
    "mpam": _MPAM,
    "impdef": _CORTEX_A72,
}

ROWS: tuple[SystemRegister, ...] = tuple(row for group, text in _GROUPS.items() for row in register_rows(group, text))
