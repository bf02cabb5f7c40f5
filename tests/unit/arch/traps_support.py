"""What the tests of the trap rules share: a machine on which nothing traps, instructions by text, syndromes by hand."""

from __future__ import annotations

from arm_hyp.arch import id_policy, sysregs
from arm_hyp.arch.instructions import SystemInstruction, decode_system
from arm_hyp.arch.traps import (
    Controls,
    DataAccess,
    FineGrained,
    FpAccess,
    InstructionFetch,
    OtherInstruction,
    PointerAuthentication,
    Request,
    StackAccess,
    SveAccess,
)

ALL_FEATURES = frozenset(id_policy.RULES)
"""Every feature, and every numbered register that the encodings have room for."""
E2H, TGE = 1 << 34, 1 << 27
MODES = {"guest": 0, "vhe": E2H, "tge": TGE, "host": E2H | TGE}


def bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


def open_controls(mode: int = 0) -> Controls:
    """A machine on which nothing traps; the layout of two registers depends on E2H."""
    # nTWI nTWE UCT UCI DZE UMA EnRCTX EnIA EnIB EnDA EnDB
    sctlr = bits(16, 18, 15, 26, 14, 10, 31, 30, 27, 13)
    return Controls(
        hcr_el2=mode | bits(41, 40, 53, 47),  # API APK EnSCXT FIEN
        cptr_el2=bits(16, 17, 20, 21) if mode & E2H else 0,  # ZEN FPEN
        cpacr_el1=bits(16, 17, 20, 21),
        mdcr_el2=bits(12, 13, 24, 25),  # E2PB E2TB
        cnthctl_el2=bits(0, 1, 8, 9, 10, 11) if mode & E2H else bits(0, 1),
        cntkctl_el1=bits(0, 1, 8, 9),
        sctlr_el1=sctlr | bits(9),
        sctlr_el2=sctlr,
        scr_el3=0x30531 | bits(25, 21, 38, 43, 44),  # EnSCXT FIEN HXEn TCR2En SCTLR2En
        pmuserenr_el0=1,
        icc_sre_el1=1,
        icc_sre_el2=bits(0, 3),
    )


def open_fine_grained() -> FineGrained:
    """Values with which nothing traps once SCR_EL3.FGTEn and HXEn are 1: the bits that trap as 0 are 1."""
    system = bits(*range(50, 64)) & ~bits(51)
    return FineGrained(
        hfgrtr_el2=system,
        hfgwtr_el2=system,
        hfgitr_el2=bits(*range(55, 60)),
        hdfgrtr_el2=bits(59, 60, 61, 62),
        hdfgwtr_el2=bits(60, 61, 62),
        hcrx_el2=bits(4, 14, 15),  # FGTnXS TCR2En SCTLR2En
    )


def instruction(text: str) -> SystemInstruction:
    """Make an instruction of `mrs NAME`, `msr NAME`, `at s1e1r` and the like, or a fixed word; Rt is X3."""
    kind, _, name = text.partition(" ")
    word = WORDS.get(text)
    if word is None:
        op0, op1, crn, crm, op2 = sysregs.parse_name(name if kind in ("mrs", "msr") else text)
        read = 1 << 21 if kind == "mrs" else 0
        word = 0xD500_0000 | read | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | 3
    decoded = decode_system(word)
    assert decoded is not None
    return decoded


WORDS = {
    "wfe": 0xD503205F,
    "wfi": 0xD503207F,
    "wfet": 0xD5031003,
    "wfit": 0xD5031023,
    "sev": 0xD503209F,
    "hvc": 0xD4000022,
    "smc": 0xD4000023,
    "svc": 0xD4000021,
    "brk": 0xD4200020,
    "hlt": 0xD4400020,
    "dcps1": 0xD4A00001,
    "eret": 0xD69F03E0,
    "eretaa": 0xD69F0BFF,
    "eretab": 0xD69F0FFF,
    "drps": 0xD6BF03E0,
    "dsb ishnxs": 0xD5033A3F,
    "daifset": 0xD50342DF,
    "daifclr": 0xD50342FF,
    "spsel": 0xD50041BF,
    "pan": 0xD500419F,
    "uao": 0xD500417F,
    "dit": 0xD503415F,
    "ssbs": 0xD503413F,
    "tco": 0xD503419F,
}
REQUESTS: dict[str, Request] = {
    "fp": FpAccess(),
    "sve": SveAccess(),
    "pacia": PointerAuthentication("IA"),
    "pacib": PointerAuthentication("IB"),
    "pacda": PointerAuthentication("DA"),
    "pacdb": PointerAuthentication("DB"),
    "pacga": PointerAuthentication("GA"),
    "ldr sp+8": StackAccess(0x1008),
    "ldr +2": DataAccess(0x1002, 4),
    "str +2": DataAccess(0x1002, 4, is_write=True),
    "ldxr +2": DataAccess(0x1002, 4, is_ordered=True),
    "ldr device+2": DataAccess(0x1002, 4, is_device=True),
    "fetch +2": InstructionFetch(0x1002),
    "nop": OtherInstruction(),
}


def request(text: str) -> Request:
    return REQUESTS.get(text) or instruction(text)


def sysreg_esr(text: str) -> int:
    """EC 0x18: Op0 <21:20>, Op2 <19:17>, Op1 <16:14>, CRn <13:10>, Rt <9:5>, CRm <4:1>, direction <0>."""
    i = instruction(text)
    iss = i.op0 << 20 | i.op2 << 17 | i.op1 << 14 | i.crn << 10 | i.rt << 5 | i.crm << 1 | i.is_read
    return 0x18 << 26 | 1 << 25 | iss


WFX_TI = {"wfi": 0b00, "wfe": 0b01, "wfit": 0b10, "wfet": 0b11}


def expected_esr(text: str, ec: int) -> int:
    """The whole ESR_ELx, from the ISS tables of the Arm ARM (ESR_EL2), IL = 1."""
    if ec == 0x18:
        return sysreg_esr(text)
    wfx = 1 << 24 | 0xE << 20 | WFX_TI.get(text, 0)
    iss = {
        0x01: wfx | (3 << 5 | 1 << 2 if text in ("wfit", "wfet") else 0),  # RN <9:5>, RV <2>
        0x07: 1 << 24 | 0xE << 20,
        0x15: 1,
        0x17: 1,
        0x1A: {"eret": 0, "eretaa": 2, "eretab": 3}.get(text, 0),
        0x24: 0x21 | (1 << 6 if text.startswith("str") else 0),
        0x25: 0x21 | (1 << 6 if text.startswith("str") else 0),
    }
    return ec << 26 | 1 << 25 | iss.get(ec, 0)
