"""Which translation tables a CPU uses, by the tags that a TLB keeps: regime, VMID, ASID.

Read `arch/translation/parameters.py` before this file, `shadow_tlb.py` after it.
"""

from __future__ import annotations

from typing import NamedTuple

from arm_hyp.arch.registers import HCR_EL2, VTCR_EL2
from arm_hyp.arch.registers.translation import TCR_EL2_E2H
from arm_hyp.arch.translation import Regime, TranslationRegisters
from arm_hyp.arch.translation.parameters import Tables, stage1_parameters, stage2_parameters


class Space(NamedTuple):
    """One range of input addresses. `vmid` is None in EL2's regimes; `is_upper`: that of TTBR1_ELx."""

    regime: Regime
    stage: int
    vmid: int | None
    is_upper: bool = False


class Root(NamedTuple):
    """Tables in use: their space, their ASID (None for stage 2, and in the EL2 regime), their first input address."""

    space: Space
    asid: int | None
    tables: Tables
    first: int


def vmid_of(registers: TranslationRegisters) -> int:
    """Return the VMID of a CPU, 8 bits or 16. Ref: Arm ARM, VTTBR_EL2.VMID, VTCR_EL2.VS."""
    return registers.vttbr_el2 >> 48 & (0xFFFF if VTCR_EL2(registers.vtcr_el2).VS else 0xFF)


def asid_of(regime: Regime, registers: TranslationRegisters) -> int | None:
    """Return the ASID of a CPU in a regime, 8 bits or 16, from TTBR0 or TTBR1. Ref: Arm ARM, TCR_EL1.{A1, AS}."""
    if regime is Regime.EL2:
        return None
    of_el1 = regime is Regime.EL10
    tcr = TCR_EL2_E2H(registers.tcr_el1 if of_el1 else registers.tcr_el2)  # laid out as TCR_EL1
    lower, upper = (registers.ttbr0_el1, registers.ttbr1_el1) if of_el1 else (registers.ttbr0_el2, registers.ttbr1_el2)
    return (upper if tcr.A1 else lower) >> 48 & (0xFFFF if tcr.AS else 0xFF)


def el2_regime(registers: TranslationRegisters) -> Regime:
    """Return the regime of EL2."""
    return Regime.EL20 if HCR_EL2(registers.hcr_el2).E2H else Regime.EL2


def roots(registers: TranslationRegisters) -> list[Root]:
    """Return all tables that a CPU may walk now, stage 2 first."""
    found, vmid, second = [], vmid_of(registers), stage2_parameters(registers)
    if second.is_enabled and second.is_legal:
        found.append(Root(Space(Regime.EL10, 2, vmid), None, second.tables, 0))
    for regime, is_upper in ((Regime.EL10, False), (Regime.EL10, True), *_of_el2(registers)):
        first = stage1_parameters(regime, is_upper, registers)
        if first.is_enabled and not first.walks_disabled:
            space = Space(regime, 1, vmid if regime is Regime.EL10 else None, is_upper)
            start = (1 << 64) - (1 << first.tables.input_bits) if is_upper else 0
            found.append(Root(space, asid_of(regime, registers), first.tables, start))
    return found


def _of_el2(registers: TranslationRegisters) -> list[tuple[Regime, bool]]:
    regime = el2_regime(registers)
    return [(regime, False)] if regime is Regime.EL2 else [(regime, False), (regime, True)]
