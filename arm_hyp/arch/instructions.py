"""What an instruction word is, as far as traps and exceptions care: system instructions, FP/SIMD, loads and stores.

Read `arch/sysregs.py` before (it names registers), `arch/traps.py` after (it decides what happens to what is decoded
here).

One table of masks decodes the system instructions; another, in `arch/load_store.py`, the loads and stores. Everything
is a pure function of the 32-bit word. Whether an instruction exists on this machine is not decided here, but by
`arch/traps.py` and `arch/id_policy.py`.

Ref: Arm ARM C4.1 "A64 instruction set encoding".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from arm_hyp.arch.load_store import LoadStoreAccess, load_store_access
from arm_hyp.arch.sysregs import Encoding, name_of, operation_by_encoding

__all__ = [
    "InstructionKind",
    "LoadStoreAccess",
    "SystemInstruction",
    "decode_system",
    "is_fp_simd",
    "is_load_store",
    "is_sve",
    "load_store_access",
    "mnemonic",
    "pstate_field",
]


class InstructionKind(Enum):
    """The kinds of system instructions that the trap rules tell apart."""

    MRS = "mrs"
    MSR = "msr"
    MSR_IMM = "msr (immediate)"
    FLAGS = "cfinv, xaflag, axflag"
    SYS = "sys"
    SYSL = "sysl"
    HINT = "hint"
    YIELD = "yield"
    WFE = "wfe"
    WFI = "wfi"
    SEV = "sev"
    SEVL = "sevl"
    WFET = "wfet"
    WFIT = "wfit"
    BARRIER = "barrier"
    DSB_NXS = "dsb nxs"
    CLREX = "clrex"
    SVC = "svc"
    HVC = "hvc"
    SMC = "smc"
    BRK = "brk"
    HLT = "hlt"
    DCPS = "dcps"
    ERET = "eret"
    ERETAA = "eretaa"
    ERETAB = "eretab"
    DRPS = "drps"


@dataclass(frozen=True, slots=True)
class SystemInstruction:
    """One decoded system instruction.

    `op0`..`op2` and `rt` are the fields of the word for MRS, MSR, SYS, SYSL, hints, barriers and MSR (immediate); 0
    and 31 for the others. `imm` is the immediate: imm16 of SVC, HVC, SMC, BRK, HLT and DCPS, the number of a hint,
    CRm of MSR (immediate), barriers and CLREX, else 0. `is_read` holds for MRS and SYSL.
    """

    kind: InstructionKind
    op0: int
    op1: int
    crn: int
    crm: int
    op2: int
    rt: int
    is_read: bool
    imm: int
    word: int

    @property
    def encoding(self) -> Encoding:
        """Return the five numbers that name the register or operation."""
        return Encoding(self.op0, self.op1, self.crn, self.crm, self.op2)


def _no_immediate(word: int) -> int:
    return 0


def _imm16(word: int) -> int:
    return word >> 5 & 0xFFFF


def _crm(word: int) -> int:
    return word >> 8 & 15


def _hint_number(word: int) -> int:
    return word >> 5 & 0x7F


_K = InstructionKind
_TABLE: tuple[tuple[int, int, InstructionKind, Callable[[int], int]], ...] = (
    # mask, value, kind, immediate. The first row that matches wins; each mask holds the whole top byte.
    (0xFFFF_FFFF, 0xD503_203F, _K.YIELD, _hint_number),
    (0xFFFF_FFFF, 0xD503_205F, _K.WFE, _hint_number),
    (0xFFFF_FFFF, 0xD503_207F, _K.WFI, _hint_number),
    (0xFFFF_FFFF, 0xD503_209F, _K.SEV, _hint_number),
    (0xFFFF_FFFF, 0xD503_20BF, _K.SEVL, _hint_number),
    (0xFFFF_F01F, 0xD503_201F, _K.HINT, _hint_number),
    (0xFFFF_FFE0, 0xD503_1000, _K.WFET, _no_immediate),
    (0xFFFF_FFE0, 0xD503_1020, _K.WFIT, _no_immediate),
    (0xFFFF_F0FF, 0xD503_305F, _K.CLREX, _crm),
    (0xFFFF_F0FF, 0xD503_309F, _K.BARRIER, _crm),  # DSB
    (0xFFFF_F0FF, 0xD503_30BF, _K.BARRIER, _crm),  # DMB
    (0xFFFF_F0FF, 0xD503_30DF, _K.BARRIER, _crm),  # ISB
    (0xFFFF_FFFF, 0xD503_30FF, _K.BARRIER, _crm),  # SB
    (0xFFFF_F3FF, 0xD503_323F, _K.DSB_NXS, _crm),
    (0xFFFF_F0FF, 0xD500_401F, _K.FLAGS, _crm),  # CFINV
    (0xFFFF_F0FF, 0xD500_403F, _K.FLAGS, _crm),  # XAFLAG
    (0xFFFF_F0FF, 0xD500_405F, _K.FLAGS, _crm),  # AXFLAG
    (0xFFF8_F01F, 0xD500_401F, _K.MSR_IMM, _crm),
    (0xFFF8_0000, 0xD508_0000, _K.SYS, _no_immediate),
    (0xFFF8_0000, 0xD528_0000, _K.SYSL, _no_immediate),
    (0xFFF0_0000, 0xD510_0000, _K.MSR, _no_immediate),
    (0xFFF0_0000, 0xD530_0000, _K.MRS, _no_immediate),
    (0xFFE0_001F, 0xD400_0001, _K.SVC, _imm16),
    (0xFFE0_001F, 0xD400_0002, _K.HVC, _imm16),
    (0xFFE0_001F, 0xD400_0003, _K.SMC, _imm16),
    (0xFFE0_001F, 0xD420_0000, _K.BRK, _imm16),
    (0xFFE0_001F, 0xD440_0000, _K.HLT, _imm16),
    (0xFFE0_001F, 0xD4A0_0001, _K.DCPS, _imm16),
    (0xFFE0_001F, 0xD4A0_0002, _K.DCPS, _imm16),
    (0xFFE0_001F, 0xD4A0_0003, _K.DCPS, _imm16),
    (0xFFFF_FFFF, 0xD69F_03E0, _K.ERET, _no_immediate),
    (0xFFFF_FFFF, 0xD69F_0BFF, _K.ERETAA, _no_immediate),
    (0xFFFF_FFFF, 0xD69F_0FFF, _K.ERETAB, _no_immediate),
    (0xFFFF_FFFF, 0xD6BF_03E0, _K.DRPS, _no_immediate),
)
_ROWS = {top: tuple(row for row in _TABLE if row[1] >> 24 == top) for top in (0xD4, 0xD5, 0xD6)}


@lru_cache(maxsize=8192)
def decode_system(word: int) -> SystemInstruction | None:
    """Decode a system or exception-generating instruction; return None for any other word.

    An MRS, MSR, SYS or MSR (immediate) is decoded whatever it names; a word that no row of the manual allots is None.

    Ref: Arm ARM C4.1.93 "Branches, Exception Generating and System instructions".
    """
    for mask, value, kind, immediate in _ROWS.get(word >> 24, ()):
        if word & mask == value:
            return _instruction(kind, immediate(word), word)
    return None


def _instruction(kind: InstructionKind, imm: int, word: int) -> SystemInstruction:
    if word >> 24 != 0xD5:
        return SystemInstruction(kind, 0, 0, 0, 0, 0, 31, False, imm, word)
    is_read = bool(word >> 21 & 1)
    op0, op1, crn = word >> 19 & 3, word >> 16 & 7, word >> 12 & 15
    return SystemInstruction(kind, op0, op1, crn, word >> 8 & 15, word >> 5 & 7, word & 31, is_read, imm, word)


_PSTATE_FIELDS = {
    # (op1, op2): the field that MSR (immediate) writes
    (0, 3): "UAO",
    (0, 4): "PAN",
    (0, 5): "SPSel",
    (3, 1): "SSBS",
    (3, 2): "DIT",
    (3, 4): "TCO",
    (3, 6): "DAIFSet",
    (3, 7): "DAIFClr",
}


def pstate_field(instruction: SystemInstruction) -> str | None:
    """Return the name of what an MSR (immediate) writes (`DAIFSet`, `SPSel`, ...), or None where nothing is allotted.

    Ref: Arm ARM C6.2 "MSR (immediate)".
    """
    if instruction.kind is not InstructionKind.MSR_IMM:
        return None
    return _PSTATE_FIELDS.get((instruction.op1, instruction.op2))


def is_fp_simd(word: int) -> bool:
    """Tell whether a word is in the classes that use the SIMD&FP registers: data processing, loads and stores.

    MRS and MSR of FPCR and FPSR are not among them, though the same controls trap them.
    Simplified: a word of these classes that is not allotted counts too, although UNDEFINED has priority over the trap.

    Ref: Arm ARM C4.1 (op0 = x111; op0 = x1x0 with V = 1).
    """
    return word & 0x0E00_0000 == 0x0E00_0000 or word & 0x0E00_0000 == 0x0C00_0000


def uses_fp(word: int) -> bool:
    """Tell whether a word uses the SIMD&FP registers, or is an MRS or MSR of FPCR or FPSR, which trap alike."""
    return is_fp_simd(word) or word & 0xFFDF_FFC0 == 0xD51B_4400


def is_sve(word: int) -> bool:
    """Tell whether a word is in the class of SVE instructions. Ref: Arm ARM C4.1 (op0 = 0010)."""
    return word & 0x1E00_0000 == 0x0400_0000


def is_load_store(word: int) -> bool:
    """Tell whether a word is in the class of loads and stores, prefetches included. Ref: Arm ARM C4.1 (op0 = x1x0)."""
    return word & 0x0A00_0000 == 0x0800_0000


_HINTS = {
    0: "nop",
    1: "yield",
    2: "wfe",
    3: "wfi",
    4: "sev",
    5: "sevl",
    6: "dgh",
    7: "xpaclri",
    8: "pacia1716",
    10: "pacib1716",
    12: "autia1716",
    14: "autib1716",
    16: "esb",
    17: "psb csync",
    18: "tsb csync",
    20: "csdb",
    22: "clrbhb",
    24: "paciaz",
    25: "paciasp",
    26: "pacibz",
    27: "pacibsp",
    28: "autiaz",
    29: "autiasp",
    30: "autibz",
    31: "autibsp",
    32: "bti",
    34: "bti c",
    36: "bti j",
    38: "bti jc",
}
_DOMAINS = {
    1: "oshld", 2: "oshst", 3: "osh", 5: "nshld", 6: "nshst", 7: "nsh",
    9: "ishld", 10: "ishst", 11: "ish", 13: "ld", 14: "st", 15: "sy",
}  # fmt: skip
_FLAG_NAMES = ("cfinv", "xaflag", "axflag")


def mnemonic(instruction: SystemInstruction) -> str:
    """Return the instruction as assembly, with Arm's names: `mrs x0, ESR_EL2`, `tlbi vae1is, x3`, `wfi`, `hvc #1`."""
    return _WRITERS.get(instruction.kind, _plain)(instruction)


