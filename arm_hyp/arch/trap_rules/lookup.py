"""How the rules about a request are found and made ready: by name, once per (subject, EL, features).

Read `trap_rules/requests.py` before, `trap_rules/esr.py` after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.instructions import InstructionKind, SystemInstruction, pstate_field
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.trap_rules import PE, RULES, Bits, Fact, Outcome, Rule
from arm_hyp.arch.trap_rules.requests import Context, Controls, FineGrained, Request


class Subject(NamedTuple):
    """What rules are looked up by: a name, the generic name of its encoding, and what the register table says."""

    name: str
    generic_name: str = ""
    is_read: bool | None = None
    is_known: bool = True
    feature: str = ""
    min_el: int = 0
    has_direction: bool = True


_REGISTER_KINDS = frozenset({InstructionKind.MRS, InstructionKind.MSR})
_OPERATION_KINDS = frozenset({InstructionKind.SYS, InstructionKind.SYSL})
_PSTATE_FIELDS: Mapping[str, tuple[int, str]] = {
    # field of MSR (immediate): least EL, feature. Ref: Arm ARM C6.2, MSR (immediate)
    "UAO": (1, "UAO"),
    "PAN": (1, "PAN"),
    "SPSel": (1, ""),
    "SSBS": (0, "SSBS2"),
    "DIT": (0, "DIT"),
    "TCO": (0, "MTE"),
    "DAIFSet": (0, ""),
    "DAIFClr": (0, ""),
}


@lru_cache(maxsize=4096)
def _system_subject(instr: SystemInstruction) -> Subject:
    if instr.kind in _REGISTER_KINDS:
        return _register_subject(instr.encoding, instr.is_read)
    if instr.kind in _OPERATION_KINDS:
        return _operation_subject(instr.encoding, instr.is_read)
    if instr.kind is InstructionKind.MSR_IMM:
        field = pstate_field(instr)
        min_el, feature = _PSTATE_FIELDS.get(field or "", (0, ""))
        return Subject(f"{field} (immediate)", "", False, field is not None, feature, min_el)
    return Subject(instr.kind.name)


def _register_subject(encoding: sysregs.Encoding, is_read: bool) -> Subject:
    register = sysregs.by_encoding(encoding, is_read)
    if register is None:
        return Subject(encoding.generic_name, encoding.generic_name, is_read, False)
    has_direction = register.access != ("WO" if is_read else "RO")
    min_el = register.min_el if is_read else register.min_write_el
    return Subject(register.name, encoding.generic_name, is_read, True, register.feature, min_el, has_direction)


def _operation_subject(encoding: sysregs.Encoding, is_read: bool) -> Subject:
    operation = sysregs.operation_by_encoding(encoding)
    if operation is None:
        return Subject(encoding.generic_name, encoding.generic_name, is_read, False)
    return Subject(
        operation.name, encoding.generic_name, is_read, True, operation.feature, operation.min_el, not is_read
    )


def _has(feature: str, features: frozenset[str]) -> bool:
    """Tell whether all of `A+!B` holds."""
    return all(
        (name[1:] not in features) if name[0] == "!" else name in features for name in feature.split("+") if name
    )


_FACTS: Mapping[Fact, Callable[[Subject, frozenset[str], int], bool]] = {
    Fact.ANY: lambda subject, features, el: True,
    Fact.UNALLOCATED: lambda subject, features, el: not (subject.is_known and _has(subject.feature, features)),
    Fact.WRONG_DIRECTION: lambda subject, features, el: not subject.has_direction,
    Fact.EL_TOO_LOW: lambda subject, features, el: el < subject.min_el,
    Fact.FOR_EL2: lambda subject, features, el: subject.min_el == 2,
}
_LAYOUTS: Mapping[str, type[Register]] = {**REGISTERS, "PE": PE}
_PLACES: Mapping[str, int] = {
    name: place for place, name in enumerate((*Controls._fields, "pstate", "pe", *FineGrained._fields))
}
HCR_INDEX = _PLACES["hcr_el2"]
_E2H, TGE = REGISTERS["HCR_EL2"].field("E2H").mask, REGISTERS["HCR_EL2"].field("TGE").mask
_SCR_EL3 = _PLACES["scr_el3"] - 1  # behind HCR_EL2
_FGT_ENABLES = REGISTERS["SCR_EL3"].field("FGTEn").mask | REGISTERS["SCR_EL3"].field("HXEn").mask
_WILDCARDS = frozenset("*?[")
_REROUTING = Bits("HCR_EL2", "TGE", (1,))


def _index(register: str) -> int:
    """Return the place of a register among the values that `values_of` makes."""
    return _PLACES[register.removesuffix("_E2H").lower()]


class _Check(NamedTuple):
    """One `Bits`, ready to be asked: the masked values that satisfy it."""

    place: int
    mask: int
    wanted: frozenset[int]


class _Shown(NamedTuple):
    register: str
    field: str
    place: int
    lsb: int
    max: int


class Compiled(NamedTuple):
    """A rule, what it asks, and the fields to show for it."""

    rule: Rule
    checks: tuple[_Check, ...]
    shown: tuple[_Shown, ...]


@cache
def field_of(layout: str, name: str) -> Field:
    """Return a field that a rule names, of a register's layout, PSTATE or PE. Raises: KeyError."""
    return _LAYOUTS[layout].field(name)


