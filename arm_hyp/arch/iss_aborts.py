"""ISS layouts of aborts, SError and debug exceptions, and ISS2 of aborts.

Read `arch/iss_traps.py` before this file and `arch/iss_layouts.py` after it. The layout of an abort depends on ISV and
on its fault status code, so there is a class for each combination; bits in no field of that class are RES0.
"""

from __future__ import annotations

from typing import ClassVar

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.iss_faults import FAULT_STATUS, INSTRUCTION_FAULT_STATUS
from arm_hyp.arch.iss_traps import ISS

DFSC_VALUES = {row.code: row.text for row in FAULT_STATUS}
IFSC_VALUES = {row.code: row.text for row in INSTRUCTION_FAULT_STATUS}
DEBUG_FSC = 0b100010
DEBUG_FSC_VALUES = {DEBUG_FSC: "debug exception"}
SET_VALUES = {0: "recoverable state (UER)", 2: "uncontainable (UC)", 3: "restartable state (UEO)"}
LST_VALUES = {0: "not specified", 1: "ST64BV", 2: "LD64B or ST64B", 3: "ST64BV0"}
WU_VALUES = {
    0: "not a store, or the location might have been updated",
    2: "store that did not update the location",
    3: "store that updated the location",
}
FNV_VALUES = {0: "FAR_ELx is valid", 1: "FAR_ELx is not valid"}
FNP_VALUES = {0: "FAR_ELx holds the faulting address", 1: "FAR_ELx holds an address within the same granule"}
PFV_VALUES = {0: "PFAR_ELx is UNKNOWN", 1: "PFAR_ELx is valid"}
VNCR_VALUES = {0: "not from the use of VNCR_EL2", 1: "from the use of VNCR_EL2 by EL1 code"}
CM_VALUES = {0: "not a cache maintenance or address translation instruction", 1: "cache maintenance or AT instruction"}
S1PTW_VALUES = {0: "not on a stage 1 table walk", 1: "stage 2 fault on an access made for a stage 1 table walk"}
WNR_VALUES = {0: "read", 1: "write"}
TOPLEVEL_VALUES = {0: "not due to TopLevel", 1: "due to TopLevel"}
EA_MEANING = "IMPLEMENTATION DEFINED class of an external abort; 0 for other aborts"


class InstructionAbortISS(ISS):
    """EC 0x20, 0x21. Ref: Arm ARM, ISS encoding for an exception from an Instruction Abort."""

    EA = Field(9, meaning=EA_MEANING)
    S1PTW = Field(7, values=S1PTW_VALUES)
    IFSC = Field(5, 0, IFSC_VALUES)


class InstructionAbortTranslationISS(InstructionAbortISS):
    """A translation, access flag or permission fault."""

    TopLevel = Field(21, values=TOPLEVEL_VALUES)


class InstructionAbortWalkISS(InstructionAbortISS):
    """A synchronous external abort on a table walk."""

    PFV = Field(14, values=PFV_VALUES)
    SET = Field(12, 11, SET_VALUES)


class InstructionAbortExternalISS(InstructionAbortWalkISS):
    """A synchronous external abort on the fetch itself."""

    FnV = Field(10, values=FNV_VALUES)


class DataAbortISS(ISS):
    """EC 0x24, 0x25. Ref: Arm ARM, ISS encoding for an exception from a Data Abort."""

    ISV = Field(24, values={0: "ISS<23:14> hold no instruction syndrome", 1: "SAS, SSE, SRT, SF and AR are valid"})
    VNCR = Field(13, values=VNCR_VALUES)
    EA = Field(9, meaning=EA_MEANING)
    CM = Field(8, values=CM_VALUES)
    S1PTW = Field(7, values=S1PTW_VALUES)
    WnR = Field(6, values=WNR_VALUES)
    DFSC = Field(5, 0, DFSC_VALUES)


