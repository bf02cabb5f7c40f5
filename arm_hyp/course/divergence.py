"""Where a run that failed first differs from the solution's, and the run as a recording with that place marked.

Read `timeline/differences.py`, `timeline/recordings/saved.py` and `course/judge.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from arm_hyp.course.judge import Judge
from arm_hyp.course.judged_run import CheckFailed, JudgedRun, NotGraded
from arm_hyp.course.verdict import Feedback
from arm_hyp.timeline.differences import NO_MORE, Difference, first_difference
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.recordings.recording import write_recording
from arm_hyp.timeline.recordings.saved import record

MARK: Final = "first-divergence"
FAILED_MARK: Final = "failed-check"
_SHOWN_CHANGES: Final = 3


def located(judge: Judge, failed: CheckFailed, folder: Path) -> Feedback:
    """Return the feedback with the first divergence; the run is saved in the folder, as TASK.hyp."""
    run, feedback = failed.run, failed.feedback
    if run is None or run not in judge.recorders:
        return feedback
    parted = _difference(judge, run)
    timeline = run.timeline
    if feedback.at is not None:
        timeline.marks[FAILED_MARK] = feedback.at
    if parted is not None:
        feedback = replace(feedback, divergence=_lines(run, parted[1], parted[0]), mark=MARK)
        timeline.marks[MARK] = _place(parted[0])
    path = folder / f"{judge.task.name}.hyp"
    folder.mkdir(parents=True, exist_ok=True)
    write_recording(str(path), record(timeline, judge.recorders[run], judge.options_of(run).limit))
    return replace(feedback, recording=path.name, mark=feedback.mark or FAILED_MARK)


def _difference(judge: Judge, run: JudgedRun) -> tuple[Difference, JudgedRun] | None:
    try:
        expected = judge.solution.again(judge.options_of(run))
    except (CheckFailed, NotGraded):  # the solution cannot be run so: nothing to compare with
        return None
    found = first_difference(run.timeline, expected.timeline)
    return None if found is None else (found, expected)


def _place(difference: Difference) -> Position:
    """Return where the run is marked: at the event that differs, or where other state shows first."""
    return difference.event_at or difference.positions[0]


def _lines(run: JudgedRun, expected: JudgedRun, difference: Difference) -> tuple[str, ...]:
    sides = [_side(each, difference, index) for index, each in enumerate((run, expected))]
    names = zip(("yours", "expected"), sides, strict=True)
    head = f"first divergence from the solution, at {_place(difference)}:"
    return (head, *(f"  {name + ':':<10}{text}" for name, text in names), *_changes(difference))


def _side(run: JudgedRun, difference: Difference, index: int) -> str:
    """Say what one of the runs does where they part: its next event, its end, or where it stands."""
    if difference.events is not None and difference.events[index] != NO_MORE:
        return difference.events[index]
    position = difference.positions[index]
    return f"the run ends: {run.text}" if position >= run.end else run.place(position)


def _changes(difference: Difference) -> Iterator[str]:
    """Say which registers and memory differ, where that is all that does."""
    shown = [each for each in difference.changed if difference.events is None and _is_register(each.name)]
    return (f"  {line}" for line in map(str, shown[:_SHOWN_CHANGES]))


def _is_register(name: str) -> bool:
    """Tell a register or memory from what the machine keeps beside them."""
    return name.split()[-1].isupper()
