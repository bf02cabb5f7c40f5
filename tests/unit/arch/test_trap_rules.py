"""Every rule of the program's own table: an instruction that it decides, and the nearest control bits that make it not.

`test_trap_bits.py` states the important ones independently.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from typing import TypeVar

import pytest
from traps_support import ALL_FEATURES, REQUESTS, TGE, WORDS, instruction, open_controls, open_fine_grained

from arm_hyp.arch import id_policy, sysregs
from arm_hyp.arch.instructions import InstructionKind, SystemInstruction
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.traps import RULES, Bits, Context, Controls, FineGrained, Outcome, Request, Rule, decide, rules_about


def all_requests() -> Iterator[tuple[str, Request]]:
    for row in sysregs.TABLE:
        for kind in ("mrs", "msr"):
            yield f"{kind} {row.name}", instruction(f"{kind} {row.name}")
    for operation in sysregs.OPERATIONS:
        yield operation.name, instruction(operation.name.lower())
    for name in ("S3_0_C13_C5_5", "S3_1_C15_C9_0", "S3_7_C11_C0_0"):
        yield f"mrs {name}", instruction(f"mrs {name}")
    yield "sys impdef", SystemInstruction(InstructionKind.SYS, 1, 2, 15, 0, 0, 31, False, 0, 0xD50AF01F)
    for text in WORDS:
        yield text, instruction(text)
    yield from REQUESTS.items()


T = TypeVar("T", Controls, FineGrained)
ALL_REQUESTS = dict(all_requests())


def with_bits(controls: T, condition: Bits, value: int) -> T:
    """Set the fields of a condition, first named most significant."""
    register = condition.register.removesuffix("_E2H").lower()
    number = getattr(controls, register)
    for name in reversed(condition.fields.split(",")):
        field = REGISTERS[condition.register].field(name)
        number = number & ~field.mask | (value & field.max) << field.lsb
        value >>= field.width_bits
    return controls._replace(**{register: number})


def is_mode(condition: Bits) -> bool:
    return condition.register == "HCR_EL2" and set(condition.fields.split(",")) <= {"E2H", "TGE"}


def mode_for(rule: Rule) -> int:
    """Choose E2H and TGE as the rule asks."""
    controls = Controls()
    for condition in filter(is_mode, rule.bits):
        controls = with_bits(controls, condition, condition.values[0])
    return controls.hcr_el2


def features_for(rule: Rule) -> frozenset[str]:
    names = rule.feature.split("+")
    return ALL_FEATURES - {name[1:] for name in names if name[:1] == "!"} | {name for name in names if name[:1] != "!"}


def context_for(rule: Rule, el: int, choice: dict[Bits, int]) -> Context:
    controls, state, pstate = open_controls(mode_for(rule)), {}, 0
    fine_grained = open_fine_grained()
    for condition, value in choice.items():
        if condition.register == "PE":
            flags = {"EventRegister": "event_register", "InterruptPending": "interrupt_pending"}
            state[flags.get(condition.fields, "timeout_expired")] = bool(value)
        elif condition.register == "PSTATE":
            pstate |= value << {"IL": 20, "M": 0}[condition.fields]
        elif condition.register.lower() in FineGrained._fields:
            fine_grained = with_bits(fine_grained, condition, value)
        else:
            controls = with_bits(controls, condition, value)
    return Context(el, controls, features=features_for(rule), pstate=pstate, fine_grained=fine_grained, **state)


def width(condition: Bits) -> int:
    register = "PSTATE" if condition.register == "PSTATE" else condition.register
    if register == "PE":
        return 1
    return sum(REGISTERS[register].field(name).width_bits for name in condition.fields.split(","))


def nearest_miss(condition: Bits) -> int:
    """The value that the condition does not accept, and that differs from one it accepts in the fewest bits."""
    misses = [value for value in range(1 << width(condition)) if value not in condition.values]
    return min(misses, key=lambda miss: min((miss ^ value).bit_count() for value in condition.values))


def cases(rule: Rule) -> list[tuple[str, int]]:
    return [
        (name, el)
        for (name, item), el in product(ALL_REQUESTS.items(), rule.els)
        if rule in rules_about(item)
        and decide(item, context_for(rule, el, {c: c.values[0] for c in rule.bits})).rule is rule
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule(rule: Rule) -> None:
    found = cases(rule)
    assert found, "no instruction is decided by this rule"
    assert {el for _, el in found} == set(rule.els), "a level that the rule names is never decided by it"
    for name, el in found:
        check_rule(rule, ALL_REQUESTS[name], el)


def check_rule(rule: Rule, item: Request, el: int) -> None:
    wanted = {condition: condition.values[0] for condition in rule.bits}
    verdict = decide(item, context_for(rule, el, wanted))
    tge = bool(open_controls(mode_for(rule)).hcr_el2 & TGE)
    assert verdict.outcome is rule.outcome
    if rule.outcome is not Outcome.NOP:
        assert verdict.target_el == (2 if el == 0 and rule.target_el == 1 and tge else max(el, rule.target_el))
    for condition in rule.bits:
        other = decide(item, context_for(rule, el, wanted | {condition: nearest_miss(condition)}))
        assert other.rule is not rule, f"{condition} does not matter"


def test_every_wildcard_matches_something() -> None:
    """A name in a rule that matches nothing would be a rule that silently never applies."""
    known = {row.name for row in sysregs.TABLE} | {row.name for row in sysregs.OPERATIONS}
    known |= {row.encoding.generic_name for row in (*sysregs.TABLE, *sysregs.OPERATIONS)}
    known |= {kind.name for kind in InstructionKind} | {item.subject for item in REQUESTS.values()}
    known |= {f"{name} (immediate)" for name in ("DAIFSet", "DAIFClr", "PAN", "SPSel")}
    known |= {"S1_0_C11_C0_0", "S1_0_C15_C0_0"}
    lost = [(rule.id, what) for rule in RULES for what in rule.what if not any(fnmatchcase(k, what) for k in known)]
    assert not lost


def test_rules_are_well_formed() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    features = set(id_policy.RULES) | {"NoEL3"}
    for rule in RULES:
        assert {name.removeprefix("!") for name in rule.feature.split("+") if name} <= features, rule.id
        assert rule.text.endswith("."), rule.id
        assert rule.ref, rule.id
        for condition in rule.bits:
            assert max(condition.values) < 1 << width(condition), rule.id
            assert len(condition.values) < 1 << width(condition), rule.id
