"""ISS layouts of instructions that trap, call, or report themselves; every one 25 bits, as in the manual's diagrams.

Read `arch/iss_faults.py` before this file, `arch/iss_aborts.py` (the other layouts) and `arch/iss_layouts.py` (which
layout belongs to which class) after it. Bits in no field are RES0.
"""

from __future__ import annotations

from typing import ClassVar

from arm_hyp.arch.bitfields import Field, Register

_CONDITION_NAMES = ("EQ", "NE", "CS", "CC", "MI", "PL", "VS", "VC", "HI", "LS", "GE", "LT", "GT", "LE", "AL", "NV")
CONDITIONS = dict(enumerate(_CONDITION_NAMES))
DIRECTION = {0: "write to the register (MSR, MCR, SYS, STC)", 1: "read from the register (MRS, MRC, SYSL, LDC)"}
GENERAL_REGISTERS = {number: f"X{number}" for number in range(31)} | {31: "XZR, or no register"}
CV_VALUES = {0: "COND is not valid", 1: "COND is valid"}


class ISS(Register):
    """Base of every ISS layout. Ref: Arm ARM, ESR_EL2.ISS `<24:0>`."""

    WIDTH: ClassVar[int] = 25


class EmptyISS(ISS):
    """All RES0: the class alone says everything."""


class ReservedISS(ISS):
    """A reserved class: its ISS has no defined layout."""

    ISS = Field(24, 0, meaning="no meaning is defined: the exception class is reserved")


class ImpdefISS(ISS):
    """EC 0x1F. Ref: Arm ARM, ISS encoding for an IMPLEMENTATION DEFINED exception to EL3."""

    ISS = Field(24, 0, meaning="IMPLEMENTATION DEFINED")


class ConditionalISS(ISS):
    """Instructions that may be conditional in AArch32. AArch64 reports CV 1, COND 0b1110."""

    CV = Field(24, values=CV_VALUES)
    COND = Field(23, 20, CONDITIONS, meaning="condition of the instruction")


class WFxISS(ConditionalISS):
    """EC 0x01. Ref: Arm ARM, ISS encoding for an exception from a WF* instruction."""

    RN = Field(9, 5, GENERAL_REGISTERS, meaning="register of WFIT or WFET, if RV is 1")
    RV = Field(2, values={0: "RN is not valid", 1: "RN is valid"})
    TI = Field(1, 0, {0: "WFI", 1: "WFE", 2: "WFIT", 3: "WFET"})


class MCRISS(ConditionalISS):
    """EC 0x03, 0x05, 0x08. Ref: Arm ARM, ISS encoding for an exception from an MCR or MRC access."""

    Opc2 = Field(19, 17, meaning="Opc2 of the instruction")
    Opc1 = Field(16, 14, meaning="Opc1 of the instruction")
    CRn = Field(13, 10, meaning="CRn of the instruction; reg of a VMRS")
    Rt = Field(9, 5, GENERAL_REGISTERS)
    CRm = Field(4, 1, meaning="CRm of the instruction")
    Direction = Field(0, values=DIRECTION)


class MCRRISS(ConditionalISS):
    """EC 0x04, 0x0C. Ref: Arm ARM, ISS encoding for an exception from an MCRR or MRRC access."""

    Opc1 = Field(19, 16, meaning="Opc1 of the instruction")
    Rt2 = Field(14, 10, GENERAL_REGISTERS)
    Rt = Field(9, 5, GENERAL_REGISTERS)
    CRm = Field(4, 1, meaning="CRm of the instruction")
    Direction = Field(0, values=DIRECTION)


class LDCISS(ConditionalISS):
    """EC 0x06. Ref: Arm ARM, ISS encoding for an exception from an LDC or STC instruction."""

    imm8 = Field(19, 12, meaning="immediate of the instruction")
    Rn = Field(9, 5, GENERAL_REGISTERS, meaning="base register, valid for the immediate forms")
    Offset = Field(4, values={0: "offset is subtracted", 1: "offset is added"})
    AM = Field(
        3,
        1,
        {
            0b000: "immediate unindexed",
            0b001: "immediate post-indexed",
            0b010: "immediate offset",
            0b011: "immediate pre-indexed",
            0b100: "literal unindexed (LDC in A32)",
            0b110: "literal offset (LDC)",
        },
    )
    Direction = Field(0, values=DIRECTION)


