"""The bits of PSTATE as plain integer masks, and which of them exist, move and change on exception entry and return.

Read `arch/registers/pstate.py` (the same layout as named fields, for people) before this file and `arch/exceptions.py`
after it. PSTATE is held as one integer in the layout of SPSR_ELx, because the CPU layer saves and restores it whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PSTATE_N: Final = 1 << 31
PSTATE_Z: Final = 1 << 30
PSTATE_C: Final = 1 << 29
PSTATE_V: Final = 1 << 28
PSTATE_TCO: Final = 1 << 25
PSTATE_DIT: Final = 1 << 24
PSTATE_UAO: Final = 1 << 23
PSTATE_PAN: Final = 1 << 22
PSTATE_SS: Final = 1 << 21
PSTATE_IL: Final = 1 << 20
PSTATE_SSBS: Final = 1 << 12
PSTATE_BTYPE: Final = 3 << 10
PSTATE_D: Final = 1 << 9
PSTATE_A: Final = 1 << 8
PSTATE_I: Final = 1 << 7
PSTATE_F: Final = 1 << 6
PSTATE_nRW: Final = 1 << 4
PSTATE_EL: Final = 3 << 2
PSTATE_SP: Final = 1 << 0

PSTATE_NZCV: Final = PSTATE_N | PSTATE_Z | PSTATE_C | PSTATE_V
PSTATE_DAIF: Final = PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F
PSTATE_M: Final = 0xF
"""M[3:0]: the exception level in <3:2>, SP in <0>. M[4] is nRW."""

_BASE: Final = PSTATE_NZCV | PSTATE_SS | PSTATE_IL | PSTATE_DAIF | PSTATE_M
_FEATURE_BITS: Final = {
    "BTI": PSTATE_BTYPE,
    "DIT": PSTATE_DIT,
    "MTE": PSTATE_TCO,
    "PAN": PSTATE_PAN,
    "SSBS": PSTATE_SSBS,
    "UAO": PSTATE_UAO,
}


@dataclass(frozen=True, slots=True)
class StateFeatures:
    """What the exception model needs to know about the implementation, as masks made once. Make it with `of`.

    `kept_on_entry`: bits that exception entry leaves alone; `set_on_entry`: bits that it always sets. `restored`: bits
    that a legal exception return takes from SPSR_ELx (SS has rules of its own); `restored_if_illegal`: the ones that
    even an illegal return takes.
    """

    implemented: int
    kept_on_entry: int
    set_on_entry: int
    restored: int
    restored_if_illegal: int
    has_pan: bool
    has_ssbs: bool
    has_pauth: bool
    exception_levels: frozenset[int]

    @classmethod
    def of(cls, names: Iterable[str], *, el2: bool = True, el3: bool = False) -> StateFeatures:
        """Make the masks from feature names ("PAN", "UAO", "SSBS", "DIT", "BTI", "MTE", "PAuth"); ignore others.

        `el2` and `el3` say which exception levels are implemented.
        """
        have = frozenset(names)
        bits = _BASE
        for name, mask in _FEATURE_BITS.items():
            bits |= mask if name in have else 0
        return cls(
            implemented=bits,
            kept_on_entry=bits & (PSTATE_NZCV | PSTATE_DIT | PSTATE_PAN),
            set_on_entry=PSTATE_DAIF | bits & PSTATE_TCO,
            restored=bits & ~PSTATE_SS,
            restored_if_illegal=bits & (PSTATE_NZCV | PSTATE_DAIF | PSTATE_PAN),
            has_pan="PAN" in have,
            has_ssbs="SSBS" in have,
            has_pauth="PAuth" in have,
            exception_levels=frozenset({0, 1} | ({2} if el2 else set()) | ({3} if el3 else set())),
        )


def el_of(pstate: int) -> int:
    """Return the exception level of a PSTATE or SPSR_ELx value. Ref: Arm ARM, SPSR_EL2.M; pseudocode ELFromSPSR."""
    return pstate >> 2 & 3
