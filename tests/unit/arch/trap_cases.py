"""Cases of the trap rules written by hand from the Arm ARM: an instruction, its state, and what the manual says of it.

Read `traps_support.py` (the machine on which nothing traps) before, `test_traps_by_hand.py` after; the rows are in
`trap_cases_*.py`. A row is a line of six columns:

    request | EL and mode | conditions | outcome | rule | where the Arm ARM (DDI 0487, or IHI 0069 for the GIC) says so

Modes: guest (HCR_EL2.{E2H,TGE} = 00), vhe (10), tge (01), host (11). A condition is a field by bit numbers with its
value (`HCR_EL2<13>=1`, `PSTATE<20>=1`), a state (`event`, `pending`, `expired`), or a feature that is there or is not
(`+NoEL3`, `-EVT`). Each is different from the open machine's, and each must matter: without it the rule does not
decide. One that begins with `!` must not matter: with it or without it the answer is the same.
Outcomes: `EL2 0x18` (a trap to EL2, exception class 0x18), `UNDEFINED EL1`, `NOP`.

A reference names a register, whose section "Accessing" in D17 has the access pseudocode for this instruction and EL;
an instruction of C6.2; or a function of J1 with its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

from traps_support import ALL_FEATURES, MODES, open_controls, open_fine_grained

from arm_hyp.arch.traps import Context, Controls, FineGrained

_STATES = {"event": "event_register", "pending": "interrupt_pending", "expired": "timeout_expired"}
T = TypeVar("T", Controls, FineGrained)
_FIELD = re.compile(r"(\w+)<(\d+)(?::(\d+))?>=(\d+)")


@dataclass(frozen=True)
class TrapCase:
    """A row. `ec` is None where nothing traps."""

    request: str
    el: int
    mode: str
    conditions: tuple[str, ...]
    irrelevant: tuple[str, ...]
    outcome: str
    target_el: int | None
    ec: int | None
    rule: str
    ref: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.request} at EL{self.el} ({self.mode})"

    def context(self, *without: str) -> Context:
        """Build the state of the case, without some of its conditions."""
        controls, pstate, features = open_controls(MODES[self.mode]), self.el << 2 | (self.el > 0), ALL_FEATURES
        state, fine_grained = {}, open_fine_grained()
        for condition in (*self.conditions, *self.irrelevant):
            if condition in without:
                continue
            if condition in _STATES:
                state[_STATES[condition]] = True
            elif condition[0] in "+-":
                features = features | {condition[1:]} if condition[0] == "+" else features - {condition[1:]}
            elif condition.startswith("PSTATE"):
                pstate = _with_field(pstate, condition)
            elif condition.partition("<")[0].lower() in FineGrained._fields:
                fine_grained = _with_control(fine_grained, condition)
            else:
                controls = _with_control(controls, condition)
        return Context(self.el, controls, features=features, pstate=pstate, fine_grained=fine_grained, **state)


def _with_field(value: int, condition: str) -> int:
    match = _FIELD.fullmatch(condition)
    assert match, condition
    top, low = int(match[2]), int(match[3] or match[2])
    mask = (1 << top - low + 1) - 1
    changed = value & ~(mask << low) | int(match[4]) << low
    assert int(match[4]) <= mask, condition
    assert changed != value, f"{condition} is what the open machine has"
    return changed


def _with_control(controls: T, condition: str) -> T:
    name = condition.partition("<")[0].lower()
    return controls._replace(**{name: _with_field(getattr(controls, name), condition)})


def trap_cases(text: str) -> list[TrapCase]:
    """Read rows; lines that begin with # are comments."""
    return [_case(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _case(line: str) -> TrapCase:
    request, where, conditions, outcome, rule, ref = (column.strip() for column in line.split("|"))
    el, mode = where.split()
    verb, *rest = outcome.split()
    words = conditions.split()
    is_trap = verb.startswith("EL")
    level = verb if is_trap else (rest or [""])[0]
    return TrapCase(
        request,
        int(el),
        mode,
        tuple(word for word in words if word[0] != "!"),
        tuple(word[1:] for word in words if word[0] == "!"),
        "trap" if is_trap else verb.lower(),
        int(level[2:]) if level else None,
        int(rest[0], 16) if is_trap else None,
        rule,
        ref,
    )
