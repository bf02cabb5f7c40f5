"""The sink that watches a run live: it gives each event to the checkers that want it, and keeps what they find.

Read `model.py` and the checkers' modules before this file; `catalogue.py` has their pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from arm_hyp.errors import UserError
from arm_hyp.events import Event
from arm_hyp.explain.checkers.barriers import Barriers
from arm_hyp.explain.checkers.catalogue import BY_CODE, RULES
from arm_hyp.explain.checkers.interrupts import Interrupts
from arm_hyp.explain.checkers.list_registers import ListRegisters
from arm_hyp.explain.checkers.model import Checker, Finding, Hear, Place, Witness
from arm_hyp.explain.checkers.returns import Returns
from arm_hyp.explain.checkers.shadow_tlb import ShadowTlb
from arm_hyp.explain.checkers.vectors import Vectors

CHECKERS: Final[tuple[type[Checker], ...]] = (Returns, Vectors, ListRegisters, Interrupts, Barriers, ShadowTlb)
ALL_CODES: Final = frozenset(rule.code for rule in RULES)


def parse_codes(text: str) -> frozenset[str]:
    """Parse `all`, `none`, or codes with commas between, in any case. Raises: UserError."""
    named = {"all": ALL_CODES, "none": frozenset[str]()}.get(text.strip().lower())
    if named is not None:
        return named
    codes = frozenset(code.strip().upper() for code in text.split(","))
    for code in sorted(codes - ALL_CODES):
        known = f"the codes go from {RULES[0].code} to {RULES[-1].code}"
        raise UserError(f"--check {code}", "there is no such rule", f"{known}; or all, or none")
    return codes


class Watch:
    """Listens for the rules in `codes`. `on_finding` hears each place that breaks a rule once, as it happens."""

    def __init__(
        self, witness: Witness, codes: Iterable[str] = ALL_CODES, on_finding: Callable[[Finding], None] | None = None
    ) -> None:
        self._codes, self._on_finding = frozenset(codes), on_finding
        self.counts: dict[Finding, int] = {}
        self._first: dict[tuple[str, int, int], Finding] = {}
        self._hear: dict[type[Event], list[Hear]] = {}
        for kind in CHECKERS:
            if self._codes.intersection(kind.codes):
                for event_type, hear in kind(witness, self._report).handlers().items():
                    self._hear.setdefault(event_type, []).append(hear)
        self.interests: Final = frozenset(self._hear)

    @property
    def findings(self) -> list[Finding]:
        """What was found, each place once, in the order of its first time. `counts` says how often."""
        return list(self.counts)

    def emit(self, event: Event) -> None:
        """Give an event to the checkers that want it."""
        for hear in self._hear.get(type(event), ()):
            hear(event)

    def _report(self, code: str, where: Event | Place, text: str) -> None:
        if code not in self._codes:
            return
        assert code in BY_CODE
        made = Finding(code, where.n, where.seq, where.cpu, where.el, where.pc, text)
        first = self._first.setdefault((code, where.pc, where.el), made)
        self.counts[first] = self.counts.get(first, 0) + 1
        if first is made and self._on_finding is not None:
            self._on_finding(made)