class FPAccessISS(ConditionalISS):
    """EC 0x07. Ref: Arm ARM, ISS encoding for an exception from an access to SVE, Advanced SIMD or floating-point."""


class LS64ISS(ISS):
    """EC 0x0A. Ref: Arm ARM, ISS encoding for an exception from an LD64B or ST64B* instruction."""

    ISS = Field(
        24, 0, {0: "ST64BV", 1: "ST64BV0", 2: "LD64B or ST64B", 3: "TSB CSYNC", 4: "PSB CSYNC"}, meaning="instruction"
    )


class BTIISS(ISS):
    """EC 0x0D. Ref: Arm ARM, ISS encoding for an exception from Branch Target Identification instruction."""

    BTYPE = Field(1, 0, meaning="PSTATE.BTYPE when the exception was generated")


class ImmediateISS(ISS):
    """EC 0x11, 0x12, 0x15, 0x16, 0x17. Ref: Arm ARM, ISS encoding for an exception from HVC or SVC, from SMC."""

    imm16 = Field(15, 0, meaning="immediate of the instruction")


class SMC32ISS(ConditionalISS):
    """EC 0x13. Ref: Arm ARM, ISS encoding for an exception from SMC instruction execution in AArch32 state."""

    CCKNOWNPASS = Field(
        19, values={0: "unconditional, or passed its condition check", 1: "may have failed its condition check"}
    )


class SysregISS(ISS):
    """EC 0x18. Ref: Arm ARM, ISS encoding for an exception from MSR, MRS, or System instruction execution."""

    Op0 = Field(21, 20, meaning="op0 of the instruction; 1 for System instructions")
    Op2 = Field(19, 17, meaning="op2 of the instruction")
    Op1 = Field(16, 14, meaning="op1 of the instruction")
    CRn = Field(13, 10, meaning="CRn of the instruction")
    Rt = Field(9, 5, GENERAL_REGISTERS)
    CRm = Field(4, 1, meaning="CRm of the instruction")
    Direction = Field(0, values=DIRECTION)


class Sysreg128ISS(ISS):
    """EC 0x14. Ref: Arm ARM, ISS encoding for an exception from MRRS, MSRR, or 128-bit System instruction."""

    Op0 = Field(21, 20, meaning="op0 of the instruction; 1 for System instructions")
    Op2 = Field(19, 17, meaning="op2 of the instruction")
    Op1 = Field(16, 14, meaning="op1 of the instruction")
    CRn = Field(13, 10, meaning="CRn of the instruction")
    Rt = Field(9, 6, {half: f"X{2 * half}, X{2 * half + 1}" for half in range(15)} | {15: "no registers"})
    CRm = Field(4, 1, meaning="CRm of the instruction")
    Direction = Field(0, values=DIRECTION)


class ERETISS(ISS):
    """EC 0x1A. Ref: Arm ARM, ISS encoding for an exception from ERET, ERETAA or ERETAB instruction."""

    ERET = Field(1, values={0: "ERET", 1: "ERETAA or ERETAB"})
    ERETA = Field(0, values={0: "ERETAA, if ERET is 1", 1: "ERETAB"})


class TSTARTISS(ISS):
    """EC 0x1B. Ref: Arm ARM, ISS encoding for an exception from a TSTART instruction."""

    Rd = Field(9, 5, GENERAL_REGISTERS)


class PACFailISS(ISS):
    """EC 0x1C. Ref: Arm ARM, ISS encoding for an exception from a Pointer Authentication instruction failure."""

    DnI = Field(1, values={0: "instruction key", 1: "data key"})
    BnA = Field(0, values={0: "A key", 1: "B key"})


