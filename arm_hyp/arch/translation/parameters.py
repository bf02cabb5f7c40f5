"""What the control registers say about a walk: which tables, how many levels, which sizes and controls.

Read `arch/registers/translation.py` before and `arch/translation/results.py` after this file.

Where the architecture leaves a choice for values that software must not use (CONSTRAINED UNPREDICTABLE), it is made
here, and always as the core makes it: TxSZ beyond its limits counts as the limit, but an IPA size beyond the physical
one faults; TG0 = 0b11 means 64 KB, TG1 = 0b00 means 4 KB.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, Self

from arm_hyp.arch.registers import HCR_EL2, SCTLR_EL1, TCR_EL2, TCR_EL2_E2H, VTCR_EL2
from arm_hyp.arch.registers.translation import ADDRESS_SIZES_BITS

GRANULE_BITS_TG0 = {0b00: 12, 0b01: 16, 0b10: 14, 0b11: 16}
GRANULE_BITS_TG1 = {0b00: 12, 0b01: 14, 0b10: 12, 0b11: 16}
START_LEVELS = {12: (2, 1, 0, None), 14: (3, 2, 1, None), 16: (3, 2, 1, None)}
"""Start level of stage 2 by granule and VTCR_EL2.SL0. Ref: AArch64.S2StartLevel, AArch64.S2InvalidSL."""
_LEAST_PA_BITS = {(12, 0): 44, (14, 1): 42, (16, 1): 44}
"""Physical address size that a start level needs, by granule and level. Ref: AArch64.S2InvalidSL."""
LAST_LEVEL = 3
_TXSZ_MIN, _TXSZ_MAX = 16, 39
_BADDR = (1 << 48) - 2


class Regime(Enum):
    """A translation regime. Ref: Regime; Arm ARM D8.1.2."""

    EL10 = "EL1&0"
    EL2 = "EL2"
    EL20 = "EL2&0"


class TranslationRegisters(NamedTuple):
    """All registers that decide a walk, and what the machine implements (`id_policy.features`, PARange in bits)."""

    hcr_el2: int = 0
    sctlr_el1: int = 0
    tcr_el1: int = 0
    ttbr0_el1: int = 0
    ttbr1_el1: int = 0
    mair_el1: int = 0
    sctlr_el2: int = 0
    tcr_el2: int = 0
    ttbr0_el2: int = 0
    ttbr1_el2: int = 0
    mair_el2: int = 0
    vtcr_el2: int = 0
    vttbr_el2: int = 0
    features: frozenset[str] = frozenset()
    pa_bits: int = 44

    @classmethod
    def collect(cls, read: Callable[[str], int], features: frozenset[str], pa_bits: int = 44) -> Self:
        """Read every register by its name, as in `read("SCTLR_EL1")`."""
        return cls._make([*(read(name) for name in REGISTER_NAMES), features, pa_bits])


REGISTER_NAMES = tuple(name.upper() for name in TranslationRegisters._fields[:-2])


class Tables(NamedTuple):
    """Where the tables of one stage are and how they are cut."""

    base: int
    granule_bits: int
    input_bits: int
    levels: tuple[tuple[int, int], ...]
    """(level, lsb of its index in the input address), from the start level to level 3."""
    output_bits: int
    is_big_endian: bool


class Stage1Parameters(NamedTuple):
    """Ref: S1TTWParams, AArch64.GetS1TTWParams."""

    regime: Regime
    is_upper: bool
    is_enabled: bool
    tables: Tables
    top_bit: int
    """The highest address bit that counts for data: 55 with TBI, else 63. Ref: AArch64.AddrTop."""
    fetch_top_bit: int
    walks_disabled: bool
    """TCR_ELx.EPDn"""
    ignores_table_permissions: bool
    """TCR_ELx.HPDn"""
    wxn: bool
    mair: int
    is_data_cacheable: bool
    is_fetch_cacheable: bool
    default_cacheable: bool
    """HCR_EL2.DC"""
    pa_bits: int


class Stage2Parameters(NamedTuple):
    """Ref: S2TTWParams, AArch64.GetS2TTWParams."""

    is_enabled: bool
    is_legal: bool
    """Start level, T0SZ and physical size agree."""
    tables: Tables
    protects_walks: bool
    """HCR_EL2.PTW"""
    is_data_cacheable: bool
    is_fetch_cacheable: bool
    has_xnx: bool


def regime_of(el: int, hcr_el2: int) -> Regime:
    """Return the regime that code at EL0, EL1 or EL2 uses. Ref: TranslationRegime."""
    hcr = HCR_EL2(hcr_el2)
    if el == 2:
        return Regime.EL20 if hcr.E2H else Regime.EL2
    return Regime.EL20 if el == 0 and hcr.E2H and hcr.TGE else Regime.EL10


def index_lsb(granule_bits: int, level: int) -> int:
    """Return the lowest bit of the input address that indexes a table of this level. Ref: AArch64.TTEntryAddress."""
    return granule_bits + (LAST_LEVEL - level) * (granule_bits - 3)


def _tables(base: int, granule_bits: int, input_bits: int, start: int, output_bits: int, ee: int) -> Tables:
    """Ref: AArch64.S1TTBaseAddress, AArch64.S2TTBaseAddress: the base is aligned to the size of the first table."""
    levels = tuple((level, index_lsb(granule_bits, level)) for level in range(start, LAST_LEVEL + 1))
    table_bits = max(input_bits - levels[0][1], 0) + 3  # 0: not a legal set of tables, which is found later
    return Tables(base & _BADDR & -1 << table_bits, granule_bits, input_bits, levels, output_bits, bool(ee))


def _input_bits(txsz: int) -> int:
    return 64 - min(max(txsz, _TXSZ_MIN), _TXSZ_MAX)


def stage1_start_level(granule_bits: int, input_bits: int) -> int:
    """Return the level that the walk starts at. Ref: AArch64.S1StartLevel."""
    return LAST_LEVEL - (input_bits - 1 - granule_bits) // (granule_bits - 3)


@lru_cache(maxsize=64)
def stage1_parameters(regime: Regime, is_upper: bool, registers: TranslationRegisters) -> Stage1Parameters:
    """Decode the controls of stage 1 for one half of the address space. Ref: AArch64.GetS1TTWParams."""
    hcr = HCR_EL2(registers.hcr_el2)
    of_el1 = regime is Regime.EL10
    sctlr = SCTLR_EL1(registers.sctlr_el1 if of_el1 else registers.sctlr_el2)  # M, C, I, WXN, EE: the same in both
    controls = _single_range(registers) if regime is Regime.EL2 else _one_of_two(of_el1, is_upper, registers)
    has_tbid = "PAuth" in registers.features
    pa_size = min(ADDRESS_SIZES_BITS[controls.ps], registers.pa_bits)
    start = stage1_start_level(controls.granule_bits, controls.input_bits)
    return Stage1Parameters(
        regime=regime,
        is_upper=is_upper and regime is not Regime.EL2,
        is_enabled=bool(sctlr.M and not (of_el1 and (hcr.DC or hcr.TGE))),
        tables=_tables(controls.base, controls.granule_bits, controls.input_bits, start, pa_size, sctlr.EE),
        top_bit=55 if controls.tbi else 63,
        fetch_top_bit=55 if controls.tbi and not (controls.tbid and has_tbid) else 63,
        walks_disabled=bool(controls.epd),
        ignores_table_permissions=bool(controls.hpd and "HPDS" in registers.features),
        wxn=bool(sctlr.WXN),
        mair=registers.mair_el1 if of_el1 else registers.mair_el2,
        is_data_cacheable=bool(sctlr.C),
        is_fetch_cacheable=bool(sctlr.I),
        default_cacheable=bool(of_el1 and hcr.DC),
        pa_bits=registers.pa_bits,
    )


class _RangeControls(NamedTuple):
    base: int
    granule_bits: int
    input_bits: int
    ps: int
    tbi: int
    tbid: int
    epd: int
    hpd: int


def _single_range(registers: TranslationRegisters) -> _RangeControls:
    tcr = TCR_EL2(registers.tcr_el2)
    granule_bits = GRANULE_BITS_TG0[tcr.TG0]
    return _RangeControls(
        registers.ttbr0_el2, granule_bits, _input_bits(tcr.T0SZ), tcr.PS, tcr.TBI, tcr.TBID, 0, tcr.HPD
    )


def _one_of_two(of_el1: bool, is_upper: bool, registers: TranslationRegisters) -> _RangeControls:
    tcr = TCR_EL2_E2H(registers.tcr_el1 if of_el1 else registers.tcr_el2)  # laid out as TCR_EL1
    if is_upper:
        base, granule_bits = registers.ttbr1_el1 if of_el1 else registers.ttbr1_el2, GRANULE_BITS_TG1[tcr.TG1]
        return _RangeControls(
            base, granule_bits, _input_bits(tcr.T1SZ), tcr.IPS, tcr.TBI1, tcr.TBID1, tcr.EPD1, tcr.HPD1
        )
    base, granule_bits = registers.ttbr0_el1 if of_el1 else registers.ttbr0_el2, GRANULE_BITS_TG0[tcr.TG0]
    return _RangeControls(base, granule_bits, _input_bits(tcr.T0SZ), tcr.IPS, tcr.TBI0, tcr.TBID0, tcr.EPD0, tcr.HPD0)


@lru_cache(maxsize=64)
def stage2_parameters(registers: TranslationRegisters) -> Stage2Parameters:
    """Decode the controls of stage 2. Ref: AArch64.GetS2TTWParams."""
    hcr, vtcr = HCR_EL2(registers.hcr_el2), VTCR_EL2(registers.vtcr_el2)
    granule_bits, input_bits = GRANULE_BITS_TG0[vtcr.TG0], _input_bits(vtcr.T0SZ)
    start = START_LEVELS[granule_bits][vtcr.SL0]
    pa_size = min(ADDRESS_SIZES_BITS[vtcr.PS], registers.pa_bits)
    ee = SCTLR_EL1(registers.sctlr_el2).EE
    return Stage2Parameters(
        is_enabled=bool(hcr.VM or hcr.DC),
        is_legal=start is not None and is_legal_stage2(granule_bits, input_bits, start, registers.pa_bits),
        tables=_tables(
            registers.vttbr_el2, granule_bits, input_bits, LAST_LEVEL if start is None else start, pa_size, ee
        ),
        protects_walks=bool(hcr.PTW),
        is_data_cacheable=not hcr.CD,
        is_fetch_cacheable=not hcr.ID,
        has_xnx="XNX" in registers.features,
    )


def is_legal_stage2(granule_bits: int, input_bits: int, start_level: int, pa_bits: int) -> bool:
    """Tell whether stage 2 can resolve that many bits from that level, with 1 to 16 concatenated tables.

    Ref: AArch64.S2InconsistentSL, AArch64.S2InvalidSL, AArch64.S2MinTxSZ.
    """
    lsb = index_lsb(granule_bits, start_level)
    fits = lsb + 1 <= input_bits <= lsb + (granule_bits - 3) + 4
    return fits and input_bits <= pa_bits and pa_bits >= _LEAST_PA_BITS.get((granule_bits, start_level), 0)
