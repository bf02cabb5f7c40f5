"""Cases by hand of what is UNDEFINED, of waiting and alignment, and of the controls of EL1 (and of a host) over EL0.

Read `trap_cases.py` before (it says how to read a row), `trap_cases_el2.py` after.
"""

from __future__ import annotations

from trap_cases import TrapCase, trap_cases

CASES: list[TrapCase] = trap_cases(
    """
# --- before the instruction is looked at
fetch +2 | 0 guest | | EL1 0x22 | PC.alignment | AArch64.CheckPCAlignment, AArch64.PCAlignmentFault
fetch +2 | 0 tge | | EL2 0x22 | PC.alignment | AArch64.PCAlignmentFault: HCR_EL2.TGE
fetch +2 | 2 guest | !PSTATE<20>=1 | EL2 0x22 | PC.alignment | D1.3.5.4 priority: before Illegal Execution state
nop | 1 guest | PSTATE<20>=1 | EL1 0x0E | PSTATE.IL | AArch64.CheckIllegalState
mrs SCTLR_EL2 | 0 tge | PSTATE<20>=1 | EL2 0x0E | PSTATE.IL | AArch64.CheckIllegalState: from EL0 with TGE to EL2
smc | 2 guest | PSTATE<20>=1 !SCR_EL3<7>=1 | EL2 0x0E | PSTATE.IL | D1.3.5.4 priority: before UNDEFINED
# --- UNDEFINED
mrs S3_1_C15_C2_0 | 1 guest | HCR_EL2<20>=1 | EL2 0x18 | HCR_EL2.TIDCP | HCR_EL2.TIDCP
mrs S3_1_C15_C2_0 | 0 guest | !HCR_EL2<20>=1 | UNDEFINED EL1 | UNDEFINED.unallocated | \
    HCR_EL2.TIDCP: EL0, UNDEFINED to EL1
mrs S3_0_C13_C5_5 | 1 guest | | UNDEFINED EL1 | UNDEFINED.unallocated | C5.1.3 op0 = 0b11, unallocated
mrs S3_0_C13_C5_5 | 0 tge | | UNDEFINED EL2 | UNDEFINED.unallocated | AArch64.Undefined: HCR_EL2.TGE
mrs LORC_EL1 | 1 guest | -LOR !HCR_EL2<35>=1 | UNDEFINED EL1 | UNDEFINED.unallocated | \
    LORC_EL1: present only with FEAT_LOR
mrs DBGBVR6_EL1 | 1 guest | -breakpoint-6 !MDCR_EL2<9>=1 | UNDEFINED EL1 | UNDEFINED.unallocated | \
    DBGBVR<n>_EL1: not implemented
mrs PMEVCNTR6_EL0 | 0 guest | -event-counter-6 !PMUSERENR_EL0<0>=0 | UNDEFINED EL1 | UNDEFINED.unallocated | \
    PMEVCNTR<n>_EL0: n >= N
mrs ICH_LR4_EL2 | 2 guest | -list-register-4 !ICC_SRE_EL2<0>=0 | UNDEFINED EL2 | UNDEFINED.unallocated | \
    ICH_LR<n>_EL2: ListRegs
msr ICC_AP1R1_EL1 | 1 guest | -active-priorities-1 !ICH_HCR_EL2<12>=1 | UNDEFINED EL1 | UNDEFINED.unallocated | \
    ICC_AP1R<n>_EL1
msr MIDR_EL1 | 1 guest | | UNDEFINED EL1 | UNDEFINED.direction | MIDR_EL1: no MSR encoding
mrs OSLAR_EL1 | 1 guest | !MDCR_EL2<10>=1 | UNDEFINED EL1 | UNDEFINED.direction | OSLAR_EL1: no MRS encoding
mrs SCTLR_EL2 | 1 guest | HCR_EL2<42>=1 | EL2 0x18 | HCR_EL2.NV | SCTLR_EL2: EL1, HCR_EL2.NV
tlbi alle1 | 1 guest | HCR_EL2<42>=1 | EL2 0x18 | HCR_EL2.NV | TLBI ALLE1: EL1, HCR_EL2.NV
mrs SCTLR_EL2 | 1 guest | !HCR_EL2<26>=1 !HCR_EL2<30>=1 | UNDEFINED EL1 | UNDEFINED.el | SCTLR_EL2: EL1
msr SCTLR_EL1 | 0 guest | !HCR_EL2<26>=1 | UNDEFINED EL1 | UNDEFINED.el | SCTLR_EL1: EL0
msr SCR_EL3 | 2 guest | | UNDEFINED EL2 | UNDEFINED.el | SCR_EL3: EL2
mrs SCTLR_EL12 | 2 guest | | UNDEFINED EL2 | UNDEFINED._EL12 | SCTLR_EL12: EL2, HCR_EL2.E2H = 0
msr CNTV_CTL_EL02 | 2 tge | | UNDEFINED EL2 | UNDEFINED._EL12 | CNTV_CTL_EL02: EL2, HCR_EL2.E2H = 0
mrs SP_EL0 | 1 guest | PSTATE<3:0>=4 | UNDEFINED EL1 | UNDEFINED.SP_EL0 | SP_EL0: PSTATE.SP = 0
msr SP_EL0 | 2 guest | PSTATE<3:0>=8 | UNDEFINED EL2 | UNDEFINED.SP_EL0 | SP_EL0: PSTATE.SP = 0
hvc | 0 guest | | UNDEFINED EL1 | UNDEFINED.EL0 | HVC: PSTATE.EL = EL0
smc | 0 guest | !HCR_EL2<19>=1 | UNDEFINED EL1 | UNDEFINED.EL0 | AArch64.CheckForSMCUndefOrTrap: EL0
eret | 0 host | !HCR_EL2<42>=1 | UNDEFINED EL2 | UNDEFINED.EL0 | ERET: PSTATE.EL = EL0
dcps1 | 1 guest | | UNDEFINED EL1 | UNDEFINED.debug_state | DCPS1: not Halted()
drps | 2 guest | | UNDEFINED EL2 | UNDEFINED.debug_state | DRPS: not Halted()
hlt | 1 guest | | UNDEFINED EL1 | UNDEFINED.HLT | HLT: EDSCR.HDE = 0
wfet | 1 guest | -WFxT !HCR_EL2<14>=1 | UNDEFINED EL1 | UNDEFINED.WFxT | WFET: FEAT_WFxT
wfit | 0 tge | -WFxT | UNDEFINED EL2 | UNDEFINED.WFxT | WFIT: FEAT_WFxT
hvc | 1 guest | SCR_EL3<8>=0 | UNDEFINED EL1 | SCR_EL3.HCE | HVC: hvc_enable = SCR_EL3.HCE
hvc | 2 guest | SCR_EL3<8>=0 | UNDEFINED EL2 | SCR_EL3.HCE | HVC: hvc_enable = SCR_EL3.HCE
hvc | 1 guest | HCR_EL2<29>=1 +NoEL3 !SCR_EL3<8>=0 | UNDEFINED EL1 | HCR_EL2.HCD | HVC: without EL3, NOT(HCR_EL2.HCD)
smc | 1 guest | HCR_EL2<19>=1 HCR_EL2<42>=1 +NoEL3 | EL2 0x17 | HCR_EL2.TSC.nested | \
    AArch64.CheckForSMCUndefOrTrap: no EL3
smc | 1 guest | +NoEL3 !HCR_EL2<19>=1 | UNDEFINED EL1 | UNDEFINED.SMC | AArch64.CheckForSMCUndefOrTrap: no EL3
# --- nothing to wait for
wfe | 1 guest | event !HCR_EL2<14>=1 !SCR_EL3<13>=1 | NOP | WFE.event | Hint_WFE: IsEventRegisterSet()
wfe | 0 guest | event !SCTLR_EL1<18>=0 !HCR_EL2<14>=1 | NOP | WFE.event | Hint_WFE: IsEventRegisterSet()
wfet | 2 guest | event !SCR_EL3<13>=1 | NOP | WFE.event | Hint_WFE: IsEventRegisterSet()
wfi | 1 guest | pending !HCR_EL2<13>=1 !SCR_EL3<12>=1 | NOP | WFI.pending | Hint_WFI: InterruptPending()
wfi | 0 guest | pending !SCTLR_EL1<16>=0 !HCR_EL2<13>=1 | NOP | WFI.pending | Hint_WFI: InterruptPending()
wfit | 1 guest | expired !HCR_EL2<13>=1 | NOP | WFxT.expired | Hint_WFI: LocalTimeoutEvent()
wfet | 0 guest | expired !SCTLR_EL1<18>=0 | NOP | WFxT.expired | Hint_WFE: LocalTimeoutEvent()
# --- SCTLR_ELx over EL0
wfi | 0 guest | SCTLR_EL1<16>=0 !HCR_EL2<13>=1 | EL1 0x01 | SCTLR_EL1.nTWI | AArch64.CheckForWFxTrap(EL1)
wfi | 0 tge | SCTLR_EL1<16>=0 | EL2 0x01 | SCTLR_EL1.nTWI | AArch64.WFxTrap: HCR_EL2.TGE
wfi | 0 host | SCTLR_EL2<16>=0 !SCTLR_EL1<16>=0 | EL2 0x01 | SCTLR_EL2.nTWI | AArch64.CheckForWFxTrap: SCTLR[]
wfe | 0 guest | SCTLR_EL1<18>=0 !HCR_EL2<14>=1 | EL1 0x01 | SCTLR_EL1.nTWE | AArch64.CheckForWFxTrap(EL1)
wfe | 0 host | SCTLR_EL2<18>=0 !SCTLR_EL1<18>=0 | EL2 0x01 | SCTLR_EL2.nTWE | AArch64.CheckForWFxTrap: SCTLR[]
mrs CTR_EL0 | 0 guest | SCTLR_EL1<15>=0 !HCR_EL2<17>=1 | EL1 0x18 | SCTLR_EL1.UCT | CTR_EL0: EL0
mrs CTR_EL0 | 0 host | SCTLR_EL2<15>=0 !HCR_EL2<17>=1 | EL2 0x18 | SCTLR_EL2.UCT | CTR_EL0: EL0, ELIsInHost(EL0)
dc cvau | 0 guest | SCTLR_EL1<26>=0 !HCR_EL2<24>=1 | EL1 0x18 | SCTLR_EL1.UCI | DC CVAU: EL0
dc civac | 0 tge | SCTLR_EL1<26>=0 | EL2 0x18 | SCTLR_EL1.UCI | DC CIVAC: EL0, HCR_EL2.TGE
ic ivau | 0 host | SCTLR_EL2<26>=0 !HCR_EL2<24>=1 | EL2 0x18 | SCTLR_EL2.UCI | IC IVAU: EL0, ELIsInHost(EL0)
dc zva | 0 guest | SCTLR_EL1<14>=0 !HCR_EL2<28>=1 | EL1 0x18 | SCTLR_EL1.DZE | DC ZVA: EL0
dc zva | 0 host | SCTLR_EL2<14>=0 | EL2 0x18 | SCTLR_EL2.DZE | DC ZVA: EL0, ELIsInHost(EL0)
cfp rctx | 0 guest | SCTLR_EL1<10>=0 | EL1 0x18 | SCTLR_EL1.EnRCTX | CFP RCTX: EL0
dvp rctx | 0 tge | SCTLR_EL1<10>=0 | EL2 0x18 | SCTLR_EL1.EnRCTX | DVP RCTX: EL0, HCR_EL2.TGE
cpp rctx | 0 host | SCTLR_EL2<10>=0 !SCTLR_EL1<10>=0 | EL2 0x18 | SCTLR_EL2.EnRCTX | CPP RCTX: EL0, ELIsInHost(EL0)
mrs SCXTNUM_EL0 | 0 guest | SCTLR_EL1<20>=1 !HCR_EL2<53>=0 | EL1 0x18 | SCTLR_EL1.TSCXT | SCXTNUM_EL0: EL0
msr SCXTNUM_EL0 | 0 tge | SCTLR_EL1<20>=1 | EL2 0x18 | SCTLR_EL1.TSCXT | SCXTNUM_EL0: EL0, HCR_EL2.TGE
mrs SCXTNUM_EL0 | 0 host | SCTLR_EL2<20>=1 !SCTLR_EL1<20>=1 | EL2 0x18 | SCTLR_EL2.TSCXT | \
    SCXTNUM_EL0: EL0, ELIsInHost(EL0)
mrs DAIF | 0 guest | SCTLR_EL1<9>=0 | EL1 0x18 | SCTLR_EL1.UMA | DAIF: EL0
daifset | 0 tge | SCTLR_EL1<9>=0 | EL2 0x18 | SCTLR_EL1.UMA | AArch64.CheckDAIFAccess: HCR_EL2.TGE
daifclr | 0 host | !SCTLR_EL1<9>=0 | EL2 0x18 | HCR_EL2.TGE.DAIF | AArch64.CheckDAIFAccess: IsInHost()
msr DAIF | 0 host | | EL2 0x18 | HCR_EL2.TGE.DAIF | DAIF: EL0, HCR_EL2.{E2H,TGE} = 11
# --- pointer authentication keys: not enabled, so nothing happens
pacia | 1 guest | SCTLR_EL1<31>=0 !HCR_EL2<41>=0 | NOP | SCTLR_EL1.EnIA | AddPACIA: Enable = SCTLR_EL1.EnIA
pacia | 0 tge | SCTLR_EL1<31>=0 !SCR_EL3<17>=0 | NOP | SCTLR_EL1.EnIA | AddPACIA: S1TranslationRegime() = EL1
pacia | 2 guest | SCTLR_EL2<31>=0 !SCR_EL3<17>=0 | NOP | SCTLR_EL2.EnIA | AddPACIA: EL2
pacia | 0 host | SCTLR_EL2<31>=0 !SCTLR_EL1<31>=0 | NOP | SCTLR_EL2.EnIA.EL0 | AddPACIA: EL0 in EL2&0
pacib | 1 vhe | SCTLR_EL1<30>=0 !HCR_EL2<41>=0 | NOP | SCTLR_EL1.EnIB | AddPACIB: Enable = SCTLR_EL1.EnIB
pacib | 2 vhe | SCTLR_EL2<30>=0 !SCR_EL3<17>=0 | NOP | SCTLR_EL2.EnIB | AddPACIB: EL2
pacib | 0 host | SCTLR_EL2<30>=0 !SCTLR_EL1<30>=0 | NOP | SCTLR_EL2.EnIB.EL0 | AddPACIB: EL0 in EL2&0
pacda | 0 guest | SCTLR_EL1<27>=0 !HCR_EL2<41>=0 | NOP | SCTLR_EL1.EnDA | AddPACDA: Enable = SCTLR_EL1.EnDA
pacda | 2 guest | SCTLR_EL2<27>=0 !SCR_EL3<17>=0 | NOP | SCTLR_EL2.EnDA | AddPACDA: EL2
pacda | 0 host | SCTLR_EL2<27>=0 !SCTLR_EL1<27>=0 | NOP | SCTLR_EL2.EnDA.EL0 | AddPACDA: EL0 in EL2&0
pacdb | 1 guest | SCTLR_EL1<13>=0 !HCR_EL2<41>=0 | NOP | SCTLR_EL1.EnDB | AddPACDB: Enable = SCTLR_EL1.EnDB
pacdb | 2 guest | SCTLR_EL2<13>=0 !SCR_EL3<17>=0 | NOP | SCTLR_EL2.EnDB | AddPACDB: EL2
pacdb | 0 host | SCTLR_EL2<13>=0 !SCTLR_EL1<13>=0 | NOP | SCTLR_EL2.EnDB.EL0 | AddPACDB: EL0 in EL2&0
# --- CPACR_EL1
sve | 1 guest | CPACR_EL1<17:16>=0 !CPACR_EL1<21:20>=0 | EL1 0x19 | CPACR_EL1.ZEN | CheckSVEEnabled: CPACR_EL1.ZEN
sve | 0 tge | CPACR_EL1<17:16>=2 | EL2 0x19 | CPACR_EL1.ZEN | SVEAccessTrap: HCR_EL2.TGE
mrs ZCR_EL1 | 1 guest | CPACR_EL1<17:16>=2 !CPTR_EL2<8>=1 | EL1 0x19 | CPACR_EL1.ZEN | ZCR_EL1: EL1
sve | 0 guest | CPACR_EL1<17:16>=1 | EL1 0x19 | CPACR_EL1.ZEN.EL0 | CheckSVEEnabled: CPACR_EL1.ZEN = 01, EL0
fp | 1 guest | CPACR_EL1<21:20>=2 !CPTR_EL2<10>=1 | EL1 0x07 | CPACR_EL1.FPEN | AArch64.CheckFPEnabled
fp | 0 tge | CPACR_EL1<21:20>=0 | EL2 0x00 | CPACR_EL1.FPEN | AArch64.AdvSIMDFPAccessTrap: route_to_el2
mrs FPCR | 0 guest | CPACR_EL1<21:20>=1 | EL1 0x07 | CPACR_EL1.FPEN.EL0 | FPCR: EL0
sve | 0 guest | CPACR_EL1<21:20>=1 | EL1 0x07 | CPACR_EL1.FPEN.EL0 | CheckSVEEnabled: CPACR_EL1.FPEN
# --- CNTKCTL_EL1, and CNTHCTL_EL2 for a host's EL0
mrs CNTVCT_EL0 | 0 guest | CNTKCTL_EL1<1>=0 | EL1 0x18 | CNTKCTL_EL1.EL0VCTEN | CNTVCT_EL0: EL0
mrs CNTVCT_EL0 | 0 host | CNTHCTL_EL2<1>=0 !CNTKCTL_EL1<1>=0 | EL2 0x18 | CNTHCTL_EL2.EL0VCTEN | CNTVCT_EL0: EL0
mrs CNTPCT_EL0 | 0 guest | CNTKCTL_EL1<0>=0 !CNTHCTL_EL2<0>=0 | EL1 0x18 | CNTKCTL_EL1.EL0PCTEN | CNTPCT_EL0: EL0
mrs CNTPCT_EL0 | 0 host | CNTHCTL_EL2<0>=0 | EL2 0x18 | CNTHCTL_EL2.EL0PCTEN | CNTPCT_EL0: EL0
mrs CNTFRQ_EL0 | 0 guest | CNTKCTL_EL1<0>=0 CNTKCTL_EL1<1>=0 | EL1 0x18 | CNTKCTL_EL1.EL0PCTEN,EL0VCTEN | \
    CNTFRQ_EL0: EL0
mrs CNTFRQ_EL0 | 0 host | CNTHCTL_EL2<0>=0 CNTHCTL_EL2<1>=0 | EL2 0x18 | CNTHCTL_EL2.EL0PCTEN,EL0VCTEN | CNTFRQ_EL0: EL0
msr CNTV_CVAL_EL0 | 0 guest | CNTKCTL_EL1<8>=0 | EL1 0x18 | CNTKCTL_EL1.EL0VTEN | CNTV_CVAL_EL0: EL0
mrs CNTV_CTL_EL0 | 0 host | CNTHCTL_EL2<8>=0 | EL2 0x18 | CNTHCTL_EL2.EL0VTEN | CNTV_CTL_EL0: EL0
mrs CNTP_TVAL_EL0 | 0 tge | CNTKCTL_EL1<9>=0 !CNTHCTL_EL2<1>=0 | EL2 0x18 | CNTKCTL_EL1.EL0PTEN | \
    CNTP_TVAL_EL0: EL0, TGE
msr CNTP_CTL_EL0 | 0 host | CNTHCTL_EL2<9>=0 | EL2 0x18 | CNTHCTL_EL2.EL0PTEN | CNTP_CTL_EL0: EL0
# --- PMUSERENR_EL0
mrs PMCCNTR_EL0 | 0 guest | PMUSERENR_EL0<0>=0 !MDCR_EL2<6>=1 | EL1 0x18 | PMUSERENR_EL0.CR | \
    PMCCNTR_EL0: MRS, EL0, <CR,EN> = 00
msr PMCCNTR_EL0 | 0 guest | PMUSERENR_EL0<0>=0 !PMUSERENR_EL0<2>=1 | EL1 0x18 | PMUSERENR_EL0.EN.PMCCNTR | \
    PMCCNTR_EL0: MSR, EL0
mrs PMEVCNTR0_EL0 | 0 tge | PMUSERENR_EL0<0>=0 !PMUSERENR_EL0<1>=1 | EL2 0x18 | PMUSERENR_EL0.ER | \
    PMEVCNTR<n>_EL0: MRS, EL0
msr PMXEVCNTR_EL0 | 0 guest | PMUSERENR_EL0<0>=0 !PMUSERENR_EL0<3>=1 | EL1 0x18 | PMUSERENR_EL0.EN.PMEVCNTR | \
    PMXEVCNTR_EL0: MSR, EL0
msr PMSELR_EL0 | 0 guest | PMUSERENR_EL0<0>=0 !PMUSERENR_EL0<2>=1 | EL1 0x18 | PMUSERENR_EL0.ER.PMSELR | \
    PMSELR_EL0: EL0, <ER,EN> = 00
msr PMSWINC_EL0 | 0 guest | PMUSERENR_EL0<0>=0 !PMUSERENR_EL0<3>=1 | EL1 0x18 | PMUSERENR_EL0.SW | \
    PMSWINC_EL0: EL0, <SW,EN> = 00
mrs PMCEID0_EL0 | 0 host | PMUSERENR_EL0<0>=0 | EL2 0x18 | PMUSERENR_EL0.EN | PMCEID0_EL0: EL0, HCR_EL2.TGE
# --- the rest
mrs MDCCSR_EL0 | 0 guest | MDSCR_EL1<12>=1 !MDCR_EL2<9>=1 | EL1 0x18 | MDSCR_EL1.TDCC | MDCCSR_EL0: EL0, MDSCR_EL1.TDCC
mrs DBGDTR_EL0 | 0 tge | MDSCR_EL1<12>=1 | EL2 0x18 | MDSCR_EL1.TDCC | DBGDTR_EL0: EL0, HCR_EL2.TGE
msr ICC_PMR_EL1 | 1 guest | ICC_SRE_EL1<0>=0 !ICH_HCR_EL2<10>=1 | EL1 0x18 | ICC_SRE_EL1.SRE | \
    ICC_PMR_EL1: EL1, ICC_SRE_EL1.SRE
msr ICC_SGI1R_EL1 | 1 vhe | ICC_SRE_EL1<0>=0 !HCR_EL2<4>=1 | EL1 0x18 | ICC_SRE_EL1.SRE | \
    ICC_SGI1R_EL1: EL1, ICC_SRE_EL1.SRE
# --- alignment
ldr sp+8 | 0 guest | SCTLR_EL1<4>=1 !SCTLR_EL1<3>=1 | EL1 0x26 | SCTLR_EL1.SA0 | CheckSPAlignment: EL0
ldr sp+8 | 0 tge | SCTLR_EL1<4>=1 | EL2 0x26 | SCTLR_EL1.SA0 | AArch64.SPAlignmentFault: HCR_EL2.TGE
ldr sp+8 | 1 guest | SCTLR_EL1<3>=1 !SCTLR_EL1<4>=1 | EL1 0x26 | SCTLR_EL1.SA | CheckSPAlignment: SCTLR[].SA
ldr sp+8 | 0 host | SCTLR_EL2<4>=1 !SCTLR_EL1<4>=1 | EL2 0x26 | SCTLR_EL2.SA0 | CheckSPAlignment: SCTLR[] of EL2&0
ldr sp+8 | 2 guest | SCTLR_EL2<3>=1 !SCTLR_EL2<4>=1 | EL2 0x26 | SCTLR_EL2.SA | CheckSPAlignment: SCTLR[].SA
ldr device+2 | 1 guest | | EL1 0x25 | Device.alignment | B2.5.2: unaligned accesses to any type of Device memory
ldr device+2 | 0 tge | | EL2 0x24 | Device.alignment | AArch64.DataAbort: HCR_EL2.TGE
ldxr +2 | 1 guest | -LSE2 | EL1 0x25 | ordered.alignment | AArch64.UnalignedAccessFaults: exclusive
ldxr +2 | 0 guest | -LSE2 | EL1 0x24 | ordered.alignment | AArch64.UnalignedAccessFaults: exclusive
str +2 | 1 guest | SCTLR_EL1<1>=1 | EL1 0x25 | SCTLR_EL1.A | AArch64.UnalignedAccessFaults: SCTLR[].A
ldr +2 | 0 tge | SCTLR_EL1<1>=1 | EL2 0x24 | SCTLR_EL1.A | AArch64.DataAbort: HCR_EL2.TGE
str +2 | 0 host | SCTLR_EL2<1>=1 !SCTLR_EL1<1>=1 | EL2 0x24 | SCTLR_EL2.A.EL0 | \
    AArch64.UnalignedAccessFaults: SCTLR[] of EL2&0
ldr +2 | 2 guest | SCTLR_EL2<1>=1 !SCTLR_EL1<1>=1 | EL2 0x25 | SCTLR_EL2.A | AArch64.UnalignedAccessFaults: SCTLR[].A
"""
)
