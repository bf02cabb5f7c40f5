"""Why an instruction traps in a given state, or why it does not: one sentence, then the chain of rules.

Read `asked.py` and `nearest.py` before this file, `cli/explain_trap.py`, which prints it, after it.

    story = explain_trap(with_field(after_reset(el=1), "HCR_EL2", "TWI", 1), 0xD503207F)
    story.sentence, story.steps, story.ways, story.syndrome

Everything in a `TrapStory` is frozen and plain, so that it can be shown, sent or stored as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from arm_hyp.arch import sysregs, traps
from arm_hyp.arch.control_bits import HCR_TGE, MDCR_TDE
from arm_hyp.arch.instructions import InstructionKind, SystemInstruction
from arm_hyp.arch.syndromes import SyndromeTree, decode_esr
from arm_hyp.arch.traps import Bits, Considered, Context, OtherInstruction, Outcome, Request, Verdict
from arm_hyp.explain.asked import instruction_name, request_of
from arm_hyp.explain.nearest import Way, nearest

_CALLS: Final = {
    InstructionKind.SVC: "a system call",
    InstructionKind.HVC: "a call to EL2",
    InstructionKind.SMC: "a call to EL3, where the firmware is",
    InstructionKind.BRK: "a breakpoint",
}
_NOT_CONTROLS: Final = frozenset({"PE", "PSTATE", "SCR_EL3", "ICC_SRE_EL3"})
"""What software below EL3 does not choose: not named as the reason why nothing traps."""
_LEAST_LEVEL: Final = {InstructionKind.SVC: 1, InstructionKind.HVC: 2, InstructionKind.SMC: 3, InstructionKind.BRK: 1}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: the fields it asks for, the value they have, those that it wants, and if it holds.

    Fields joined as in `<E2H,TGE>` have one value, the first most significant; `width_bits` is theirs together.
    """

    register: str
    fields: str
    value: int
    wanted: tuple[int, ...]
    width_bits: int
    holds: bool

    @property
    def name(self) -> str:
        """Return the fields as the manual writes them: HCR_EL2.TWI, HCR_EL2.<E2H,TGE>."""
        fields = f"<{self.fields}>" if "," in self.fields else self.fields
        return f"{self.register}.{fields}"

    def number(self, value: int) -> str:
        """Write a value of these fields: in binary where there are several bits."""
        return str(value) if self.width_bits == 1 else f"0b{value:0{self.width_bits}b}"

    def __str__(self) -> str:
        text = f"{self.name} is {self.number(self.value)}"
        return text if self.holds else f"{text}, not {' or '.join(map(self.number, self.wanted))}"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was asked: its conditions with the values they met, and whether it applied."""

    rule: str
    applies: bool
    text: str
    ref: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """The nearest change: settings (`HCR_EL2.TWI=1`) and what would become of the instruction then."""

    settings: tuple[str, ...]
    outcome: str
    target_el: int | None
    rule: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class TrapStory:
    """The whole answer. `target_el`, `esr` and `syndrome` are given where an exception is taken by a rule."""

    instruction: str
    word: int
    el: int
    sentence: str
    outcome: str
    target_el: int | None
    esr: int | None
    rule: str | None
    is_rerouted: bool
    steps: tuple[Step, ...]
    alternatives: tuple[Alternative, ...]
    syndrome: SyndromeTree | None


def explain_trap(context: Context, word: int, text: str = "") -> TrapStory:
    """Tell what becomes of an instruction word in a state, and why. `text` is how to call it in the sentence."""
    request = request_of(word) or OtherInstruction()
    verdict = traps.decide(request, context)
    name = text or instruction_name(word)
    steps = tuple(map(step_of, verdict.considered))
    ways = nearest(request, context, verdict)
    rule = verdict.rule.id if verdict.rule else None
    return TrapStory(
        name,
        word,
        context.el,
        _sentence(name, request, context, verdict, steps),
        verdict.outcome.value,
        verdict.target_el,
        verdict.esr,
        rule,
        verdict.is_rerouted,
        steps,
        tuple(_alternative(way) for way in ways),
        _syndrome(verdict),
    )


def _syndrome(verdict: Verdict) -> SyndromeTree | None:
    if verdict.esr is None or verdict.target_el is None:
        return None
    return decode_esr(verdict.esr, verdict.target_el, sysregs.name_of)


def step_of(considered: Considered) -> Step:
    """Put a considered rule into plain data."""
    rule = considered.rule
    values = {(register, field): value for register, field, value in considered.bits}
    conditions = tuple(
        _condition(bits, tuple(values[bits.register.removesuffix("_E2H"), name] for name in bits.fields.split(",")))
        for bits in rule.bits
    )
    return Step(rule.id, considered.applies, rule.text, rule.ref, conditions)


@lru_cache(maxsize=4096)
def _condition(bits: Bits, values: tuple[int, ...]) -> Condition:
    joined, width_bits = 0, 0
    for name, value in zip(bits.fields.split(","), values, strict=True):
        width = traps.field_of(bits.register, name).width_bits
        joined, width_bits = joined << width | value, width_bits + width
    register = bits.register.removesuffix("_E2H")
    return Condition(register, bits.fields, joined, bits.values, width_bits, joined in bits.values)


# --- words


def _sentence(name: str, request: Request, context: Context, verdict: Verdict, steps: Sequence[Step]) -> str:
    place = f"{in_sentence(name)} at EL{context.el}"
    if verdict.rule is None:
        return _passes(place, request, context, steps)
    detail = verdict.rule.text.rstrip(".")
    if verdict.outcome is Outcome.NOP:
        return f"{place} does not trap: {detail}."
    rerouted = ", and HCR_EL2.TGE is 1, so what is meant for EL1 goes to EL2" if verdict.is_rerouted else ""
    if verdict.outcome is Outcome.UNDEFINED:
        return f"{place} is UNDEFINED and goes to EL{verdict.target_el}: {detail}{rerouted}."
    own = steps[-1].conditions[-1:]
    because = f" because {own[0]}" if own else ""
    return f"{place} traps to EL{verdict.target_el}{because}: {detail}{rerouted}."


def in_sentence(name: str) -> str:
    """Write an instruction at the head of a sentence: the mnemonic in capitals, and a description's first letter."""
    first, space, rest = name.partition(" ")
    return f"{name[:1].upper()}{name[1:]}" if first in ("an", "the") else f"{first.upper()}{space}{rest}"


