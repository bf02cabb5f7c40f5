"""The 64 exception classes of ESR_ELx.EC: one row for each value, defined or reserved.

Read `arch/bitfields.py` before this file, `arch/iss_faults.py` after it. Import these names from `arch/syndromes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class EC(IntEnum):
    """Exception class, ESR_ELx.EC `<31:26>`. Ref: Arm ARM, ESR_EL1, ESR_EL2, ESR_EL3; AArch64.ExceptionClass."""

    UNKNOWN = 0x00
    WFX = 0x01
    CP15_MCR_MRC = 0x03
    CP15_MCRR_MRRC = 0x04
    CP14_MCR_MRC = 0x05
    CP14_LDC_STC = 0x06
    FP_ACCESS = 0x07
    CP10_VMRS = 0x08
    PAUTH = 0x09
    LS64 = 0x0A
    CP14_MRRC = 0x0C
    BTI = 0x0D
    ILLEGAL_STATE = 0x0E
    SVC32 = 0x11
    HVC32 = 0x12
    SMC32 = 0x13
    SYSREG128 = 0x14
    SVC64 = 0x15
    HVC64 = 0x16
    SMC64 = 0x17
    SYSREG = 0x18
    SVE = 0x19
    ERET = 0x1A
    TSTART = 0x1B
    PAC_FAIL = 0x1C
    SME = 0x1D
    GPC = 0x1E
    IMPDEF_EL3 = 0x1F
    INSTRUCTION_ABORT_LOWER = 0x20
    INSTRUCTION_ABORT_SAME = 0x21
    PC_ALIGNMENT = 0x22
    DATA_ABORT_LOWER = 0x24
    DATA_ABORT_SAME = 0x25
    SP_ALIGNMENT = 0x26
    MOPS = 0x27
    FP_EXCEPTION32 = 0x28
    FP_EXCEPTION64 = 0x2C
    GCS = 0x2D
    SERROR = 0x2F
    BREAKPOINT_LOWER = 0x30
    BREAKPOINT_SAME = 0x31
    STEP_LOWER = 0x32
    STEP_SAME = 0x33
    WATCHPOINT_LOWER = 0x34
    WATCHPOINT_SAME = 0x35
    BKPT32 = 0x38
    VECTOR_CATCH32 = 0x3A
    BRK = 0x3C
    PROFILING = 0x3D


@dataclass(frozen=True)
class ExceptionClass:
    """One row of the table: `value` of EC, a short `name`, Arm's `description`, the lowest EL it is taken to."""

    value: int
    name: str
    description: str
    lowest_target_el: int = 1
    defined: bool = True


