"""The ID_AA64* registers: which features a CPU has, four bits a feature.

Read `arch/registers/identification.py` before this file; `arch/id_policy.py` says what this machine claims.

A field of an ID register counts up: a higher value has all that the lower ones have, save for those that are signed
(0b1111 is "not implemented" there). Ref: Arm ARM, "Principles of the ID scheme for fields in ID registers".

Simplified: features of Armv9.4 and later that have a field of their own may be RES0 here.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.registers.translation import PHYSICAL_SIZE

NONE = "not implemented"
EXCEPTION_LEVEL = {0: NONE, 1: "AArch64 only", 2: "AArch64 and AArch32"}
PAUTH_LEVELS = ("FEAT_PAuth", "FEAT_EPAC", "FEAT_PAuth2", "FEAT_FPAC", "FEAT_FPACCOMBINE")


def _feature(lsb: int, meaning: str, *levels: str, absent: str = NONE) -> Field:
    """Make the four-bit field at `lsb` whose values 0, 1, 2... mean `absent` and then `levels`."""
    return Field(lsb + 3, lsb, dict(enumerate((absent, *levels))), meaning=meaning)


def _coded(lsb: int, meaning: str, values: dict[int, str]) -> Field:
    """Make the four-bit field at `lsb` whose values do not simply count up."""
    return Field(lsb + 3, lsb, values, meaning=meaning)


class ID_AA64PFR0_EL1(Register):
    """Processor features 0. Ref: Arm ARM, ID_AA64PFR0_EL1."""

    CSV3 = _feature(60, "speculation after faults", "FEAT_CSV3", absent="not disclosed")
    CSV2 = _feature(56, "branch target speculation", "FEAT_CSV2", "FEAT_CSV2_2", "FEAT_CSV2_3", absent="not disclosed")
    RME = _feature(52, "realm management extension", "FEAT_RME")
    DIT = _feature(48, "data independent timing", "FEAT_DIT")
    AMU = _feature(44, "activity monitors", "FEAT_AMUv1", "FEAT_AMUv1p1")
    MPAM = _feature(40, "memory partitioning, major version", "major version 1", absent="major version 0")
    SEL2 = _feature(36, "Secure EL2", "FEAT_SEL2")
    SVE = _feature(32, "scalable vectors", "FEAT_SVE")
    RAS = _feature(28, "reliability extension", "FEAT_RAS", "FEAT_RASv1p1", "FEAT_RASv2")
    GIC = _coded(24, "GIC system registers", {0: NONE, 1: "GICv3 or GICv4.0", 3: "GICv4.1"})
    AdvSIMD = _coded(20, "SIMD; signed", {0: "SIMD", 1: "SIMD with half precision", 15: NONE})
    FP = _coded(16, "floating-point; signed", {0: "FP", 1: "FP with half precision", 15: NONE})
    EL3 = _coded(12, "EL3", EXCEPTION_LEVEL)
    EL2 = _coded(8, "EL2", EXCEPTION_LEVEL)
    EL1 = _coded(4, "EL1", EXCEPTION_LEVEL)
    EL0 = _coded(0, "EL0", EXCEPTION_LEVEL)


class ID_AA64PFR1_EL1(Register):
    """Processor features 1. Ref: Arm ARM, ID_AA64PFR1_EL1."""

    PFAR = _feature(60, "physical fault address registers", "FEAT_PFAR")
    DF2 = _feature(56, "double fault extension 2", "FEAT_DoubleFault2")
    MTEX = _feature(52, "memory tagging extensions", "FEAT_MTE4")
    THE = _feature(48, "translation hardening", "FEAT_THE")
    GCS = _feature(44, "guarded control stack", "FEAT_GCS")
    MTE_frac = _coded(40, "asynchronous tag faults; signed", {0: "FEAT_MTE_ASYNC, if MTE is 2 or more", 15: NONE})
    NMI = _feature(36, "non-maskable interrupts", "FEAT_NMI")
    CSV2_frac = _feature(32, "speculation of branch targets, fraction", "FEAT_CSV2_1p1", "FEAT_CSV2_1p2")
    RNDR_trap = _feature(28, "trap of RNDR to EL3", "FEAT_RNG_TRAP")
    SME = _feature(24, "scalable matrices", "FEAT_SME", "FEAT_SME2")
    MPAM_frac = _feature(16, "memory partitioning, minor version", "minor version 1", absent="minor version 0")
    RAS_frac = _feature(12, "reliability extension, fraction", "FEAT_RASv1p1")
    MTE = _feature(8, "memory tagging", "FEAT_MTE", "FEAT_MTE2", "FEAT_MTE3")
    SSBS = _feature(4, "speculative store bypass safe", "FEAT_SSBS", "FEAT_SSBS2")
    BT = _feature(0, "branch target identification", "FEAT_BTI")


class ID_AA64ZFR0_EL1(Register):
    """SVE features 0. Ref: Arm ARM, ID_AA64ZFR0_EL1."""

    F64MM = _feature(56, "FP64 matrix multiply", "FEAT_F64MM")
    F32MM = _feature(52, "FP32 matrix multiply", "FEAT_F32MM")
    I8MM = _feature(44, "int8 matrix multiply", "FEAT_I8MM")
    SM4 = _feature(40, "SM4 in SVE", "FEAT_SVE_SM4")
    SHA3 = _feature(32, "SHA3 in SVE", "FEAT_SVE_SHA3")
    B16B16 = _feature(24, "BFloat16 to BFloat16", "FEAT_SVE_B16B16")
    BF16 = _feature(20, "BFloat16", "FEAT_BF16", "FEAT_EBF16")
    BitPerm = _feature(16, "bit permutes", "FEAT_SVE_BitPerm")
    AES = _feature(4, "AES in SVE", "FEAT_SVE_AES", "FEAT_SVE_PMULL128")
    SVEver = _feature(0, "version of SVE", "FEAT_SVE2", "FEAT_SVE2p1", absent="FEAT_SVE")


class ID_AA64DFR0_EL1(Register):
    """Debug features 0. Ref: Arm ARM, ID_AA64DFR0_EL1."""

    HPMN0 = _feature(60, "MDCR_EL2.HPMN may be 0", "FEAT_HPMN0")
    ExtTrcBuff = _feature(56, "trace buffer external mode", "FEAT_TRBE_EXT")
    BRBE = _feature(52, "branch record buffer", "FEAT_BRBE", "FEAT_BRBEv1p1")
    MTPMU = _coded(48, "multithreaded PMU; signed", {0: NONE, 1: "FEAT_MTPMU", 15: NONE})
    TraceBuffer = _feature(44, "trace buffer", "FEAT_TRBE")
    TraceFilt = _feature(40, "trace filtering", "FEAT_TRF")
    DoubleLock = _coded(36, "OS double lock; signed", {0: "FEAT_DoubleLock", 15: NONE})
    PMSVer = _feature(32, "statistical profiling", "FEAT_SPE", *(f"FEAT_SPEv1p{minor}" for minor in range(1, 5)))
    CTX_CMPs = Field(31, 28, meaning="number of context-aware breakpoints, minus one")
    SEBEP = _feature(24, "synchronous exception-based event profiling", "FEAT_SEBEP")
    WRPs = Field(23, 20, meaning="number of watchpoints, minus one")
    PMSS = _feature(16, "PMU snapshot", "FEAT_PMUv3_SS")
    BRPs = Field(15, 12, meaning="number of breakpoints, minus one")
    PMUVer = _coded(
        8,
        "performance monitors",
        {
            0: NONE,
            1: "FEAT_PMUv3",
            4: "FEAT_PMUv3p1",
            5: "FEAT_PMUv3p4",
            6: "FEAT_PMUv3p5",
            7: "FEAT_PMUv3p7",
            8: "FEAT_PMUv3p8",
            9: "FEAT_PMUv3p9",
            15: "IMPLEMENTATION DEFINED",
        },
    )
    TraceVer = _feature(4, "trace unit system registers", "implemented")
    DebugVer = _coded(
        0,
        "debug architecture",
        {
            6: "Armv8",
            7: "Armv8 with VHE",
            8: "FEAT_Debugv8p2",
            9: "FEAT_Debugv8p4",
            10: "FEAT_Debugv8p8",
            11: "FEAT_Debugv8p9",
        },
    )


class ID_AA64DFR1_EL1(Register):
    """Debug features 1. Ref: Arm ARM, ID_AA64DFR1_EL1."""

    ABL_CMPs = Field(63, 56, meaning="number of breakpoints that may be linked to, minus one")
    DPFZS = _feature(52, "cycle counter freezes on a profiling event", "implemented")
    EBEP = _feature(48, "exception-based event profiling", "FEAT_EBEP")
    ITE = _feature(44, "instrumentation trace", "FEAT_ITE")
    ABLE = _feature(40, "address breakpoint linking", "FEAT_ABLE")
    PMICNTR = _feature(36, "PMU instruction counter", "FEAT_PMUv3_ICNTR")
    SPMU = _feature(32, "system PMU", "FEAT_SPMU")
    CTX_CMPs = Field(31, 24, meaning="number of context-aware breakpoints, minus one, if above 16")
    WRPs = Field(23, 16, meaning="number of watchpoints, minus one, if above 16")
    BRPs = Field(15, 8, meaning="number of breakpoints, minus one, if above 16")
    SYSPMUID = Field(7, 0, meaning="system PMU ID")


class ID_AA64ISAR0_EL1(Register):
    """Instruction set 0. Ref: Arm ARM, ID_AA64ISAR0_EL1."""

    RNDR = _feature(60, "random numbers", "FEAT_RNG")
    TLB = _feature(56, "TLBI outer shareable and by range", "FEAT_TLBIOS", "FEAT_TLBIOS and FEAT_TLBIRANGE")
    TS = _feature(52, "flag manipulation", "FEAT_FlagM", "FEAT_FlagM2")
    FHM = _feature(48, "FMLAL and FMLSL", "FEAT_FHM")
    DP = _feature(44, "dot product", "FEAT_DotProd")
    SM4 = _feature(40, "SM4", "FEAT_SM4")
    SM3 = _feature(36, "SM3", "FEAT_SM3")
    SHA3 = _feature(32, "SHA3", "FEAT_SHA3")
    RDM = _feature(28, "rounding double multiply", "FEAT_RDM")
    TME = _feature(24, "transactional memory", "FEAT_TME")
    Atomic = _coded(20, "atomic instructions", {0: NONE, 2: "FEAT_LSE", 3: "FEAT_LSE128"})
    CRC32 = _feature(16, "CRC32", "FEAT_CRC32")
    SHA2 = _feature(12, "SHA2", "FEAT_SHA256", "FEAT_SHA512")
    SHA1 = _feature(8, "SHA1", "FEAT_SHA1")
    AES = _feature(4, "AES", "FEAT_AES", "FEAT_AES and FEAT_PMULL")


class ID_AA64ISAR1_EL1(Register):
    """Instruction set 1. Ref: Arm ARM, ID_AA64ISAR1_EL1."""

    LS64 = _feature(60, "64-byte loads and stores", "FEAT_LS64", "FEAT_LS64_V", "FEAT_LS64_ACCDATA")
    XS = _feature(56, "XS attribute", "FEAT_XS")
    I8MM = _feature(52, "int8 matrix multiply", "FEAT_I8MM")
    DGH = _feature(48, "data gathering hint", "FEAT_DGH")
    BF16 = _feature(44, "BFloat16", "FEAT_BF16", "FEAT_EBF16")
    SPECRES = _feature(40, "prediction restriction", "FEAT_SPECRES", "FEAT_SPECRES2")
    SB = _feature(36, "speculation barrier", "FEAT_SB")
    FRINTTS = _feature(32, "round to 32 and 64 bits", "FEAT_FRINTTS")
    GPI = _feature(28, "generic authentication, IMPLEMENTATION DEFINED algorithm", "FEAT_PACIMP")
    GPA = _feature(24, "generic authentication, QARMA5", "FEAT_PACQARMA5")
    LRCPC = _feature(20, "release consistent loads", "FEAT_LRCPC", "FEAT_LRCPC2", "FEAT_LRCPC3")
    FCMA = _feature(16, "complex numbers", "FEAT_FCMA")
    JSCVT = _feature(12, "JavaScript conversion", "FEAT_JSCVT")
    API = _feature(8, "address authentication, IMPLEMENTATION DEFINED algorithm", *PAUTH_LEVELS)
    APA = _feature(4, "address authentication, QARMA5", *PAUTH_LEVELS)
    DPB = _feature(0, "clean to the point of persistence", "FEAT_DPB", "FEAT_DPB2")


class ID_AA64ISAR2_EL1(Register):
    """Instruction set 2. Ref: Arm ARM, ID_AA64ISAR2_EL1."""

    ATS1A = _feature(60, "AT S1E*A", "FEAT_ATS1A")
    LUT = _feature(56, "lookup table instructions", "FEAT_LUT")
    CSSC = _feature(52, "common short sequence compression", "FEAT_CSSC")
    RPRFM = _feature(48, "range prefetch", "FEAT_RPRFM")
    PRFMSLC = _feature(40, "prefetch to the system level cache", "FEAT_PRFMSLC")
    SYSINSTR_128 = _feature(36, "128-bit system instructions", "FEAT_SYSINSTR128")
    SYSREG_128 = _feature(32, "128-bit system registers", "FEAT_SYSREG128")
    CLRBHB = _feature(28, "clear branch history", "FEAT_CLRBHB")
    PAC_frac = _feature(24, "PAC length fixed by constants", "FEAT_CONSTPACFIELD")
    BC = _feature(20, "hinted conditional branch", "FEAT_HBC")
    MOPS = _feature(16, "memory copy and set", "FEAT_MOPS")
    APA3 = _feature(12, "address authentication, QARMA3", *PAUTH_LEVELS)
    GPA3 = _feature(8, "generic authentication, QARMA3", "FEAT_PACQARMA3")
    RPRES = _feature(4, "reciprocal estimates of 12 bits", "FEAT_RPRES")
    WFxT = _coded(0, "WFE and WFI with timeout", {0: NONE, 2: "FEAT_WFxT"})


class ID_AA64MMFR3_EL1(Register):
    """Memory model 3. Ref: Arm ARM, ID_AA64MMFR3_EL1."""

    Spec_FPACC = _feature(60, "speculation after a failed authentication", "as without", absent="not disclosed")
    ADERR = _coded(56, "asynchronous Device read errors", {0: "not disclosed", 1: NONE, 2: "FEAT_ADERR"})
    SDERR = _coded(52, "synchronous Device read errors", {0: "not disclosed", 1: NONE, 2: "FEAT_ADERR"})
    ANERR = _coded(44, "asynchronous Normal read errors", {0: "not disclosed", 1: NONE, 2: "FEAT_ANERR"})
    SNERR = _coded(40, "synchronous Normal read errors", {0: "not disclosed", 1: NONE, 2: "FEAT_ANERR"})
    D128_2 = _feature(36, "128-bit descriptors at stage 2", "FEAT_D128")
    D128 = _feature(32, "128-bit descriptors", "FEAT_D128")
    MEC = _feature(28, "memory encryption contexts", "FEAT_MEC")
    AIE = _feature(24, "attribute index extension", "FEAT_AIE")
    S2POE = _feature(20, "permission overlays at stage 2", "FEAT_S2POE")
    S1POE = _feature(16, "permission overlays at stage 1", "FEAT_S1POE")
    S2PIE = _feature(12, "indirect permissions at stage 2", "FEAT_S2PIE")
    S1PIE = _feature(8, "indirect permissions at stage 1", "FEAT_S1PIE")
    SCTLRX = _feature(4, "SCTLR2_ELx", "FEAT_SCTLR2")
    TCRX = _feature(0, "TCR2_ELx", "FEAT_TCR2")


class ID_AA64MMFR0_EL1(Register):
    """Memory model 0. Ref: Arm ARM, ID_AA64MMFR0_EL1."""

    ECV = _feature(60, "enhanced counter virtualization", "FEAT_ECV", "FEAT_ECV with CNTPOFF_EL2")
    FGT = _feature(56, "fine-grained traps", "FEAT_FGT", "FEAT_FGT2")
    ExS = _feature(44, "exceptions that need not synchronise", "FEAT_ExS")
    TGran4_2 = _feature(40, "4 KB granule at stage 2", NONE, "4 KB", "4 KB, 52 bits", absent="as TGran4")
    TGran64_2 = _feature(36, "64 KB granule at stage 2", NONE, "64 KB", absent="as TGran64")
    TGran16_2 = _feature(32, "16 KB granule at stage 2", NONE, "16 KB", "16 KB, 52 bits", absent="as TGran16")
    TGran4 = _coded(28, "4 KB granule; signed", {0: "4 KB", 1: "4 KB, 52 bits", 15: NONE})
    TGran64 = _coded(24, "64 KB granule; signed", {0: "64 KB", 15: NONE})
    TGran16 = _feature(20, "16 KB granule", "16 KB", "16 KB, 52 bits")
    BigEndEL0 = _feature(16, "mixed endianness at EL0 only", "implemented")
    SNSMem = _feature(12, "Secure and Non-secure memory", "implemented")
    BigEnd = _feature(8, "mixed endianness", "implemented")
    ASIDBits = _coded(4, "ASID size", {0: "8 bits", 2: "16 bits"})
    PARange = _coded(0, "physical address size", PHYSICAL_SIZE)


class ID_AA64MMFR1_EL1(Register):
    """Memory model 1. Ref: Arm ARM, ID_AA64MMFR1_EL1."""

    ECBHB = _feature(60, "exploitative control with branch history", "FEAT_ECBHB", absent="not disclosed")
    CMOW = _feature(56, "cache maintenance needs write permission", "FEAT_CMOW")
    TIDCP1 = _feature(52, "SCTLR_ELx.TIDCP", "FEAT_TIDCP1")
    nTLBPA = _feature(48, "no intermediate caching by physical address", "FEAT_nTLBPA")
    AFP = _feature(44, "alternate floating-point behaviour", "FEAT_AFP")
    HCX = _feature(40, "HCRX_EL2", "FEAT_HCX")
    ETS = _coded(36, "enhanced translation synchronization", {0: NONE, 1: "FEAT_ETS", 2: "FEAT_ETS2", 3: "FEAT_ETS3"})
    TWED = _feature(32, "delayed WFE traps", "FEAT_TWED")
    XNX = _feature(28, "execute never by level at stage 2", "FEAT_XNX")
    SpecSEI = _feature(24, "SErrors of speculative reads", "may occur", absent="never occur")
    PAN = _feature(20, "privileged access never", "FEAT_PAN", "FEAT_PAN2", "FEAT_PAN3")
    LO = _feature(16, "limited ordering regions", "FEAT_LOR")
    HPDS = _feature(12, "hierarchical permission disables", "FEAT_HPDS", "FEAT_HPDS2")
    VH = _feature(8, "virtualization host extensions", "FEAT_VHE")
    VMIDBits = _coded(4, "VMID size", {0: "8 bits", 2: "16 bits"})
    HAFDBS = _feature(0, "hardware access flag, dirty state", "access flag", "and dirty state", "and table access flag")


class ID_AA64MMFR2_EL1(Register):
    """Memory model 2. Ref: Arm ARM, ID_AA64MMFR2_EL1."""

    E0PD = _feature(60, "EL0 accesses to half of the address map fault", "FEAT_E0PD")
    EVT = _feature(56, "enhanced virtualization traps", "traps without TTLBIS and TTLBOS", "FEAT_EVT")
    BBM = _feature(52, "change of block size without break-before-make", "level 1", "level 2", absent="level 0")
    TTL = _feature(48, "TTL hint in TLBI", "FEAT_TTL")
    FWB = _feature(40, "forced write-back at stage 2", "FEAT_S2FWB")
    IDS = _coded(36, "syndrome of ID register accesses", {0: "EC 0x00", 1: "EC 0x18 (FEAT_IDST)"})
    AT = _feature(32, "unaligned single-copy atomicity", "FEAT_LSE2")
    ST = _feature(28, "small translation tables", "FEAT_TTST")
    NV = _feature(24, "nested virtualization", "FEAT_NV", "FEAT_NV2")
    CCIDX = _feature(20, "extended cache index", "FEAT_CCIDX")
    VARange = _feature(16, "virtual address size", "52 bits with 64 KB (FEAT_LVA)", absent="48 bits")
    IESB = _feature(12, "implicit error synchronization", "FEAT_IESB")
    LSM = _feature(8, "load/store multiple controls", "FEAT_LSMAOC")
    UAO = _feature(4, "user access override", "FEAT_UAO")
    CnP = _feature(0, "common not private translations", "FEAT_TTCNP")
