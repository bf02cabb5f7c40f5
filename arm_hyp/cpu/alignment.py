"""SP and data alignment faults, which the core never raises.

Read `cpu/core.py` before this file. While SP is misaligned under SCTLR_ELx.SA, or SCTLR_ELx.A is set, the run is
*careful*: every instruction is looked at before the core executes it. Instructions that may misalign SP are sites, so
that a careful stretch begins exactly there.

Simplified: while SCTLR_ELx.A is 0, two alignment faults that the trap rules know are not raised. An unaligned access to
Device memory, be it that stage 1 says so or that stage 1 is off, which makes all data accesses Device-nGnRnE
("Device.alignment"; QEMU 7.2 does not raise it either). And an unaligned LDAR or STLR ("ordered.alignment"; exclusives
fault, by the core's own check). Ref: Arm ARM B2.5.2, D8.2.10.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import control_bits, syndromes
from arm_hyp.arch.control_bits import HCR_TGE
from arm_hyp.arch.exceptions import Cause, Kind
from arm_hyp.arch.instructions import LoadStoreAccess, load_store_access
from arm_hyp.cpu.effective_address import effective_address

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

SCTLR_A, SCTLR_SA, SCTLR_SA0 = 1 << 1, 1 << 3, 1 << 4
_ALIGNMENT_FAULT: Final = 0x21
_LOAD_STORE_MASK, _LOAD_STORE = 0x0A00_0000, 0x0800_0000


class AlignmentUnit:
    """The alignment checks of one core. Ref: Arm ARM B2.5 (alignment support), D1.3.8.2 (SP alignment checking)."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def is_careful(self, pstate: int, sp: int) -> bool:
        """Tell whether the next instruction must be looked at before it runs."""
        sctlr = self._sctlr(pstate)
        return bool(sctlr & SCTLR_A or (sp & 15 and self._checks_sp(pstate, sctlr)))

    def _sctlr(self, pstate: int) -> int:
        values = self._core.controls.values
        regime = control_bits.s1_translation_regime(pstate >> 2 & 3, values.hcr_el2)
        return values.sctlr_el2 if regime == 2 else values.sctlr_el1

    def _checks_sp(self, pstate: int, sctlr: int) -> bool:
        return bool(sctlr & (SCTLR_SA if pstate >> 2 & 3 else SCTLR_SA0))

    def check(self) -> bool:
        """Raise the alignment fault that the instruction at the PC calls for. True if one was taken.

        Simplified: with SCTLR_ELx.A set every instruction is looked at before it runs, which is slow.
        """
        core = self._core
        word = core.native.fetch_word(core.pc)
        access = None if word is None else _access(word)
        pstate = core.pstate
        if word is None or access is None or core.system.traps_fp_word(word, pstate >> 2 & 3):
            return False  # a trap of FP has priority
        sctlr = self._sctlr(pstate)
        if access.uses_sp and self._checks_sp(pstate, sctlr) and core.sp & 15:
            core.exceptions.take_cause(Cause.SP_ALIGNMENT, pstate, syndromes.encode_sp_alignment(), elr=core.pc)
            return True
        return bool(sctlr & SCTLR_A) and self._data(access, pstate)

    def _data(self, access: LoadStoreAccess, pstate: int) -> bool:
        core = self._core
        pc = core.pc
        address = effective_address(core, pc)
        if address % access.alignment_bytes == 0:
            return False
        el = pstate >> 2 & 3
        target = 2 if el == 2 or (el == 0 and core.controls.values.hcr_el2 & HCR_TGE) else 1
        ec = syndromes.EC.DATA_ABORT_SAME if target == el else syndromes.EC.DATA_ABORT_LOWER
        is_write = access.is_store and not access.is_load
        esr = ec << 26 | 1 << 25 | is_write << 6 | _ALIGNMENT_FAULT
        core.exceptions.take(Kind.SYNC, target, esr=esr, elr=pc, far=address)
        return True


def _access(word: int) -> LoadStoreAccess | None:
    return load_store_access(word) if word & _LOAD_STORE_MASK == _LOAD_STORE else None


@lru_cache(maxsize=4096)
def may_misalign_sp(word: int) -> bool:
    """Tell whether an instruction writes SP so that it may lose its 16-byte alignment.

    ADD and SUB (immediate) of SP by a multiple of 16 keep it, as do writebacks by one.
    """
    if word & 31 == 31 and word & 0x3F80_0000 == 0x1100_0000:  # ADD, SUB (immediate)
        is_shifted = word >> 22 & 1
        return word >> 5 & 31 != 31 or (not is_shifted and word >> 10 & 15 != 0)
    if word & 31 == 31 and word & 0x3FE0_0000 == 0x0B20_0000:  # ADD, SUB (extended register)
        return True
    if word & 31 == 31 and word & 0x1F80_0000 == 0x1200_0000:  # AND, ORR, EOR (immediate), but not ANDS
        return word >> 29 & 3 != 3
    access = _access(word) if word >> 5 & 31 == 31 else None  # where each of them has its base
    return access is not None and access.has_writeback and access.base == 31 and not _keeps_alignment(word)


def _keeps_alignment(word: int) -> bool:
    """Tell whether the writeback of a load or store moves its base by a multiple of 16."""
    if word & 0x3A00_0000 == 0x2800_0000:  # a pair: imm7, scaled by the size of one register
        scale = (word >> 30) + 2 if word >> 26 & 1 else (word >> 31) + 2
        return (word >> 15 & 0x7F) << scale & 15 == 0
    return word >> 12 & 15 == 0  # imm9
