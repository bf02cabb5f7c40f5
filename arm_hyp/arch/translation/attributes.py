"""Memory attributes: from MAIR and from stage 2's MemAttr, and what the two stages make together.

Read `arch/registers/translation.py` (`memory_attribute` puts a byte in words) before and `arch/translation/stage1.py`
after this file. Both stages, and PAR_EL1, use the encoding of a byte of MAIR_ELx here: <7:4> outer, <3:0> inner.
"""

from __future__ import annotations

from functools import lru_cache

from arm_hyp.arch.translation.results import MemoryAttributes

NON_SHAREABLE, OUTER_SHAREABLE, INNER_SHAREABLE = 0b00, 0b10, 0b11
DEVICE_nGnRnE = MemoryAttributes(0x00, OUTER_SHAREABLE)
NORMAL_NC = MemoryAttributes(0x44, OUTER_SHAREABLE)
"""Ref: NormalNCMemAttr"""
DEFAULT_CACHEABLE = MemoryAttributes(0xFF, NON_SHAREABLE)
"""With HCR_EL2.DC. Ref: AArch64.S1DisabledOutput."""
FETCH_CACHEABLE = MemoryAttributes(0xAA, OUTER_SHAREABLE)
"""Instruction fetches with stage 1 off and SCTLR_ELx.I set: Write-Through, Read-Allocate."""

_NC, _WB_BIT = 0b0100, 0b0100
_STAGE2_NIBBLES = {0b01: 0b0100, 0b10: 0b1011, 0b11: 0b1111}
"""Cacheability of stage 2 as a nibble of MAIR_ELx: Non-cacheable, Write-Through, Write-Back."""
_WITHOUT_XS = {0x01: 0x00, 0x05: 0x04, 0x09: 0x08, 0x0D: 0x0C, 0x40: 0x44, 0xA0: 0xAA}
"""Bytes of MAIR_ELx that say XS = 0 (FEAT_XS), and those of the same memory otherwise. Ref: S1DecodeMemAttrs."""
_SHAREABILITY = {0b00: NON_SHAREABLE, 0b01: NON_SHAREABLE, 0b10: OUTER_SHAREABLE, 0b11: INNER_SHAREABLE}
"""0b01 is reserved and taken as Non-shareable here."""


def decode_stage1(mair: int, descriptor: int) -> MemoryAttributes:
    """Decode AttrIndx <4:2> and SH <9:8> of a stage 1 descriptor. Ref: S1DecodeMemAttrs.

    Simplified: reserved values of MAIR_ELx (CONSTRAINED UNPREDICTABLE) are Device-nGnRnE here. Those of FEAT_XS are not
    reserved on any model, and what they say of XS is not kept.
    """
    attr = mair >> 8 * (descriptor >> 2 & 7) & 0xFF
    attr = _WITHOUT_XS.get(attr, attr)
    is_reserved = attr & 0b11 if attr < 0x10 else not attr & 0xF
    return _effective(0 if is_reserved else attr, _SHAREABILITY[descriptor >> 8 & 3])


def decode_stage2(descriptor: int) -> MemoryAttributes:
    """Decode MemAttr <5:2> and SH <9:8> of a stage 2 descriptor. Ref: S2DecodeMemAttrs.

    Simplified: reserved values (inner 0b00 of Normal memory) are Non-cacheable here.
    """
    return _decode_stage2(descriptor & 0x33C)


@lru_cache(maxsize=64)
def _decode_stage2(descriptor: int) -> MemoryAttributes:
    outer, inner = descriptor >> 4 & 3, descriptor >> 2 & 3
    attr = _STAGE2_NIBBLES[outer] << 4 | _STAGE2_NIBBLES.get(inner, _NC) if outer else inner << 2
    return _effective(attr, _SHAREABILITY[descriptor >> 8 & 3])


def combine(first: MemoryAttributes, second: MemoryAttributes) -> MemoryAttributes:
    """Return what stage 1 and stage 2 make together: the more restrictive of each. Ref: S2CombineS1MemAttrs."""
    shareability = _combine_shareability(first.shareability, second.shareability)
    device = [stage.attr for stage in (first, second) if stage.is_device]
    if device:
        return MemoryAttributes(min(device), OUTER_SHAREABLE)
    outer = _combine_cacheability(first.attr >> 4, second.attr >> 4)
    inner = _combine_cacheability(first.attr & 0xF, second.attr & 0xF)
    return _effective(outer << 4 | inner, shareability)


def _effective(attr: int, shareability: int) -> MemoryAttributes:
    """Device and wholly Non-cacheable memory is Outer Shareable. Ref: EffectiveShareability."""
    is_outer = attr < 0x10 or attr == NORMAL_NC.attr
    return MemoryAttributes(attr, OUTER_SHAREABLE if is_outer else shareability)


def _combine_cacheability(first: int, second: int) -> int:
    """Combine two nibbles; allocation hints are stage 1's. Ref: S2CombineS1AttrHints."""
    if _NC in (first, second):
        return _NC
    return first if second & _WB_BIT else first & ~_WB_BIT


def _combine_shareability(first: int, second: int) -> int:
    """Ref: S2CombineS1Shareability."""
    if OUTER_SHAREABLE in (first, second):
        return OUTER_SHAREABLE
    return INNER_SHAREABLE if INNER_SHAREABLE in (first, second) else NON_SHAREABLE
