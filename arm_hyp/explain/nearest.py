"""The nearest change that would make an instruction trap, or let a trapped one pass.

Read `arch/traps.py` and `asked.py` before this file, `verdicts.py`, which puts the answer into words, after it.

Only fields that the rules about this very request name are changed, first one at a time and then two; whatever the
rules suggest, `decide` has the last word on each candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from arm_hyp.arch import traps
from arm_hyp.arch.trap_rules.lookup import plan, subject_of
from arm_hyp.arch.traps import Context, Outcome, Request, Verdict
from arm_hyp.explain.asked import register_value, with_field

AT_MOST: Final = 3
"""So many ways are told, the nearest first."""
_PASSES: Final = frozenset({Outcome.EXECUTE, Outcome.NOP})
_TRAPS: Final = frozenset({Outcome.TRAP})
_MODES: Final = frozenset({"E2H", "TGE", "NV", "NV1", "NV2"})


@dataclass(frozen=True, slots=True)
class Change:
    """One field gets another value. `layout` names its register's layout: CPTR_EL2_E2H is CPTR_EL2."""

    layout: str
    field: str
    old: int
    new: int

    @property
    def register(self) -> str:
        """Return the register's name."""
        return self.layout.removesuffix("_E2H")

    def __str__(self) -> str:
        return f"{self.register}.{self.field} = {self.new}"


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that make all the difference together, and what then becomes of the instruction."""

    changes: tuple[Change, ...]
    verdict: Verdict


def nearest(request: Request, context: Context, verdict: Verdict) -> tuple[Way, ...]:
    """Return the smallest changes that turn a trap into none or none into a trap; empty if two fields do not do it."""
    wanted = _TRAPS if verdict.outcome in _PASSES else _PASSES
    changes = sorted(_changes(request, context, verdict), key=_distance)
    for size in (1, 2):
        ways = list(_ways(request, context, wanted, combinations(changes, size)))
        if ways:
            return tuple(_distinct(ways))[:AT_MOST]
    return ()


def _ways(
    request: Request, context: Context, wanted: frozenset[Outcome], candidates: Iterable[tuple[Change, ...]]
) -> Iterator[Way]:
    for changes in candidates:
        changed = context
        for change in changes:
            changed = with_field(changed, change.layout, change.field, change.new)
        verdict = traps.decide(request, changed)
        if verdict.outcome in wanted:
            yield Way(changes, verdict)


def _distinct(ways: Iterable[Way]) -> Iterator[Way]:
    """Leave out other values of fields that have been named already."""
    named: set[frozenset[tuple[str, str]]] = set()
    for way in ways:
        fields = frozenset((change.layout, change.field) for change in way.changes)
        if fields not in named:
            named.add(fields)
            yield way


def _changes(request: Request, context: Context, verdict: Verdict) -> set[Change]:
    found: set[Change] = set()
    for compiled in plan(subject_of(request), context.el, context.features):
        for bits in compiled.rule.bits:
            if bits.register == "PSTATE" and compiled.rule is not verdict.rule:
                continue  # an illegal state stops everything: no answer to "why not"
            for field in bits.fields.split(","):
                found.update(_values(context, bits.register, field))
    return {change for change in found if _is_possible(change, context)}


def _values(context: Context, layout: str, name: str) -> Iterator[Change]:
    field = traps.field_of(layout, name)
    old = register_value(context, layout) >> field.lsb & field.max
    yield from (Change(layout, name, old, new) for new in range(field.max + 1) if new != old)


def _is_possible(change: Change, context: Context) -> bool:
    """Leave out what no software can do here: EL1 with TGE = 1, E2H without VHE, another PSTATE.M."""
    if change.layout == "PSTATE":
        return change.field == "IL"
    if change.field == "TGE":
        return context.el != 1
    return change.field != "E2H" or "VHE" in context.features


def _distance(change: Change) -> tuple[int, int, str, str, int]:
    """Sort EL2's own bits first, then EL1's, the modes of EL2, the firmware's, and what is in no register."""
    bits = (change.old ^ change.new).bit_count()
    return _rank(change), bits, change.layout, change.field, change.new


def _rank(change: Change) -> int:
    if change.layout in ("PE", "PSTATE"):
        return 4
    if change.layout in ("SCR_EL3", "ICC_SRE_EL3"):
        return 3
    if change.layout == "HCR_EL2" and change.field in _MODES:
        return 2
    return 0 if "_EL2" in change.layout else 1
