"""Where a run that failed first differs from the solution's, and the run as a recording with that place marked.

Read `timeline/differences.py`, `timeline/recordings/saved.py`, `course/judge.py` and `course/visible.py` before this
file. Runs that are the same at the start, as those of one guest under other handlers, are compared in all their state.
Where what a student wrote differs there already, what can be seen is compared: so no answer is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from arm_hyp.course.judge import Judge
from arm_hyp.course.judged_run import CheckFailed, JudgedRun, NotGraded
from arm_hyp.course.verdict import Feedback
from arm_hyp.course.visible import ending, first_visible
from arm_hyp.timeline.differences import NO_MORE, Difference, first_difference
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.recordings.recording import write_recording
from arm_hyp.timeline.recordings.saved import record

MARK: Final = "first-divergence"
FAILED_MARK: Final = "failed-check"
_SHOWN_CHANGES: Final = 3
_STANDING: Final = ("PC", "PSTATE")


def located(judge: Judge, failed: CheckFailed, folder: Path) -> Feedback:
    """Return the feedback with the first divergence; the run is saved in the folder, as TASK.hyp.

    Several checks may fail by one run: where that parts is looked for and told once. The first failure has the mark. Of
    a task with several runs each that fails is saved: the second as TASK-2.hyp.
    """
    run, feedback = failed.run, failed.feedback
    if run is None or run not in judge.recorders:
        return feedback
    number = [*judge.divergences, run].index(run) + 1
    path = folder / (f"{judge.task.name}.hyp" if number == 1 else f"{judge.task.name}-{number}.hyp")
    known = {*judge.divergences.values()}
    if run not in judge.divergences:
        judge.divergences[run] = _divergence(judge, run, feedback.at, path)
    found = judge.divergences[run]
    told = () if found in known else found
    return replace(feedback, divergence=told, recording=path.name, mark=MARK if found else FAILED_MARK)


def _divergence(judge: Judge, run: JudgedRun, at: Position | None, path: Path) -> tuple[str, ...]:
    """Say where a run parts from the solution's, and save it with marks."""
    parted, marks = _parting(judge, run), run.timeline.marks
    if at is not None:
        marks[FAILED_MARK] = at
    if parted is not None:
        marks[MARK] = parted[0]
    save_run(judge, run, path)
    return () if parted is None else (f"first divergence from the solution, at {parted[0]}:", *parted[1])


def save_run(judge: Judge, run: JudgedRun, path: Path) -> None:
    """Write a run of a judge as a recording. Raises: UserError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(str(path), record(run.timeline, judge.recorders[run], judge.options_of(run).limit))


def _parting(judge: Judge, run: JudgedRun) -> tuple[Position, tuple[str, ...]] | None:
    """Return where a run parts from the solution's, and what differs there in lines."""
    try:
        expected = judge.solution.again(judge.options_of(run))
    except (CheckFailed, NotGraded):  # the solution cannot be run so: nothing to compare with
        return None
    found = first_difference(run.timeline, expected.timeline)
    if found is not None and found.last_same is not None:
        lines = _lines(run, expected, found)
        return (found.positions[0], lines) if lines else None
    seen = first_visible(run, expected)
    return None if seen is None else (seen[0].at, tuple(_sides((seen[0].text, seen[1].text))))


def _lines(run: JudgedRun, expected: JudgedRun, difference: Difference) -> tuple[str, ...]:
    """Say what differs first, and which event is the first that shows it."""
    first, runs = difference.positions[0], (run, expected)
    shorter = min(each.end for each in runs)
    events = tuple(_event(each, difference, index, shorter) for index, each in enumerate(runs))
    if difference.event_at is not None and difference.event_at <= first:
        return tuple(_sides(events))
    standing = tuple(map(_standing, runs, difference.positions))
    told = (*(_sides(standing) if standing[0] != standing[1] else ()), *_changes(difference))
    return told if difference.event_at is None else (*told, f"it shows at {difference.event_at}:", *_sides(events))


def _sides(texts: tuple[str, ...]) -> Iterator[str]:
    return (f"  {name + ':':<10}{text}" for name, text in zip(("yours", "expected"), texts, strict=True))


def _event(run: JudgedRun, difference: Difference, index: int, shorter: Position) -> str:
    """Say which event one of the runs has where they part; one that has none has ended, or goes on without."""
    told = NO_MORE if difference.events is None else difference.events[index]
    if told != NO_MORE:
        return told
    return ending(run) if run.end <= shorter else "no exception so far"


def _standing(run: JudgedRun, position: Position) -> str:
    """Say where a run stands, or that it has ended."""
    return ending(run) if position >= run.end else run.place(position)


def _changes(difference: Difference) -> list[str]:
    """Say which registers and memory differ, beside those that say where a run stands."""
    shown = [each for each in difference.changed if _is_register(each.name) and each.name.split()[-1] not in _STANDING]
    return [f"  {each} (yours, expected)" for each in shown[:_SHOWN_CHANGES]]


def _is_register(name: str) -> bool:
    """Tell a register or memory from what the machine keeps beside them."""
    last = name.split()[-1]
    return last.isupper() or last.startswith("0x")
