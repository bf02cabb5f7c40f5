"""The exception model: where a synchronous exception goes, what exception entry changes, what ERET restores.

Read `arch/pstate.py`, `arch/control_bits.py` and `arch/software_step.py` before this file, `arch/interrupts.py` and
`arch/event_register.py` after it. All functions are pure and take plain integers, because the CPU layer calls them at
every exception; register values are effective ones, see `arch/control_bits.py`.

Simplified: AArch64 only at every level, so an AArch32 target is always an illegal return and the vector offsets from
0x600 are never used; no FEAT_NMI (ALLINT), FEAT_RME, FEAT_DoubleFault, FEAT_GCS, no Debug state.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from arm_hyp.arch.control_bits import (
    HCR_E2H,
    HCR_E2H_TGE,
    HCR_NV,
    HCR_NV1,
    HCR_NV2,
    HCR_RW,
    HCR_TEA,
    HCR_TGE,
    MDCR_TDE,
    MDSCR_SS,
    SCR_EA,
    SCR_RW,
    SCR_WITHOUT_EL3,
    SCTLR_DSSBS,
    SCTLR_SPAN,
    TCR_EL2_TBI,
    TCR_EL2_TBID,
    TCR_TBI0,
    TCR_TBID0,
    el2_enabled,
)
from arm_hyp.arch.pstate import (
    PSTATE_IL,
    PSTATE_M,
    PSTATE_PAN,
    PSTATE_SP,
    PSTATE_SS,
    PSTATE_SSBS,
    PSTATE_nRW,
    StateFeatures,
)
from arm_hyp.arch.software_step import exception_return_ss


class Kind(IntEnum):
    """The four kinds of exception, in the order of the vector table: 0x80 bytes each."""

    SYNC = 0
    IRQ = 1
    FIQ = 2
    SERROR = 3


class Cause(IntEnum):
    """What raised a synchronous exception, as far as routing is concerned."""

    SVC = 0
    HVC = 1
    SMC = 2
    UNDEFINED = 3
    STAGE1_ABORT = 4
    STAGE2_ABORT = 5
    """Any MMU fault of stage 2, also during a stage 1 walk (S1PTW)."""
    EXTERNAL_ABORT = 6
    """Synchronous external abort on an access or on a stage 1 walk."""
    STAGE2_WALK_EXTERNAL_ABORT = 7
    PC_ALIGNMENT = 8
    SP_ALIGNMENT = 9
    ILLEGAL_STATE = 10
    FP_ACCESS_EL1 = 11
    """FP, SIMD or SVE access that CPACR_EL1 traps. Sent to EL2 by TGE, it is reported there with EC 0x00."""
    TRAP_EL1 = 12
    """Any other trap that is configured at EL1 (SCTLR_EL1.nTWI, CNTKCTL_EL1, PMUSERENR_EL0, ...)."""
    TRAP_EL2 = 13
    TRAP_EL3 = 14
    BREAKPOINT = 15
    WATCHPOINT = 16
    STEP = 17
    BRK = 18
    BTI = 19
    PAC_FAIL = 20


class Route(NamedTuple):
    """How one cause is routed: to `lowest` at least, higher if a control bit in one of the masks is set.

    `hcr_from_el0`, `hcr` and `mdcr` send it from EL0, from EL0 and EL1, from EL0 and EL1 to EL2; `scr` sends it to EL3.
    """

    lowest: int
    hcr_from_el0: int = 0
    hcr: int = 0
    mdcr: int = 0
    scr: int = 0


_GENERAL: Final = Route(1, hcr_from_el0=HCR_TGE)
_DEBUG: Final = Route(1, hcr=HCR_TGE, mdcr=MDCR_TDE)

ROUTES: Final[dict[Cause, Route]] = {
    Cause.SVC: _GENERAL,
    Cause.HVC: Route(2),
    Cause.SMC: Route(3),
    Cause.UNDEFINED: _GENERAL,
    Cause.STAGE1_ABORT: _GENERAL,
    Cause.STAGE2_ABORT: Route(2),
    Cause.EXTERNAL_ABORT: Route(1, hcr_from_el0=HCR_TGE, hcr=HCR_TEA, scr=SCR_EA),
    Cause.STAGE2_WALK_EXTERNAL_ABORT: Route(2, scr=SCR_EA),
    Cause.PC_ALIGNMENT: _GENERAL,
    Cause.SP_ALIGNMENT: _GENERAL,
    Cause.ILLEGAL_STATE: _GENERAL,
    Cause.FP_ACCESS_EL1: _GENERAL,
    Cause.TRAP_EL1: _GENERAL,
    Cause.TRAP_EL2: Route(2),
    Cause.TRAP_EL3: Route(3),
    Cause.BREAKPOINT: _DEBUG,
    Cause.WATCHPOINT: _DEBUG,
    Cause.STEP: _DEBUG,
    Cause.BRK: _DEBUG,
    Cause.BTI: _GENERAL,
    Cause.PAC_FAIL: _GENERAL,
}
"""A row for every cause. Ref: pseudocode AArch64.CallSupervisor, Undefined, DataAbort, BreakpointException, ..."""

BEFORE_EXECUTION_PRIORITY: Final = (
    Cause.STEP,
    Cause.PC_ALIGNMENT,
    Cause.STAGE1_ABORT,
    Cause.STAGE2_ABORT,
    Cause.EXTERNAL_ABORT,
    Cause.STAGE2_WALK_EXTERNAL_ABORT,
    Cause.BREAKPOINT,
    Cause.ILLEGAL_STATE,
    Cause.BTI,
)
"""What can stop an instruction before it does anything, highest priority first; the aborts are those of its fetch.
Only one abort can come from a fetch: the walk stops at the first. All others of `Cause` come from execution, later.
Ref: Arm ARM D1.3, "Prioritization of Synchronous exceptions taken to AArch64 state"."""


def first_before_execution(pending: Iterable[Cause]) -> Cause | None:
    """Return the cause that is taken among those that hold before an instruction executes, or None."""
    held = frozenset(pending)
    return next((cause for cause in BEFORE_EXECUTION_PRIORITY if cause in held), None)


def route_sync(cause: Cause, from_el: int, hcr: int, scr: int = SCR_WITHOUT_EL3, mdcr: int = 0) -> int:
    """Return the exception level that a synchronous exception is taken to; never a lower one than `from_el`.

    Whether the instruction raises `cause` at all (HVC at EL0 is UNDEFINED, SMC with HCR_EL2.TSC is `TRAP_EL2`) is
    decided before, by `arch/traps.py`. An SMC goes to EL3, where this machine's firmware answers.
    Ref: Arm ARM D1.3 (synchronous exceptions); the pseudocode functions named at `ROUTES`.
    """
    lowest, hcr_from_el0, hcr_mask, mdcr_mask, scr_mask = ROUTES[cause]
    if scr & scr_mask:
        return 3
    if lowest == 1 and from_el < 2:
        mask = hcr_mask | hcr_from_el0 if from_el == 0 else hcr_mask
        return 2 if (hcr & mask or mdcr & mdcr_mask) and el2_enabled(scr) else 1
    return max(lowest, from_el)


class Entry(NamedTuple):
    """What exception entry makes: `vector_offset` is added to VBAR_ELx; `pstate` has the layout of SPSR_ELx."""

    target_el: int
    vector_offset: int
    spsr: int
    pstate: int


def enter(kind: Kind, target_el: int, pstate: int, sctlr_target: int, features: StateFeatures, hcr: int = 0) -> Entry:
    """Take an exception from the level in `pstate` to `target_el`, whose SCTLR_ELx is `sctlr_target`.

    SPSR gets the old PSTATE whole (so BTYPE, IL and SS can be resumed). In the new one DAIF is set, SP is SP_ELx, IL,
    SS, BTYPE and UAO are 0, TCO is 1, SSBS is SCTLR_ELx.DSSBS; PAN is set where SCTLR_ELx.SPAN is 0, at EL1, and at EL2
    with HCR_EL2.{E2H, TGE} = {1, 1}; NZCV, DIT and otherwise PAN stay.
    For an instruction that completes and then raises an exception (SVC, HVC, SMC) pass
    `software_step.ss_advance(pstate)`, for one that does not complete PSTATE as it is.
    Raises: ValueError if `target_el` is EL0 or below the current level.
    Ref: pseudocode AArch64.TakeException, GetPSRFromPSTATE.
    Simplified: SPSR.BTYPE is kept for every kind, where the architecture lets some zero it.
    """
    from_el = pstate >> 2 & 3
    offset = kind << 7
    if target_el > from_el:
        offset += 0x400
    elif target_el < from_el or target_el == 0:
        raise ValueError(f"an exception is never taken from EL{from_el} to EL{target_el}")
    elif pstate & PSTATE_SP:
        offset += 0x200
    new = pstate & features.kept_on_entry | features.set_on_entry | target_el << 2 | PSTATE_SP
    if features.has_pan and not sctlr_target & SCTLR_SPAN and _sets_pan(target_el, hcr):
        new |= PSTATE_PAN
    if features.has_ssbs and sctlr_target & SCTLR_DSSBS:
        new |= PSTATE_SSBS
    spsr = pstate & features.implemented
    if hcr & HCR_NV and target_el == from_el == 1:
        spsr = _nested_spsr(spsr, hcr)
    return Entry(target_el, offset, spsr, new)


def _sets_pan(target_el: int, hcr: int) -> bool:
    return target_el == 1 or (target_el == 2 and hcr & HCR_E2H_TGE == HCR_E2H_TGE)


def _nested_spsr(spsr: int, hcr: int) -> int:
    """Let a guest hypervisor at EL1 believe that the exception came from EL2. Ref: Arm ARM D8 I_DBTLM; HCR_EL2.NV1."""
    pretends_el2 = hcr & HCR_NV2 or not hcr & HCR_NV1
    return spsr & ~0xC | 0x8 if pretends_el2 else spsr


class Return(NamedTuple):
    """What ERET makes. `illegal`: None, or in words why the return is illegal; then PSTATE.IL is set.

    `pc` is ELR_ELx as it is: `branch_address` then removes a tag, and bits <1:0> that are set raise a PC alignment
    fault at the target. An ERET, legal or not, also clears the local exclusive monitor and sets the Event Register.
    """

    pstate: int
    pc: int
    illegal: str | None


def exception_return(
    el: int,
    pstate: int,
    spsr: int,
    elr: int,
    hcr: int,
    scr: int,
    features: StateFeatures,
    mdscr: int = 0,
    mdcr: int = 0,
    oslsr: int = 0,
) -> Return:
    """Return from exception level `el` with SPSR_ELx and ELR_ELx.

    An illegal return sets PSTATE.IL, keeps EL and SP, and takes NZCV, DAIF and PAN from SPSR; the PC still becomes ELR.
    Ref: pseudocode AArch64.ExceptionReturn, SetPSTATEFromPSR; Arm ARM D1.3 (illegal return events).
    Simplified: after an illegal return SSBS, BTYPE, UAO, DIT and TCO, then UNKNOWN, keep their values, and so does the
    PC, of which parts are UNKNOWN if SPSR.M[4] is 1.
    """
    illegal = illegal_return(el, spsr, hcr, scr, features)
    if illegal is None:
        new = spsr & features.restored
    else:
        mask = features.restored_if_illegal
        new = pstate & ~(mask | PSTATE_SS) | spsr & mask | PSTATE_IL
    if mdscr & MDSCR_SS and spsr & PSTATE_SS:
        to_el = el if illegal else spsr >> 2 & 3
        new |= exception_return_ss(el, pstate, to_el, spsr, mdscr, hcr, mdcr, oslsr, scr)
    return Return(new, elr, illegal)


def illegal_return(el: int, spsr: int, hcr: int, scr: int, features: StateFeatures) -> str | None:
    """Say why a return from `el` with this SPSR_ELx is illegal, or return None. Where several hold, name the first.

    Ref: pseudocode ELFromSPSR, IllegalExceptionReturn.
    """
    target = spsr >> 2 & 3
    if spsr & (PSTATE_nRW | 2) or target not in features.exception_levels or spsr & PSTATE_M == PSTATE_SP:
        return _illegal_mode(el, spsr, features)
    with_el2 = el2_enabled(scr)
    if target == 2 and not with_el2:
        return "EL2 is not enabled in Secure state: SCR_EL3.{NS, EEL2} = {0, 0}"
    if target > el:
        return f"EL{target} is above the current EL{el}; a return never raises the level"
    if target < 3 and not scr & SCR_RW:
        return f"SCR_EL3.RW is 0: EL{target} is AArch32, but SPSR_EL{el}.M[4] asks for AArch64"
    if target < 2 and with_el2 and 2 in features.exception_levels:
        return _illegal_below_el2(target, el, hcr)
    return None


def _illegal_mode(el: int, spsr: int, features: StateFeatures) -> str:
    target = spsr >> 2 & 3
    if spsr & PSTATE_nRW:
        return f"SPSR_EL{el}.M[4] is 1: an AArch32 target, and this machine is AArch64 only"
    if target not in features.exception_levels:
        return f"EL{target} is not implemented"
    if spsr & 2:
        return f"SPSR_EL{el}.M[1] is 1, which names no AArch64 mode"
    return f"SPSR_EL{el}.M[3:0] asks for EL0 with SP_ELx; EL0 has SP_EL0 only"


def _illegal_below_el2(target: int, el: int, hcr: int) -> str | None:
    if not hcr & HCR_RW and hcr & HCR_E2H_TGE != HCR_E2H_TGE:
        return f"HCR_EL2.RW is 0: EL{target} is AArch32, but SPSR_EL{el}.M[4] asks for AArch64"
    if target == 1 and hcr & HCR_TGE:
        return "HCR_EL2.TGE is 1: there is no EL1 to return to"
    return None


def branch_address(pc: int, el: int, tcr: int, hcr: int, features: StateFeatures) -> int:
    """Return the PC that a branch or return to `pc` at `el` really makes: without the tag byte where TBI is on.

    `tcr` is TCR_ELx of `control_bits.s1_translation_regime`. TBI1 applies to addresses with bit 55 set; TBID keeps the
    top byte of instruction addresses, with FEAT_PAuth. Ref: pseudocode AArch64.BranchAddr, AddrTop.
    """
    two_ranges = el < 2 or (el == 2 and bool(hcr & HCR_E2H))
    upper = two_ranges and pc >> 55 & 1
    tbi, tbid = (TCR_TBI0 + upper, TCR_TBID0 + upper) if two_ranges else (TCR_EL2_TBI, TCR_EL2_TBID)
    if not tcr >> tbi & 1 or (features.has_pauth and tcr >> tbid & 1):
        return pc
    return pc | 0xFF << 56 if upper else pc & (1 << 56) - 1
