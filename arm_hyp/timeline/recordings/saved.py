"""A timeline in a recording: its branches, what was edited there, marks and breakpoints. They survive quitting.

Read `timeline/timeline.py` and `timeline/recordings/recording.py` before this file. The branch `main` is the recorded
run itself, which `arm-hyp replay` repeats. The others are kept as an optional part, so that a reader who does not know
them can do without. Nothing of it is believed: whatever does not fit is a UserError.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from arm_hyp.cpu.position import Told
from arm_hyp.errors import UserError
from arm_hyp.events import EventSink
from arm_hyp.hypervisor.student.effects import EffectLog
from arm_hyp.hypervisor.student.recorded import RecordedHandlers, Registrations
from arm_hyp.machine.console_input import Arrival
from arm_hyp.machine.machine import Outcome
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.runner.runner import Output
from arm_hyp.timeline.budget import DEFAULT_BUDGET_BYTES
from arm_hyp.timeline.history import Edited, History, Load, Tip
from arm_hyp.timeline.passage import MAIN
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import Recording
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.trace import TraceCheck, in_words
from arm_hyp.timeline.statistics import Statistics
from arm_hyp.timeline.timeline import Timeline

PART: Final = "timeline"
_MAX_BRANCHES: Final = 1000
_MAX_EDITS: Final = 1 << 16
_LARGEST: Final = 1 << 62


class SavedLoad(msgspec.Struct, frozen=True, tag="load", forbid_unknown_fields=True):
    """Other handlers, without their code: what the file registered that the user loaded."""

    registrations: Registrations


class SavedEdit(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the user changed, at (n, seq, time_ns)."""

    n: int
    seq: int
    what: Edit | Poke | SavedLoad
    time_ns: int = 0


class SavedBranch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch from the start of the run to (`n`, `seq`, `time_ns`). `effects` is None without a user's handlers."""

    name: str
    parent: str
    begins_at: tuple[int, int]
    edits: tuple[SavedEdit, ...]
    inputs: tuple[tuple[Arrival, ...], ...]
    effects: tuple[bytes, ...] | None
    n: int
    seq: int
    time_ns: int


