"""Single control bits and where they send an instruction, written from the Arm ARM by hand.

Bit numbers, targets and classes are stated here again, apart from the program. With the bit as it is in
`open_controls` the instruction executes; with that one bit flipped it goes where the table says, with the whole
syndrome that the manual gives.
"""

from __future__ import annotations

import pytest
from traps_support import ALL_FEATURES, MODES, expected_esr, open_controls, request

from arm_hyp.arch.traps import Context, Controls, Outcome, decide

HCR, CPTR, CPACR, MDCR = "hcr_el2", "cptr_el2", "cpacr_el1", "mdcr_el2"
SCTLR1, SCTLR2, SCR, ICH = "sctlr_el1", "sctlr_el2", "scr_el3", "ich_hcr_el2"
CNTH, CNTK, PMU = "cnthctl_el2", "cntkctl_el1", "pmuserenr_el0"

# instruction, EL, mode, control register, bit that is flipped, target EL, EC. The comment names the bit; the section of
# the Arm ARM about that register says what it does.
FLIPS = [
    ("mrs CTR_EL0", 0, "guest", SCTLR1, 15, 1, 0x18),  # SCTLR_EL1.UCT
    ("mrs CTR_EL0", 0, "tge", SCTLR1, 15, 2, 0x18),  # the same, HCR_EL2.TGE
    ("mrs CTR_EL0", 0, "host", SCTLR2, 15, 2, 0x18),  # SCTLR_EL2.UCT
    ("ic ivau", 0, "guest", SCTLR1, 26, 1, 0x18),  # SCTLR_EL1.UCI
    ("dc cvau", 0, "guest", SCTLR1, 26, 1, 0x18),
    ("dc civac", 0, "guest", SCTLR1, 26, 1, 0x18),
    ("dc cvac", 0, "host", SCTLR2, 26, 2, 0x18),
    ("dc cvap", 0, "guest", SCTLR1, 26, 1, 0x18),
    ("dc zva", 0, "guest", SCTLR1, 14, 1, 0x18),  # SCTLR_EL1.DZE
    ("dc zva", 0, "host", SCTLR2, 14, 2, 0x18),
    ("mrs DAIF", 0, "guest", SCTLR1, 9, 1, 0x18),  # SCTLR_EL1.UMA
    ("msr DAIF", 0, "guest", SCTLR1, 9, 1, 0x18),
    ("daifset", 0, "guest", SCTLR1, 9, 1, 0x18),
    ("daifclr", 0, "tge", SCTLR1, 9, 2, 0x18),
    ("wfi", 0, "guest", SCTLR1, 16, 1, 0x01),  # SCTLR_EL1.nTWI
    ("wfe", 0, "guest", SCTLR1, 18, 1, 0x01),  # SCTLR_EL1.nTWE
    ("wfi", 0, "tge", SCTLR1, 16, 2, 0x01),
    ("wfi", 0, "host", SCTLR2, 16, 2, 0x01),
    ("wfit", 0, "guest", SCTLR1, 16, 1, 0x01),
    ("fp", 0, "guest", CPACR, 20, 1, 0x07),  # CPACR_EL1.FPEN 0b10
    ("fp", 0, "guest", CPACR, 21, 1, 0x07),  # CPACR_EL1.FPEN 0b01: EL0 only
    ("fp", 1, "guest", CPACR, 20, 1, 0x07),
    ("fp", 0, "tge", CPACR, 20, 2, 0x00),  # AArch64.AdvSIMDFPAccessTrap: rerouted, class unknown
    ("mrs FPCR", 0, "guest", CPACR, 21, 1, 0x07),
    ("msr FPSR", 0, "tge", CPACR, 21, 2, 0x00),
    ("sve", 0, "guest", CPACR, 16, 1, 0x19),  # CPACR_EL1.ZEN 0b10
    ("sve", 0, "tge", CPACR, 17, 2, 0x19),  # SVEAccessTrap keeps its class
    ("sve", 1, "guest", CPACR, 20, 1, 0x07),  # ZEN lets pass, FPEN does not
    ("mrs ZCR_EL1", 1, "guest", CPACR, 16, 1, 0x19),
    ("mrs CNTVCT_EL0", 0, "guest", CNTK, 1, 1, 0x18),  # CNTKCTL_EL1.EL0VCTEN
    ("mrs CNTPCT_EL0", 0, "guest", CNTK, 0, 1, 0x18),  # CNTKCTL_EL1.EL0PCTEN
    ("msr CNTV_CTL_EL0", 0, "guest", CNTK, 8, 1, 0x18),  # CNTKCTL_EL1.EL0VTEN
    ("mrs CNTP_TVAL_EL0", 0, "tge", CNTK, 9, 2, 0x18),  # CNTKCTL_EL1.EL0PTEN
    ("mrs CNTVCT_EL0", 0, "host", CNTH, 1, 2, 0x18),  # CNTHCTL_EL2.EL0VCTEN
    ("mrs CNTPCT_EL0", 0, "host", CNTH, 0, 2, 0x18),  # CNTHCTL_EL2.EL0PCTEN
    ("msr CNTV_CVAL_EL0", 0, "host", CNTH, 8, 2, 0x18),  # CNTHCTL_EL2.EL0VTEN
    ("msr CNTP_CVAL_EL0", 0, "host", CNTH, 9, 2, 0x18),  # CNTHCTL_EL2.EL0PTEN
    ("mrs PMCR_EL0", 0, "guest", PMU, 0, 1, 0x18),  # PMUSERENR_EL0.EN
    ("msr PMCNTENSET_EL0", 0, "tge", PMU, 0, 2, 0x18),
    ("mrs PMCCNTR_EL0", 0, "host", PMU, 0, 2, 0x18),
    ("mrs MDCCSR_EL0", 0, "guest", "mdscr_el1", 12, 1, 0x18),  # MDSCR_EL1.TDCC
    ("mrs ICC_PMR_EL1", 1, "guest", "icc_sre_el1", 0, 1, 0x18),  # ICC_SRE_EL1.SRE
    ("wfi", 1, "guest", HCR, 13, 2, 0x01),  # HCR_EL2.TWI
    ("wfi", 0, "guest", HCR, 13, 2, 0x01),
    ("wfe", 1, "guest", HCR, 14, 2, 0x01),  # HCR_EL2.TWE
    ("wfet", 1, "vhe", HCR, 14, 2, 0x01),
    ("mrs REVIDR_EL1", 1, "guest", HCR, 16, 2, 0x18),  # HCR_EL2.TID1
    ("mrs CTR_EL0", 1, "guest", HCR, 17, 2, 0x18),  # HCR_EL2.TID2
    ("mrs CTR_EL0", 0, "guest", HCR, 17, 2, 0x18),
    ("msr CSSELR_EL1", 1, "guest", HCR, 17, 2, 0x18),
    ("mrs CLIDR_EL1", 1, "guest", HCR, 49, 2, 0x18),  # HCR_EL2.TID4
    ("mrs ID_AA64PFR0_EL1", 1, "guest", HCR, 18, 2, 0x18),  # HCR_EL2.TID3
    ("mrs MVFR0_EL1", 1, "guest", HCR, 18, 2, 0x18),
    ("mrs S3_0_C0_C7_7", 1, "guest", HCR, 18, 2, 0x18),  # a reserved ID register
    ("smc", 1, "guest", HCR, 19, 2, 0x17),  # HCR_EL2.TSC
    ("mrs S3_1_C15_C2_0", 1, "guest", HCR, 20, 2, 0x18),  # HCR_EL2.TIDCP (else UNDEFINED)
    ("msr ACTLR_EL1", 1, "guest", HCR, 21, 2, 0x18),  # HCR_EL2.TACR
    ("dc isw", 1, "guest", HCR, 22, 2, 0x18),  # HCR_EL2.TSW
    ("dc cisw", 1, "guest", HCR, 22, 2, 0x18),
    ("dc ivac", 1, "guest", HCR, 23, 2, 0x18),  # HCR_EL2.TPCP
    ("dc civac", 0, "guest", HCR, 23, 2, 0x18),
    ("ic ivau", 0, "guest", HCR, 24, 2, 0x18),  # HCR_EL2.TPU
    ("ic iallu", 1, "guest", HCR, 24, 2, 0x18),
    ("dc cvau", 1, "guest", HCR, 52, 2, 0x18),  # HCR_EL2.TOCU
    ("ic ialluis", 1, "guest", HCR, 50, 2, 0x18),  # HCR_EL2.TICAB
    ("tlbi vmalle1", 1, "guest", HCR, 25, 2, 0x18),  # HCR_EL2.TTLB
    ("tlbi vae1is", 1, "guest", HCR, 25, 2, 0x18),
    ("tlbi vae1is", 1, "guest", HCR, 54, 2, 0x18),  # HCR_EL2.TTLBIS
    ("tlbi vae1os", 1, "guest", HCR, 55, 2, 0x18),  # HCR_EL2.TTLBOS
    ("msr SCTLR_EL1", 1, "guest", HCR, 26, 2, 0x18),  # HCR_EL2.TVM
    ("msr TTBR0_EL1", 1, "guest", HCR, 26, 2, 0x18),
    ("mrs SCTLR_EL1", 1, "guest", HCR, 30, 2, 0x18),  # HCR_EL2.TRVM
    ("mrs CONTEXTIDR_EL1", 1, "guest", HCR, 30, 2, 0x18),
    ("dc zva", 1, "guest", HCR, 28, 2, 0x18),  # HCR_EL2.TDZ
    ("dc zva", 0, "guest", HCR, 28, 2, 0x18),
    ("mrs LORC_EL1", 1, "guest", HCR, 35, 2, 0x18),  # HCR_EL2.TLOR
    ("mrs ERRIDR_EL1", 1, "guest", HCR, 36, 2, 0x18),  # HCR_EL2.TERR
    ("mrs ERXPFGF_EL1", 1, "guest", HCR, 47, 2, 0x18),  # HCR_EL2.FIEN
    ("mrs APIAKeyLo_EL1", 1, "guest", HCR, 40, 2, 0x18),  # HCR_EL2.APK
    ("pacia", 1, "guest", HCR, 41, 2, 0x09),  # HCR_EL2.API
    ("pacga", 0, "guest", HCR, 41, 2, 0x09),
    ("msr SCXTNUM_EL0", 0, "guest", HCR, 53, 2, 0x18),  # HCR_EL2.EnSCXT
    ("at s1e1r", 1, "guest", HCR, 44, 2, 0x18),  # HCR_EL2.AT
    ("eret", 1, "guest", HCR, 42, 2, 0x1A),  # HCR_EL2.NV
    ("eretaa", 1, "guest", HCR, 42, 2, 0x1A),
    ("fp", 1, "guest", CPTR, 10, 2, 0x07),  # CPTR_EL2.TFP
    ("fp", 2, "guest", CPTR, 10, 2, 0x07),
    ("fp", 0, "tge", CPTR, 10, 2, 0x07),
    ("mrs FPSR", 1, "guest", CPTR, 10, 2, 0x07),
    ("sve", 1, "guest", CPTR, 8, 2, 0x19),  # CPTR_EL2.TZ
    ("mrs ZCR_EL2", 2, "guest", CPTR, 8, 2, 0x19),
    ("mrs CPACR_EL1", 1, "guest", CPTR, 31, 2, 0x18),  # CPTR_EL2.TCPAC
    ("fp", 1, "vhe", CPTR, 20, 2, 0x07),  # CPTR_EL2.FPEN 0b10, E2H
    ("fp", 2, "vhe", CPTR, 20, 2, 0x07),
    ("fp", 0, "host", CPTR, 21, 2, 0x07),  # CPTR_EL2.FPEN 0b01: EL0 of the host
    ("sve", 0, "host", CPTR, 17, 2, 0x19),  # CPTR_EL2.ZEN 0b01
    ("sve", 2, "vhe", CPTR, 16, 2, 0x19),
    ("mrs MDSCR_EL1", 1, "guest", MDCR, 9, 2, 0x18),  # MDCR_EL2.TDA
    ("msr DBGBVR0_EL1", 1, "guest", MDCR, 8, 2, 0x18),  # MDCR_EL2.TDE implies TDA
    ("mrs MDCCSR_EL0", 0, "guest", MDCR, 9, 2, 0x18),
    ("msr OSLAR_EL1", 1, "guest", MDCR, 10, 2, 0x18),  # MDCR_EL2.TDOSA
    ("mrs MDRAR_EL1", 1, "guest", MDCR, 11, 2, 0x18),  # MDCR_EL2.TDRA
    ("mrs PMCCNTR_EL0", 1, "guest", MDCR, 6, 2, 0x18),  # MDCR_EL2.TPM
    ("mrs PMUSERENR_EL0", 0, "host", MDCR, 6, 2, 0x18),
    ("msr PMCR_EL0", 1, "guest", MDCR, 5, 2, 0x18),  # MDCR_EL2.TPMCR
    ("mrs PMSCR_EL1", 1, "guest", MDCR, 14, 2, 0x18),  # MDCR_EL2.TPMS
    ("msr TRFCR_EL1", 1, "guest", MDCR, 19, 2, 0x18),  # MDCR_EL2.TTRF
    ("mrs CNTPCT_EL0", 1, "guest", CNTH, 0, 2, 0x18),  # CNTHCTL_EL2.EL1PCTEN
    ("mrs CNTPCT_EL0", 0, "tge", CNTH, 0, 2, 0x18),
    ("msr CNTP_CTL_EL0", 1, "guest", CNTH, 1, 2, 0x18),  # CNTHCTL_EL2.EL1PCEN
    ("mrs CNTPCT_EL0", 1, "vhe", CNTH, 10, 2, 0x18),  # CNTHCTL_EL2.EL1PCTEN, E2H
    ("msr CNTP_CTL_EL0", 1, "vhe", CNTH, 11, 2, 0x18),  # CNTHCTL_EL2.EL1PTEN, E2H
    ("mrs CNTVCT_EL0", 1, "guest", CNTH, 14, 2, 0x18),  # CNTHCTL_EL2.EL1TVCT
    ("mrs CNTV_CTL_EL0", 1, "vhe", CNTH, 13, 2, 0x18),  # CNTHCTL_EL2.EL1TVT
    ("mrs ICC_SRE_EL1", 1, "guest", "icc_sre_el2", 3, 2, 0x18),  # ICC_SRE_EL2.Enable
    ("mrs ICH_VTR_EL2", 2, "guest", "icc_sre_el2", 0, 2, 0x18),  # ICC_SRE_EL2.SRE
    ("msr ICC_PMR_EL1", 1, "guest", ICH, 10, 2, 0x18),  # ICH_HCR_EL2.TC
    ("msr ICC_SGI1R_EL1", 1, "guest", ICH, 10, 2, 0x18),
    ("mrs ICC_IAR0_EL1", 1, "guest", ICH, 11, 2, 0x18),  # ICH_HCR_EL2.TALL0
    ("mrs ICC_IAR1_EL1", 1, "guest", ICH, 12, 2, 0x18),  # ICH_HCR_EL2.TALL1
    ("msr ICC_DIR_EL1", 1, "guest", ICH, 14, 2, 0x18),  # ICH_HCR_EL2.TDIR
    ("msr ICC_SGI1R_EL1", 1, "guest", HCR, 4, 2, 0x18),  # HCR_EL2.IMO: no virtual SGI register
    ("msr ICC_SGI0R_EL1", 1, "guest", HCR, 3, 2, 0x18),  # HCR_EL2.FMO
    ("wfi", 2, "guest", SCR, 12, 3, 0x01),  # SCR_EL3.TWI
    ("wfe", 0, "guest", SCR, 13, 3, 0x01),  # SCR_EL3.TWE
    ("mrs APIBKeyHi_EL1", 2, "guest", SCR, 16, 3, 0x18),  # SCR_EL3.APK
    ("pacda", 2, "guest", SCR, 17, 3, 0x09),  # SCR_EL3.API
    ("mrs ICC_IAR1_EL1", 2, "guest", SCR, 1, 3, 0x18),  # SCR_EL3.IRQ
    ("mrs RNDR", 0, "guest", SCR, 40, 3, 0x18),  # SCR_EL3.TRNDR
    ("ldr sp+8", 1, "guest", SCTLR1, 3, 1, 0x26),  # SCTLR_EL1.SA
    ("ldr sp+8", 0, "guest", SCTLR1, 4, 1, 0x26),  # SCTLR_EL1.SA0
    ("ldr sp+8", 0, "tge", SCTLR1, 4, 2, 0x26),
    ("ldr sp+8", 0, "host", SCTLR2, 4, 2, 0x26),  # SCTLR_EL2.SA0
    ("ldr sp+8", 2, "guest", SCTLR2, 3, 2, 0x26),  # SCTLR_EL2.SA
    ("ldr +2", 1, "guest", SCTLR1, 1, 1, 0x25),  # SCTLR_EL1.A
    ("str +2", 0, "guest", SCTLR1, 1, 1, 0x24),
    ("ldr +2", 0, "host", SCTLR2, 1, 2, 0x24),
    ("str +2", 2, "vhe", SCTLR2, 1, 2, 0x25),
]


def execute_before(text: str) -> Outcome:
    """What the open machine does: the implementation defined register of the table does not exist at all."""
    return Outcome.UNDEFINED if "C15" in text else Outcome.EXECUTE


def flipped(controls: Controls, register: str, bit: int) -> Controls:
    return controls._replace(**{register: getattr(controls, register) ^ 1 << bit})


@pytest.mark.parametrize(("text", "el", "mode", "register", "bit", "target", "ec"), FLIPS)
def test_one_bit(text: str, el: int, mode: str, register: str, bit: int, target: int, ec: int) -> None:
    controls = open_controls(MODES[mode])
    before = decide(request(text), Context(el, controls, features=ALL_FEATURES))
    after = decide(request(text), Context(el, flipped(controls, register, bit), features=ALL_FEATURES))
    assert before.outcome is execute_before(text)
    assert (after.outcome, after.target_el) == (Outcome.TRAP, target)
    assert after.esr == expected_esr(text, ec), f"{after.esr:#x}"
    assert after.considered[-1].rule is after.rule
    assert after.considered[-1].applies
    assert not any(item.applies for item in after.considered[:-1])


def test_the_table_is_wide() -> None:
    assert len({(register, bit) for _, _, _, register, bit, _, _ in FLIPS}) >= 60
