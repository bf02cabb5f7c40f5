"""What a TLBI reaches: which regime, which stages, one address, one ASID, or all.

Read `arch/sysreg_rows_operations.py` (the operations) before this file, `shadow_tlb.py` after it.

Simplified: an operation by range is taken to reach everything of its kind. One of this CPU alone is taken to reach all
CPUs: what another CPU still holds is not seen.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"TLBI (R?)(VMALLS12|VMALL|ALL|ASID|VAA|VA|IPAS2)L?E([123])(?:IS|OS)?(?:NXS)?")
_VA_BITS, _VA_SIGN, _M64 = (1 << 56) - (1 << 12), 1 << 55, (1 << 64) - 1
_IPA_BITS: Final = (1 << 48) - (1 << 12)


class Invalidation(NamedTuple):
    """What is invalidated, in the regime of level `el`, of the VMID that is current, or of every one (`all_vmids`).

    `stages`: 1, 2 or both. `asid` and `address` (VA, or IPA for stage 2 alone) narrow it; None: all of them.
    """

    el: int
    stages: tuple[int, ...]
    all_vmids: bool = False
    asid: int | None = None
    address: int | None = None


def decode_tlbi(operation: str, operand: int) -> Invalidation | None:
    """Return what an operation reaches; None for EL3's, and for what is no TLBI.

    The operand is ASID <63:48> and VA<55:12> <43:0>, or IPA<47:12> <35:0>. Ref: Arm ARM D8.14.4, C5.5.
    """
    found = _NAME.fullmatch(operation)
    if found is None or found[3] == "3":
        return None
    is_range, what, el = bool(found[1]), found[2], int(found[3])
    asid, va = operand >> 48, (operand << 12 & _VA_BITS ^ _VA_SIGN) - _VA_SIGN & _M64
    if is_range:
        return Invalidation(el, (2,) if what == "IPAS2" else (1,))
    return {
        "VMALLS12": Invalidation(el, (1, 2)),
        "VMALL": Invalidation(el, (1,)),
        "ALL": Invalidation(el, (1, 2) if el == 1 else (1,), all_vmids=True),
        "ASID": Invalidation(el, (1,), asid=asid),
        "VAA": Invalidation(el, (1,), address=va),
        "VA": Invalidation(el, (1,), asid=asid, address=va),
        "IPAS2": Invalidation(el, (2,), address=operand << 12 & _IPA_BITS),
    }[what]
