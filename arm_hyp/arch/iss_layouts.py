"""Which ISS layout belongs to which exception class: one total table by EC, and the choice inside a class.

Read `arch/iss_traps.py` and `arch/iss_aborts.py` before this file, `arch/iss_encode.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable

from arm_hyp.arch import iss_aborts as aborts
from arm_hyp.arch import iss_traps as traps
from arm_hyp.arch.bitfields import Register
from arm_hyp.arch.iss_classes import EC, EXCEPTION_CLASSES
from arm_hyp.arch.iss_faults import FAULT_STATUS, FaultKind

Layout = type[Register]
Choice = tuple[tuple[Layout, ...], Callable[[int], int]]

_TRANSLATION, _EXTERNAL, _WALK, _OTHER = range(4)
_GROUP_OF_KIND = {
    FaultKind.TRANSLATION: _TRANSLATION,
    FaultKind.ACCESS_FLAG: _TRANSLATION,
    FaultKind.PERMISSION: _TRANSLATION,
    FaultKind.EXTERNAL: _EXTERNAL,
    FaultKind.EXTERNAL_ON_WALK: _WALK,
}
_GROUP_OF_FSC = tuple(_GROUP_OF_KIND.get(row.kind, _OTHER) for row in FAULT_STATUS)


def _instruction_abort(iss: int) -> int:
    return _GROUP_OF_FSC[iss & 0x3F]


def _data_abort(iss: int) -> int:
    return (iss >> 24 & 1) * 4 + _GROUP_OF_FSC[iss & 0x3F]


def _serror(iss: int) -> int:
    if iss >> 24 & 1:
        return 2
    return 1 if iss & 0x3F == 0b010001 else 0


def _gcs(iss: int) -> int:
    return {0: 0, 2: 1}.get(iss >> 20 & 0xF, 2)


def _only(layout: Layout) -> Choice:
    return (layout,), lambda iss: 0


_INSTRUCTION_ABORT: Choice = (
    (
        aborts.InstructionAbortTranslationISS,
        aborts.InstructionAbortExternalISS,
        aborts.InstructionAbortWalkISS,
        aborts.InstructionAbortISS,
    ),
    _instruction_abort,
)
_DATA_ABORT: Choice = (
    (
        aborts.DataAbortPlainTranslationISS,
        aborts.DataAbortPlainExternalISS,
        aborts.DataAbortPlainWalkISS,
        aborts.DataAbortPlainISS,
        aborts.DataAbortSyndromeTranslationISS,
        aborts.DataAbortSyndromeExternalISS,
        aborts.DataAbortSyndromeWalkISS,
        aborts.DataAbortSyndromeISS,
    ),
    _data_abort,
)
_SERROR: Choice = ((aborts.SErrorISS, aborts.SErrorDetailISS, aborts.SErrorImpdefISS), _serror)
_GCS: Choice = ((traps.GCSDataCheckISS, traps.GCSStoreISS, traps.GCSISS), _gcs)
_RESERVED = _only(traps.ReservedISS)

_DEFINED: dict[int, Choice] = {
    EC.UNKNOWN: _only(traps.EmptyISS),
    EC.WFX: _only(traps.WFxISS),
    EC.CP15_MCR_MRC: _only(traps.MCRISS),
    EC.CP15_MCRR_MRRC: _only(traps.MCRRISS),
    EC.CP14_MCR_MRC: _only(traps.MCRISS),
    EC.CP14_LDC_STC: _only(traps.LDCISS),
    EC.FP_ACCESS: _only(traps.FPAccessISS),
    EC.CP10_VMRS: _only(traps.MCRISS),
    EC.PAUTH: _only(traps.EmptyISS),
    EC.LS64: _only(traps.LS64ISS),
    EC.CP14_MRRC: _only(traps.MCRRISS),
    EC.BTI: _only(traps.BTIISS),
    EC.ILLEGAL_STATE: _only(traps.EmptyISS),
    EC.SVC32: _only(traps.ImmediateISS),
    EC.HVC32: _only(traps.ImmediateISS),
    EC.SMC32: _only(traps.SMC32ISS),
    EC.SYSREG128: _only(traps.Sysreg128ISS),
    EC.SVC64: _only(traps.ImmediateISS),
    EC.HVC64: _only(traps.ImmediateISS),
    EC.SMC64: _only(traps.ImmediateISS),
    EC.SYSREG: _only(traps.SysregISS),
    EC.SVE: _only(traps.EmptyISS),
    EC.ERET: _only(traps.ERETISS),
    EC.TSTART: _only(traps.TSTARTISS),
    EC.PAC_FAIL: _only(traps.PACFailISS),
    EC.SME: _only(traps.SMEISS),
    EC.GPC: _only(aborts.GPCISS),
    EC.IMPDEF_EL3: _only(traps.ImpdefISS),
    EC.INSTRUCTION_ABORT_LOWER: _INSTRUCTION_ABORT,
    EC.INSTRUCTION_ABORT_SAME: _INSTRUCTION_ABORT,
    EC.PC_ALIGNMENT: _only(traps.EmptyISS),
    EC.DATA_ABORT_LOWER: _DATA_ABORT,
    EC.DATA_ABORT_SAME: _DATA_ABORT,
    EC.SP_ALIGNMENT: _only(traps.EmptyISS),
    EC.MOPS: _only(traps.MOPSISS),
    EC.FP_EXCEPTION32: _only(traps.FPExceptionISS),
    EC.FP_EXCEPTION64: _only(traps.FPExceptionISS),
    EC.GCS: _GCS,
    EC.SERROR: _SERROR,
    EC.BREAKPOINT_LOWER: _only(aborts.BreakpointISS),
    EC.BREAKPOINT_SAME: _only(aborts.BreakpointISS),
    EC.STEP_LOWER: _only(aborts.StepISS),
    EC.STEP_SAME: _only(aborts.StepISS),
    EC.WATCHPOINT_LOWER: _only(aborts.WatchpointISS),
    EC.WATCHPOINT_SAME: _only(aborts.WatchpointISS),
    EC.BKPT32: _only(traps.CommentISS),
    EC.VECTOR_CATCH32: _only(aborts.BreakpointISS),
    EC.BRK: _only(traps.CommentISS),
    EC.PROFILING: _only(traps.ProfilingISS),
}
LAYOUTS: tuple[Choice, ...] = tuple(_DEFINED[row.value] if row.defined else _RESERVED for row in EXCEPTION_CLASSES)

_ISS2: dict[int, Layout] = {
    EC.INSTRUCTION_ABORT_LOWER: aborts.InstructionAbortISS2,
    EC.INSTRUCTION_ABORT_SAME: aborts.InstructionAbortISS2,
    EC.DATA_ABORT_LOWER: aborts.DataAbortISS2,
    EC.DATA_ABORT_SAME: aborts.DataAbortISS2,
}


def layouts_of(ec: int) -> tuple[Layout, ...]:
    """Return every ISS layout that class `ec` can have."""
    return LAYOUTS[ec][0]


def layout_for(ec: int, iss: int) -> Layout:
    """Return the layout of this very ISS of class `ec`."""
    layouts, choose = LAYOUTS[ec]
    return layouts[choose(iss)]


def iss2_layout_for(ec: int) -> Layout | None:
    """Return the layout of ISS2 for class `ec`, or None where all of ISS2 is RES0."""
    return _ISS2.get(ec)