def _passes(place: str, request: Request, context: Context, steps: Sequence[Step]) -> str:
    """Name the bits that would have to be different; the regime in which a rule counts is in the chain."""
    if isinstance(request, SystemInstruction) and request.kind in _CALLS:
        level = _call_level(request.kind, context)
        return f"{place} is {_CALLS[request.kind]}: it is taken to EL{level}, and no control bit has to ask for it."
    own = [step.conditions[-1] for step in steps if step.conditions and not step.conditions[-1].holds]
    failing = [str(one) for one in own if one.register not in _NOT_CONTROLS]
    if not failing:
        return f"{place} does not trap: no rule that could trap it applies."
    return f"{place} does not trap: {' and '.join(dict.fromkeys(failing))}."


def _call_level(kind: InstructionKind, context: Context) -> int:
    controls = context.controls
    is_rerouted = context.el == 0 and controls.hcr_el2 & HCR_TGE
    is_debug = kind is InstructionKind.BRK and controls.mdcr_el2 & MDCR_TDE
    least = 2 if (is_rerouted or is_debug) and _LEAST_LEVEL[kind] == 1 else _LEAST_LEVEL[kind]
    return max(least, context.el)


def _alternative(way: Way) -> Alternative:
    verdict = way.verdict
    settings = tuple(f"{change.register}.{change.field}={change.new}" for change in way.changes)
    changes = " and ".join(map(str, way.changes))
    then = f"it would trap to EL{verdict.target_el}" if verdict.outcome is Outcome.TRAP else "it would not trap"
    if verdict.outcome is Outcome.NOP:
        then += ", and have no effect"
    others = _others(way)
    while_ = f", while {others}" if others else ""
    rule = verdict.rule.id if verdict.rule else None
    return Alternative(settings, verdict.outcome.value, verdict.target_el, rule, f"With {changes} {then}{while_}.")


def _others(way: Way) -> str:
    """Name what else must be as it is for the rule that would trap: the conditions that are not changed."""
    if way.verdict.outcome is not Outcome.TRAP or not way.verdict.considered:
        return ""
    changed = {(change.register, change.field) for change in way.changes}
    kept = [
        str(one)
        for one in step_of(way.verdict.considered[-1]).conditions
        if not {(one.register, field) for field in one.fields.split(",")} & changed
    ]
    return " and ".join(kept)
