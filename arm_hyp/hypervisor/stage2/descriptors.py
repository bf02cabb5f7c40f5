"""Stage-2 descriptors of VMSAv8-64 as registers of fields, and what a hypervisor wants to say in them.

Read `arch/bitfields.py` and `hypervisor/stage2/geometry.py` before this file and `hypervisor/stage2/seams.py` after it.

Ref: Arm ARM D8.3 (VMSAv8-64 descriptor formats), D8.5 (stage 2 memory attributes), D8.4 (stage 2 permissions).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, Self

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.hypervisor.stage2.geometry import LAST_LEVEL

INVALID: Final = 0
_BLOCK, _TABLE_OR_PAGE = 0, 1
_INNER_SHAREABLE: Final = 0b11
_XN_ALL: Final = 0b10
"""Execute-never at EL1 and EL0, with and without FEAT_XNX. Simplified: XN apart for EL0 and EL1 is not used."""
_OA_LSB: Final = 12


class Permission(IntFlag):
    """What a guest may do. R and W are S2AP's bits; X is the absence of XN."""

    NONE = 0
    R = 1
    W = 2
    RW = 3
    X = 4
    RX = 5
    RWX = 7


class MemoryType(IntEnum):
    """MemAttr<3:0> without FEAT_S2FWB: combined with stage 1's, the stricter one wins."""

    DEVICE_nGnRnE = 0b0000
    DEVICE_nGnRE = 0b0001
    NORMAL_NC = 0b0101
    NORMAL = 0b1111


class Attributes(NamedTuple):
    """All of a mapping but its addresses. `copy_on_write`: the page is shared, and copied before the first write."""

    permission: Permission = Permission.RWX
    memory: MemoryType = MemoryType.NORMAL
    copy_on_write: bool = False
    accessed: bool = True


class Descriptor(Register):
    """What every descriptor has. Bit 0 clear: the walk ends in a translation fault, and <63:1> are ignored."""

    TYPE = Field(1, values={_BLOCK: "block", _TABLE_OR_PAGE: "table, or page at level 3"})
    VALID = Field(0, values={0: "invalid", 1: "valid"})

    def is_table(self, level: int) -> bool:
        """Tell whether the walk goes on to a next table."""
        return bool(self.VALID and self.TYPE == _TABLE_OR_PAGE and level < LAST_LEVEL)

    def is_leaf(self, level: int) -> bool:
        """Tell whether this is a block or page. The reserved encoding, a block at level 3, is none."""
        return bool(self.VALID and (self.TYPE == _TABLE_OR_PAGE) == (level == LAST_LEVEL))


class TableDescriptor(Descriptor):
    """A table descriptor. At stage 2 it holds nothing but the address. Ref: Arm ARM D8.3.1."""

    NEXT = Field(47, _OA_LSB, meaning="address <47:12> of the next level's table")

    @classmethod
    def to(cls, table: int) -> Self:
        """Make a valid descriptor that leads to a table at a PA."""
        return cls.of(VALID=1, TYPE=_TABLE_OR_PAGE, NEXT=table >> _OA_LSB)

    @property
    def table(self) -> int:
        """The PA of the next table."""
        return self.NEXT << _OA_LSB


class LeafDescriptor(Descriptor):
    """A block or page descriptor of stage 2. Ref: Arm ARM D8.3.2."""

    PBHA = Field(62, 59, meaning="page-based hardware attributes")
    COW = Field(55, meaning="for software: copy the page before it is written")
    XN = Field(54, 53, meaning="execute-never")
    CONTIGUOUS = Field(52, meaning="one of a run of entries that may be cached as one")
    DBM = Field(51, meaning="dirty bit modifier")
    OA = Field(47, _OA_LSB, meaning="output address <47:12>")
    AF = Field(10, meaning="access flag: the first use faults while it is 0")
    SH = Field(9, 8, {0b00: "Non-shareable", 0b10: "Outer Shareable", 0b11: "Inner Shareable"})
    S2AP = Field(7, 6, {0: "no access", 1: "read-only", 2: "write-only", 3: "read and write"})
    MEM_ATTR = Field(5, 2, MemoryType, meaning="memory type")

    @classmethod
    def to(cls, pa: int, level: int, attributes: Attributes) -> Self:
        """Make a valid block (levels 1, 2) or page (level 3) of a PA."""
        kind = _TABLE_OR_PAGE if level == LAST_LEVEL else _BLOCK
        return cls.of(VALID=1, TYPE=kind, OA=pa >> _OA_LSB, SH=_INNER_SHAREABLE).having(attributes)

    def having(self, attributes: Attributes) -> Self:
        """Return this descriptor with other attributes."""
        return self.replace(
            MEM_ATTR=attributes.memory,
            S2AP=attributes.permission & Permission.RW,
            XN=0 if attributes.permission & Permission.X else _XN_ALL,
            AF=attributes.accessed,
            COW=attributes.copy_on_write,
        )

    @property
    def pa(self) -> int:
        """The output address."""
        return self.OA << _OA_LSB

    @property
    def attributes(self) -> Attributes:
        """The attributes, as they were given."""
        permission = Permission(self.S2AP) | (Permission.NONE if self.XN else Permission.X)
        return Attributes(permission, MemoryType(self.MEM_ATTR), bool(self.COW), bool(self.AF))


ATTRIBUTE_BITS: Final = sum(LeafDescriptor.field(name).mask for name in ("COW", "XN", "AF", "S2AP", "MEM_ATTR"))
"""The bits of a block or page that `having` writes."""


class Entry(NamedTuple):
    """One descriptor where a walk has met it. `address` is its PA, `ipa` the first that it translates."""

    address: int
    level: int
    ipa: int
    descriptor: Descriptor

    @property
    def is_table(self) -> bool:
        """Tell whether the walk goes on."""
        return self.descriptor.is_table(self.level)

    @property
    def is_leaf(self) -> bool:
        """Tell whether the walk ends in a translation."""
        return self.descriptor.is_leaf(self.level)

    @property
    def table(self) -> int:
        """The PA of the next table, of a table descriptor."""
        return TableDescriptor(self.descriptor).table

    @property
    def leaf(self) -> LeafDescriptor:
        """The descriptor as a block or page."""
        return LeafDescriptor(self.descriptor)