class DataAbortPlainISS(DataAbortISS):
    """ISV is 0."""

    FnP = Field(15, values=FNP_VALUES)


class DataAbortPlainTranslationISS(DataAbortPlainISS):
    """ISV is 0; a translation, access flag or permission fault."""

    TopLevel = Field(21, values=TOPLEVEL_VALUES)
    LST = Field(12, 11, LST_VALUES)


class DataAbortPlainWalkISS(DataAbortPlainISS):
    """ISV is 0; a synchronous external abort on a table walk."""

    WU = Field(17, 16, WU_VALUES)
    PFV = Field(14, values=PFV_VALUES)
    SET = Field(12, 11, SET_VALUES)


class DataAbortPlainExternalISS(DataAbortPlainWalkISS):
    """ISV is 0; a synchronous external abort on the access itself."""

    FnV = Field(10, values=FNV_VALUES)


class DataAbortSyndromeISS(DataAbortISS):
    """ISV is 1: the load or store is described."""

    SAS = Field(23, 22, {0: "byte", 1: "halfword", 2: "word", 3: "doubleword"})
    SSE = Field(21, values={0: "no sign extension", 1: "sign extension"})
    SRT = Field(20, 16, {**{number: f"W{number} or X{number}, see SF" for number in range(31)}, 31: "WZR or XZR"})
    SF = Field(15, values={0: "32-bit register", 1: "64-bit register"})
    AR = Field(14, values={0: "no acquire or release semantics", 1: "acquire or release semantics"})


class DataAbortSyndromeTranslationISS(DataAbortSyndromeISS):
    """ISV is 1; a translation, access flag or permission fault."""

    LST = Field(12, 11, LST_VALUES)


class DataAbortSyndromeWalkISS(DataAbortSyndromeISS):
    """ISV is 1; a synchronous external abort on a table walk."""

    SET = Field(12, 11, SET_VALUES)


class DataAbortSyndromeExternalISS(DataAbortSyndromeWalkISS):
    """ISV is 1; a synchronous external abort on the access itself."""

    FnV = Field(10, values=FNV_VALUES)


class AbortISS2(Register):
    """ISS2 of Data Aborts and Instruction Aborts, 24 bits. Ref: Arm ARM, ESR_EL2.ISS2 `<55:32>`."""

    WIDTH: ClassVar[int] = 24
    Overlay = Field(6, values={0: "not due to overlay permissions", 1: "due to overlay permissions"})


class InstructionAbortISS2(AbortISS2):
    """ISS2 of an Instruction Abort."""

    HDBSSF = Field(11, values={0: "not caused by the HDBSS", 1: "caused by the HDBSS"})
    AssuredOnly = Field(7, values={0: "not due to AssuredOnly", 1: "due to AssuredOnly"})


class DataAbortISS2(InstructionAbortISS2):
    """ISS2 of a Data Abort."""

    TnD = Field(10, values={0: "not a write of an Allocation Tag", 1: "write of an Allocation Tag"})
    TagAccess = Field(9, values={0: "not due to NoTagAccess", 1: "due to NoTagAccess"})
    GCS = Field(8, values={0: "not a Guarded Control Stack access", 1: "Guarded Control Stack access"})
    DirtyBit = Field(5, values={0: "not due to dirty state", 1: "due to dirty state"})
    Xs = Field(4, 0, meaning="number of register Xs, for ST64BV and ST64BV0; else 0")


_GPCSC_VALUES = {
    0b000000: "GPT address size fault, level 0",
    0b000100: "GPT walk fault, level 0",
    0b000101: "GPT walk fault, level 1",
    0b001100: "granule protection fault, level 0",
    0b001101: "granule protection fault, level 1",
    0b010100: "synchronous external abort on GPT fetch, level 0",
    0b010101: "synchronous external abort on GPT fetch, level 1",
}


