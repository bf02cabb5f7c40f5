"""What the explanation of a walk is made of: the question, its nodes, and words for memory types and permissions.

Read `arch/translation/` before this file, `explain/walk_reasons.py` and `explain/walk_steps.py` after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from arm_hyp.arch.registers.translation import SHAREABILITY, memory_attribute
from arm_hyp.arch.translation import (
    Access,
    Fault,
    FaultKind,
    MemoryAttributes,
    Permissions,
    Regime,
    TranslationRegisters,
    Walk,
    par_el1,
    regime_of,
)
from arm_hyp.arch.translation.parameters import stage2_parameters

Fact = int | str | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the explanation, and what hangs below it.

    `facts` holds its numbers for machines. `is_folded`: all is well below it, so only who asks for everything sees
    that; `is_quiet`: the same for the line itself.
    """

    kind: str
    text: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    is_folded: bool = False
    is_quiet: bool = False


class Question(NamedTuple):
    """A walk, and what it was asked for: an access of software at an exception level, with these registers."""

    walk: Walk
    access: Access
    el: int
    registers: TranslationRegisters

    @property
    def regime(self) -> Regime:
        """The translation regime."""
        return regime_of(self.el, self.registers.hcr_el2)

    @property
    def privileged_el(self) -> int:
        """The privileged level of the regime."""
        return 1 if self.regime is Regime.EL10 else 2

    @property
    def has_stage2(self) -> bool:
        """Whether what stage 1 gives is an IPA."""
        return self.regime is Regime.EL10 and stage2_parameters(self.registers).is_enabled


def verb(access: Access) -> str:
    """Return what the access does."""
    return "fetches from" if access.is_fetch else "writes" if access.is_write else "reads"


def memory_text(attributes: MemoryAttributes) -> str:
    """Return memory type and shareability in words. Device memory is Outer Shareable by itself."""
    shared = "" if attributes.is_device else f", {SHAREABILITY.get(attributes.shareability, 'Non-shareable')}"
    return memory_attribute(attributes.attr) + shared


def permissions_text(permissions: Permissions, privileged_el: int, has_el0: bool = True) -> str:
    """Return who may do what, as in `EL1 RWX, EL0 R--`."""
    text = f"EL{privileged_el} {_letters(permissions[:3])}"
    return f"{text}, EL0 {_letters(permissions[3:])}" if has_el0 else text


def _letters(allowed: tuple[bool, ...]) -> str:
    return "".join(letter if is_so else "-" for letter, is_so in zip("RWX", allowed, strict=True))


def at_instruction(asked: Question) -> str:
    """Name the AT instruction that asks the same."""
    stages = "S12" if asked.has_stage2 else "S1"
    return f"AT {stages}E{asked.el}{'W' if asked.access.is_write else 'R'}"


def par_after_at(asked: Question) -> int | None:
    """Return PAR_EL1 as that AT leaves it.

    None for what AT cannot ask (fetches, accesses under PAN), and for an external abort: AT takes it as an exception.
    """
    result = asked.walk.result
    is_abort = isinstance(result, Fault) and result.kind is FaultKind.EXTERNAL_ON_WALK
    return None if is_abort or asked.access.is_fetch or asked.access.pan else par_el1(result)