def _register(number: int) -> str:
    return "xzr" if number == 31 else f"x{number}"


def _number(value: int) -> str:
    return f"#{value}" if value < 10 else f"#{value:#x}"


def _plain(instruction: SystemInstruction) -> str:
    return instruction.kind.value


def _with_imm16(instruction: SystemInstruction) -> str:
    return f"{instruction.kind.value} {_number(instruction.imm)}"


def _dcps(instruction: SystemInstruction) -> str:
    return f"dcps{instruction.word & 3}" + (f" {_number(instruction.imm)}" if instruction.imm else "")


def _with_register(instruction: SystemInstruction) -> str:
    return f"{instruction.kind.value} {_register(instruction.rt)}"


def _hint(instruction: SystemInstruction) -> str:
    return _HINTS.get(instruction.imm, f"hint {_number(instruction.imm)}")


def _barrier(instruction: SystemInstruction) -> str:
    name = {4: "dsb", 5: "dmb", 6: "isb", 7: "sb"}[instruction.op2]
    crm = instruction.imm
    if name == "sb" or (name == "isb" and crm == 15):
        return name
    if name == "dsb" and crm in (0, 4):
        return "pssbb" if crm else "ssbb"
    return f"{name} {_number(crm) if name == 'isb' else _DOMAINS.get(crm, _number(crm))}"


