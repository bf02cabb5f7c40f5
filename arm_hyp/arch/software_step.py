"""Software step: how a debugger at a higher level runs one instruction at a time.

Read `arch/control_bits.py` before and `arch/exceptions.py` after this file.

A debugger sets MDSCR_EL1.SS and returns with SPSR_ELx.SS = 1. The target runs one instruction (*active-not-pending*),
which clears PSTATE.SS (*active-pending*), and before the next one the Software Step exception is taken.

Simplified: MDCR_EL3.SDD, SDER and OS Double Lock are not modelled: debug exceptions in Secure state are enabled.
"""

from __future__ import annotations

from enum import IntEnum

from arm_hyp.arch.control_bits import HCR_TGE, MDCR_TDE, MDSCR_KDE, MDSCR_SS, OSLSR_OSLK, SCR_WITHOUT_EL3, el2_enabled
from arm_hyp.arch.pstate import PSTATE_D, PSTATE_SS


class StepState(IntEnum):
    """The states of the Software Step state machine. Ref: Arm ARM D2, "The software step state machine"."""

    INACTIVE = 0
    ACTIVE_NOT_PENDING = 1
    ACTIVE_PENDING = 2


def debug_target(hcr: int, mdcr: int, scr: int = SCR_WITHOUT_EL3) -> int:
    """Return the level that debug exceptions go to: EL2 with HCR_EL2.TGE or MDCR_EL2.TDE. Ref: DebugTargetFrom."""
    return 2 if (hcr & HCR_TGE or mdcr & MDCR_TDE) and el2_enabled(scr) else 1


def debug_exceptions_enabled(
    el: int, pstate: int, mdscr: int, hcr: int, mdcr: int, oslsr: int, scr: int = SCR_WITHOUT_EL3
) -> bool:
    """Tell whether breakpoints, watchpoints and steps are taken at `el`; BRK is always. Only PSTATE.D is looked at.

    From below the target level they are; at the target itself they need MDSCR_EL1.KDE and PSTATE.D clear; above it
    never, nor with the OS Lock. Ref: pseudocode AArch64.GenerateDebugExceptionsFrom.
    """
    if oslsr & OSLSR_OSLK:
        return False
    target = debug_target(hcr, mdcr, scr)
    if el == target:
        return bool(mdscr & MDSCR_KDE) and not pstate & PSTATE_D
    return target > el


def software_step_state(
    el: int, pstate: int, mdscr: int, hcr: int, mdcr: int, oslsr: int, scr: int = SCR_WITHOUT_EL3
) -> StepState:
    """Return the state of the step machine. Pending: take the exception (`Cause.STEP`) before the next instruction.

    Ref: Arm ARM D2, "Software Step exceptions"; pseudocode CheckSoftwareStep.
    """
    if not mdscr & MDSCR_SS or not debug_exceptions_enabled(el, pstate, mdscr, hcr, mdcr, oslsr, scr):
        return StepState.INACTIVE
    return StepState.ACTIVE_NOT_PENDING if pstate & PSTATE_SS else StepState.ACTIVE_PENDING


def software_step_active(
    el: int, pstate: int, mdscr: int, hcr: int, mdcr: int, oslsr: int, scr: int = SCR_WITHOUT_EL3
) -> bool:
    """Tell whether stepping is active, pending or not."""
    return software_step_state(el, pstate, mdscr, hcr, mdcr, oslsr, scr) is not StepState.INACTIVE


def ss_advance(pstate: int) -> int:
    """Return PSTATE after one instruction completed: SS is cleared.

    SVC, HVC and untrapped SMC complete, so SPSR.SS is 0 and the step is taken right after the handler returns; an
    instruction that faults or traps does not, and is stepped again. Ref: pseudocode SSAdvance.
    """
    return pstate & ~PSTATE_SS


def exception_return_ss(
    from_el: int, pstate: int, to_el: int, spsr: int, mdscr: int, hcr: int, mdcr: int, oslsr: int, scr: int
) -> int:
    """Return the SS bit of PSTATE after an exception return, as mask: SPSR.SS if this return begins a step, else 0.

    That is so if MDSCR_EL1.SS is set and debug exceptions are disabled here and enabled at the target. `to_el` is the
    current level if the return is illegal. Ref: pseudocode DebugExceptionReturnSS.
    """
    if not mdscr & MDSCR_SS or debug_exceptions_enabled(from_el, pstate, mdscr, hcr, mdcr, oslsr, scr):
        return 0
    return spsr & PSTATE_SS if debug_exceptions_enabled(to_el, spsr, mdscr, hcr, mdcr, oslsr, scr) else 0