class SavedTimeline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a recording holds of a timeline, beside the run. `breakpoints` are texts, as the user wrote them."""

    branches: tuple[SavedBranch, ...] = ()
    current: str = MAIN
    cursor: tuple[int, int] = START
    breakpoints: tuple[str, ...] = ()


# --- out --------------------------------------------------------------------------------------------------------------


def record(timeline: Timeline, recorder: Recorder, limit: int) -> Recording:
    """Return a timeline as a recording. The cursor comes back to where it is. `recorder` has seen the start."""
    here, branch = timeline.position, timeline.history.name
    timeline.switch(MAIN)
    journal, outcome = timeline.journal, timeline.outcome
    for index in range(len(journal)):
        recorder.notes.note(journal.told(index))
    recorder.notes.last = timeline.frontier
    answer = None if outcome is None else _answer(timeline.history.tip, outcome)
    recording = recorder.recording(timeline.runner, answer, limit)
    timeline.switch(branch)
    timeline.seek(here)
    return with_timeline(recording, timeline)


def with_timeline(recording: Recording, timeline: Timeline) -> Recording:
    """Return a recording with the branches, marks and breakpoints that its timeline has now, and the cursor."""
    cursor = timeline.position.n, timeline.position.seq
    marks = {name: (place.n, place.seq) for name, place in timeline.marks.items()}
    return _with(replace(recording, marks=marks), timeline, timeline.history.name, cursor)


def with_branches(recording: Recording, timeline: Timeline) -> Recording:
    """Return a recording with the branches that its timeline has now, and the cursor that it had. Raises: UserError."""
    before = _saved("the recording", recording)
    return _with(recording, timeline, before.current, before.cursor)


def _with(recording: Recording, timeline: Timeline, current: str, cursor: tuple[int, int]) -> Recording:
    branches = tuple(_branch(history) for history in timeline.branches.values() if history.name != MAIN)
    saved = SavedTimeline(branches, current, cursor, tuple(timeline.breakpoints))
    return recording.with_part(PART, msgspec.to_builtins(saved, builtin_types=(bytes,)))


def _answer(tip: Tip, outcome: Outcome) -> dict[str, Any]:
    """Return how a branch ended, as a Runner would answer it."""
    known = {"reason": outcome.reason, "status": outcome.status, "text": outcome.text}
    return known | {"n": tip.position.n, "time_ns": tip.time_ns}


def _branch(history: History) -> SavedBranch:
    end = history.promised or history.tip
    return SavedBranch(
        history.name,
        history.parent or MAIN,
        (history.begins_at.n, history.begins_at.seq),
        tuple(map(_edit, history.edits)),
        tuple(tuple(log) for log in history.inputs),
        None if history.effects is None else tuple(history.effects.packed),
        end.position.n,
        end.position.seq,
        end.time_ns,
    )


def _edit(edited: Edited) -> SavedEdit:
    (n, seq), what, time_ns = edited
    return SavedEdit(n, seq, SavedLoad(what.code.registrations) if isinstance(what, Load) else what, time_ns)


# --- in ---------------------------------------------------------------------------------------------------------------


class Opened(NamedTuple):
    """A timeline from a recording. It stands at the start; `branch` and `cursor` are where its user was."""

    timeline: Timeline
    branch: str
    cursor: Position


def open_timeline(
    made: Replay,
    *,
    sink: EventSink | None = None,
    output: Output | None = None,
    budget_bytes: int = DEFAULT_BUDGET_BYTES,
    statistics: Statistics | None = None,
) -> Opened:
    """Return the timeline of a recording. Its branches are promised: nobody has been there yet. Raises: UserError."""
    recording = made.recording
    timeline = Timeline(
        made.configuration,
        sink=sink,
        output=output,
        budget_bytes=budget_bytes,
        recorded=made.handlers(),
        statistics=statistics,
    )
    made.name_files(timeline.runner)
    saved = _saved(made.name, recording)
    end = recording.end
    _promise(timeline, made.name, timeline.history, recording.inputs, Tip(Position(end.n, end.seq), end.time_ns))
    _compare(timeline, recording)
    for branch in saved.branches:
        history = _history(timeline, made.name, branch)
        tip = Tip(Position(branch.n, branch.seq), branch.time_ns)
        _promise(timeline, made.name, history, branch.inputs, tip)
        timeline.branches[branch.name] = history
    timeline.repeat_inputs()
    timeline.marks.update({name: Position(*place) for name, place in recording.marks.items()})
    timeline.breakpoints[:] = saved.breakpoints
    return Opened(timeline, saved.current, Position(*saved.cursor))


def _saved(name: str, recording: Recording) -> SavedTimeline:
    """Return what a recording holds of a timeline. Raises: UserError."""
    try:
        plain = recording.part(PART)
        saved = SavedTimeline() if plain is None else msgspec.convert(plain, SavedTimeline)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise UserError(name, f"its branches are damaged: {error}", "replay works: it needs none of them") from None
    wrong = _wrong(saved)
    if wrong:
        raise UserError(name, f"its branches are damaged: {wrong}", "replay works: it needs none of them")
    return saved


def _wrong(saved: SavedTimeline) -> str:
    """Say what cannot be right in what was saved; empty if it can."""
    names = [MAIN, *(branch.name for branch in saved.branches)]
    places = [saved.cursor, *(place for branch in saved.branches for place in _places(branch))]
    found = {
        f"{len(saved.branches)} branches": len(saved.branches) > _MAX_BRANCHES,
        "two branches of one name": len(set(names)) != len(names),
        "a name of no branch": saved.current not in names or any(b.parent not in names for b in saved.branches),
        "a name that cannot be shown": not all(name.isprintable() and 0 < len(name) <= 256 for name in names),
        "too many edits": any(len(branch.edits) > _MAX_EDITS for branch in saved.branches),
        "a position": not all(0 <= n < _LARGEST and 0 <= seq < _LARGEST for n, seq in places),
        "a time": not all(0 <= time_ns < _LARGEST for branch in saved.branches for time_ns in _times(branch)),
        "edits out of order": any(list(branch.edits) != _in_order(branch) for branch in saved.branches),
    }
    return next((what for what, is_wrong in found.items() if is_wrong), "")


def _places(branch: SavedBranch) -> list[tuple[int, int]]:
    return [branch.begins_at, (branch.n, branch.seq), *((edit.n, edit.seq) for edit in branch.edits)]


def _times(branch: SavedBranch) -> list[int]:
    return [branch.time_ns, *(edit.time_ns for edit in branch.edits)]


def _in_order(branch: SavedBranch) -> list[SavedEdit]:
    return sorted(branch.edits, key=lambda edit: (edit.n, edit.seq))


def _edited(timeline: Timeline, name: str, edit: SavedEdit) -> Edited:
    what = _loaded(timeline, name, edit.what) if isinstance(edit.what, SavedLoad) else edit.what
    return Edited(Position(edit.n, edit.seq), what, edit.time_ns)


def _loaded(timeline: Timeline, name: str, saved: SavedLoad) -> Load:
    """Return handlers without their code. Raises: UserError if they are damaged, or not of this run."""
    try:
        return Load(timeline.runner.load_handlers(RecordedHandlers(saved.registrations, EffectLog())))
    except UserError as error:
        raise UserError(f"{name}: {error.thing}", error.cause, error.way_out) from None


def _history(timeline: Timeline, name: str, branch: SavedBranch) -> History:
    """Return a branch. Raises: UserError."""
    main = timeline.branches[MAIN]
    return History(
        branch.name,
        main.checkpoints.until(START),
        [],
        [b"" for _ in main.pending],
        parent=branch.parent,
        begins_at=Position(*branch.begins_at),
        edits=[_edited(timeline, name, edit) for edit in branch.edits],
        effects=None if branch.effects is None else EffectLog.of(branch.effects),
    )


def _promise(
    timeline: Timeline, name: str, history: History, inputs: tuple[tuple[Arrival, ...], ...], end: Tip
) -> None:
    """Tell a branch what is known of its future. Raises: UserError."""
    consoles = len(timeline.branches[MAIN].pending)
    if len(inputs) != consoles:
        raise UserError(name, f"has input for {len(inputs)} consoles, and there are {consoles}")
    history.inputs = [[Arrival(*arrival) for arrival in log] for log in inputs]
    history.promised = end if end.position > START else None


def _compare(timeline: Timeline, recording: Recording) -> None:
    """Have what happens on `main` compared with what was recorded; a difference is noted, and stops the run.

    What comes behind the end of the recording was not recorded, and is none.
    """
    end = Position(recording.end.n, recording.end.seq)

    def differs(told: Told) -> None:
        if check.events > recording.trace.events and check.last > end:
            return
        what = in_words(told, timeline.runner.symbols)
        timeline.difference = f"event {check.events:,} of {recording.trace.events:,} at {check.last}: now {what}"
        timeline.stop()

    check = TraceCheck(recording.trace, differs)
    timeline.branches[MAIN].journal.listener = check.note
