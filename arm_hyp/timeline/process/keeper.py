"""Keeps in the box what cannot be computed again, and has a new timeline take it up.

Read `timeline/process/box.py` and `timeline/timeline.py` before this file, `timeline/process/child.py` after it. What
is in the box is promised to the new timeline: it repeats that silently where effects and inputs are known, so no user's
code runs a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.effects import EffectLog
from arm_hyp.hypervisor.student.recorded import RecordedHandlers
from arm_hyp.machine.machine import Outcome
from arm_hyp.timeline.history import Edited, History, Load, Tip
from arm_hyp.timeline.passage import MAIN
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process.answers import HandlerCall
from arm_hyp.timeline.process.box import (
    Begun,
    Box,
    Handlers,
    Kept,
    KeptBranch,
    KeptEdit,
    Marked,
    More,
    Place,
    shortened,
)
from arm_hyp.timeline.recordings.recorder import queues
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arm_hyp.hypervisor.student.code import StudentCode
    from arm_hyp.hypervisor.student.registry import Registered
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.machine.console_input import Arrival


class _Counts:
    """How much of a branch is in the box already."""

    def __init__(self, consoles: int) -> None:
        self.inputs = [0] * consoles
        self.edits = self.effects = 0


class Keeper:
    """Writes into the box what a timeline has that is not there yet."""

    def __init__(self, timeline: Timeline, box: Box) -> None:
        self._timeline, self._box = timeline, box
        self._counts: dict[str, _Counts] = {}
        self._marked = Marked({}, ())
        self._placed: Place | None = None
        if timeline.runner.handlers is not None:
            box.note(_kept_handlers(timeline.runner.handlers))

    def keep(self) -> None:
        """Keep everything. The timeline stands."""
        timeline = self._timeline
        self._box.calls(None)
        for history in timeline.branches.values():
            self._keep_branch(history, history.inputs)
        end = timeline.history.promised or timeline.history.tip
        self._place(end)
        marked = Marked(dict(timeline.marks), tuple(timeline.breakpoints))
        if marked != self._marked:
            self._marked = marked
            self._box.note(marked)

    def keep_running(self, *, has_place: bool = True) -> None:
        """Keep what has come on this branch. The timeline runs, and what happens is new."""
        timeline = self._timeline
        history, now = timeline.history, [queue.log for queue in queues(timeline.runner)]
        self._keep_branch(history, [max(log, new, key=len) for log, new in zip(history.inputs, now, strict=True)])
        if has_place and history.promised is None:
            self._place(Tip(timeline.position, 0))

    def calls(self, registered: Registered | None, vcpu: Vcpu | None) -> None:
        """Keep what has come up to a call of a user's handler that begins now, and which one that is."""
        if registered is None or vcpu is None:
            self._box.calls(None)
            return
        self.keep_running(has_place=False)
        place = shortened(registered.place)
        self._box.calls(HandlerCall(self._timeline.position, vcpu.name, shortened(registered.decorator), place))

    def _place(self, tip: Tip) -> None:
        timeline, ended = self._timeline, tip.outcome
        typed = timeline.history.pending
        if timeline.is_at_end or tip.position > timeline.frontier:
            typed = [queue.typed for queue in queues(timeline.runner)]
        outcome = None if ended is None else (ended.reason, ended.status, ended.text)
        place = Place(timeline.history.name, timeline.position, tip.position, tip.time_ns, tuple(typed), outcome)
        if place != self._placed:
            self._placed = place
            self._box.note(place)

    def _keep_branch(self, history: History, inputs: Sequence[Sequence[Arrival]]) -> None:
        known = self._counts.get(history.name)
        if known is None:
            known = self._counts[history.name] = _Counts(len(inputs))
            self._box.note(Begun(history.name, history.parent, history.begins_at))
        edits, effects = len(history.edits), 0 if history.effects is None else len(history.effects)
        if known.inputs == [*map(len, inputs)] and (known.edits, known.effects) == (edits, effects):
            return
        starts = known.inputs
        self._box.note(
            More(
                history.name,
                tuple((start, tuple(log[start:])) for start, log in zip(starts, inputs, strict=True)),
                (known.edits, tuple(_kept_edit(edited) for edited in history.edits[known.edits :])),
                (known.effects, () if history.effects is None else tuple(history.effects.packed_from(known.effects))),
            )
        )
        known.inputs, known.edits, known.effects = [*map(len, inputs)], edits, effects


def _kept_edit(edited: Edited) -> KeptEdit:
    what = _kept_handlers(edited.what.code) if isinstance(edited.what, Load) else edited.what
    return KeptEdit(edited.position, what, edited.time_ns)


def _kept_handlers(code: StudentCode) -> Handlers:
    return Handlers(code.handlers.path, msgspec.to_builtins(code.registrations))


# --- taking up --------------------------------------------------------------------------------------------------------


def take_up(timeline: Timeline, kept: Kept) -> Position:
    """Have a new timeline come to where an earlier one was. Returns where that is.

    Where a call of a handler was not over, that is the exit before it.
    """
    for branch in kept.branches.values():
        _promise(timeline, branch, kept.call if branch.name == kept.branch else None)
    timeline.marks.update(kept.marks)
    timeline.breakpoints[:] = kept.breakpoints
    if timeline.runner.effects is not None and timeline.history.effects is not None:
        timeline.runner.effects = timeline.history.effects
    timeline.repeat_inputs()
    if kept.branch not in ("", MAIN):
        timeline.switch(kept.branch)
    if timeline.history.promised is not None:
        timeline.seek(timeline.history.promised.position)
    return timeline.seek(kept.cursor if kept.call is None else kept.call.position)


def _promise(timeline: Timeline, branch: KeptBranch, call: HandlerCall | None) -> None:
    main = timeline.branches[MAIN]
    history = main
    if branch.name != MAIN:
        history = History(branch.name, main.checkpoints.until(START), [], [], branch.parent, branch.begins_at)
        timeline.branches[branch.name] = history
    consoles = len(queues(timeline.runner))
    history.inputs = [list(log) for log in branch.inputs] or [[] for _ in range(consoles)]
    history.pending = list(branch.pending) or [b"" for _ in range(consoles)]
    history.edits = [_edited(timeline, edit) for edit in branch.edits]
    if timeline.runner.effects is not None:
        history.effects = EffectLog.of(branch.effects)
    end = Tip(branch.tip, branch.time_ns, None if branch.outcome is None else Outcome(*branch.outcome))
    if call is not None and call.position > end.position:
        end = Tip(call.position, 0)
    history.promised = end if end.position > START or end.time_ns else None


def _edited(timeline: Timeline, edit: KeptEdit) -> Edited:
    what = _load(timeline, edit.what) if isinstance(edit.what, Handlers) else edit.what
    return Edited(edit.position, what, edit.time_ns)


def _load(timeline: Timeline, kept: Handlers) -> Load:
    """Load a user's file again; if that cannot be, what its handlers did can still be repeated."""
    try:
        return Load(timeline.runner.load_handlers(kept.path))
    except UserError:
        return Load(timeline.runner.load_handlers(RecordedHandlers.of(kept.registrations, [])))
