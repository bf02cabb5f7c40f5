"""Who this CPU is and what caches it says it has.

Read `arch/registers/gic_virtual.py` before and `arch/registers/features.py` (ID_AA64*) after this file.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register

IMPLEMENTERS = {
    0x00: "reserved for software use",
    0x41: "Arm",
    0x42: "Broadcom",
    0x43: "Cavium",
    0x46: "Fujitsu",
    0x48: "HiSilicon",
    0x4E: "NVIDIA",
    0x50: "APM",
    0x51: "Qualcomm",
    0x53: "Samsung",
    0x61: "Apple",
    0x69: "Intel",
    0xC0: "Ampere",
}
CACHE_TYPES = {
    0b000: "no cache",
    0b001: "instruction cache only",
    0b010: "data cache only",
    0b011: "separate instruction and data caches",
    0b100: "unified cache",
}
TAG_CACHE_TYPES = {
    0b00: "no tag cache",
    0b01: "separate tag cache",
    0b10: "unified tag and data cache, in the same lines",
    0b11: "unified tag and data cache, in separate lines",
}
L1_POLICIES = {0b00: "VMID aware PIPT", 0b10: "VIPT", 0b11: "PIPT"}


class MIDR_EL1(Register):
    """Main ID. Ref: Arm ARM, MIDR_EL1."""

    Implementer = Field(31, 24, IMPLEMENTERS, meaning="implementer code")
    Variant = Field(23, 20, meaning="variant: the n of rnpm")
    Architecture = Field(19, 16, {0xF: "see the ID registers"}, meaning="architecture")
    PartNum = Field(15, 4, meaning="part number")
    Revision = Field(3, 0, meaning="revision: the m of rnpm")


class VPIDR_EL2(MIDR_EL1):
    """What EL1 reads as MIDR_EL1. Ref: Arm ARM, VPIDR_EL2."""


class MPIDR_EL1(Register):
    """Multiprocessor affinity. Ref: Arm ARM, MPIDR_EL1."""

    RES1 = 1 << 31
    Aff3 = Field(39, 32, meaning="affinity level 3")
    U = Field(30, values={0: "part of a multiprocessor", 1: "uniprocessor"}, meaning="uniprocessor")
    MT = Field(24, meaning="affinity level 0 is threads of one core")
    Aff2 = Field(23, 16, meaning="affinity level 2")
    Aff1 = Field(15, 8, meaning="affinity level 1")
    Aff0 = Field(7, 0, meaning="affinity level 0")


class VMPIDR_EL2(MPIDR_EL1):
    """What EL1 reads as MPIDR_EL1. Ref: Arm ARM, VMPIDR_EL2."""


class CTR_EL0(Register):
    """Cache type. Ref: Arm ARM, CTR_EL0."""

    RES1 = 1 << 31
    TminLine = Field(37, 32, meaning="smallest tag line: log2 of the words that its tags cover")
    DIC = Field(29, meaning="instruction to data coherence needs no instruction cache invalidation")
    IDC = Field(28, meaning="instruction to data coherence needs no data cache clean")
    CWG = Field(27, 24, meaning="cache write-back granule: log2 of words")
    ERG = Field(23, 20, meaning="exclusives reservation granule: log2 of words")
    DminLine = Field(19, 16, meaning="smallest data cache line: log2 of words")
    L1Ip = Field(15, 14, L1_POLICIES, meaning="level 1 instruction cache policy")
    IminLine = Field(3, 0, meaning="smallest instruction cache line: log2 of words")


class DCZID_EL0(Register):
    """What DC ZVA does. Ref: Arm ARM, DCZID_EL0."""

    DZP = Field(4, values={0: "DC ZVA permitted", 1: "DC ZVA prohibited"}, meaning="data zero prohibited")
    BS = Field(3, 0, meaning="block size: log2 of words")


class CLIDR_EL1(Register):
    """Cache levels. Ref: Arm ARM, CLIDR_EL1."""

    Ttype7 = Field(46, 45, TAG_CACHE_TYPES, meaning="tag cache type, level 7")
    Ttype6 = Field(44, 43, TAG_CACHE_TYPES, meaning="tag cache type, level 6")
    Ttype5 = Field(42, 41, TAG_CACHE_TYPES, meaning="tag cache type, level 5")
    Ttype4 = Field(40, 39, TAG_CACHE_TYPES, meaning="tag cache type, level 4")
    Ttype3 = Field(38, 37, TAG_CACHE_TYPES, meaning="tag cache type, level 3")
    Ttype2 = Field(36, 35, TAG_CACHE_TYPES, meaning="tag cache type, level 2")
    Ttype1 = Field(34, 33, TAG_CACHE_TYPES, meaning="tag cache type, level 1")
    ICB = Field(32, 30, meaning="inner cache boundary: last level that is inner; 0 is not disclosed")
    LoUU = Field(29, 27, meaning="level of unification, this PE")
    LoC = Field(26, 24, meaning="level of coherency")
    LoUIS = Field(23, 21, meaning="level of unification, Inner Shareable")
    Ctype7 = Field(20, 18, CACHE_TYPES, meaning="cache type, level 7")
    Ctype6 = Field(17, 15, CACHE_TYPES, meaning="cache type, level 6")
    Ctype5 = Field(14, 12, CACHE_TYPES, meaning="cache type, level 5")
    Ctype4 = Field(11, 9, CACHE_TYPES, meaning="cache type, level 4")
    Ctype3 = Field(8, 6, CACHE_TYPES, meaning="cache type, level 3")
    Ctype2 = Field(5, 3, CACHE_TYPES, meaning="cache type, level 2")
    Ctype1 = Field(2, 0, CACHE_TYPES, meaning="cache type, level 1")


class CSSELR_EL1(Register):
    """Which cache CCSIDR_EL1 describes. Ref: Arm ARM, CSSELR_EL1."""

    TnD = Field(4, values={0: "data, instruction or unified", 1: "separate tag cache"}, meaning="tag not data")
    Level = Field(3, 1, meaning="cache level, minus one")
    InD = Field(0, values={0: "data or unified", 1: "instruction"}, meaning="instruction not data")


class CCSIDR_EL1(Register):
    """The cache that CSSELR_EL1 selects, without FEAT_CCIDX. Ref: Arm ARM, CCSIDR_EL1."""

    UNKNOWN = Field(31, 28, meaning="UNKNOWN; once the supported write and allocation policies")
    NumSets = Field(27, 13, meaning="number of sets, minus one")
    Associativity = Field(12, 3, meaning="associativity, minus one")
    LineSize = Field(2, 0, meaning="line size: log2 of bytes, minus 4")


class CCSIDR_EL1_CCIDX(Register):
    """CCSIDR_EL1 with FEAT_CCIDX. Ref: Arm ARM, CCSIDR_EL1."""

    NumSets = Field(55, 32, meaning="number of sets, minus one")
    Associativity = Field(23, 3, meaning="associativity, minus one")
    LineSize = Field(2, 0, meaning="line size: log2 of bytes, minus 4")
