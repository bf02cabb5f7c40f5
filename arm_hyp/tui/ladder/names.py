"""Short names of exceptions, at most seven characters, as they stand inside a pulse of the ladder.

Read `arch/iss_classes.py` before this file, `tui/ladder/spans.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from arm_hyp.arch.syndromes import EC
from arm_hyp.timeline.process.answers import ExceptionRow

LONGEST: Final = 7
_WAITS: Final = ("WFI", "WFE", "WFIT", "WFET")
_INTERRUPTS: Final = {"irq": "IRQ", "fiq": "FIQ", "serror": "SError"}
_CLASSES: Final[Mapping[int, str]] = {
    EC.UNKNOWN: "UNDEF",
    EC.CP15_MCR_MRC: "CP15",
    EC.CP15_MCRR_MRRC: "CP15",
    EC.CP14_MCR_MRC: "CP14",
    EC.CP14_LDC_STC: "CP14",
    EC.FP_ACCESS: "FP",
    EC.CP10_VMRS: "VMRS",
    EC.PAUTH: "PAuth",
    EC.LS64: "LS64",
    EC.CP14_MRRC: "CP14",
    EC.BTI: "BTI",
    EC.ILLEGAL_STATE: "ILLEGAL",
    EC.SVC32: "SVC",
    EC.HVC32: "HVC",
    EC.SMC32: "SMC",
    EC.SYSREG128: "MSRR",
    EC.SVC64: "SVC",
    EC.HVC64: "HVC",
    EC.SMC64: "SMC",
    EC.SVE: "SVE",
    EC.ERET: "ERET",
    EC.TSTART: "TSTART",
    EC.PAC_FAIL: "PAC",
    EC.SME: "SME",
    EC.GPC: "GPC",
    EC.IMPDEF_EL3: "IMPDEF",
    EC.INSTRUCTION_ABORT_LOWER: "IABT",
    EC.INSTRUCTION_ABORT_SAME: "IABT",
    EC.PC_ALIGNMENT: "PCALIGN",
    EC.DATA_ABORT_LOWER: "DABT",
    EC.DATA_ABORT_SAME: "DABT",
    EC.SP_ALIGNMENT: "SPALIGN",
    EC.MOPS: "MOPS",
    EC.FP_EXCEPTION32: "FPEXC",
    EC.FP_EXCEPTION64: "FPEXC",
    EC.GCS: "GCS",
    EC.SERROR: "SError",
    EC.BREAKPOINT_LOWER: "BRKPT",
    EC.BREAKPOINT_SAME: "BRKPT",
    EC.STEP_LOWER: "STEP",
    EC.STEP_SAME: "STEP",
    EC.WATCHPOINT_LOWER: "WATCHPT",
    EC.WATCHPOINT_SAME: "WATCHPT",
    EC.BKPT32: "BKPT",
    EC.VECTOR_CATCH32: "VCATCH",
    EC.BRK: "BRK",
    EC.PROFILING: "PROFIL",
}
_OP0: Final = 0b11 << 20
_SYS_OP0: Final = 0b01 << 20
"""ISS.Op0 <21:20> of a system instruction, as TLBI, DC and AT are."""


def _wait(esr: int) -> str:
    return _WAITS[esr & 0b11]


def _system(esr: int) -> str:
    if esr & _OP0 == _SYS_OP0:
        return "SYS"
    return "MRS" if esr & 1 else "MSR"


_BY_ISS: Final[Mapping[int, Callable[[int], str]]] = {EC.WFX: _wait, EC.SYSREG: _system}


def name_of(row: ExceptionRow) -> str:
    """Return the name of an exception: WFI, DABT, vIRQ; nothing for a return."""
    if row.kind != "sync":
        return ("v" if row.virtual else "") + _INTERRUPTS[row.kind] if row.kind else ""
    esr = row.esr or 0
    ec = esr >> 26 & 0x3F
    by_iss = _BY_ISS.get(ec)
    return by_iss(esr) if by_iss is not None else _CLASSES.get(ec, f"EC {ec:#04x}")


def explained_as(row: ExceptionRow) -> str:
    """Return the word that stands for an exception where words are explained."""
    if row.kind != "sync":
        return _INTERRUPTS[row.kind] if row.kind else "ERET"
    return f"EC 0x{(row.esr or 0) >> 26 & 0x3F:02x}"


def short_count(count: int) -> str:
    """Write a count in at most five characters: 999, 1.2k, 52k, 12.3M."""
    for step, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= step:
            return f"{count // step}{unit}" if count >= 100 * step else f"{_floored(count, step):g}{unit}"
    return str(count)


def _floored(count: int, step: int) -> float:
    """Return a count in units of `step`, cut to one place: 1,990 is not yet 2k."""
    return count * 10 // step / 10


def short_time(time_ns: int) -> str:
    """Write a time in at most seven characters: 320 ns, 3.2 ms, 10 s."""
    for step, unit in ((10**9, "s"), (10**6, "ms"), (10**3, "us")):
        if time_ns >= step:
            return f"{_floored(time_ns, step):g} {unit}" if time_ns < 100 * step else f"{time_ns // step} {unit}"
    return f"{time_ns} ns"