class SMEISS(ISS):
    """EC 0x1D. Ref: Arm ARM, ISS encoding for an exception due to SME functionality."""

    SMTC = Field(
        2,
        0,
        {
            0: "access to SME functionality trapped by CPACR_EL1, CPTR_EL2 or CPTR_EL3",
            1: "Advanced SIMD, SVE or SVE2 instruction that is illegal in Streaming SVE mode",
            2: "SME instruction that is illegal outside Streaming SVE mode",
            3: "SME instruction that is illegal while PSTATE.ZA is 0",
            4: "access to ZT0 trapped by SMCR_ELx.EZT0",
        },
    )


class MOPSISS(ISS):
    """EC 0x27. Ref: Arm ARM, ISS encoding for an exception from the Memory Copy and Memory Set instructions."""

    MemInst = Field(24, values={0: "CPYFE*, CPYFM*, CPYE* or CPYM*", 1: "SETE*, SETM*, SETGE* or SETGM*"})
    isSETG = Field(23, values={0: "not SETG*", 1: "SETGE* or SETGM*"})
    Options = Field(22, 19, meaning="options field of the instruction")
    FromEpilogue = Field(18, values={0: "main instruction", 1: "epilogue instruction"})
    WrongOption = Field(17, values={0: "not because of the option", 1: "PSTATE.C holds the wrong algorithm option"})
    OptionA = Field(16, values={0: "option B, by PSTATE.C", 1: "option A, by PSTATE.C"})
    destreg = Field(14, 10, GENERAL_REGISTERS)
    srcreg = Field(9, 5, GENERAL_REGISTERS)
    sizereg = Field(4, 0, GENERAL_REGISTERS)


def _trapped(name: str) -> dict[int, str]:
    return {0: f"no {name} exception", 1: f"{name} exception"}


class FPExceptionISS(ISS):
    """EC 0x28, 0x2C. Ref: Arm ARM, ISS encoding for an exception from a trapped floating-point exception."""

    TFV = Field(23, values={0: "IDF to IOF hold no information", 1: "IDF to IOF are valid"})
    VECITR = Field(10, 8, meaning="RES1 from AArch32, UNKNOWN from AArch64")
    IDF = Field(7, values=_trapped("Input Denormal"))
    IXF = Field(4, values=_trapped("Inexact"))
    UFF = Field(3, values=_trapped("Underflow"))
    OFF = Field(2, values=_trapped("Overflow"))
    DZF = Field(1, values=_trapped("Divide by Zero"))
    IOF = Field(0, values=_trapped("Invalid Operation"))


class GCSISS(ISS):
    """EC 0x2D, EXLOCK and unallocated types. Ref: Arm ARM, ISS encoding for a Guarded Control Stack exception."""

    ExType = Field(23, 20, {0: "data check", 1: "EXLOCK", 2: "trapped GCSSTR or GCSSTTR"})


class GCSDataCheckISS(GCSISS):
    """EC 0x2D, ExType 0: what was read from the Guarded Control Stack is not what it should be."""

    Rn = Field(9, 5, GENERAL_REGISTERS)
    IT = Field(
        4,
        0,
        {
            0: "procedure return without pointer authentication",
            1: "GCSPOPM",
            2: "procedure return with key A",
            3: "procedure return with key B",
            4: "GCSSS1",
            5: "GCSSS2",
            6: "GCSPOPCX",
            7: "GCSPOPX",
        },
    )


class GCSStoreISS(GCSISS):
    """EC 0x2D, ExType 2: a trapped store to the Guarded Control Stack."""

    Raddr = Field(14, 10, GENERAL_REGISTERS)
    Rvalue = Field(9, 5, GENERAL_REGISTERS)


class CommentISS(ISS):
    """EC 0x38, 0x3C. Ref: Arm ARM, ISS encoding for an exception from execution of a Breakpoint instruction."""

    Comment = Field(15, 0, meaning="immediate of the instruction")


class ProfilingISS(ISS):
    """EC 0x3D. Ref: Arm ARM, ISS encoding for a Profiling exception.

    Simplified: the values of FSC are not named.
    """

    FSC = Field(5, 1, meaning="why the Profiling exception was generated")
    SYNC = Field(0, values={0: "asynchronous", 1: "synchronous"})
