"""Remarks beside a verdict: rules of `docs/checks.md` that a student's run breaks, whether its checks pass or not.

Read `explain/checkers/watch.py` and `course/judged_run.py` before this file, `course/judge.py` after it. The checkers
watch the judged run itself, as it happens. Remarks change no points.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.manifest import Task
from arm_hyp.course.verdict import Remark
from arm_hyp.events import Event
from arm_hyp.explain.checkers.model import Finding
from arm_hyp.explain.checkers.watch import Watch, parse_codes
from arm_hyp.explain.checkers.witness import MachineWitness
from arm_hyp.machine.machine import Machine
from arm_hyp.timeline.position import Position

MOST_WATCHED: Final = 10_000
"""So many events are judged at most, 0.1 s of them: a run with more is a guest that traps for ever."""


class RunWatch:
    """Watches a run of a task, from its start, for the rules that its lesson does not turn off."""

    def __init__(self, machine: Machine, task: Task) -> None:
        codes = parse_codes(task.remarks) if KINDS[task.kind].runs_work else ()
        self._watch, self._left = Watch(MachineWitness(machine), codes), MOST_WATCHED
        self.interests: Final = self._watch.interests

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, each place once."""
        return tuple(self._watch.findings)

    def emit(self, event: Event) -> None:
        """Have an event judged. Behind the last one nothing is, and so the end of the run is not, either."""
        if type(event) in self.interests and self._left:
            self._left -= 1
            self._watch.emit(event)


def remarks_of(runs: Iterable[JudgedRun]) -> tuple[Remark, ...]:
    """Return what breaks a rule in the runs of a task, each place of the guest once."""
    found = {(one.code, one.pc, one.el): (run, one) for run in reversed([*runs]) for one in reversed(run.findings)}
    return tuple(_remark(run, one) for run, one in reversed(found.values()))


def _remark(run: JudgedRun, found: Finding) -> Remark:
    at = Position(found.n, found.seq)
    return Remark(code=found.code, text=found.text, at=at, place=run.code_place(found.cpu, found.el, found.pc, at))
