"""The other way round: what a control bit catches, and which rules can ever touch an instruction.

Read `examples.py` before this file, `cli/explain_rules.py`, which prints it, after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from functools import lru_cache
from typing import Final

from arm_hyp.arch import id_policy, sysregs, traps
from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.instructions import decode_system
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.syndromes import ec_name
from arm_hyp.arch.trap_rules import PE, Fact
from arm_hyp.arch.traps import RULES, Context, Controls, FineGrained, OtherInstruction, Outcome, Rule
from arm_hyp.errors import UserError
from arm_hyp.explain.asked import instruction_name, layout_name, request_of
from arm_hyp.explain.examples import EXAMPLES, Example, example_of
from arm_hyp.explain.verdicts import in_sentence

_ASKED_FOR: Final = {name.upper() for name in (*Controls._fields, *FineGrained._fields)} | {"PSTATE", "PE"}
_OTHER_NAMES: Final = ("ERETAA", "ERETAB", "DAIFClr (immediate)")
_SUBJECTS: Final = (*EXAMPLES, *_OTHER_NAMES)
_SPELLED: Final = ("hvc", "smc", "svc")  # said letter by letter, so that they take "an"
_OF_FACTS: Final = {fact: (fact.value,) for fact in Fact} | {
    Fact.ANY: ("every instruction",),
    Fact.FOR_EL2: tuple(row.name for row in sysregs.TABLE if row.min_el == 2),
}
"""What rules about everything are about."""


@dataclass(frozen=True, slots=True)
class Caught:
    """One rule with this bit: what it catches from where, the exception class, and what else it asks for.

    `conditions` are the other conditions of the rule; `feature` is the one it comes with.
    """

    rule: str
    text: str
    ref: str
    names: tuple[str, ...]
    access: str
    levels: tuple[int, ...]
    outcome: str
    target_el: int
    ec: int | None
    ec_name: str
    conditions: tuple[str, ...]
    feature: str


@dataclass(frozen=True, slots=True)
class BitStory:
    """All about one control bit. `missing` says why this machine does not have it, if so."""

    register: str
    field: str
    msb: int
    lsb: int
    meaning: str
    sentence: str
    caught: tuple[Caught, ...]
    example: Example | None
    missing: str


@dataclass(frozen=True, slots=True)
class InstructionStory:
    """What an instruction is, and the rules that can touch it at each level, in the order in which they are asked."""

    instruction: str
    word: int
    sentence: str
    missing: str
    rules: dict[int, tuple[Caught, ...]]


def find_bit(text: str) -> tuple[str, Field]:
    """Return the layout and field that `REG.FIELD` names. Raises: UserError with near names."""
    register, _, name = text.partition(".")
    layout, found = find_layout(register.upper(), text, name)
    return layout, traps.field_of(layout, found)


def find_layout(register: str, thing: str, field: str | None = None, context: Context | None = None) -> tuple[str, str]:
    """Return the layout of a register and the name of a field of it, in any case; `context` says which layout counts.

    Without a field: the register alone is checked. Raises: UserError about `thing`, with near names.
    """
    if register not in _ASKED_FOR:
        near = get_close_matches(register, sorted(_ASKED_FOR), n=3)
        raise UserError(thing, f"no trap rule asks for a register {register or '?'}", _near(near, sorted(_ASKED_FOR)))
    first = register if context is None else layout_name(register, context)
    layouts = [first, *(each for each in (register, f"{register}_E2H") if each in REGISTERS and each != first)]
    fields = {each.name: layout for layout in reversed(layouts) for each in _fields(layout)}
    if field is None:
        return first, ""
    found = next((name for name in fields if name.upper() == field.upper()), None)
    if found is None:
        near = get_close_matches(field, list(fields), n=3)
        raise UserError(thing, f"{register} has no field {field or '?'}", _near(near, list(fields)))
    return fields[found], found


def _fields(layout: str) -> tuple[Field, ...]:
    return PE.FIELDS if layout == "PE" else REGISTERS[layout].FIELDS


def _near(near: list[str], known: list[str]) -> str:
    return f"near names: {', '.join(near)}" if near else f"there are {', '.join(known)}"


def explain_bit(text: str, model: str = "a72", gic: int = 2) -> BitStory:
    """Tell what a control bit, `HCR_EL2.TVM`, catches. Raises: UserError with near names."""
    layout, field = find_bit(text)
    register = layout.removesuffix("_E2H")
    name = f"{register}.{field.name}"
    rules = [rule for rule in RULES if _asks(rule, register, field.name)]
    rules.sort(key=lambda rule: not f"{rule.id}.".startswith(f"{name}."))
    caught = tuple(_caught(rule, (register, field.name)) for rule in rules)
    return BitStory(
        register,
        field.name,
        field.msb,
        field.lsb,
        field.meaning,
        _bit_sentence(layout, field, caught),
        caught,
        example_of([(rule, one.names) for rule, one in zip(rules, caught, strict=True)], model, gic),
        _missing_bit(register, rules, model, gic),
    )


def summarize_bit(text: str) -> str:
    """Say in a few words what a control bit catches, without an example. Raises: UserError with near names."""
    layout, field = find_bit(text)
    register = layout.removesuffix("_E2H")
    caught = [_caught(rule, (register, field.name)) for rule in _rules_of(register, field)]
    return f"It decides about {_some_names(caught)}." if caught else f"It traps nothing. {_why_nothing(layout, field)}"


def _rules_of(register: str, field: Field) -> list[Rule]:
    """Return the rules that ask for a field, those that it gives its name first."""
    name = f"{register}.{field.name}"
    rules = [rule for rule in RULES if _asks(rule, register, field.name)]
    return sorted(rules, key=lambda rule: not f"{rule.id}.".startswith(f"{name}."))


def _asks(rule: Rule, register: str, field: str) -> bool:
    return any(bits.register.removesuffix("_E2H") == register and field in bits.fields.split(",") for bits in rule.bits)


def _bit_sentence(layout: str, field: Field, caught: tuple[Caught, ...]) -> str:
    name = f"{layout.removesuffix('_E2H')}.{field.name}"
    if not caught:
        return f"{name} traps nothing. {_why_nothing(layout, field)}"
    return f"{name} ({field.meaning}) decides in {_count(len(caught), 'rule')}, about {_some_names(caught)}."


def _why_nothing(layout: str, field: Field) -> str:
    return traps.why_no_rule(layout, field.name) or "No trap rule asks for it."


def _some_names(caught: Iterable[Caught]) -> str:
    names = list(dict.fromkeys(name for one in caught for name in one.names))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _caught(rule: Rule, own: tuple[str, str] | None = None) -> Caught:
    is_trap = rule.outcome is Outcome.TRAP
    others = [
        bits
        for bits in rule.bits
        if own is None or not (bits.register.removesuffix("_E2H") == own[0] and own[1] in bits.fields.split(","))
    ]
    return Caught(
        rule.id,
        rule.text,
        rule.ref,
        _names(rule),
        rule.access,
        rule.els,
        rule.outcome.value,
        rule.target_el,
        int(rule.ec) if is_trap else None,
        ec_name(rule.ec) if is_trap else "",
        tuple(str(bits).replace("_E2H.", ".") for bits in others),
        rule.feature,
    )


def _names(rule: Rule) -> tuple[str, ...]:
    """Spell out the names that a rule's patterns stand for."""
    if rule.what == ("*",):
        return _OF_FACTS[rule.fact]
    found = [name for what in rule.what for name in _names_like(what)]
    return tuple(dict.fromkeys(found)) or rule.what


