"""The registers with which EL2 controls what runs below it.

Read `arch/registers/syndrome.py` before and `arch/registers/control.py` after this file; `arch/traps.py` says which
instruction each trap bit catches.

CPTR_EL2 and CNTHCTL_EL2 have two layouts: the plain name is the one with HCR_EL2.E2H = 0, `_E2H` the one with 1.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register

BSU_VALUES = {0: "no effect", 1: "at least Inner Shareable", 2: "at least Outer Shareable", 3: "full system"}
FPEN_VALUES = {
    0b00: "EL0, EL1 and EL2 accesses trap",
    0b01: "EL0 accesses trap when TGE is 1",
    0b10: "EL0, EL1 and EL2 accesses trap",
    0b11: "no access traps",
}
BUFFER_VALUES = {
    0b00: "owned by EL2; EL1 accesses trap",
    0b10: "owned by EL1; EL1 accesses trap",
    0b11: "owned by EL1; no access traps",
}


class HCR_EL2(Register):
    """Hypervisor configuration: stage 2, routing and most traps. Ref: Arm ARM, HCR_EL2."""

    TWEDEL = Field(63, 60, meaning="WFE trap delay: 2 to the power (TWEDEL + 8) cycles")
    TWEDEn = Field(59, meaning="WFE trap delay enable")
    TID5 = Field(58, meaning="trap ID group 5: GMID_EL1")
    DCT = Field(57, meaning="default cacheability tagging, with DC")
    ATA = Field(56, meaning="allocation tag access at EL1 and EL0")
    TTLBOS = Field(55, meaning="trap TLBI *OS from EL1")
    TTLBIS = Field(54, meaning="trap TLBI *IS from EL1")
    EnSCXT = Field(53, meaning="enable SCXTNUM_EL1 and SCXTNUM_EL0")
    TOCU = Field(52, meaning="trap cache maintenance to the point of unification")
    AMVOFFEN = Field(51, meaning="activity monitors virtual offsets enable")
    TICAB = Field(50, meaning="trap IC IALLUIS from EL1")
    TID4 = Field(49, meaning="trap ID group 4: cache identification")
    GPF = Field(48, meaning="granule protection faults from EL1 and EL0 go to EL2")
    FIEN = Field(47, meaning="fault injection enable: ERXPFG* from EL1")
    FWB = Field(46, meaning="forced write-back: stage 2 attributes override stage 1")
    NV2 = Field(45, meaning="nested virtualization: EL2 registers become memory at VNCR_EL2")
    AT = Field(44, meaning="trap AT S1E* from EL1")
    NV1 = Field(43, meaning="nested virtualization: trap VBAR, ELR and SPSR of EL1")
    NV = Field(42, meaning="nested virtualization: trap EL2 accesses made at EL1")
    API = Field(41, meaning="pointer authentication instructions do not trap")
    APK = Field(40, meaning="pointer authentication key registers do not trap")
    TME = Field(39, meaning="transactional memory enable")
    MIOCNCE = Field(38, meaning="mismatched inner and outer cacheability need not be coherent")
    TEA = Field(37, meaning="synchronous external aborts go to EL2")
    TERR = Field(36, meaning="trap error record registers")
    TLOR = Field(35, meaning="trap LOR registers")
    E2H = Field(34, meaning="EL2 host: a host kernel runs at EL2 (VHE)")
    ID = Field(33, meaning="stage 2 instruction cacheability disable")
    CD = Field(32, meaning="stage 2 data cacheability disable")
    RW = Field(31, values={0: "EL1 is AArch32", 1: "EL1 is AArch64"}, meaning="EL1 is AArch64")
    TRVM = Field(30, meaning="trap reads of virtual memory controls")
    HCD = Field(29, meaning="HVC disable: HVC is UNDEFINED")
    TDZ = Field(28, meaning="trap DC ZVA")
    TGE = Field(27, meaning="trap general exceptions: what would go to EL1 goes to EL2")
    TVM = Field(26, meaning="trap writes of virtual memory controls")
    TTLB = Field(25, meaning="trap TLB maintenance from EL1")
    TPU = Field(24, meaning="trap cache maintenance to the point of unification")
    TPCP = Field(23, meaning="trap data cache maintenance to the points of coherency and persistence")
    TSW = Field(22, meaning="trap cache maintenance by set and way")
    TACR = Field(21, meaning="trap auxiliary control registers")
    TIDCP = Field(20, meaning="trap implementation defined registers and instructions")
    TSC = Field(19, meaning="trap SMC from EL1")
    TID3 = Field(18, meaning="trap ID group 3: feature registers")
    TID2 = Field(17, meaning="trap ID group 2: cache identification")
    TID1 = Field(16, meaning="trap ID group 1: REVIDR, AIDR, SMIDR")
    TID0 = Field(15, meaning="trap ID group 0: AArch32 only")
    TWE = Field(14, meaning="trap WFE that would wait")
    TWI = Field(13, meaning="trap WFI that would wait")
    DC = Field(12, meaning="default cacheability: stage 1 off means Normal Write-Back")
    BSU = Field(11, 10, BSU_VALUES, meaning="barrier shareability upgrade")
    FB = Field(9, meaning="force broadcast of TLB and instruction cache maintenance")
    VSE = Field(8, meaning="virtual SError pending")
    VI = Field(7, meaning="virtual IRQ pending")
    VF = Field(6, meaning="virtual FIQ pending")
    AMO = Field(5, meaning="physical SError to EL2, virtual SError enabled")
    IMO = Field(4, meaning="physical IRQ to EL2, virtual IRQ enabled")
    FMO = Field(3, meaning="physical FIQ to EL2, virtual FIQ enabled")
    PTW = Field(2, meaning="protected table walk: a stage 1 walk that hits Device memory faults")
    SWIO = Field(1, meaning="set and way invalidation acts as clean and invalidate")
    VM = Field(0, meaning="stage 2 translation for EL1 and EL0")


class HCRX_EL2(Register):
    """Extended hypervisor configuration. Ref: Arm ARM, HCRX_EL2."""

    GCSEn = Field(22, meaning="guarded control stack enable")
    EnIDCP128 = Field(21, meaning="128-bit implementation defined registers do not trap")
    EnSDERR = Field(20, meaning="synchronous Device read errors enable")
    TMEA = Field(19, meaning="masked external aborts go to EL2")
    EnSNERR = Field(18, meaning="synchronous Normal read errors enable")
    D128En = Field(17, meaning="128-bit system registers do not trap")
    PTTWI = Field(16, meaning="permit writes by hardware table updates of EL1")
    SCTLR2En = Field(15, meaning="SCTLR2_EL1 enable")
    TCR2En = Field(14, meaning="TCR2_EL1 enable")
    MSCEn = Field(11, meaning="memory copy and set instructions enable")
    MCE2 = Field(10, meaning="memory copy exceptions go to EL2")
    CMOW = Field(9, meaning="cache maintenance needs stage 2 write permission")
    VFNMI = Field(8, meaning="virtual FIQ has superpriority")
    VINMI = Field(7, meaning="virtual IRQ has superpriority")
    TALLINT = Field(6, meaning="trap writes of ALLINT from EL1")
    SMPME = Field(5, meaning="streaming mode priority mapping enable")
    FGTnXS = Field(4, meaning="fine-grained TLBI traps do not catch nXS forms")
    FnXS = Field(3, meaning="TLBI acts as its nXS form")
    EnASR = Field(2, meaning="ST64BV does not trap")
    EnALS = Field(1, meaning="LD64B and ST64B do not trap")
    EnAS0 = Field(0, meaning="ST64BV0 does not trap")


class CPTR_EL2(Register):
    """Architectural feature traps, HCR_EL2.E2H = 0. Ref: Arm ARM, CPTR_EL2.

    Simplified: TZ and TSM are fields always; without SVE or SME the architecture makes them RES1.
    """

    RES1 = 1 << 13 | 1 << 9 | 0xFF
    TCPAC = Field(31, meaning="trap CPACR_EL1 from EL1")
    TAM = Field(30, meaning="trap activity monitor registers")
    TTA = Field(20, meaning="trap trace registers")
    TSM = Field(12, meaning="trap SME")
    TFP = Field(10, meaning="trap FP, SIMD, and the FP part of SVE")
    TZ = Field(8, meaning="trap SVE")


class CPTR_EL2_E2H(Register):
    """CPTR_EL2 with HCR_EL2.E2H = 1, laid out like CPACR_EL1. Ref: Arm ARM, CPTR_EL2."""

    TCPAC = Field(31, meaning="trap CPACR_EL1 from EL1, if TGE is 0")
    TAM = Field(30, meaning="trap activity monitor registers")
    E0POE = Field(29, meaning="POR_EL0 at EL0 does not trap")
    TTA = Field(28, meaning="trap trace registers")
    SMEN = Field(25, 24, FPEN_VALUES, meaning="SME enable")
    FPEN = Field(21, 20, FPEN_VALUES, meaning="FP, SIMD and SVE enable")
    ZEN = Field(17, 16, FPEN_VALUES, meaning="SVE enable")


class HSTR_EL2(Register):
    """Traps of AArch32 CP15 accesses by primary register number. Ref: Arm ARM, HSTR_EL2."""

    T15 = Field(15, meaning="trap AArch32 coproc 0b1111 accesses with c15")
    T13 = Field(13, meaning="trap AArch32 coproc 0b1111 accesses with c13")
    T12 = Field(12, meaning="trap AArch32 coproc 0b1111 accesses with c12")
    T11 = Field(11, meaning="trap AArch32 coproc 0b1111 accesses with c11")
    T10 = Field(10, meaning="trap AArch32 coproc 0b1111 accesses with c10")
    T9 = Field(9, meaning="trap AArch32 coproc 0b1111 accesses with c9")
    T8 = Field(8, meaning="trap AArch32 coproc 0b1111 accesses with c8")
    T7 = Field(7, meaning="trap AArch32 coproc 0b1111 accesses with c7")
    T6 = Field(6, meaning="trap AArch32 coproc 0b1111 accesses with c6")
    T5 = Field(5, meaning="trap AArch32 coproc 0b1111 accesses with c5")
    T3 = Field(3, meaning="trap AArch32 coproc 0b1111 accesses with c3")
    T2 = Field(2, meaning="trap AArch32 coproc 0b1111 accesses with c2")
    T1 = Field(1, meaning="trap AArch32 coproc 0b1111 accesses with c1")
    T0 = Field(0, meaning="trap AArch32 coproc 0b1111 accesses with c0")


class MDCR_EL2(Register):
    """Monitor and debug traps, and EL2's share of the PMU. Ref: Arm ARM, MDCR_EL2."""

    HPMFZS = Field(36, meaning="EL2's event counters freeze on a profiling event")
    PMSSE = Field(31, 30, meaning="PMU snapshot enable")
    HPMFZO = Field(29, meaning="EL2's event counters freeze on overflow")
    MTPME = Field(28, meaning="multithreaded PMU enable")
    TDCC = Field(27, meaning="trap debug communication channel registers")
    HLP = Field(26, meaning="EL2's event counters overflow at 64 bits")
    E2TB = Field(25, 24, BUFFER_VALUES, meaning="trace buffer owner")
    HCCD = Field(23, meaning="cycle counter does not count at EL2")
    TTRF = Field(19, meaning="trap trace filter controls")
    HPMD = Field(17, meaning="EL1's event counters do not count at EL2")
    EnSPM = Field(15, meaning="system PMU registers do not trap")
    TPMS = Field(14, meaning="trap statistical profiling controls")
    E2PB = Field(13, 12, BUFFER_VALUES, meaning="profiling buffer owner")
    TDRA = Field(11, meaning="trap debug ROM address registers")
    TDOSA = Field(10, meaning="trap OS lock and power registers of debug")
    TDA = Field(9, meaning="trap the other debug registers")
    TDE = Field(8, meaning="trap debug exceptions: they go to EL2")
    HPME = Field(7, meaning="EL2's event counters are enabled")
    TPM = Field(6, meaning="trap PMU registers")
    TPMCR = Field(5, meaning="trap PMCR_EL0")
    HPMN = Field(4, 0, meaning="number of event counters that EL1 may use")


