"""What a load or store accesses: base register, size, alignment unit, exclusive, ordered, writeback.

Read `arch/types.py` before, `arch/instructions.py` after (it gives this module's functions on). The trap rules need
this for SP and data alignment checks, and the syndromes to know when ISS<24:14> must be clear (a pair, a vector or
writeback: ISV = 0).

Ref: Arm ARM C4.1.94 "Loads and Stores".
Simplified: the tag instructions of FEAT_MTE, the 64-byte ones of FEAT_LS64 and the copies of FEAT_MOPS are not
described; the machine claims none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class LoadStoreAccess:
    """One access as its instruction word describes it.

    `base` is the number of the base register, 31 meaning SP, None for a PC-relative literal. `size_bytes` is the
    whole access, `element_bytes` one register's or element's part, `alignment_bytes` the unit that an alignment check
    asks for. An atomic operation is both load and store. `rt` is the (first) register moved.
    """

    base: int | None
    size_bytes: int
    element_bytes: int
    alignment_bytes: int
    rt: int
    is_load: bool
    is_store: bool
    is_exclusive: bool = False
    is_ordered: bool = False
    is_pair: bool = False
    is_vector: bool = False
    is_atomic: bool = False
    has_writeback: bool = False

    @property
    def uses_sp(self) -> bool:
        """Tell whether the base is SP, so that the SP alignment check applies."""
        return self.base == 31

    @property
    def can_have_isv(self) -> bool:
        """Tell whether a stage 2 abort of it may report a valid syndrome: one general register, no writeback.

        Ref: Arm ARM D17.2.37, ISS encoding for an exception from a Data Abort, ISV.
        """
        several = self.is_pair or self.is_vector or self.is_exclusive or self.is_atomic
        return self.base is not None and not (several or self.has_writeback)


def _rn(word: int) -> int:
    return word >> 5 & 31


def _bit(word: int, number: int) -> bool:
    return bool(word >> number & 1)


def _simple(word: int, size: int, is_load: bool, *, ordered: bool = False, exclusive: bool = False) -> LoadStoreAccess:
    rt = word & 31
    return LoadStoreAccess(_rn(word), size, size, size, rt, is_load, not is_load, exclusive, ordered)


def _exclusive(word: int) -> LoadStoreAccess:
    return _simple(word, 1 << (word >> 30), _bit(word, 22), ordered=_bit(word, 15), exclusive=True)


def _exclusive_pair(word: int) -> LoadStoreAccess:
    element, is_load = 4 << (word >> 30 & 1), _bit(word, 22)
    pair = 2 * element
    return LoadStoreAccess(
        _rn(word), pair, element, pair, word & 31, is_load, not is_load, True, _bit(word, 15), is_pair=True
    )


def _ordered(word: int) -> LoadStoreAccess:
    return _simple(word, 1 << (word >> 30), _bit(word, 22), ordered=True)


def _compare_and_swap(word: int) -> LoadStoreAccess:
    size, ordered = 1 << (word >> 30), _bit(word, 22) or _bit(word, 15)
    return LoadStoreAccess(_rn(word), size, size, size, word & 31, True, True, False, ordered, is_atomic=True)


def _compare_and_swap_pair(word: int) -> LoadStoreAccess | None:
    if word & 1 or _bit(word, 16):
        return None  # pairs begin at an even register
    element, ordered = 4 << (word >> 30 & 1), _bit(word, 22) or _bit(word, 15)
    pair = 2 * element
    return LoadStoreAccess(
        _rn(word), pair, element, pair, word & 31, True, True, False, ordered, is_pair=True, is_atomic=True
    )


def _literal(word: int) -> LoadStoreAccess | None:
    opc, vector = word >> 30, _bit(word, 26)
    if opc == 3:
        return None  # PRFM, or unallocated
    size = 4 << opc if vector else (4, 8, 4)[opc]
    return LoadStoreAccess(None, size, size, size, word & 31, True, False, is_vector=vector)


def _ordered_unscaled(word: int) -> LoadStoreAccess | None:
    size, opc = word >> 30, word >> 22 & 3
    if opc >= 2 and size + opc >= 5:
        return None  # a sign extension to less than the size
    return _simple(word, 1 << size, opc != 0, ordered=True)


def _pair(word: int) -> LoadStoreAccess | None:
    opc, vector, mode, is_load = word >> 30, _bit(word, 26), word >> 23 & 3, _bit(word, 22)
    if opc == 3 or (opc == 1 and not vector and (mode == 0 or not is_load)):
        return None  # unallocated, or STGP
    element = 4 << opc if vector else (4, 4, 8)[opc]
    return LoadStoreAccess(
        _rn(word),
        2 * element,
        element,
        element,
        word & 31,
        is_load,
        not is_load,
        is_pair=True,
        is_vector=vector,
        has_writeback=mode in (1, 3),
    )


def _register(word: int, has_writeback: bool = False) -> LoadStoreAccess | None:
    size, opc, vector = word >> 30, word >> 22 & 3, _bit(word, 26)
    if vector:
        scale = (opc & 2) << 1 | size
        is_load, exists = _bit(word, 22), scale <= 4
    else:
        scale = size
        is_load, exists = opc != 0, opc < 2 or size + opc < 5
    if not exists:
        return None  # PRFM, or unallocated
    access, rt = 1 << scale, word & 31
    return LoadStoreAccess(
        _rn(word), access, access, access, rt, is_load, not is_load, is_vector=vector, has_writeback=has_writeback
    )


def _register_with_imm9(word: int) -> LoadStoreAccess | None:
    mode = word >> 10 & 3
    if mode == 2 and _bit(word, 26):
        return None  # no unprivileged vector access
    return _register(word, has_writeback=mode in (1, 3))


def _register_with_offset(word: int) -> LoadStoreAccess | None:
    return _register(word) if _bit(word, 14) else None


def _atomic(word: int) -> LoadStoreAccess | None:
    size, acquire, release = 1 << (word >> 30), _bit(word, 23), _bit(word, 22)
    operation = word >> 12 & 15
    if operation == 0b1100 and acquire and not release:
        return _simple(word, size, True, ordered=True)  # LDAPR
    if operation > 8:
        return None  # the 64-byte ones, or unallocated
    ordered = acquire or release
    return LoadStoreAccess(_rn(word), size, size, size, word & 31, True, True, False, ordered, is_atomic=True)


def _authenticated(word: int) -> LoadStoreAccess:
    return LoadStoreAccess(_rn(word), 8, 8, 8, word & 31, True, False, has_writeback=_bit(word, 11))


_STRUCTURE_REGISTERS = {0: 4, 2: 4, 4: 3, 6: 3, 7: 1, 8: 2, 10: 2}


def _vector(word: int, size: int, element: int) -> LoadStoreAccess:
    is_load, post = _bit(word, 22), _bit(word, 23)
    return LoadStoreAccess(
        _rn(word), size, element, element, word & 31, is_load, not is_load, is_vector=True, has_writeback=post
    )


def _structures(word: int) -> LoadStoreAccess | None:
    opcode = word >> 12 & 15
    registers = _STRUCTURE_REGISTERS.get(opcode)
    if registers is None or (opcode in (0, 4, 8) and word & 0x4000_0C00 == 0xC00):
        return None  # unallocated: an opcode, or interleaved 1D
    return _vector(word, registers * (8 << (word >> 30 & 1)), 1 << (word >> 10 & 3))


def _single_structure(word: int) -> LoadStoreAccess | None:
    opcode, s, size, is_load = word >> 13 & 7, _bit(word, 12), word >> 10 & 3, _bit(word, 22)
    elements = ((opcode & 1) << 1 | word >> 21 & 1) + 1
    scale = opcode >> 1
    if scale == 3:  # LD1R..LD4R
        return _vector(word, elements << size, 1 << size) if is_load and not s else None
    if (scale == 1 and size & 1) or (scale == 2 and (size & 2 or (size & 1 and s))):
        return None
    if scale == 2 and size & 1:
        scale = 3
    return _vector(word, elements << scale, 1 << scale)


_TABLE: tuple[tuple[int, int, Callable[[int], LoadStoreAccess | None]], ...] = (
    # mask, value, reader; the first row that matches wins
    (0xBFA0_7C00, 0x0820_7C00, _compare_and_swap_pair),
    (0xBFA0_0000, 0x8820_0000, _exclusive_pair),
    (0x3FA0_0000, 0x0800_0000, _exclusive),
    (0x3FA0_0000, 0x0880_0000, _ordered),
    (0x3FA0_7C00, 0x08A0_7C00, _compare_and_swap),
    (0x3B00_0000, 0x1800_0000, _literal),
    (0x3F20_0C00, 0x1900_0000, _ordered_unscaled),
    (0x3A00_0000, 0x2800_0000, _pair),
    (0x3B00_0000, 0x3900_0000, _register),
    (0x3B20_0000, 0x3800_0000, _register_with_imm9),
    (0x3B20_0C00, 0x3820_0800, _register_with_offset),
    (0x3F20_0C00, 0x3820_0000, _atomic),
    (0xFF20_0400, 0xF820_0400, _authenticated),
    (0xBFBF_0000, 0x0C00_0000, _structures),
    (0xBFA0_0000, 0x0C80_0000, _structures),
    (0xBF9F_0000, 0x0D00_0000, _single_structure),
    (0xBF80_0000, 0x0D80_0000, _single_structure),
)


@lru_cache(maxsize=8192)
def load_store_access(word: int) -> LoadStoreAccess | None:
    """Describe the access of a load or store; return None for a prefetch, another instruction, or one not allotted."""
    for mask, value, reader in _TABLE:
        if word & mask == value:
            return reader(word)
    return None
