"""The fault status codes DFSC and IFSC: one row for each of the 64 values, and the way back from a fault to its code.

Read `arch/iss_classes.py` before, `arch/iss_layouts.py` after this file. Import these names from `arch/syndromes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """What went wrong with a memory access; the value is the text that is shown. Ref: Arm ARM, enumeration Fault."""

    ADDRESS_SIZE = "address size fault"
    TRANSLATION = "translation fault"
    ACCESS_FLAG = "access flag fault"
    PERMISSION = "permission fault"
    EXTERNAL = "synchronous external abort"
    EXTERNAL_ON_WALK = "synchronous external abort on a translation table walk"
    TAG_CHECK = "synchronous tag check fault"
    PARITY = "synchronous parity or ECC error"
    PARITY_ON_WALK = "synchronous parity or ECC error on a translation table walk"
    ALIGNMENT = "alignment fault"
    GRANULE_PROTECTION = "granule protection fault"
    GRANULE_PROTECTION_ON_WALK = "granule protection fault on a translation table walk"
    TLB_CONFLICT = "TLB conflict abort"
    UNSUPPORTED_ATOMIC_UPDATE = "unsupported atomic hardware update"
    LOCKDOWN = "IMPLEMENTATION DEFINED fault (lockdown)"
    UNSUPPORTED_EXCLUSIVE = "IMPLEMENTATION DEFINED fault (unsupported exclusive or atomic access)"
    SECTION_DOMAIN = "section domain fault"
    PAGE_DOMAIN = "page domain fault"
    RESERVED = "reserved fault status code"


@dataclass(frozen=True)
class FaultStatus:
    """One row of the table: the `code`, what it says, the `level` of the walk (None where it has none)."""

    code: int
    kind: FaultKind
    level: int | None = None

    @property
    def text(self) -> str:
        """The row in words, e.g. "translation fault, level 2"."""
        return self.kind.value if self.level is None else f"{self.kind.value}, level {self.level}"


_SINGLE_CODES = (
    FaultStatus(0b010000, FaultKind.EXTERNAL),
    FaultStatus(0b010001, FaultKind.TAG_CHECK),
    FaultStatus(0b010010, FaultKind.EXTERNAL_ON_WALK, -2),
    FaultStatus(0b010011, FaultKind.EXTERNAL_ON_WALK, -1),
    FaultStatus(0b011000, FaultKind.PARITY),
    FaultStatus(0b011011, FaultKind.PARITY_ON_WALK, -1),
    FaultStatus(0b100001, FaultKind.ALIGNMENT),
    FaultStatus(0b100010, FaultKind.GRANULE_PROTECTION_ON_WALK, -2),
    FaultStatus(0b100011, FaultKind.GRANULE_PROTECTION_ON_WALK, -1),
    FaultStatus(0b101000, FaultKind.GRANULE_PROTECTION),
    FaultStatus(0b101001, FaultKind.ADDRESS_SIZE, -1),
    FaultStatus(0b101010, FaultKind.TRANSLATION, -2),
    FaultStatus(0b101011, FaultKind.TRANSLATION, -1),
    FaultStatus(0b101100, FaultKind.ADDRESS_SIZE, -2),
    FaultStatus(0b110000, FaultKind.TLB_CONFLICT),
    FaultStatus(0b110001, FaultKind.UNSUPPORTED_ATOMIC_UPDATE),
    FaultStatus(0b110100, FaultKind.LOCKDOWN),
    FaultStatus(0b110101, FaultKind.UNSUPPORTED_EXCLUSIVE),
    FaultStatus(0b111101, FaultKind.SECTION_DOMAIN),
    FaultStatus(0b111110, FaultKind.PAGE_DOMAIN),
)

# Codes whose two low bits are the level, 0 to 3.
_CODES_WITH_LEVEL = {
    0b000000: FaultKind.ADDRESS_SIZE,
    0b000100: FaultKind.TRANSLATION,
    0b001000: FaultKind.ACCESS_FLAG,
    0b001100: FaultKind.PERMISSION,
    0b010100: FaultKind.EXTERNAL_ON_WALK,
    0b011100: FaultKind.PARITY_ON_WALK,
    0b100100: FaultKind.GRANULE_PROTECTION_ON_WALK,
}

DATA_ONLY = frozenset(
    {
        FaultKind.TAG_CHECK,
        FaultKind.ALIGNMENT,
        FaultKind.LOCKDOWN,
        FaultKind.UNSUPPORTED_EXCLUSIVE,
        FaultKind.SECTION_DOMAIN,
        FaultKind.PAGE_DOMAIN,
    }
)


def _total_table() -> tuple[FaultStatus, ...]:
    rows = {code: FaultStatus(code, FaultKind.RESERVED) for code in range(64)}
    for base, kind in _CODES_WITH_LEVEL.items():
        rows.update({base + level: FaultStatus(base + level, kind, level) for level in range(4)})
    rows.update({row.code: row for row in _SINGLE_CODES})
    return tuple(rows[code] for code in range(64))


FAULT_STATUS = _total_table()
"""DFSC: the row for each code. Ref: Arm ARM, ESR_EL2, ISS encoding for an exception from a Data Abort."""

INSTRUCTION_FAULT_STATUS = tuple(
    FaultStatus(row.code, FaultKind.RESERVED) if row.kind in DATA_ONLY else row for row in FAULT_STATUS
)
"""IFSC: the row for each code. Ref: Arm ARM, ESR_EL2, ISS encoding for an exception from an Instruction Abort."""

MMU_FAULTS = frozenset({FaultKind.ADDRESS_SIZE, FaultKind.TRANSLATION, FaultKind.ACCESS_FLAG, FaultKind.PERMISSION})
"""Faults that a stage of translation itself reports, so that a stage can be named."""

_CODE_OF: dict[tuple[FaultKind, int | None], int] = {
    (row.kind, row.level): row.code for row in FAULT_STATUS if row.kind is not FaultKind.RESERVED
}


def encode_fsc(kind: FaultKind, level: int | None = None) -> int:
    """Return the DFSC or IFSC code of a fault. Raises: ValueError if no code exists for that kind at that level.

    Ref: EncodeLDFSC.
    """
    code = _CODE_OF.get((kind, level))
    if code is None:
        raise ValueError(f"there is no fault status code for: {kind.value}, level {level}")
    return code
