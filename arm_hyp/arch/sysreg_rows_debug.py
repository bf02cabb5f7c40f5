"""Rows of the self-hosted debug, performance monitor, profiling, trace and activity monitor registers.

Read `arch/sysreg_rows_id.py` before, `arch/sysreg_rows_gic.py` after.

The debug communications channel, the claim tags, OSDLR_EL1 and MDCCINT_EL1 are architecturally mandatory, but the
core lacks them or leaves Xt of an MRS unchanged; so they are ours to emulate.

Ref: Arm ARM D17.5 (debug), D17.6 (performance monitors), D17.7 (activity monitors), D17.8 (statistical profiling).
"""

from __future__ import annotations

from arm_hyp.arch.sysreg_table import SystemRegister, numbered, numbered_banks, register_rows

_DEBUG = "\n".join(
    (
        numbered("DBGBVR{n}_EL1 2 0 0 {n} 4 1 RW native breakpoint-{n}", 16),
        numbered("DBGBCR{n}_EL1 2 0 0 {n} 5 1 RW native breakpoint-{n}", 16),
        numbered("DBGWVR{n}_EL1 2 0 0 {n} 6 1 RW native watchpoint-{n}", 16),
        numbered("DBGWCR{n}_EL1 2 0 0 {n} 7 1 RW native watchpoint-{n}", 16),
        """
DBGAUTHSTATUS_EL1  2 0 7 14 6  1  RO emulated
DBGCLAIMCLR_EL1    2 0 7 9 6   1  RW emulated
DBGCLAIMSET_EL1    2 0 7 8 6   1  RW emulated
DBGDTRRX_EL0       2 3 0 5 0   0  RO emulated
DBGDTRTX_EL0       2 3 0 5 0   0  WO emulated
DBGDTR_EL0         2 3 0 4 0   0  RW emulated
DBGPRCR_EL1        2 0 1 4 4   1  RW emulated
DBGVCR32_EL2       2 4 0 7 0   2  RW native AArch32AtEL1
DLR_EL0            3 3 4 5 1   0  RW native debug-state
DSPSR_EL0          3 3 4 5 0   0  RW native debug-state
MDCCINT_EL1        2 0 0 2 0   1  RW emulated
MDCCSR_EL0         2 3 0 1 0   0  RO emulated
MDCR_EL2           3 4 1 1 1   2  RW shadow reset=6
MDCR_EL3           3 6 1 3 1   3  RW shadow
MDRAR_EL1          2 0 1 0 0   1  RO native
MDSCR_EL1          2 0 0 2 2   1  RW native
OSDLR_EL1          2 0 1 3 4   1  RW emulated
OSDTRRX_EL1        2 0 0 0 2   1  RW emulated
OSDTRTX_EL1        2 0 0 3 2   1  RW emulated
OSECCR_EL1         2 0 0 6 2   1  RW emulated
OSLAR_EL1          2 0 1 0 4   1  WO native
OSLSR_EL1          2 0 1 1 4   1  RO native reset=0xa
""",
    )
)

_PMU = "\n".join(
    (
        """
PMCCFILTR_EL0      3 3 14 15 7 0  RW emulated PMUv3
PMCCNTR_EL0        3 3 9 13 0  0  RW emulated PMUv3
PMCEID0_EL0        3 3 9 12 6  0  RO emulated PMUv3
PMCEID1_EL0        3 3 9 12 7  0  RO emulated PMUv3
PMCNTENCLR_EL0     3 3 9 12 2  0  RW emulated PMUv3
PMCNTENSET_EL0     3 3 9 12 1  0  RW emulated PMUv3
PMCR_EL0           3 3 9 12 0  0  RW emulated PMUv3
PMINTENCLR_EL1     3 0 9 14 2  1  RW emulated PMUv3
PMINTENSET_EL1     3 0 9 14 1  1  RW emulated PMUv3
PMMIR_EL1          3 0 9 14 6  1  RO emulated PMUv3p4
PMOVSCLR_EL0       3 3 9 12 3  0  RW emulated PMUv3
PMOVSSET_EL0       3 3 9 14 3  0  RW emulated PMUv3
PMSELR_EL0         3 3 9 12 5  0  RW emulated PMUv3
PMSWINC_EL0        3 3 9 12 4  0  WO emulated PMUv3
PMUSERENR_EL0      3 3 9 14 0  0/1 RW emulated PMUv3
PMXEVCNTR_EL0      3 3 9 13 2  0  RW emulated PMUv3
PMXEVTYPER_EL0     3 3 9 13 1  0  RW emulated PMUv3
""",
        numbered_banks("PMEVCNTR{n}_EL0 3 3 14 {crm} {low} 0 RW emulated event-counter-{n}", 31, 8),
        numbered_banks("PMEVTYPER{n}_EL0 3 3 14 {crm} {low} 0 RW emulated event-counter-{n}", 31, 12),
    )
)

