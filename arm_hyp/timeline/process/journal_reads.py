"""What a session reads of the past without repeating it: rows of the journal.

Read `timeline/journal.py` and `timeline/turns.py` before this file, `timeline/process/session.py` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ExceptionRow, ExceptionsAnswer

if TYPE_CHECKING:
    from arm_hyp.timeline.journal import Entry
    from arm_hyp.timeline.timeline import Timeline
    from arm_hyp.timeline.turns import Turn


def read_exceptions(timeline: Timeline, asked: ask.Exceptions) -> ExceptionsAnswer:
    """Return rows of the journal between two positions."""
    journal, turns = timeline.journal, timeline.history.turns
    has_python = timeline.runner.hypervisor is not None
    first, end = journal.index_at(asked.start), journal.index_at(asked.end)
    count = max(0, min(asked.at_most, ask.MOST_ROWS, end - first))
    indices = range(end - count, end) if asked.is_from_end else range(first, first + count)
    rows = tuple(_row(journal[index], turns[index], has_python) for index in indices)
    return ExceptionsAnswer(rows, max(0, end - first))


def _row(entry: Entry, turn: Turn, has_python: bool) -> ExceptionRow:
    vm, vcpu = turn.lane.who or (None, None)
    return ExceptionRow(
        position=entry.position,
        what=entry.what,
        cpu=entry.cpu,
        from_el=entry.from_el,
        to_el=entry.to_el,
        kind="" if entry.kind is None else entry.kind.name.lower(),
        esr=entry.esr,
        elr=entry.elr,
        spsr=entry.spsr,
        far=entry.far,
        vm=vm,
        vcpu=vcpu,
        python=has_python and entry.what == "taken" and entry.to_el == 2,
        virtual=turn.is_virtual,
        time_ns=entry.position.n + turn.idle_ns,
    )
