"""One picture of a machine: everything that the panels show, read at one position and frozen.

Read `timeline/process/messages.py` and `answers.py` before this file, `panels/panel.py` and `gather.py` after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from arm_hyp.cpu.symbols import Line, Symbol, SymbolTable
from arm_hyp.events import ExceptionTaken
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import (
    Answer,
    DescriptionAnswer,
    Failed,
    RegistersAnswer,
    StatusAnswer,
    TrapAnswer,
    VmSymbols,
)
from arm_hyp.timeline.process.messages import Whose

if TYPE_CHECKING:
    from arm_hyp.explain.why import Why

A = TypeVar("A")


@dataclass(frozen=True)
class Subject:
    """What runs, and does not change: made once from a `DescriptionAnswer`. `sources` are lines of text by file.

    Where several VMs run, `vms` are the same with the symbols of each.
    """

    name: str
    model: str
    gic: int
    cpus: int
    symbols: SymbolTable
    sources: Mapping[str, tuple[str, ...]]
    is_recording: bool = False
    vms: tuple[Subject, ...] = ()

    @classmethod
    def of(cls, described: DescriptionAnswer, *, is_recording: bool = False) -> Subject:
        """Make it of an answer."""
        alone = cls(
            name=described.name,
            model=described.model,
            gic=described.gic,
            cpus=described.cpus,
            symbols=_table(described),
            sources={name: tuple(text.splitlines()) for name, text in described.sources.items()},
            is_recording=is_recording,
        )
        return replace(alone, vms=tuple(replace(alone, symbols=_table(one)) for one in described.vms))

    def seen_by(self, vm: int | None) -> Subject:
        """Return this with the symbols of a VM, if each has its own."""
        return self.vms[vm] if vm is not None and vm < len(self.vms) else self


def _table(found: DescriptionAnswer | VmSymbols) -> SymbolTable:
    return SymbolTable(
        tuple(Symbol(*one) for one in found.symbols),
        tuple(Line(one.address, one.file, one.line) for one in found.lines),
    )


@dataclass(frozen=True)
class View:
    """What is known of the machine at the cursor. `answers` holds what panels asked for, by the message.

    `whose` is the CPU or vCPU that the user looks at; `before` are readings of the last view, by the
    message that read them.
    """

    subject: Subject
    status: StatusAnswer
    whose: Whose = ask.CPU0
    answers: Mapping[ask.Message, Answer] = field(default_factory=dict)
    before: Mapping[ask.Message, Answer] = field(default_factory=dict)
    is_running: bool = False

    @property
    def position(self) -> Position:
        """The cursor."""
        return self.status.position

    @property
    def cpu(self) -> int:
        """The physical CPU that matters: the one looked at, or that runs the vCPU looked at, else the current one."""
        if self.whose.vm is None:
            return self.whose.index
        return next((cpu.index for cpu in self.status.cpus if cpu.is_current), 0)

    def get(self, message: ask.Message, kind: type[A]) -> A | None:
        """Return the answer to a message, if there is one of this kind."""
        found = self.answers.get(message)
        return found if isinstance(found, kind) else None

    def failure(self, message: ask.Message) -> Failed | None:
        """Return why a message has no answer, if it failed."""
        return self.get(message, Failed)

    def registers(self, group: str, whose: Whose | None = None) -> Mapping[str, int | bytes]:
        """Return a group of registers, empty if it was not asked for: ask with `registers_of`."""
        found = self.get(registers_of(group, whose or self.whose), RegistersAnswer)
        return found.groups[0].values if found is not None and found.groups else {}

    def registers_before(self, group: str, whose: Whose | None = None) -> Mapping[str, int | bytes]:
        """Return the same registers as they were in the last view; empty if that is not known."""
        found = self.before.get(registers_of(group, whose or self.whose))
        return found.groups[0].values if isinstance(found, RegistersAnswer) and found.groups else {}

    @cached_property
    def trap(self) -> ExceptionTaken | None:
        """The last exception that was taken up to the cursor, by the CPU looked at; None: none, or not asked for."""
        found = self.get(trap_of(self), TrapAnswer)
        return None if found is None or found.event is None else msgspec.convert(dict(found.event), ExceptionTaken)

    @cached_property
    def why(self) -> Why | None:
        """Why that exception was taken: a sentence, and the deciding bits (register, field, value)."""
        from arm_hyp.explain.why import why  # here: a first picture needs none of the rules

        return None if self.trap is None else why(self.trap, self.subject.model, self.subject.gic)

    @property
    def is_at_trap(self) -> bool:
        """Whether the cursor stands right where that exception was taken, before anything else happened."""
        return self.trap is not None and (self.trap.n, self.trap.seq) == tuple(self.position)

    @property
    def deciding(self) -> frozenset[tuple[str, str]]:
        """The (register, field) pairs that decided the trap at the cursor; none where the cursor is not at one."""
        if not self.is_at_trap or self.why is None:
            return frozenset()
        return frozenset((register, name) for register, names, _ in self.why.bits for name in names.split(","))


@lru_cache(maxsize=256)
def registers_of(group: str, whose: Whose) -> ask.Registers:
    """Return the message that reads one group of registers: the same for all panels, so it is asked once."""
    return ask.Registers(whose, (group,))


def trap_of(view: View) -> ask.Trap:
    """Return the message that reads the trap at the cursor."""
    return ask.Trap(view.cpu)


def number(value: Any, digits: int = 16) -> str:
    """Write a value in hexadecimal, in groups of four digits: 0000_ffff."""
    text = f"{int(value):0{digits}x}"
    return "_".join(text[max(end - 4, 0) : end] for end in range(len(text) % 4 or 4, len(text) + 1, 4))