_DEFINED = (
    ExceptionClass(EC.UNKNOWN, "unknown", "unknown reason, for example an UNDEFINED instruction"),
    ExceptionClass(EC.WFX, "WFx", "trapped WFI, WFE, WFIT or WFET instruction"),
    ExceptionClass(EC.CP15_MCR_MRC, "CP15 MCR/MRC", "trapped MCR or MRC access, coproc 0b1111, from AArch32"),
    ExceptionClass(EC.CP15_MCRR_MRRC, "CP15 MCRR/MRRC", "trapped MCRR or MRRC access, coproc 0b1111, from AArch32"),
    ExceptionClass(EC.CP14_MCR_MRC, "CP14 MCR/MRC", "trapped MCR or MRC access, coproc 0b1110, from AArch32"),
    ExceptionClass(EC.CP14_LDC_STC, "CP14 LDC/STC", "trapped LDC or STC access, coproc 0b1110, from AArch32"),
    ExceptionClass(EC.FP_ACCESS, "FP access", "trapped access to SVE, Advanced SIMD or floating-point functionality"),
    ExceptionClass(EC.CP10_VMRS, "CP10 VMRS", "trapped VMRS access from an ID group trap, from AArch32", 2),
    ExceptionClass(EC.PAUTH, "PAuth", "trapped pointer authentication instruction (HCR_EL2.API, SCR_EL3.API)", 2),
    ExceptionClass(EC.LS64, "LS64", "trapped LD64B, ST64B, ST64BV or ST64BV0, or an instruction without a class"),
    ExceptionClass(EC.CP14_MRRC, "CP14 MRRC", "trapped MRRC access, coproc 0b1110, from AArch32"),
    ExceptionClass(EC.BTI, "BTI", "Branch Target Exception"),
    ExceptionClass(EC.ILLEGAL_STATE, "illegal execution state", "Illegal Execution state"),
    ExceptionClass(EC.SVC32, "SVC32", "SVC instruction execution in AArch32 state"),
    ExceptionClass(EC.HVC32, "HVC32", "HVC instruction execution in AArch32 state", 2),
    ExceptionClass(EC.SMC32, "SMC32", "SMC instruction execution in AArch32 state", 2),
    ExceptionClass(EC.SYSREG128, "MSRR/MRRS", "trapped MSRR, MRRS or 128-bit System instruction execution"),
    ExceptionClass(EC.SVC64, "SVC", "SVC instruction execution in AArch64 state"),
    ExceptionClass(EC.HVC64, "HVC", "HVC instruction execution in AArch64 state", 2),
    ExceptionClass(EC.SMC64, "SMC", "SMC instruction execution in AArch64 state", 2),
    ExceptionClass(EC.SYSREG, "MSR/MRS", "trapped MSR, MRS or System instruction execution in AArch64 state"),
    ExceptionClass(EC.SVE, "SVE access", "trapped access to SVE functionality"),
    ExceptionClass(EC.ERET, "ERET", "trapped ERET, ERETAA or ERETAB instruction", 2),
    ExceptionClass(EC.TSTART, "TSTART", "exception from a TSTART instruction at EL0"),
    ExceptionClass(EC.PAC_FAIL, "PAC fail", "pointer authentication failure"),
    ExceptionClass(EC.SME, "SME", "trapped access to SME functionality"),
    ExceptionClass(EC.GPC, "GPC", "Granule Protection Check exception", 3),
    ExceptionClass(EC.IMPDEF_EL3, "IMPDEF", "IMPLEMENTATION DEFINED exception to EL3", 3),
    ExceptionClass(EC.INSTRUCTION_ABORT_LOWER, "instruction abort", "Instruction Abort from a lower Exception level"),
    ExceptionClass(
        EC.INSTRUCTION_ABORT_SAME, "instruction abort", "Instruction Abort without a change in Exception level"
    ),
    ExceptionClass(EC.PC_ALIGNMENT, "PC alignment", "PC alignment fault exception"),
    ExceptionClass(EC.DATA_ABORT_LOWER, "data abort", "Data Abort from a lower Exception level"),
    ExceptionClass(EC.DATA_ABORT_SAME, "data abort", "Data Abort without a change in Exception level"),
    ExceptionClass(EC.SP_ALIGNMENT, "SP alignment", "SP alignment fault exception"),
    ExceptionClass(EC.MOPS, "MOPS", "Memory Operation Exception, from a Memory Copy and Set instruction"),
    ExceptionClass(EC.FP_EXCEPTION32, "FP exception", "trapped floating-point exception from AArch32 state"),
    ExceptionClass(EC.FP_EXCEPTION64, "FP exception", "trapped floating-point exception from AArch64 state"),
    ExceptionClass(EC.GCS, "GCS", "Guarded Control Stack exception"),
    ExceptionClass(EC.SERROR, "SError", "SError exception"),
    ExceptionClass(EC.BREAKPOINT_LOWER, "breakpoint", "Breakpoint exception from a lower Exception level"),
    ExceptionClass(EC.BREAKPOINT_SAME, "breakpoint", "Breakpoint exception without a change in Exception level"),
    ExceptionClass(EC.STEP_LOWER, "software step", "Software Step exception from a lower Exception level"),
    ExceptionClass(EC.STEP_SAME, "software step", "Software Step exception without a change in Exception level"),
    ExceptionClass(EC.WATCHPOINT_LOWER, "watchpoint", "Watchpoint exception from a lower Exception level"),
    ExceptionClass(EC.WATCHPOINT_SAME, "watchpoint", "Watchpoint exception without a change in Exception level"),
    ExceptionClass(EC.BKPT32, "BKPT", "BKPT instruction execution in AArch32 state"),
    ExceptionClass(EC.VECTOR_CATCH32, "vector catch", "Vector Catch exception from AArch32 state", 2),
    ExceptionClass(EC.BRK, "BRK", "BRK instruction execution in AArch64 state"),
    ExceptionClass(EC.PROFILING, "profiling", "Profiling exception: PMU, Statistical Profiling or Trace Buffer", 1),
)


def _total_table() -> tuple[ExceptionClass, ...]:
    defined = {row.value: row for row in _DEFINED}
    reserved = {ec: ExceptionClass(ec, f"reserved class {ec:#04x}", "reserved", defined=False) for ec in range(64)}
    return tuple({**reserved, **defined}[ec] for ec in range(64))


EXCEPTION_CLASSES = _total_table()


def ec_name(ec: int) -> str:
    """Return the short name of an exception class, e.g. "WFx". Raises: ValueError if `ec` is not 6 bits."""
    return _row(ec).name


def ec_description(ec: int, el: int = 1) -> str:
    """Return Arm's description of a class; says so when the class cannot be taken to `el`. Raises: ValueError."""
    row = _row(ec)
    if el < row.lowest_target_el:
        return f"{row.description} (never taken to EL{el})"
    return row.description


def _row(ec: int) -> ExceptionClass:
    if not 0 <= ec < 64:
        raise ValueError(f"{ec:#x} does not fit in the 6 bits of EC")
    return EXCEPTION_CLASSES[ec]
