"""Translation control: TCR, TTBR, VTCR, VTTBR, MAIR, and PAR_EL1 with the result of an AT instruction.

Read `arch/registers/control.py` before and `arch/registers/timers.py` after this file.

TCR_EL2 has two layouts: the plain name is the one with HCR_EL2.E2H = 0, `TCR_EL2_E2H` the one with 1. PAR_EL1 has two
as well: the plain name is for a translation that succeeded (F = 0), `PAR_EL1_FAULT` for one that failed (F = 1).
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register

SHAREABILITY = {0b00: "Non-shareable", 0b10: "Outer Shareable", 0b11: "Inner Shareable"}
WALK_CACHEABILITY = {
    0b00: "Non-cacheable",
    0b01: "Write-Back, Read-Allocate, Write-Allocate",
    0b10: "Write-Through, Read-Allocate, no Write-Allocate",
    0b11: "Write-Back, Read-Allocate, no Write-Allocate",
}
GRANULE_TG0 = {0b00: "4 KB", 0b01: "64 KB", 0b10: "16 KB"}
GRANULE_TG1 = {0b01: "16 KB", 0b10: "4 KB", 0b11: "64 KB"}
"""TG1 encodes the granules otherwise than TG0 does: a classic mistake."""
ADDRESS_SIZES_BITS = {0: 32, 1: 36, 2: 40, 3: 42, 4: 44, 5: 48, 6: 52, 7: 56}
"""The size encoding that TCR_EL1.IPS, TCR_EL2.PS, VTCR_EL2.PS and ID_AA64MMFR0_EL1.PARange share."""
PHYSICAL_SIZE = {encoding: f"{bits} bits" for encoding, bits in ADDRESS_SIZES_BITS.items()}
START_LEVEL = {
    0b00: "level 2 with 4 KB, level 3 with 16 and 64 KB",
    0b01: "level 1 with 4 KB, level 2 with 16 and 64 KB",
    0b10: "level 0 with 4 KB, level 1 with 16 and 64 KB",
    0b11: "level 3 with 4 KB, level 0 with 16 KB",
}


def _cache_policy(nibble: int) -> str:
    """Name one Normal memory nibble of a MAIR attribute, that is not zero."""
    if nibble == 0b0100:
        return "Non-cacheable"
    kind = "Write-Back" if nibble & 0b0100 else "Write-Through"
    lifetime = "" if nibble & 0b1000 else " transient"
    allocate = {0: "no allocate", 1: "Write-Allocate", 2: "Read-Allocate", 3: "Read- and Write-Allocate"}[nibble & 3]
    return f"{kind}{lifetime}, {allocate}"


_SPECIAL_MEMORY = {
    0x40: "Normal memory, Non-cacheable, XS=0",
    0xA0: "Normal memory, Write-Through, XS=0",
    0xF0: "Normal memory, tagged, Write-Back",
}


def memory_attribute(attribute: int) -> str:
    """Return the memory type that one MAIR_ELx byte selects. Ref: Arm ARM, MAIR_EL1; AArch64.S1DecodeMemAttrs."""
    outer, inner = attribute >> 4, attribute & 0xF
    if attribute in _SPECIAL_MEMORY:
        return _SPECIAL_MEMORY[attribute]
    if outer == 0:
        kind = ("nGnRnE", "nGnRE", "nGRE", "GRE")[inner >> 2]
        return "reserved value" if inner & 0b10 else f"Device-{kind}{', XS=0' if inner & 1 else ''}"
    if inner == 0:
        return "reserved value"
    if outer == inner:
        return f"Normal memory, {_cache_policy(inner)}"
    return f"Normal memory, outer {_cache_policy(outer)}, inner {_cache_policy(inner)}"


MEMORY_ATTRIBUTES = {attribute: memory_attribute(attribute) for attribute in range(256)}


class _TranslationControlTwoRanges(Register):
    """The layout of TCR for a regime with two address ranges. Ref: Arm ARM, TCR_EL1."""

    MTX1 = Field(61, meaning="logical tags extend, upper range")
    MTX0 = Field(60, meaning="logical tags extend, lower range")
    DS = Field(59, meaning="52-bit output addresses with 4 KB and 16 KB granules")
    TCMA1 = Field(58, meaning="unchecked accesses with tag 0b1111, upper range")
    TCMA0 = Field(57, meaning="unchecked accesses with tag 0b0000, lower range")
    E0PD1 = Field(56, meaning="EL0 accesses to the upper range fault")
    E0PD0 = Field(55, meaning="EL0 accesses to the lower range fault")
    NFD1 = Field(54, meaning="non-faulting SVE accesses to the upper range do not walk")
    NFD0 = Field(53, meaning="non-faulting SVE accesses to the lower range do not walk")
    TBID1 = Field(52, meaning="TBI1 for data addresses only")
    TBID0 = Field(51, meaning="TBI0 for data addresses only")
    HWU162 = Field(50, meaning="hardware may use descriptor bit 62, upper range")
    HWU161 = Field(49, meaning="hardware may use descriptor bit 61, upper range")
    HWU160 = Field(48, meaning="hardware may use descriptor bit 60, upper range")
    HWU159 = Field(47, meaning="hardware may use descriptor bit 59, upper range")
    HWU062 = Field(46, meaning="hardware may use descriptor bit 62, lower range")
    HWU061 = Field(45, meaning="hardware may use descriptor bit 61, lower range")
    HWU060 = Field(44, meaning="hardware may use descriptor bit 60, lower range")
    HWU059 = Field(43, meaning="hardware may use descriptor bit 59, lower range")
    HPD1 = Field(42, meaning="hierarchical permissions disable, upper range")
    HPD0 = Field(41, meaning="hierarchical permissions disable, lower range")
    HD = Field(40, meaning="hardware management of dirty state")
    HA = Field(39, meaning="hardware update of the access flag")
    TBI1 = Field(38, meaning="top byte ignored, upper range")
    TBI0 = Field(37, meaning="top byte ignored, lower range")
    AS = Field(36, values={0: "8-bit ASID", 1: "16-bit ASID"}, meaning="ASID size")
    IPS = Field(34, 32, PHYSICAL_SIZE, meaning="intermediate physical address size")
    TG1 = Field(31, 30, GRANULE_TG1, meaning="granule, upper range")
    SH1 = Field(29, 28, SHAREABILITY, meaning="shareability of walks, upper range")
    ORGN1 = Field(27, 26, WALK_CACHEABILITY, meaning="outer cacheability of walks, upper range")
    IRGN1 = Field(25, 24, WALK_CACHEABILITY, meaning="inner cacheability of walks, upper range")
    EPD1 = Field(23, meaning="no walks with TTBR1: a TLB miss is a translation fault")
    A1 = Field(22, values={0: "ASID from TTBR0", 1: "ASID from TTBR1"}, meaning="ASID select")
    T1SZ = Field(21, 16, meaning="upper range size is 2 to the power (64 - T1SZ) bytes")
    TG0 = Field(15, 14, GRANULE_TG0, meaning="granule, lower range")
    SH0 = Field(13, 12, SHAREABILITY, meaning="shareability of walks, lower range")
    ORGN0 = Field(11, 10, WALK_CACHEABILITY, meaning="outer cacheability of walks, lower range")
    IRGN0 = Field(9, 8, WALK_CACHEABILITY, meaning="inner cacheability of walks, lower range")
    EPD0 = Field(7, meaning="no walks with TTBR0: a TLB miss is a translation fault")
    T0SZ = Field(5, 0, meaning="lower range size is 2 to the power (64 - T0SZ) bytes")


class TCR_EL1(_TranslationControlTwoRanges):
    """Translation control, EL1&0. Ref: Arm ARM, TCR_EL1."""


class TCR_EL2_E2H(_TranslationControlTwoRanges):
    """TCR_EL2 with HCR_EL2.E2H = 1: the EL2&0 regime. Ref: Arm ARM, TCR_EL2."""


class TCR_EL2(Register):
    """Translation control, EL2, HCR_EL2.E2H = 0: one address range. Ref: Arm ARM, TCR_EL2."""

    RES1 = 1 << 31 | 1 << 23
    MTX = Field(33, meaning="logical tags extend")
    DS = Field(32, meaning="52-bit output addresses with 4 KB and 16 KB granules")
    TCMA = Field(30, meaning="unchecked accesses with tag 0b0000")
    TBID = Field(29, meaning="TBI for data addresses only")
    HWU62 = Field(28, meaning="hardware may use descriptor bit 62")
    HWU61 = Field(27, meaning="hardware may use descriptor bit 61")
    HWU60 = Field(26, meaning="hardware may use descriptor bit 60")
    HWU59 = Field(25, meaning="hardware may use descriptor bit 59")
    HPD = Field(24, meaning="hierarchical permissions disable")
    HD = Field(22, meaning="hardware management of dirty state")
    HA = Field(21, meaning="hardware update of the access flag")
    TBI = Field(20, meaning="top byte ignored")
    PS = Field(18, 16, PHYSICAL_SIZE, meaning="physical address size")
    TG0 = Field(15, 14, GRANULE_TG0, meaning="granule")
    SH0 = Field(13, 12, SHAREABILITY, meaning="shareability of walks")
    ORGN0 = Field(11, 10, WALK_CACHEABILITY, meaning="outer cacheability of walks")
    IRGN0 = Field(9, 8, WALK_CACHEABILITY, meaning="inner cacheability of walks")
    T0SZ = Field(5, 0, meaning="range size is 2 to the power (64 - T0SZ) bytes")


class VTCR_EL2(Register):
    """Translation control, stage 2. Ref: Arm ARM, VTCR_EL2."""

    RES1 = 1 << 31
    D128 = Field(38, meaning="128-bit descriptors")
    S2POE = Field(37, meaning="stage 2 permission overlay enable")
    S2PIE = Field(36, meaning="stage 2 permission indirection enable")
    TL1 = Field(35, meaning="TopLevel1 permission attribute check enable")
    AssuredOnly = Field(34, meaning="AssuredOnly attribute enable")
    SL2 = Field(33, meaning="start at level -1, with DS and 4 KB")
    DS = Field(32, meaning="52-bit output addresses with 4 KB and 16 KB granules")
    NSA = Field(30, meaning="Non-secure stage 2 output, Secure state")
    NSW = Field(29, meaning="Non-secure stage 2 walks, Secure state")
    HWU62 = Field(28, meaning="hardware may use descriptor bit 62")
    HWU61 = Field(27, meaning="hardware may use descriptor bit 61")
    HWU60 = Field(26, meaning="hardware may use descriptor bit 60")
    HWU59 = Field(25, meaning="hardware may use descriptor bit 59")
    HD = Field(22, meaning="hardware management of dirty state")
    HA = Field(21, meaning="hardware update of the access flag")
    VS = Field(19, values={0: "8-bit VMID", 1: "16-bit VMID"}, meaning="VMID size")
    PS = Field(18, 16, PHYSICAL_SIZE, meaning="physical address size")
    TG0 = Field(15, 14, GRANULE_TG0, meaning="granule")
    SH0 = Field(13, 12, SHAREABILITY, meaning="shareability of walks")
    ORGN0 = Field(11, 10, WALK_CACHEABILITY, meaning="outer cacheability of walks")
    IRGN0 = Field(9, 8, WALK_CACHEABILITY, meaning="inner cacheability of walks")
    SL0 = Field(7, 6, START_LEVEL, meaning="start level of the walk")
    T0SZ = Field(5, 0, meaning="IPA range size is 2 to the power (64 - T0SZ) bytes")


class _TranslationTableBase(Register):
    """The layout of every TTBRn_ELx. Ref: Arm ARM, TTBR0_EL1."""

    ASID = Field(63, 48, meaning="address space identifier")
    BADDR = Field(47, 1, meaning="table base address <47:1>; with 52-bit addresses <5:2> hold <51:48>")
    CnP = Field(0, meaning="common not private: shared with other PEs")


class TTBR0_EL1(_TranslationTableBase):
    """Table base of EL1&0, lower range. Ref: Arm ARM, TTBR0_EL1."""


class TTBR1_EL1(_TranslationTableBase):
    """Table base of EL1&0, upper range. Ref: Arm ARM, TTBR1_EL1."""


class TTBR0_EL2(_TranslationTableBase):
    """Table base of EL2, or of EL2&0 lower range; ASID is RES0 while E2H is 0. Ref: Arm ARM, TTBR0_EL2."""


class TTBR1_EL2(_TranslationTableBase):
    """Table base of EL2&0, upper range (VHE). Ref: Arm ARM, TTBR1_EL2."""


class VTTBR_EL2(Register):
    """Table base of stage 2. Ref: Arm ARM, VTTBR_EL2."""

    VMID = Field(63, 48, meaning="virtual machine identifier; <63:56> are RES0 while VTCR_EL2.VS is 0")
    BADDR = Field(47, 1, meaning="table base address <47:1>; with 52-bit addresses <5:2> hold <51:48>")
    CnP = Field(0, meaning="common not private: shared with other PEs")


class _MemoryAttributeIndirection(Register):
    """The layout of every MAIR_ELx. Ref: Arm ARM, MAIR_EL1."""

    Attr7 = Field(63, 56, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 7")
    Attr6 = Field(55, 48, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 6")
    Attr5 = Field(47, 40, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 5")
    Attr4 = Field(39, 32, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 4")
    Attr3 = Field(31, 24, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 3")
    Attr2 = Field(23, 16, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 2")
    Attr1 = Field(15, 8, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 1")
    Attr0 = Field(7, 0, MEMORY_ATTRIBUTES, meaning="memory attribute for AttrIndx 0")


class MAIR_EL1(_MemoryAttributeIndirection):
    """Memory attributes of EL1&0. Ref: Arm ARM, MAIR_EL1."""


class MAIR_EL2(_MemoryAttributeIndirection):
    """Memory attributes of EL2 and EL2&0. Ref: Arm ARM, MAIR_EL2."""


PAR_SHAREABILITY = {0b00: "Non-shareable", 0b10: "Outer Shareable or Device", 0b11: "Inner Shareable"}


class PAR_EL1(Register):
    """Result of an AT instruction that succeeded: F is 0. Ref: Arm ARM, PAR_EL1.

    Simplified: <11> is RES1, as without the Realm Management Extension (with it: NSE).
    """

    RES1 = 1 << 11
    ATTR = Field(63, 56, MEMORY_ATTRIBUTES, meaning="memory attributes, encoded as in MAIR_ELx")
    PA = Field(51, 12, meaning="physical address <51:12>")
    IMPDEF = Field(10, meaning="IMPLEMENTATION DEFINED")
    NS = Field(9, meaning="the output address is Non-secure")
    SH = Field(8, 7, PAR_SHAREABILITY, meaning="shareability")
    F = Field(0, values={0: "success", 1: "fault: see PAR_EL1_FAULT"}, meaning="fault")


class PAR_EL1_FAULT(Register):
    """Result of an AT instruction that failed: F is 1. Ref: Arm ARM, PAR_EL1."""

    RES1 = 1 << 11
    IMPDEF2 = Field(63, 56, meaning="IMPLEMENTATION DEFINED")
    IMPDEF1 = Field(55, 52, meaning="IMPLEMENTATION DEFINED")
    IMPDEF0 = Field(51, 48, meaning="IMPLEMENTATION DEFINED")
    S = Field(9, values={0: "stage 1 fault", 1: "stage 2 fault"}, meaning="stage of the fault")
    PTW = Field(8, meaning="stage 2 fault on a stage 1 table walk")
    FST = Field(6, 1, meaning="fault status, encoded as DFSC in arch/syndromes.py")
    F = Field(0, values={0: "success: see PAR_EL1", 1: "fault"}, meaning="fault")