def _dsb_nxs(instruction: SystemInstruction) -> str:
    return f"dsb {('osh', 'nsh', 'ish', 'sy')[instruction.imm >> 2]}nxs"


def _clrex(instruction: SystemInstruction) -> str:
    return "clrex" if instruction.imm == 15 else f"clrex {_number(instruction.imm)}"


def _flags(instruction: SystemInstruction) -> str:
    return _FLAG_NAMES[instruction.op2]


def _msr_immediate(instruction: SystemInstruction) -> str:
    field = pstate_field(instruction) or f"S0_{instruction.op1}_C4_C{instruction.crm}_{instruction.op2}"
    return f"msr {field}, {_number(instruction.imm)}"


def _sys(instruction: SystemInstruction) -> str:
    operation = operation_by_encoding(instruction.encoding)
    if operation is None:
        text = f"sys #{instruction.op1}, C{instruction.crn}, C{instruction.crm}, #{instruction.op2}"
        return text if instruction.rt == 31 else f"{text}, {_register(instruction.rt)}"
    shows_register = operation.takes_register or instruction.rt != 31
    return operation.name.lower() + (f", {_register(instruction.rt)}" if shows_register else "")


def _sysl(instruction: SystemInstruction) -> str:
    i = instruction
    return f"sysl {_register(i.rt)}, #{i.op1}, C{i.crn}, C{i.crm}, #{i.op2}"


def _mrs(instruction: SystemInstruction) -> str:
    return f"mrs {_register(instruction.rt)}, {name_of(instruction.encoding)}"


def _msr(instruction: SystemInstruction) -> str:
    return f"msr {name_of(instruction.encoding, is_read=False)}, {_register(instruction.rt)}"


_WRITERS: dict[InstructionKind, Callable[[SystemInstruction], str]] = {
    _K.MRS: _mrs,
    _K.MSR: _msr,
    _K.MSR_IMM: _msr_immediate,
    _K.FLAGS: _flags,
    _K.SYS: _sys,
    _K.SYSL: _sysl,
    _K.HINT: _hint,
    _K.WFET: _with_register,
    _K.WFIT: _with_register,
    _K.BARRIER: _barrier,
    _K.DSB_NXS: _dsb_nxs,
    _K.CLREX: _clrex,
    _K.DCPS: _dcps,
    **{kind: _with_imm16 for kind in (_K.SVC, _K.HVC, _K.SMC, _K.BRK, _K.HLT)},
}