class GPCISS(ISS):
    """EC 0x1E. Ref: Arm ARM, ESR_EL3, ISS encoding for a Granule Protection Check exception."""

    S2PTW = Field(21, values={0: "not on a stage 2 table walk", 1: "on a stage 2 table walk"})
    InD = Field(20, values={0: "data access", 1: "instruction access"})
    GPCSC = Field(19, 14, _GPCSC_VALUES)
    VNCR = Field(13, values=VNCR_VALUES)
    CM = Field(8, values=CM_VALUES)
    S1PTW = Field(7, values={0: "not on a stage 1 table walk", 1: "on a stage 1 table walk"})
    WnR = Field(6, values=WNR_VALUES)
    xFSC = Field(5, 0, DFSC_VALUES)


class SErrorISS(ISS):
    """EC 0x2F, IDS 0 and no details. Ref: Arm ARM, ISS encoding for an SError exception."""

    IDS = Field(24, values={0: "the architecture's syndrome", 1: "IMPLEMENTATION DEFINED syndrome"})
    DFSC = Field(5, 0, {0b000000: "uncategorized error", 0b010001: "asynchronous SError exception"})


class SErrorDetailISS(SErrorISS):
    """EC 0x2F, IDS 0, DFSC 0b010001: with FEAT_RAS, the details are valid."""

    ELS = Field(18, values={0: "asynchronous", 1: "synchronous, triggered by the instruction at ELR_ELx"})
    WU = Field(17, 16, WU_VALUES)
    VFV = Field(15, values={0: "FAR_ELx is UNKNOWN", 1: "FAR_ELx is valid"})
    PFV = Field(14, values=PFV_VALUES)
    IESB = Field(
        13, values={0: "not by implicit error synchronization", 1: "taken at an implicit error synchronization"}
    )
    AET = Field(
        12,
        10,
        {
            0: "uncontainable (UC)",
            1: "unrecoverable state (UEU)",
            2: "restartable state (UEO)",
            3: "recoverable state (UER)",
            6: "corrected (CE)",
        },
    )
    EA = Field(9, meaning=EA_MEANING)
    WnRV = Field(7, values={0: "WnR is not valid", 1: "WnR is valid"})
    WnR = Field(6, values=WNR_VALUES)


class SErrorImpdefISS(ISS):
    """EC 0x2F, IDS 1."""

    IDS = Field(24, values={0: "the architecture's syndrome", 1: "IMPLEMENTATION DEFINED syndrome"})
    ISS = Field(23, 0, meaning="IMPLEMENTATION DEFINED")


class BreakpointISS(ISS):
    """EC 0x30, 0x31, 0x3A. Ref: Arm ARM, ISS encoding for an exception from a Breakpoint or Vector Catch."""

    IFSC = Field(5, 0, DEBUG_FSC_VALUES)


class StepISS(ISS):
    """EC 0x32, 0x33. Ref: Arm ARM, ISS encoding for an exception from a Software Step exception."""

    ISV = Field(24, values={0: "EX is not valid", 1: "EX is valid"})
    EX = Field(6, values={0: "not a Load-Exclusive", 1: "a Load-Exclusive was stepped"})
    IFSC = Field(5, 0, DEBUG_FSC_VALUES)


class WatchpointISS(ISS):
    """EC 0x34, 0x35. Ref: Arm ARM, ISS encoding for an exception from a Watchpoint exception."""

    WPT = Field(23, 18, meaning="watchpoint number, if WPTV is 1")
    WPTV = Field(17, values={0: "WPT is not valid", 1: "WPT is valid"})
    WPF = Field(16, values={0: "a watched address was accessed", 1: "might be a false positive"})
    FnP = Field(15, values=FNP_VALUES)
    VNCR = Field(13, values=VNCR_VALUES)
    FnV = Field(10, values=FNV_VALUES)
    CM = Field(8, values=CM_VALUES)
    WnR = Field(6, values=WNR_VALUES)
    DFSC = Field(5, 0, DEBUG_FSC_VALUES)