class _CounterTimerControl(Register):
    """The part of CNTHCTL_EL2 that does not depend on HCR_EL2.E2H. Ref: Arm ARM, CNTHCTL_EL2."""

    CNTPMASK = Field(19, meaning="EL1 physical timer interrupt masked")
    CNTVMASK = Field(18, meaning="EL1 virtual timer interrupt masked")
    EVNTIS = Field(17, meaning="event stream taken from counter bits <23:8>")
    EL1NVVCT = Field(16, meaning="trap EL1's _EL02 virtual timer accesses, for nested virtualization")
    EL1NVPCT = Field(15, meaning="trap EL1's _EL02 physical timer accesses, for nested virtualization")
    EL1TVCT = Field(14, meaning="trap the virtual counter")
    EL1TVT = Field(13, meaning="trap the virtual timer")
    ECV = Field(12, meaning="CNTPOFF_EL2 applies to EL1's physical counter and timer")
    EVNTI = Field(7, 4, meaning="counter bit that makes the event stream")
    EVNTDIR = Field(3, values={0: "on 0 to 1", 1: "on 1 to 0"}, meaning="transition that makes the event")
    EVNTEN = Field(2, meaning="event stream from the physical counter enabled")


class CNTHCTL_EL2(_CounterTimerControl):
    """Counter and timer traps, HCR_EL2.E2H = 0. Ref: Arm ARM, CNTHCTL_EL2."""

    EL1PCEN = Field(1, meaning="the physical timer does not trap from EL1 and EL0")
    EL1PCTEN = Field(0, meaning="the physical counter does not trap from EL1 and EL0")


