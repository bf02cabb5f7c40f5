"""Why an exception was taken that no trap rule decides: faults of the MMU, single steps, words that nothing allots.

Read `arch/iss_faults.py` and `events.py` before this file, `why.py`, which asks here, after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers.control import SCTLR_EL1
from arm_hyp.arch.registers.hypervisor import HCR_EL2, HPFAR_EL2, MDCR_EL2
from arm_hyp.arch.syndromes import EC, one_line
from arm_hyp.arch.trap_rules.esr import ALIGNMENT_FAULT
from arm_hyp.arch.traps import DataAccess, InstructionFetch, Request, StackAccess
from arm_hyp.events import ExceptionTaken

NamedBit = tuple[str, str, int]
"""Register, field and value of a control bit that a sentence names."""
_EXTERNAL_ABORT: Final = 0x10
_DATA_ABORTS: Final = frozenset({EC.DATA_ABORT_LOWER, EC.DATA_ABORT_SAME})
_PAGE_BITS: Final = 12


class Reason(NamedTuple):
    """A reason: the end of the sentence, and the control bits that it names."""

    text: str
    bits: tuple[NamedBit, ...] = ()


def alignment_requests(event: ExceptionTaken) -> tuple[Request, ...]:
    """Return what to ask the rules about an alignment fault: they decide, but not by the word; () for all others."""
    if event.ec == EC.PC_ALIGNMENT:
        return (InstructionFetch(2),)
    if event.ec == EC.SP_ALIGNMENT:
        return (StackAccess(8),)
    if event.ec not in _DATA_ABORTS or event.esr is None or event.esr & 0x3F != ALIGNMENT_FAULT:
        return ()
    is_write = bool(event.esr & 1 << 6)
    access = DataAccess(1, 2, is_write)
    return (access, DataAccess(1, 2, is_write, is_ordered=True), DataAccess(1, 2, is_write, is_device=True))


def syndrome_text(event: ExceptionTaken) -> str:
    """Return the syndrome of an exception in one line."""
    return "no syndrome" if event.esr is None else one_line(event.esr, event.to_el, sysregs.name_of)


def why_faulted(event: ExceptionTaken) -> Reason:
    """Say why an exception was taken that no trap rule decides."""
    return _BY_CLASS.get(event.ec or 0, _other)(event)


def _abort(event: ExceptionTaken) -> Reason:
    if event.esr is not None and event.esr & 0x3F == _EXTERNAL_ABORT:
        return Reason(f"{syndrome_text(event)}; nothing answers at the physical address behind {_va(event)}")
    if event.hpfar is not None:
        return _stage_2(event, event.hpfar)
    register = f"SCTLR_EL{event.to_el}"
    sctlr = SCTLR_EL1(event.controls.get(register.lower(), 0))
    if not sctlr.M:
        return Reason(f"{syndrome_text(event)}; stage 1 is off, and {_va(event)} is no address that it lets pass")
    text = f"{syndrome_text(event)}; {register}.M is 1, and stage 1 does not allow this access to {_va(event)}"
    return Reason(text, ((register, "M", 1),))


def _stage_2(event: ExceptionTaken, hpfar: int) -> Reason:
    ipa = HPFAR_EL2(hpfar).FIPA << _PAGE_BITS
    field = "VM" if HCR_EL2(event.controls.get("hcr_el2", 0)).VM else "DC"
    text = f"{syndrome_text(event)}; HCR_EL2.{field} is 1, and stage 2 does not allow this access to IPA {ipa:#x}"
    return Reason(text, (("HCR_EL2", field, 1),))


def _va(event: ExceptionTaken) -> str:
    return "an unknown address" if event.far is None else f"VA {event.far:#x}"


def _debug(field: str) -> Callable[[ExceptionTaken], Reason]:
    """Make the reason of a debug exception that a bit of MDSCR_EL1 enables."""

    def reason(event: ExceptionTaken) -> Reason:
        named: tuple[NamedBit, ...] = (("MDSCR_EL1", field, 1),)
        text = f"{syndrome_text(event)}; MDSCR_EL1.{field} is 1"
        if event.to_el == 2 and event.from_el < 2:
            is_tde = MDCR_EL2(event.controls.get("mdcr_el2", 0)).TDE
            register, route = ("MDCR_EL2", "TDE") if is_tde else ("HCR_EL2", "TGE")
            named, text = (*named, (register, route, 1)), f"{text}, and {register}.{route} is 1, so EL2 takes it"
        return Reason(text, named)

    return reason


def _undefined(event: ExceptionTaken) -> Reason:
    return Reason("no instruction of this machine has this encoding, so it is UNDEFINED")


def _breakpoint(event: ExceptionTaken) -> Reason:
    return Reason(f"{syndrome_text(event)}; the instruction itself asks for it")


def _other(event: ExceptionTaken) -> Reason:
    return Reason(f"{syndrome_text(event)}; no trap control decides that")


_BY_CLASS: Final[Mapping[int, Callable[[ExceptionTaken], Reason]]] = {
    EC.UNKNOWN: _undefined,
    EC.INSTRUCTION_ABORT_LOWER: _abort,
    EC.INSTRUCTION_ABORT_SAME: _abort,
    EC.DATA_ABORT_LOWER: _abort,
    EC.DATA_ABORT_SAME: _abort,
    EC.STEP_LOWER: _debug("SS"),
    EC.STEP_SAME: _debug("SS"),
    EC.BREAKPOINT_LOWER: _debug("MDE"),
    EC.BREAKPOINT_SAME: _debug("MDE"),
    EC.WATCHPOINT_LOWER: _debug("MDE"),
    EC.WATCHPOINT_SAME: _debug("MDE"),
    EC.BRK: _breakpoint,
}
