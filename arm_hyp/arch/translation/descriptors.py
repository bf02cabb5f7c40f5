"""The descriptors of both stages as declared bit fields: what a table, a block and a page say, by name.

Read `arch/bitfields.py` and `arch/translation/tables.py` before this file. The walk itself takes single bits out of a
descriptor, because it is done often; here they have their names, for those who explain one.

Ref: Arm ARM D8.3 (VMSAv8-64 descriptor formats), D8.4 (permissions), D8.5 (memory attributes).
Simplified: no 52-bit addresses (FEAT_LPA, FEAT_LPA2), no FEAT_THE, FEAT_S1PIE, FEAT_S2FWB.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.registers.translation import SHAREABILITY
from arm_hyp.arch.translation.parameters import Regime
from arm_hyp.arch.translation.results import StepKind

_AP = {
    0b00: "privileged read and write, EL0 nothing",
    0b01: "read and write, EL0 too",
    0b10: "privileged read-only, EL0 nothing",
    0b11: "read-only, EL0 too",
}
_AP_SINGLE = {0b01: "read and write", 0b11: "read-only", 0b00: "read and write", 0b10: "read-only"}
_S2AP = {0b00: "no data access", 0b01: "read-only", 0b10: "write-only", 0b11: "read and write"}
_XN2 = {
    0b00: "EL1 and EL0 may execute",
    0b01: "EL0 may execute; EL1 not, with FEAT_XNX",
    0b10: "nobody may execute",
    0b11: "EL1 may execute, with FEAT_XNX; EL0 not",
}
_STAGE2_MEMORY = {
    0b0000: "Device-nGnRnE",
    0b0001: "Device-nGnRE",
    0b0010: "Device-nGRE",
    0b0011: "Device-GRE",
    0b0101: "Normal memory, Non-cacheable",
    0b1010: "Normal memory, Write-Through",
    0b1111: "Normal memory, Write-Back",
    0b0110: "Normal memory, outer Non-cacheable, inner Write-Through",
    0b0111: "Normal memory, outer Non-cacheable, inner Write-Back",
    0b1001: "Normal memory, outer Write-Through, inner Non-cacheable",
    0b1011: "Normal memory, outer Write-Through, inner Write-Back",
    0b1101: "Normal memory, outer Write-Back, inner Non-cacheable",
    0b1110: "Normal memory, outer Write-Back, inner Write-Through",
}


class Descriptor(Register):
    """What every valid descriptor has."""

    TYPE = Field(1, values={0: "block", 1: "table, or page at level 3"})
    VALID = Field(0, meaning="valid")


class InvalidDescriptor(Register):
    """A descriptor that ends the walk in a translation fault."""

    IGNORED = Field(63, 2, meaning="ignored: free for software")
    TYPE = Field(1, 0, {0: "invalid", 1: "a block where none can be", 2: "invalid", 3: "invalid"})


class Stage2Table(Descriptor):
    """A table descriptor of stage 2: an address and nothing else. Ref: Arm ARM D8.3.1."""

    ADDRESS = Field(47, 12, meaning="address of the next level's table")
    IGNORED_LOW = Field(11, 2, meaning="ignored")
    IGNORED_HIGH = Field(58, 51, meaning="ignored")


class Stage1Table(Stage2Table):
    """A table descriptor of stage 1, with limits for all that lies below. Ref: Arm ARM D8.3.1, D8.4.3."""

    NSTable = Field(63, meaning="the next levels' tables are Non-secure; ignored in Non-secure state")
    APTable = Field(62, 61, {0: "no limit", 1: "EL0 nothing", 2: "no writes", 3: "EL0 nothing, no writes"})
    UXNTable = Field(60, values={0: "no limit", 1: "EL0 may not execute what lies below"})
    PXNTable = Field(59, values={0: "no limit", 1: "privileged levels may not execute what lies below"})


class Stage1TableSingle(Stage2Table):
    """A table descriptor of stage 1 in the EL2 regime, where there is no EL0."""

    NSTable = Field(63, meaning="the next levels' tables are Non-secure; ignored in Non-secure state")
    APTable = Field(62, 61, {0: "no limit", 1: "no limit", 2: "no writes", 3: "no writes"})
    XNTable = Field(60, values={0: "no limit", 1: "EL2 may not execute what lies below"})
    IGNORED_59 = Field(59, meaning="ignored")


class _Leaf(Descriptor):
    """What blocks and pages of both stages have. Ref: Arm ARM D8.3.2."""

    PBHA = Field(62, 59, meaning="page-based hardware attributes, IMPLEMENTATION DEFINED")
    SOFTWARE = Field(58, 55, meaning="for software")
    Contiguous = Field(52, values={0: "stands alone", 1: "one of a run of entries that may be cached as one"})
    DBM = Field(51, meaning="dirty bit modifier; ignored without hardware update")
    ADDRESS = Field(47, 12, meaning="output address")
    AF = Field(10, values={0: "access flag clear: the first use faults", 1: "access flag set"})
    SH = Field(9, 8, SHAREABILITY)


class Stage1Leaf(_Leaf):
    """A block or page of stage 1, of a regime that has an EL0."""

    UXN = Field(54, values={0: "EL0 may execute", 1: "EL0 may not execute"})
    PXN = Field(53, values={0: "privileged levels may execute", 1: "privileged levels may not execute"})
    GP = Field(50, meaning="guarded page, for branch target identification")
    nG = Field(11, values={0: "global: for every ASID", 1: "not global: for this ASID"})
    AP = Field(7, 6, _AP)
    NS = Field(5, meaning="the output address is Non-secure; ignored in Non-secure state")
    AttrIndx = Field(4, 2, meaning="which attribute of MAIR_ELx")


class Stage1LeafSingle(_Leaf):
    """A block or page of stage 1 in the EL2 regime, where there is no EL0."""

    XN = Field(54, values={0: "EL2 may execute", 1: "EL2 may not execute"})
    GP = Field(50, meaning="guarded page, for branch target identification")
    AP = Field(7, 6, _AP_SINGLE)
    NS = Field(5, meaning="the output address is Non-secure; ignored in Non-secure state")
    AttrIndx = Field(4, 2, meaning="which attribute of MAIR_EL2")


class Stage2Leaf(_Leaf):
    """A block or page of stage 2."""

    XN = Field(54, 53, _XN2)
    FnXS = Field(11, meaning="with FEAT_XS: XS is 0")
    S2AP = Field(7, 6, _S2AP)
    MemAttr = Field(5, 2, _STAGE2_MEMORY)


_STAGE1: Final[dict[bool, dict[StepKind, type[Descriptor]]]] = {
    True: {StepKind.TABLE: Stage1Table, StepKind.BLOCK: Stage1Leaf, StepKind.PAGE: Stage1Leaf},
    False: {StepKind.TABLE: Stage1TableSingle, StepKind.BLOCK: Stage1LeafSingle, StepKind.PAGE: Stage1LeafSingle},
}
_STAGE2: Final[dict[StepKind, type[Descriptor]]] = {
    StepKind.TABLE: Stage2Table,
    StepKind.BLOCK: Stage2Leaf,
    StepKind.PAGE: Stage2Leaf,
}


def layout_of_descriptor(kind: StepKind, regime: Regime | None) -> type[Register]:
    """Return the fields of a descriptor that was read; `regime` is None for stage 2."""
    layouts = _STAGE2 if regime is None else _STAGE1[regime is not Regime.EL2]
    return layouts.get(kind, InvalidDescriptor)