class CNTHCTL_EL2_E2H(_CounterTimerControl):
    """CNTHCTL_EL2 with HCR_EL2.E2H = 1. Ref: Arm ARM, CNTHCTL_EL2."""

    EL1PTEN = Field(11, meaning="the physical timer does not trap from EL1 and EL0, if TGE is 0")
    EL1PCTEN = Field(10, meaning="the physical counter does not trap from EL1 and EL0, if TGE is 0")
    EL0PTEN = Field(9, meaning="the physical timer does not trap from EL0, if TGE is 1")
    EL0VTEN = Field(8, meaning="the virtual timer does not trap from EL0, if TGE is 1")
    EL0VCTEN = Field(1, meaning="the virtual counter does not trap from EL0, if TGE is 1")
    EL0PCTEN = Field(0, meaning="the physical counter does not trap from EL0, if TGE is 1")


class HPFAR_EL2(Register):
    """IPA of a stage 2 fault. Ref: Arm ARM, HPFAR_EL2."""

    NS = Field(63, meaning="the faulting IPA is Non-secure")
    FIPA = Field(43, 4, meaning="faulting IPA, bits <51:12>")


class VBAR_EL2(Register):
    """Vector base of EL2. Ref: Arm ARM, VBAR_EL2."""

    VBA = Field(63, 11, meaning="vector base address, bits <63:11>")


class CONTEXTIDR_EL2(Register):
    """Context ID of EL2 (VHE). Ref: Arm ARM, CONTEXTIDR_EL2."""

    PROCID = Field(31, 0, meaning="process identifier")