def _check(bits: Bits) -> _Check:
    fields = [field_of(bits.register, name) for name in bits.fields.split(",")]
    wanted = set()
    for value in bits.values:
        rest, masked = value, 0
        for field in reversed(fields):
            masked |= (rest & field.max) << field.lsb
            rest >>= field.width_bits
        if rest:
            raise ValueError(f"{bits}: {value} does not fit")
        wanted.add(masked)
    return _Check(_index(bits.register), sum(field.mask for field in fields), frozenset(wanted))


def _shown(bits: Bits) -> tuple[_Shown, ...]:
    layout, name = _LAYOUTS[bits.register], bits.register.removesuffix("_E2H")
    fields = (layout.field(field) for field in bits.fields.split(","))
    return tuple(_Shown(name, field.name, _index(bits.register), field.lsb, field.max) for field in fields)


@cache
def _compile(rule: Rule, from_el0: bool) -> Compiled:
    routed = (_REROUTING,) if from_el0 and rule.target_el == 1 and rule.outcome is not Outcome.NOP else ()
    shown = dict.fromkeys(row for bits in (*rule.bits, *routed) for row in _shown(bits))
    return Compiled(rule, tuple(map(_check, rule.bits)), tuple(shown))


@cache
def _head(what: str) -> str:
    """Return what comes before the first wildcard."""
    return what[: next((at for at, letter in enumerate(what) if letter in _WILDCARDS), len(what))]


def _matches(name: str, what: str) -> bool:
    """Do what `fnmatchcase` does, without making ready (0.1 ms each) the many patterns that begin otherwise."""
    head = _head(what)
    return name.startswith(head) and (name == what if head == what else fnmatchcase(name, what))


def _places() -> Mapping[str, Sequence[int]]:
    """Return for each name and pattern that rules use the places of those rules."""
    found: dict[str, list[int]] = {}
    for place, rule in enumerate(RULES):
        for what in rule.what:
            found.setdefault(what, []).append(place)
    return found


_RULES_OF = _places()
_PATTERNS = tuple((what, places) for what, places in _RULES_OF.items() if _head(what) != what)
_FETCHES = frozenset({"PC", "misaligned PC"})
"""No pattern is about these: nothing has been decoded yet."""


@lru_cache(maxsize=4096)
def about(name: str, generic_name: str, is_read: bool | None) -> tuple[Rule, ...]:
    """Return the rules about a subject, in order."""
    places = {*_RULES_OF.get(name, ()), *_RULES_OF.get(generic_name, ())}
    if name not in _FETCHES:
        for what, found in _PATTERNS:
            if _matches(name, what) or _matches(generic_name, what):
                places.update(found)
    opposite = None if is_read is None else ("write" if is_read else "read")

    def is_meant(rule: Rule) -> bool:
        return (rule.fact is Fact.ANY or is_read is not None) and rule.access != opposite

    return tuple(rule for rule in (RULES[place] for place in sorted(places)) if is_meant(rule))


@lru_cache(maxsize=8192)
def plan(subject: Subject, el: int, features: frozenset[str]) -> tuple[Compiled, ...]:
    """Return the rules that can apply at this EL with these features, ready to be asked in order."""
    return tuple(
        _compile(rule, el == 0)
        for rule in about(subject.name, subject.generic_name, subject.is_read)
        if el in rule.els and _has(rule.feature, features) and _FACTS[rule.fact](subject, features, el)
    )


def subject_of(request: Request) -> Subject:
    """Return what the rules about a request are looked up by."""
    return _system_subject(request) if isinstance(request, SystemInstruction) else Subject(request.subject)


def values_of(context: Context) -> tuple[int, ...]:
    """Return the control registers, PSTATE, PE and the fine-grained traps as one tuple, in the order of `_PLACES`."""
    hcr, *others = context.controls
    if "VHE" not in context.features:
        hcr &= ~_E2H
    if "NoEL3" in context.features:
        others[_SCR_EL3] |= _FGT_ENABLES
    state = context.event_register | context.interrupt_pending << 1 | context.timeout_expired << 2
    return (hcr, *others, context.pstate, state, *context.fine_grained)
