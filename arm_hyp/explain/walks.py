"""A walk in words: one sentence first, then every step as the manual has it, as a tree of frozen nodes.

Read `explain/walk_words.py`, `walk_reasons.py` and `walk_steps.py` before this file, `walk_rendering.py` after it. All
functions are pure: a walk in, words out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from arm_hyp.arch.exceptions import Cause, route_sync
from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.syndromes import EC, encode_abort
from arm_hyp.arch.translation import (
    Access,
    Fault,
    Regime,
    Translated,
    TranslationRegisters,
    Walk,
    fault_status,
    hpfar_el2,
)
from arm_hyp.explain.walk_reasons import Failed, failed, is_about_descriptor, reason
from arm_hyp.explain.walk_steps import nodes_of
from arm_hyp.explain.walk_words import Node, Question, memory_text, permissions_text, verb


class FaultRegisters(NamedTuple):
    """What software finds after the exception. `hpfar` is None where it is UNKNOWN, or not written: not `is_stage2`.

    Simplified: ESR_ELx has ISV 0; for a fault of stage 2 on the access itself the instruction may set it.
    """

    target_el: int
    esr: int
    far: int
    hpfar: int | None
    is_stage2: bool

    def __str__(self) -> str:
        el, hpfar = self.target_el, "UNKNOWN" if self.hpfar is None else f"{self.hpfar:#x}"
        return f"ESR_EL{el} {self.esr:#x}, FAR_EL{el} {self.far:#x}" + f", HPFAR_EL2 {hpfar}" * self.is_stage2


@dataclass(frozen=True, slots=True)
class WalkStory:
    """A walk in words. `pa` is None, and `registers` is not, if it ended in a fault."""

    sentence: str
    va: int
    el: int
    verb: str
    pa: int | None
    registers: FaultRegisters | None
    nodes: tuple[Node, ...]


def explain_walk(walk: Walk, access: Access, el: int, registers: TranslationRegisters) -> WalkStory:
    """Tell a walk that `arch.translation.walk` gave for these arguments."""
    asked = Question(walk, access._replace(is_privileged=access.is_privileged and el > 0), el, registers)
    result = walk.result
    taken = fault_registers(asked) if isinstance(result, Fault) else None
    return WalkStory(
        sentence=_sentence(asked, taken),
        va=walk.input_address,
        el=el,
        verb=verb(access),
        pa=result.pa if isinstance(result, Translated) else None,
        registers=taken,
        nodes=nodes_of(asked),
    )


# --- the sentence -----------------------------------------------------------------------------------------------------


def _sentence(asked: Question, taken: FaultRegisters | None) -> str:
    result, place = asked.walk.result, f"VA {asked.walk.input_address:#x} at EL{asked.el}"
    if isinstance(result, Translated):
        allowed = permissions_text(result.permissions, asked.privileged_el, asked.regime is not Regime.EL2)
        return f"{place} {verb(asked.access)} PA {result.pa:#x}: {memory_text(result.attributes)}; {allowed}."
    return f"{place} cannot be {_PARTICIPLES[verb(asked.access)]}: {fault_text(asked)}; {taken}."


_PARTICIPLES: Final = {"reads": "read", "writes": "written", "fetches from": "fetched from"}


def fault_text(asked: Question) -> str:
    """Return kind, level and stage of a fault, where it was found and why, without a full stop."""
    case = failed(asked.walk, asked.access)
    assert case is not None
    fault = case.fault
    found = f"{fault.kind.value} at level {fault.level} of stage {fault.stage}{_on_walk(asked.walk, fault)}"
    return f"{found}: {_descriptor(case)}: {reason(case)}" if case.walk.steps else f"{found}: {reason(case)}"


def _on_walk(walk: Walk, fault: Fault) -> str:
    if not fault.is_s1ptw:
        return ""
    return f" on stage 1's own walk (S1PTW: its level {walk.steps[-1].level} descriptor is at IPA {fault.ipa:#x})"


def _descriptor(case: Failed) -> str:
    step = case.last
    value = f" {step.descriptor:#x}" if is_about_descriptor(case) else ""
    space = "PA" if step.stage2 is None else "IPA"
    where = f"{space} {step.descriptor_address:#x} (table {step.table_address:#x}, index {step.table_index})"
    return f"the level {step.level} descriptor{value} at {where}"


# --- the exception ----------------------------------------------------------------------------------------------------

_CLASSES: Final = {
    (False, False): EC.DATA_ABORT_LOWER,
    (False, True): EC.DATA_ABORT_SAME,
    (True, False): EC.INSTRUCTION_ABORT_LOWER,
    (True, True): EC.INSTRUCTION_ABORT_SAME,
}


def fault_registers(asked: Question) -> FaultRegisters:
    """Return what the exception of a failed walk leaves in the registers of the level that takes it.

    Ref: AArch64.Abort, AArch64.FaultSyndrome, IPAValid.
    """
    fault, access = asked.walk.result, asked.access
    assert isinstance(fault, Fault)
    target_el = route_sync(_cause(fault), asked.el, asked.registers.hcr_el2)
    ec = _CLASSES[access.is_fetch, target_el == asked.el]
    esr = encode_abort(ec, fault_status(fault), wnr=int(access.is_write), s1ptw=int(fault.is_s1ptw))
    return FaultRegisters(target_el, esr, asked.walk.input_address, hpfar_el2(fault), fault.stage == 2)


def _cause(fault: Fault) -> Cause:
    if fault.kind is FaultKind.EXTERNAL_ON_WALK:
        return Cause.EXTERNAL_ABORT if fault.stage == 1 else Cause.STAGE2_WALK_EXTERNAL_ABORT
    return Cause.STAGE1_ABORT if fault.stage == 1 else Cause.STAGE2_ABORT