_PROFILING = """
PMBIDR_EL1         3 0 9 10 7  1  RO emulated SPE
PMBLIMITR_EL1      3 0 9 10 0  1  RW emulated SPE
PMBPTR_EL1         3 0 9 10 1  1  RW emulated SPE
PMBSR_EL1          3 0 9 10 3  1  RW emulated SPE
PMSCR_EL1          3 0 9 9 0   1  RW emulated SPE
PMSCR_EL2          3 4 9 9 0   2  RW emulated SPE
PMSEVFR_EL1        3 0 9 9 5   1  RW emulated SPE
PMSFCR_EL1         3 0 9 9 4   1  RW emulated SPE
PMSICR_EL1         3 0 9 9 2   1  RW emulated SPE
PMSIDR_EL1         3 0 9 9 7   1  RO emulated SPE
PMSIRR_EL1         3 0 9 9 3   1  RW emulated SPE
PMSLATFR_EL1       3 0 9 9 6   1  RW emulated SPE
PMSNEVFR_EL1       3 0 9 9 1   1  RW emulated SPE
"""

_TRACE = """
TRFCR_EL1          3 0 1 2 1   1  RW emulated TRF
TRFCR_EL2          3 4 1 2 1   2  RW emulated TRF
TRBBASER_EL1       3 0 9 11 2  1  RW emulated TRBE
TRBIDR_EL1         3 0 9 11 7  1  RO emulated TRBE
TRBLIMITR_EL1      3 0 9 11 0  1  RW emulated TRBE
TRBMAR_EL1         3 0 9 11 4  1  RW emulated TRBE
TRBPTR_EL1         3 0 9 11 1  1  RW emulated TRBE
TRBSR_EL1          3 0 9 11 3  1  RW emulated TRBE
TRBTRG_EL1         3 0 9 11 6  1  RW emulated TRBE
"""

_ACTIVITY = "\n".join(
    (
        """
AMCFGR_EL0         3 3 13 2 1  0   RO emulated AMU
AMCGCR_EL0         3 3 13 2 2  0   RO emulated AMU
AMCNTENCLR0_EL0    3 3 13 2 4  0/3 RW emulated AMU
AMCNTENCLR1_EL0    3 3 13 3 0  0/3 RW emulated AMU
AMCNTENSET0_EL0    3 3 13 2 5  0/3 RW emulated AMU
AMCNTENSET1_EL0    3 3 13 3 1  0/3 RW emulated AMU
AMCR_EL0           3 3 13 2 0  0/3 RW emulated AMU
AMUSERENR_EL0      3 3 13 2 3  0/1 RW emulated AMU
""",
        numbered_banks("AMEVCNTR0{n}_EL0 3 3 13 {crm} {low} 0/3 RW emulated AMU", 4, 4),
        numbered_banks("AMEVTYPER0{n}_EL0 3 3 13 {crm} {low} 0 RO emulated AMU", 4, 6),
        numbered_banks("AMEVCNTR1{n}_EL0 3 3 13 {crm} {low} 0/3 RW emulated AMU", 16, 12),
        numbered_banks("AMEVTYPER1{n}_EL0 3 3 13 {crm} {low} 0/3 RW emulated AMU", 16, 14),
    )
)

_GROUPS = {"debug": _DEBUG, "pmu": _PMU, "profiling": _PROFILING, "trace": _TRACE, "activity": _ACTIVITY}

ROWS: tuple[SystemRegister, ...] = tuple(row for group, text in _GROUPS.items() for row in register_rows(group, text))