def _missing_bit(register: str, rules: list[Rule], model: str, gic: int) -> str:
    """Say why this machine has no such control, and which CPU model has it; empty if it is here."""
    reason = _missing_register(register, rules, model, gic)
    others = (other for other in id_policy.MODELS if reason and not _missing_register(register, rules, other, gic))
    return next((f"{reason}; --cpu {other} has {'it' if rules else 'the register'}" for other in others), reason)


@lru_cache(maxsize=1024)
def _names_like(pattern: str) -> tuple[str, ...]:
    fits = re.compile(translate(pattern)).match
    return tuple(name for name, generic in _known_names() if fits(name) or fits(generic))


@lru_cache(maxsize=1)
def _known_names() -> tuple[tuple[str, str], ...]:
    registers = [(row.name, row.encoding.generic_name) for row in sysregs.TABLE]
    operations = [(row.name, row.encoding.generic_name) for row in sysregs.OPERATIONS]
    return *registers, *operations, *((name, name) for name in _SUBJECTS)


def _missing_register(register: str, rules: list[Rule], model: str, gic: int) -> str:
    """Say why this machine has no such control: its register is not there, or all its rules need other features."""
    if register in ("PSTATE", "PE"):
        return ""
    reason = sysregs.undefined_reason(sysregs.by_name(register), model, gic)
    if reason is not None:
        return reason
    features = id_policy.features(model, gic)
    reasons = [_missing_feature(rule, features, model, gic) for rule in rules]
    return reasons[0] if reasons and all(reasons) else ""


def _missing_feature(rule: Rule, features: frozenset[str], model: str, gic: int) -> str:
    for name in filter(None, rule.feature.split("+")):
        if name in id_policy.RULES and name not in features:
            return id_policy.missing_reason(name, model, gic) or ""
        if name == "NoEL3" or (name[0] == "!" and name[1:] in features):
            return f"it counts only on machines {'without' if name[0] == '!' else 'with'} {name.lstrip('!')}"
    return ""


# --- instructions


def explain_instruction(word: int, text: str = "", model: str = "a72", gic: int = 2) -> InstructionStory:
    """Tell what an instruction is, and every rule that can touch it, by exception level."""
    request = request_of(word) or OtherInstruction()
    rules = traps.rules_about(request)
    by_level = {
        el: tuple(_caught(rule) for rule in rules if el in rule.els and rule.what != ("*",)) for el in (0, 1, 2, 3)
    }
    name = text or instruction_name(word)
    count = sum(rule.what != ("*",) for rule in rules)
    described = _describe(word)
    sentence = f"{in_sentence(name)} is {described}. {_count(count, 'rule')} can touch it."
    return InstructionStory(name, word, sentence, missing_reason(word, model, gic), by_level)


def _describe(word: int) -> str:
    system = decode_system(word)
    if system is None:
        subject = getattr(request_of(word), "subject", "")
        return {"FP access": "an FP or SIMD instruction", "SVE access": "an SVE instruction"}.get(
            subject, "a pointer authentication instruction" if subject else "no system instruction"
        )
    if system.op0 >= 2:
        return f"a {'read' if system.is_read else 'write'} of {sysregs.name_of(system.encoding, system.is_read)}"
    if system.op0 == 1:
        return f"the system operation {sysregs.name_of(system.encoding)}"
    name = system.kind.value
    return f"{'an' if name[0] in 'aeiou' or name in _SPELLED else 'a'} {name.upper()} instruction"


def missing_reason(word: int, model: str, gic: int) -> str:
    """Say why a machine does not have the register or operation that an instruction names; empty if it has it."""
    system = decode_system(word)
    if system is None or not system.op0:
        return ""
    return sysregs.resolve(system.encoding, system.is_read, model, gic).reason
