"""Control registers of EL1, EL2 and EL3, and what EL1 and EL2 allow EL0: SCTLR, CPACR, SCR, debug, timers, PMU.

Read `arch/registers/hypervisor.py` before and `arch/registers/translation.py` after this file.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register

TCF_VALUES = {
    0b00: "no effect",
    0b01: "synchronous exception",
    0b10: "accumulated asynchronously",
    0b11: "synchronous on reads, asynchronous on writes",
}
CPACR_VALUES = {
    0b00: "EL0 and EL1 accesses trap",
    0b01: "EL0 accesses trap",
    0b10: "EL0 and EL1 accesses trap",
    0b11: "no access traps",
}
SCTLR_EL1_RES1_V8_0 = 1 << 29 | 1 << 28 | 1 << 23 | 1 << 22 | 1 << 20 | 1 << 11
"""Bits of SCTLR_EL1 that are RES1 in Armv8.0; later features made fields of them (LSMAOE to EOS)."""
SCTLR_EL2_RES1_V8_0 = SCTLR_EL1_RES1_V8_0 & ~(1 << 20) | 1 << 18 | 1 << 16 | 1 << 5 | 1 << 4
"""Bits of SCTLR_EL2 (E2H = 0) that are RES1 in Armv8.0; FEAT_ExS made fields of EIS and EOS."""


class _SystemControl(Register):
    """The fields that SCTLR_EL1 and both layouts of SCTLR_EL2 share. Ref: Arm ARM, SCTLR_EL1 and SCTLR_EL2."""

    SPINTMASK = Field(62, meaning="PSTATE.SP masks interrupts")
    NMI = Field(61, meaning="non-maskable interrupts enable")
    TME = Field(53, meaning="transactions enable")
    TMT = Field(51, meaning="transactions are forced to fail trivially")
    DSSBS = Field(44, meaning="PSTATE.SSBS on exception entry")
    ATA = Field(43, meaning="allocation tag access")
    TCF = Field(41, 40, TCF_VALUES, meaning="tag check faults")
    ITFSB = Field(37, meaning="asynchronous tag faults are synchronised on exception entry")
    EnIA = Field(31, meaning="pointer authentication with key A, instruction addresses")
    EnIB = Field(30, meaning="pointer authentication with key B, instruction addresses")
    EnDA = Field(27, meaning="pointer authentication with key A, data addresses")
    EE = Field(25, values={0: "little-endian", 1: "big-endian"}, meaning="data and table walks are big-endian")
    EIS = Field(22, meaning="exception entry is context synchronizing")
    IESB = Field(21, meaning="implicit error synchronization on entry and return")
    WXN = Field(19, meaning="writable means execute never")
    EnDB = Field(13, meaning="pointer authentication with key B, data addresses")
    I = Field(12, meaning="instruction accesses are cacheable")  # noqa: E741
    EOS = Field(11, meaning="exception return is context synchronizing")
    nAA = Field(6, meaning="unaligned ordered accesses within 16 bytes do not fault")
    SA = Field(3, meaning="SP alignment check")
    C = Field(2, meaning="data accesses are cacheable")
    A = Field(1, meaning="alignment check")
    M = Field(0, meaning="stage 1 translation enable")


class _SystemControlWithEl0(_SystemControl):
    """SCTLR of a translation regime that EL0 shares: EL1&0, and EL2&0 with E2H and TGE."""

    TIDCP = Field(63, meaning="trap implementation defined functionality from EL0")
    EnTP2 = Field(60, meaning="TPIDR2_EL0 at EL0 does not trap")
    EPAN = Field(57, meaning="PAN also for what EL0 may only execute")
    EnALS = Field(56, meaning="LD64B and ST64B at EL0 do not trap")
    EnAS0 = Field(55, meaning="ST64BV0 at EL0 does not trap")
    EnASR = Field(54, meaning="ST64BV at EL0 does not trap")
    TME0 = Field(52, meaning="transactions at EL0 enable")
    TMT0 = Field(50, meaning="transactions at EL0 are forced to fail trivially")
    TWEDEL = Field(49, 46, meaning="WFE trap delay: 2 to the power (TWEDEL + 8) cycles")
    TWEDEn = Field(45, meaning="WFE trap delay enable")
    ATA0 = Field(42, meaning="allocation tag access at EL0")
    TCF0 = Field(39, 38, TCF_VALUES, meaning="tag check faults at EL0")
    BT0 = Field(35, meaning="PACIASP is no branch target for BTYPE 0b11 at EL0")
    MSCEn = Field(33, meaning="memory copy and set instructions at EL0 enable")
    CMOW = Field(32, meaning="cache maintenance at EL0 needs write permission")
    LSMAOE = Field(29, meaning="AArch32 load/store multiple ordering enable")
    nTLSMD = Field(28, meaning="AArch32 load/store multiple to Device memory does not trap")
    UCI = Field(26, meaning="cache maintenance at EL0 does not trap")
    E0E = Field(24, values={0: "little-endian", 1: "big-endian"}, meaning="data at EL0 is big-endian")
    SPAN = Field(23, meaning="PSTATE.PAN is left unchanged on exception entry")
    TSCXT = Field(20, meaning="trap SCXTNUM_EL0 at EL0")
    nTWE = Field(18, meaning="WFE at EL0 does not trap")
    nTWI = Field(16, meaning="WFI at EL0 does not trap")
    UCT = Field(15, meaning="CTR_EL0 at EL0 does not trap")
    DZE = Field(14, meaning="DC ZVA at EL0 does not trap")
    EnRCTX = Field(10, meaning="prediction restriction at EL0 does not trap")
    SED = Field(8, meaning="AArch32 SETEND at EL0 disable")
    ITD = Field(7, meaning="AArch32 IT at EL0 disable")
    CP15BEN = Field(5, meaning="AArch32 CP15 barriers at EL0 enable")
    SA0 = Field(4, meaning="SP alignment check at EL0")


class SCTLR_EL1(_SystemControlWithEl0):
    """System control, EL1 and EL0. Ref: Arm ARM, SCTLR_EL1."""

    BT1 = Field(36, meaning="PACIASP is no branch target for BTYPE 0b11 at EL1")
    UMA = Field(9, meaning="DAIF accesses at EL0 do not trap")


class SCTLR_EL2(_SystemControl):
    """System control, EL2, HCR_EL2.E2H = 0. Ref: Arm ARM, SCTLR_EL2."""

    RES1 = SCTLR_EL2_RES1_V8_0 & ~(1 << 22 | 1 << 11)
    BT = Field(36, meaning="PACIASP is no branch target for BTYPE 0b11 at EL2")


class SCTLR_EL2_E2H(_SystemControlWithEl0):
    """SCTLR_EL2 with HCR_EL2.E2H = 1; the controls of EL0 act when TGE is 1 too. Ref: Arm ARM, SCTLR_EL2."""

    BT = Field(36, meaning="PACIASP is no branch target for BTYPE 0b11 at EL2")


class CPACR_EL1(Register):
    """Architectural feature access at EL1 and EL0. Ref: Arm ARM, CPACR_EL1."""

    E0POE = Field(29, meaning="POR_EL0 at EL0 does not trap")
    TTA = Field(28, meaning="trap trace registers")
    SMEN = Field(25, 24, CPACR_VALUES, meaning="SME enable")
    FPEN = Field(21, 20, CPACR_VALUES, meaning="FP, SIMD and SVE enable")
    ZEN = Field(17, 16, CPACR_VALUES, meaning="SVE enable")


class CPTR_EL3(Register):
    """Architectural feature traps to EL3. Ref: Arm ARM, CPTR_EL3."""

    TCPAC = Field(31, meaning="trap CPACR_EL1 and CPTR_EL2")
    TAM = Field(30, meaning="trap activity monitor registers")
    TTA = Field(20, meaning="trap trace registers")
    ESM = Field(12, meaning="SME does not trap")
    TFP = Field(10, meaning="trap FP, SIMD and SVE")
    EZ = Field(8, meaning="SVE does not trap")


class SCR_EL3(Register):
    """Secure configuration. Ref: Arm ARM, SCR_EL3."""

    RES1 = 1 << 5 | 1 << 4
    NSE = Field(62, meaning="with NS, the security state below EL3")
    PFAREn = Field(53, meaning="PFAR_ELx accesses do not trap")
    TWERR = Field(52, meaning="trap writes of error record registers")
    TMEA = Field(51, meaning="masked external aborts go to EL3")
    EnFPM = Field(50, meaning="FPMR accesses do not trap")
    MECEn = Field(49, meaning="memory encryption contexts enable")
    GPF = Field(48, meaning="granule protection faults go to EL3")
    D128En = Field(47, meaning="128-bit system registers do not trap")
    AIEn = Field(46, meaning="MAIR2 and AMAIR2 accesses do not trap")
    PIEn = Field(45, meaning="permission indirection and overlay registers do not trap")
    SCTLR2En = Field(44, meaning="SCTLR2_ELx enable")
    TCR2En = Field(43, meaning="TCR2_ELx enable")
    RCWMASKEn = Field(42, meaning="RCW mask registers do not trap")
    EnTP2 = Field(41, meaning="TPIDR2_EL0 does not trap")
    TRNDR = Field(40, meaning="trap RNDR and RNDRRS")
    GCSEn = Field(39, meaning="guarded control stack enable")
    HXEn = Field(38, meaning="HCRX_EL2 enable")
    ADEn = Field(37, meaning="ACCDATA_EL1 does not trap")
    EnAS0 = Field(36, meaning="ST64BV0 does not trap")
    AMVOFFEN = Field(35, meaning="activity monitors virtual offsets enable")
    TME = Field(34, meaning="transactional memory enable")
    TWEDEL = Field(33, 30, meaning="WFE trap delay: 2 to the power (TWEDEL + 8) cycles")
    TWEDEn = Field(29, meaning="WFE trap delay enable")
    ECVEn = Field(28, meaning="CNTPOFF_EL2 enable")
    FGTEn = Field(27, meaning="fine-grained traps enable")
    ATA = Field(26, meaning="allocation tag access below EL3")
    EnSCXT = Field(25, meaning="SCXTNUM_ELx does not trap")
    FIEN = Field(21, meaning="fault injection enable")
    NMEA = Field(20, meaning="SError taken to EL3 is not masked by PSTATE.A")
    EASE = Field(19, meaning="synchronous external aborts enter EL3 at the SError vector")
    EEL2 = Field(18, meaning="Secure EL2 enable")
    API = Field(17, meaning="pointer authentication instructions do not trap")
    APK = Field(16, meaning="pointer authentication key registers do not trap")
    TERR = Field(15, meaning="trap error record registers")
    TLOR = Field(14, meaning="trap LOR registers")
    TWE = Field(13, meaning="trap WFE that would wait")
    TWI = Field(12, meaning="trap WFI that would wait")
    ST = Field(11, meaning="Secure EL1 may use the secure timer")
    RW = Field(10, values={0: "lower levels are AArch32", 1: "next lower level is AArch64"}, meaning="execution state")
    SIF = Field(9, meaning="no Secure instruction fetch from Non-secure memory")
    HCE = Field(8, meaning="HVC enable")
    SMD = Field(7, meaning="SMC disable")
    EA = Field(3, meaning="external aborts and SErrors go to EL3")
    FIQ = Field(2, meaning="physical FIQ goes to EL3")
    IRQ = Field(1, meaning="physical IRQ goes to EL3")
    NS = Field(0, values={0: "Secure below EL3", 1: "Non-secure below EL3"}, meaning="Non-secure")


class MDSCR_EL1(Register):
    """Monitor debug system control. Ref: Arm ARM, MDSCR_EL1."""

    EHBWE = Field(35, meaning="extended halting breakpoints and watchpoints enable")
    EnSPM = Field(34, meaning="system PMU registers at EL0 do not trap")
    TTA = Field(33, meaning="save and restore of the external debugger's TTA")
    EMBWE = Field(32, meaning="extended breakpoints and watchpoints enable")
    TFO = Field(31, meaning="trace filter override, save and restore")
    RXfull = Field(30, meaning="DTRRX full, save and restore")
    TXfull = Field(29, meaning="DTRTX full, save and restore")
    RXO = Field(27, meaning="DTRRX overrun, save and restore")
    TXU = Field(26, meaning="DTRTX underrun, save and restore")
    INTdis = Field(23, 22, meaning="interrupt disable in debug, save and restore")
    TDA = Field(21, meaning="trap debug registers to Debug state, save and restore")
    SC2 = Field(19, meaning="sample PC control, save and restore")
    MDE = Field(15, meaning="breakpoint and watchpoint exceptions enable")
    HDE = Field(14, meaning="halting debug, save and restore")
    KDE = Field(13, meaning="debug exceptions also within the level that takes them")
    TDCC = Field(12, meaning="trap debug communication channel at EL0")
    ERR = Field(6, meaning="cumulative error, save and restore")
    SS = Field(0, meaning="software step enable")


class CNTKCTL_EL1(Register):
    """Counter and timer accesses from EL0, and the virtual event stream. Ref: Arm ARM, CNTKCTL_EL1."""

    EVNTIS = Field(17, meaning="event stream taken from counter bits <23:8>")
    EL0PTEN = Field(9, meaning="the physical timer does not trap from EL0")
    EL0VTEN = Field(8, meaning="the virtual timer does not trap from EL0")
    EVNTI = Field(7, 4, meaning="counter bit that makes the event stream")
    EVNTDIR = Field(3, values={0: "on 0 to 1", 1: "on 1 to 0"}, meaning="transition that makes the event")
    EVNTEN = Field(2, meaning="event stream from the virtual counter enabled")
    EL0VCTEN = Field(1, meaning="the virtual counter does not trap from EL0")
    EL0PCTEN = Field(0, meaning="the physical counter does not trap from EL0")


class PMUSERENR_EL0(Register):
    """PMU accesses from EL0. Ref: Arm ARM, PMUSERENR_EL0."""

    TID = Field(6, meaning="trap PMU ID registers at EL0")
    IR = Field(5, meaning="the instruction counter may be read at EL0")
    UEN = Field(4, meaning="EL0 access by counter, PMUACR_EL1")
    ER = Field(3, meaning="event counters may be read at EL0")
    CR = Field(2, meaning="the cycle counter may be read at EL0")
    SW = Field(1, meaning="PMSWINC_EL0 may be written at EL0")
    EN = Field(0, meaning="PMU accesses at EL0 do not trap")


class PMCR_EL0(Register):
    """PMU control. Ref: Arm ARM, PMCR_EL0."""

    FZS = Field(32, meaning="counters freeze on a profiling event")
    IMP = Field(31, 24, meaning="implementer")
    IDCODE = Field(23, 16, meaning="identification code")
    N = Field(15, 11, meaning="number of event counters")
    FZO = Field(9, meaning="counters freeze on overflow")
    LP = Field(7, meaning="event counters overflow at 64 bits")
    LC = Field(6, meaning="cycle counter overflows at 64 bits")
    DP = Field(5, meaning="cycle counter stops where counting is prohibited")
    X = Field(4, meaning="export of events enable")
    D = Field(3, meaning="cycle counter counts every 64th cycle")
    C = Field(2, meaning="write 1: reset the cycle counter")
    P = Field(1, meaning="write 1: reset the event counters")
    E = Field(0, meaning="counters enable")


class VBAR_EL1(Register):
    """Vector base of EL1. Ref: Arm ARM, VBAR_EL1."""

    VBA = Field(63, 11, meaning="vector base address, bits <63:11>")


class CONTEXTIDR_EL1(Register):
    """Context ID. Ref: Arm ARM, CONTEXTIDR_EL1."""

    PROCID = Field(31, 0, meaning="process identifier")


class ISR_EL1(Register):
    """Interrupt status: what is pending at this level, virtual below EL2 when routed. Ref: Arm ARM, ISR_EL1."""

    IS = Field(10, meaning="the pending IRQ has superpriority")
    FS = Field(9, meaning="the pending FIQ has superpriority")
    A = Field(8, meaning="SError pending")
    I = Field(7, meaning="IRQ pending")  # noqa: E741
    F = Field(6, meaning="FIQ pending")
