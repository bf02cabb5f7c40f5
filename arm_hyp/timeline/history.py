"""One branch of a timeline: all that it takes to come back to any place of it.

Read `timeline/journal.py` and `timeline/checkpoints.py` before this file, `timeline/timeline.py` after it. A branch is
a function of the configuration, its inputs and its edits; checkpoints and journal only make going there fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.machine.console_input import Arrival
from arm_hyp.machine.machine import Outcome
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.timeline.checkpoints import Checkpoints
from arm_hyp.timeline.journal import Journal
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.turns import Turns

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.code import StudentCode
    from arm_hyp.hypervisor.student.effects import EffectLog


class Load(NamedTuple):
    """Other handlers take the exits from here on. What they did is in the log of the branch, behind the old ones'."""

    code: StudentCode


Intervention = Edit | Poke | Load


class Edited(NamedTuple):
    """What the user changed, where, and at which virtual time in ns: behind it `seq` is one more."""

    position: Position
    what: Intervention
    time_ns: int = 0


class Tip(NamedTuple):
    """How far a branch has come: its position, and the virtual time there in ns, which may pass without an event."""

    position: Position
    time_ns: int
    outcome: Outcome | None = None


_BEGIN: Final = Tip(START, 0)


@dataclass(slots=True)
class History:
    """One branch. `inputs` are the arrivals of each console, `pending` what was typed and has not entered yet.

    `effects` is what a user's handlers did on it; None where there are none. Of a branch that was read from a file,
    inputs, edits and effects are known up to `promised`, though this timeline has not been there yet.
    """

    name: str
    checkpoints: Checkpoints
    inputs: list[list[Arrival]]
    pending: list[bytes]
    parent: str | None = None
    begins_at: Position = START
    journal: Journal = field(default_factory=Journal)
    turns: Turns = field(default_factory=Turns)
    edits: list[Edited] = field(default_factory=list)
    tip: Tip = field(default=_BEGIN)
    effects: EffectLog | None = None
    promised: Tip | None = None

    def branch(self, name: str, position: Position, time_ns: int, logged: Sequence[int], effects: int) -> History:
        """Return a branch that begins at a position of this one.

        `logged` arrivals of each console came before it, and `effects` exits that a user's handlers saw.
        """
        journal = self.journal.until(position)
        return History(
            name,
            self.checkpoints.until(position),
            [log[:count] for log, count in zip(self.inputs, logged, strict=True)],
            [b"" for _ in self.pending],
            parent=self.name,
            begins_at=position,
            journal=journal,
            turns=self.turns.until(len(journal), position.n),
            edits=[edited for edited in self.edits if edited.position < position],
            tip=Tip(position, time_ns),
            effects=None if self.effects is None else self.effects.until(effects),
        )

    def next_edit(self, position: Position) -> Edited | None:
        """Return the first edit at or behind a position."""
        return next((edited for edited in self.edits if edited.position >= position), None)

    def handlers_at(self, position: Position) -> StudentCode | None:
        """Return the handlers that the user has loaded last before a position, None for those of the start."""
        loads = (edited.what for edited in self.edits if edited.position < position)
        return next((load.code for load in reversed([*loads]) if isinstance(load, Load)), None)
