"""What a checker is made of: what it finds, what it may look at, and how it says so.

Read `events.py` before this file, then any checker (`returns.py` is the shortest), then `watch.py`.

A checker hears events, keeps a little state, and reports a finding where software has made a mistake that the
architecture forgives only by luck. It looks at registers and memory as an observer does: the run is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.events import Event


class Finding(msgspec.Struct, frozen=True):
    """A rule that was broken: its code, the position and place of what broke it, and a sentence about this case."""

    code: str
    n: int
    seq: int
    cpu: int
    el: int
    pc: int
    text: str


class Rule(NamedTuple):
    """A rule: what goes wrong, how it shows, the way out, and which cases are not seen. Texts are one paragraph."""

    code: str
    title: str
    what: str
    symptom: str
    remedy: str
    not_seen: str
    references: tuple[str, ...]


class Witness(Protocol):
    """What checkers may look at, beside the events. Nothing here leaves a mark in the machine."""

    @property
    def cpus(self) -> int:
        """How many physical CPUs there are."""

    def retired(self, cpu: int) -> int:
        """Return how many instructions a physical CPU has retired."""

    def kept(self, cpu: int) -> tuple[int, ...]:
        """Return X19 to X29 of a physical CPU, which a call keeps. Ref: AAPCS64, and SMCCC 2.6."""

    def register(self, cpu: int, name: str) -> int:
        """Return a system register of a physical CPU; one that it does not have reads as zero."""

    def translation(self, cpu: int) -> TranslationRegisters:
        """Return the registers of a physical CPU that decide its translations."""

    def list_registers(self, cpu: int) -> list[int]:
        """Return the list registers of a physical CPU, in the layout of ICH_LR<n>_EL2."""

    def is_active(self, cpu: int, intid: int) -> bool:
        """Tell whether a physical interrupt is active, or pending and active, as this CPU sees it."""

    def read(self, pa: int, size_bytes: int) -> bytes | None:
        """Return bytes of RAM; None where not all of them are RAM."""


class Place(NamedTuple):
    """Where something happened: an event's own place, kept for a report that comes later."""

    n: int
    seq: int
    cpu: int
    el: int
    pc: int

    @classmethod
    def of(cls, event: Event) -> Place:
        """Return the place of an event."""
        return cls(event.n, event.seq, event.cpu, event.el, event.pc)


Report = Callable[[str, "Event | Place", str], None]
"""`report(code, where, text)`: a rule is broken there."""
Hear = Callable[[Any], None]


class Checker(Protocol):
    """One theme: the rules in `codes`. Made with what it may look at, and how it reports."""

    codes: ClassVar[tuple[str, ...]]

    def __init__(self, witness: Witness, report: Report) -> None:
        """Begin with a machine that has not run yet."""

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what the checker hears, and what it does with it."""
