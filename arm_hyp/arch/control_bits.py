"""The control bits that the exception model looks at, as plain integer masks.

Read `arch/pstate.py` before and `arch/software_step.py`, `arch/exceptions.py` after this file. The same bits as named
fields, with their meanings, are in `arch/registers/`.

All functions of the exception model take *effective* register values: bits of features that are not implemented are
zero, and where EL3 is not implemented SCR_EL3 is `SCR_WITHOUT_EL3`.
"""

from __future__ import annotations

from typing import Final

HCR_FMO: Final = 1 << 3
HCR_IMO: Final = 1 << 4
HCR_AMO: Final = 1 << 5
HCR_VF: Final = 1 << 6
HCR_VI: Final = 1 << 7
HCR_VSE: Final = 1 << 8
HCR_TGE: Final = 1 << 27
HCR_RW: Final = 1 << 31
HCR_E2H: Final = 1 << 34
HCR_TEA: Final = 1 << 37
HCR_NV: Final = 1 << 42
HCR_NV1: Final = 1 << 43
HCR_NV2: Final = 1 << 45
HCR_E2H_TGE: Final = HCR_E2H | HCR_TGE
"""Both set: the host's applications run at EL0 under EL2, and EL1 is not in use."""

SCR_NS: Final = 1 << 0
SCR_IRQ: Final = 1 << 1
SCR_FIQ: Final = 1 << 2
SCR_EA: Final = 1 << 3
SCR_RW: Final = 1 << 10
SCR_EEL2: Final = 1 << 18
SCR_WITHOUT_EL3: Final = 0x531
"""SCR_EL3 as it behaves where EL3 is not implemented and the PE is Non-secure: NS, RES1 <5:4>, HCE, RW."""

SCTLR_SPAN: Final = 1 << 23
SCTLR_DSSBS: Final = 1 << 44

TCR_TBI0: Final = 37
TCR_TBID0: Final = 51
TCR_EL2_TBI: Final = 20
TCR_EL2_TBID: Final = 29
"""Bit numbers. TBI1 and TBID1 are one above TBI0 and TBID0; TCR_EL2 has a layout of its own with HCR_EL2.E2H clear."""

MDCR_TDE: Final = 1 << 8
MDSCR_SS: Final = 1 << 0
MDSCR_KDE: Final = 1 << 13
OSLSR_OSLK: Final = 1 << 1


def el2_enabled(scr: int) -> bool:
    """Tell whether EL2 is enabled in the Security state below EL3. Ref: pseudocode EL2Enabled."""
    return scr & (SCR_NS | SCR_EEL2) != 0


def s1_translation_regime(el: int, hcr: int) -> int:
    """Return the level whose SCTLR_ELx and TCR_ELx govern `el`: EL0 belongs to EL2 with HCR_EL2.{E2H, TGE} = {1, 1}.

    Ref: pseudocode S1TranslationRegime.
    """
    if el == 0:
        return 2 if hcr & HCR_E2H_TGE == HCR_E2H_TGE else 1
    return el
