"""The shape of stage-2 tables: granule, IPA size, starting level, concatenated tables; and VTCR_EL2, which says it.

Read `arch/registers/translation.py` (VTCR_EL2, VTTBR_EL2) before this file and `hypervisor/stage2/descriptors.py`
after it.

With 4 KB pages and 40 bits of IPA::

    39        30 29      21 20      12 11        0
    | level 1   | level 2  | level 3  | offset   |     level 1 resolves 10 bits: two tables, concatenated

Ref: Arm ARM D8.2 (translation granules, concatenated tables); `kvm_get_vtcr`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from arm_hyp.arch.registers.translation import ADDRESS_SIZES_BITS, VTCR_EL2, VTTBR_EL2

LAST_LEVEL: Final = 3
DESCRIPTOR_BYTES: Final = 8
CONCATENATED_AT_MOST_BITS: Final = 4
"""Up to 2 to the power 4 tables may be concatenated at the starting level."""
MIN_IPA_BITS: Final = 25
"""T0SZ is 39 at most. Ref: Arm ARM D8.2 (without FEAT_TTST)."""
MAX_IPA_BITS: Final = 48
"""Simplified: no FEAT_LPA, LPA2: addresses have at most 48 bits."""
_PS: Final = {bits: encoding for encoding, bits in ADDRESS_SIZES_BITS.items()}
_VMID_SIZE: Final = {8: 0, 16: 1}
_INNER_SHAREABLE, _WRITE_BACK = 0b11, 0b01


class Granule(IntEnum):
    """A translation granule. The value is the number of address bits within a page."""

    KB4 = 12
    KB16 = 14
    KB64 = 16


class GranuleTG0(IntEnum):
    """How VTCR_EL2.TG0 names the granules."""

    KB4 = 0b00
    KB64 = 0b01
    KB16 = 0b10


_FIRST_BLOCK_LEVEL: Final = {Granule.KB4: 1, Granule.KB16: 2, Granule.KB64: 2}
_SL0: Final = {
    Granule.KB4: {2: 0b00, 1: 0b01, 0: 0b10},
    Granule.KB16: {3: 0b00, 2: 0b01, 1: 0b10},
    Granule.KB64: {3: 0b00, 2: 0b01, 1: 0b10},
}
"""VTCR_EL2.SL0 by starting level: what is not here cannot be encoded."""
_NEEDS_PA_BITS: Final = {(Granule.KB4, 0): 43, (Granule.KB16, 1): 41, (Granule.KB64, 1): 43}
"""Starting levels that only a larger PA size allows. Ref: Arm ARM, AArch64.S2InvalidSL."""


class GeometryError(ValueError):
    """Raised for a shape of tables that the architecture does not allow."""


@dataclass(frozen=True)
class Geometry:
    """A shape of tables. Raises: GeometryError, saying which rule it breaks."""

    granule: Granule = Granule.KB4
    ipa_bits: int = 40
    start_level: int = 1
    pa_bits: int = 44
    vmid_bits: int = 8

    def __post_init__(self) -> None:
        if self.vmid_bits not in _VMID_SIZE:
            raise GeometryError(f"a VMID has 8 or 16 bits, not {self.vmid_bits}")
        if self.pa_bits not in _PS or self.pa_bits > MAX_IPA_BITS:
            raise GeometryError(f"there is no PA size of {self.pa_bits} bits")
        if not MIN_IPA_BITS <= self.ipa_bits <= min(self.pa_bits, MAX_IPA_BITS):
            raise GeometryError(f"{self.ipa_bits} bits of IPA are not between {MIN_IPA_BITS} and {self.pa_bits}")
        if self.start_level not in _SL0[self.granule]:
            raise GeometryError(f"{self.granule.name} granules cannot start at level {self.start_level}")
        if self.pa_bits < _NEEDS_PA_BITS.get((self.granule, self.start_level), 0):
            raise GeometryError(f"level {self.start_level} cannot be the first with {self.pa_bits} bits of PA")
        if not 1 <= self.root_index_bits <= self.stride_bits + CONCATENATED_AT_MOST_BITS:
            raise GeometryError(f"level {self.start_level} would have to resolve {self.root_index_bits} bits")

    @property
    def page_bytes(self) -> int:
        """The size of a page, which is that of a table as well."""
        return 1 << self.granule

    @property
    def stride_bits(self) -> int:
        """The IPA bits that one level resolves."""
        return self.granule - 3

    @property
    def root_index_bits(self) -> int:
        """The IPA bits that the starting level resolves, in all of its concatenated tables."""
        return self.ipa_bits - self.shift(self.start_level)

    @property
    def root_bytes(self) -> int:
        """The size and alignment of the tables at the starting level."""
        return max(self.page_bytes, DESCRIPTOR_BYTES << self.root_index_bits)

    @property
    def first_block_level(self) -> int:
        """The lowest-numbered level that may hold blocks."""
        return max(self.start_level, _FIRST_BLOCK_LEVEL[self.granule])

    @property
    def vtcr(self) -> VTCR_EL2:
        """Return VTCR_EL2: walks Inner Shareable, Write-Back."""
        return VTCR_EL2.of(
            T0SZ=64 - self.ipa_bits,
            SL0=_SL0[self.granule][self.start_level],
            IRGN0=_WRITE_BACK,
            ORGN0=_WRITE_BACK,
            SH0=_INNER_SHAREABLE,
            TG0=GranuleTG0[self.granule.name],
            PS=_PS[self.pa_bits],
            VS=_VMID_SIZE[self.vmid_bits],
        )

    def vttbr(self, root: int, vmid: int) -> VTTBR_EL2:
        """Return VTTBR_EL2 for tables at a PA. CnP is 0, as there is no FEAT_TTCNP."""
        return VTTBR_EL2.of(BADDR=root >> 1, VMID=vmid)

    def shift(self, level: int) -> int:
        """Return the lowest IPA bit that a level resolves."""
        return self.granule + (LAST_LEVEL - level) * self.stride_bits

    def entry_bytes(self, level: int) -> int:
        """Return how many bytes of IPA one descriptor of a level translates."""
        return 1 << self.shift(level)

    def index(self, ipa: int, level: int) -> int:
        """Return which descriptor of a table translates an IPA."""
        bits = self.root_index_bits if level == self.start_level else self.stride_bits
        return ipa >> self.shift(level) & (1 << bits) - 1

    def table_entries(self, level: int) -> int:
        """Return how many descriptors a table of a level has; the concatenated ones count as one table."""
        return 1 << (self.root_index_bits if level == self.start_level else self.stride_bits)

    def leaf_level(self, ipa: int, pa: int, size_bytes: int) -> int:
        """Return the level of the largest block or page that starts at `ipa` and `pa` and fits in the size."""
        return next(
            level
            for level in range(self.first_block_level, LAST_LEVEL + 1)
            if level == LAST_LEVEL
            or (size_bytes >= self.entry_bytes(level) and not (ipa | pa) % self.entry_bytes(level))
        )

    def contains(self, ipa: int, size_bytes: int = 1) -> bool:
        """Tell whether a range lies in the IPA space."""
        return ipa >= 0 and size_bytes > 0 and ipa + size_bytes <= 1 << self.ipa_bits

    def is_aligned(self, *values: int) -> bool:
        """Tell whether addresses and sizes are multiples of the page size."""
        return not any(value % self.page_bytes for value in values)


def choose_geometry(
    ipa_bits: int = 40, granule: Granule = Granule.KB4, pa_bits: int = 44, vmid_bits: int = 8
) -> Geometry:
    """Return the shape with the fewest levels, concatenating tables wherever that saves one, as KVM does.

    Raises: GeometryError if there is none. Ref: `stage2_pgtable_levels`.
    """
    for level in range(LAST_LEVEL, 0, -1):
        try:
            return Geometry(granule, ipa_bits, level, pa_bits, vmid_bits)
        except GeometryError:
            continue
    return Geometry(granule, ipa_bits, 0, pa_bits, vmid_bits)
