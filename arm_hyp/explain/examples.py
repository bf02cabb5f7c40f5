"""An example for a trap rule: an instruction that it decides, and the settings with which it does.

Read `verdicts.py` before this file, `bits.py` after it. An example is never guessed: the rules are asked, and it counts
only if this very rule decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from arm_hyp.arch import id_policy, sysregs, traps
from arm_hyp.arch.traps import Context, Rule
from arm_hyp.explain.asked import after_reset, with_field
from arm_hyp.explain.verdicts import explain_trap

EXAMPLES: Final = {
    "WFI": ("wfi", 0xD503_207F),
    "WFE": ("wfe", 0xD503_205F),
    "WFIT": ("wfit x0", 0xD503_1020),
    "WFET": ("wfet x0", 0xD503_1000),
    "SVC": ("svc #0", 0xD400_0001),
    "HVC": ("hvc #0", 0xD400_0002),
    "SMC": ("smc #0", 0xD400_0003),
    "ERET": ("eret", 0xD69F_03E0),
    "DSB_NXS": ("dsb ishnxs", 0xD503_3A3F),
    "FP access": ("fadd d0, d1, d2", 0x1E62_2820),
    "SVE access": ("ptrue p0.b", 0x2518_E3E0),
    "DAIFSet (immediate)": ("msr daifset, #2", 0xD503_42DF),
    "PAuth IA": ("paciza x0", 0xDAC1_23E0),
    "PAuth IB": ("pacizb x0", 0xDAC1_27E0),
    "PAuth DA": ("pacdza x0", 0xDAC1_2BE0),
    "PAuth DB": ("pacdzb x0", 0xDAC1_2FE0),
    "PAuth GA": ("pacga x0, x1, x2", 0x9AC2_3020),
}
"""An instruction for each subject of rules that is not a register or operation."""


_TRIED_NAMES: Final = 12
_LEVELS: Final = (1, 0, 2)
"""The levels at which to look for an example, the most usual first."""


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction that a rule decides: its text and level, the settings, and the sentence about it.

    `model` is the CPU model on which it does; `features` are those that no model has and the rule needs.
    """

    instruction: str
    word: int
    el: int
    settings: tuple[str, ...]
    features: tuple[str, ...]
    sentence: str
    model: str


About = tuple[Rule, Sequence[str]]
"""A rule, and the names of what it is about that are asked for."""


def example_of(rules: Sequence[About], model: str, gic: int) -> Example | None:
    """Find an instruction that one of these rules decides; None where no word alone is one.

    Best is one on this machine, then one on another CPU model, then one with features that no model has.
    """
    models = (model, *(other for other in id_policy.MODELS if other != model))
    here = (_example(about, one, gic, frozenset()) for one in models for about in rules)
    more = (_example(about, model, gic, features) for about in rules for features in _feature_sets(about[0]))
    return next((found for examples in (here, more) for found in examples if found is not None), None)


def _example(about: About, model: str, gic: int, features: frozenset[str]) -> Example | None:
    rule, names = about
    for el in (el for el in _LEVELS if el in rule.els):
        before = after_reset(el, model, 3 if "GICv3" in features else gic, features)
        context = _with_conditions(before, rule)
        for text, word in _candidates(rule, names):
            story = explain_trap(context, word, text)
            if story.rule == rule.id:
                return Example(text, word, el, _changed(before, rule), tuple(sorted(features)), story.sentence, model)
    return None


def _candidates(rule: Rule, names: Sequence[str]) -> list[tuple[str, int]]:
    directions = [is_read for is_read in (False, True) if rule.access != ("write" if is_read else "read")]
    found = (word_of(name, is_read) for name in names[:_TRIED_NAMES] for is_read in directions)
    return [each for each in found if each is not None]


def _feature_sets(rule: Rule) -> Iterator[frozenset[str]]:
    """Give what to ask with: the rule's feature, then with it each feature by itself."""
    needed = frozenset(name for name in rule.feature.split("+") if name and name[0] != "!")
    if needed:
        yield needed
    for name in sorted(id_policy.RULES):
        if "-" not in name:
            yield needed | {name}


def word_of(name: str, is_read: bool) -> tuple[str, int] | None:
    """Return an instruction about a name that rules use, as text and word; None where there is none to show."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    try:
        op0, op1, crn, crm, op2 = sysregs.parse_name(name)
    except KeyError:
        return None
    if op0 == 1:
        return _operation(name, 0xD508_0000 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5)
    word = 0xD500_0000 | is_read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
    return (f"mrs x0, {name}" if is_read else f"msr {name}, x0"), word


def _operation(name: str, word: int) -> tuple[str, int]:
    if sysregs.operation_by_name(name).takes_register:
        return f"{name.lower()}, x0", word
    return name.lower(), word | 31


def _settings(rule: Rule) -> Iterator[tuple[str, str, int]]:
    """Give layout, field and value of what a rule asks for, by the first value of each condition."""
    for bits in rule.bits:
        value = bits.values[0]
        for name in reversed(bits.fields.split(",")):
            field = traps.field_of(bits.register, name)
            yield bits.register, name, value & field.max
            value >>= field.width_bits


def _changed(before: Context, rule: Rule) -> tuple[str, ...]:
    """Write down the settings that a rule needs, without those that a machine has after reset."""
    return tuple(
        f"{layout.removesuffix('_E2H')}.{field}={value}"
        for layout, field, value in _settings(rule)
        if with_field(before, layout, field, value) != before
    )


def _with_conditions(context: Context, rule: Rule) -> Context:
    for layout, field, value in _settings(rule):
        context = with_field(context, layout, field, value)
    return context
