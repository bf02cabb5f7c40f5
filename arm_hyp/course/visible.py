"""Where two runs first differ in what can be seen: exceptions that instructions raise, console output, and the end.

Read `course/judged_run.py` before this file, `course/divergence.py` after it. Two guests that both do what is asked may
be of different length, and an answer is itself a difference from the start: their positions and registers tell nothing.
So the n-th thing that can be seen in one run is compared with the n-th in the other.

Simplified: interrupts are left out. When they come depends on how many instructions ran before.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from arm_hyp.arch.iss_classes import EC
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ConsoleOutput, Event, ExceptionTaken
from arm_hyp.explain.trace_lines import merged, words
from arm_hyp.timeline.position import Position

_SHOWN_TEXT: Final = 100
_CALLS: Final = frozenset({EC.SVC64, EC.HVC64, EC.SMC64})
"""Exceptions whose syndrome is what the guest says; that of others has addresses and registers of its code."""


class Seen(NamedTuple):
    """One thing that can be seen: where, `what` makes it the same in two runs, and in words."""

    at: Position
    what: tuple[object, ...]
    text: str


def first_visible(run: JudgedRun, expected: JudgedRun) -> tuple[Seen, Seen] | None:
    """Return the first thing in each run that differs; None if the same can be seen in both."""
    ends = _end(run), _end(expected)
    pairs = zip_longest(_seen(run), _seen(expected))
    found = ((one or ends[0], other or ends[1]) for one, other in pairs)
    return next((pair for pair in found if pair[0].what != pair[1].what), None)


def _seen(run: JudgedRun) -> Iterator[Seen]:
    """Give what can be seen in order; a line on the console stands where its first character was printed."""
    printed = map(_printed, merged(run.of_type(ConsoleOutput)))
    taken = (_taken(event) for event in run.of_type(ExceptionTaken) if event.kind == "sync")
    yield from sorted((*printed, *taken), key=lambda seen: seen.at)
    yield _end(run)


def _printed(event: Event) -> Seen:
    said = words(event).what
    return Seen(_at(event), (said,), said if len(said) <= _SHOWN_TEXT else f'{said[:_SHOWN_TEXT]}..."')


def _taken(event: ExceptionTaken) -> Seen:
    said = event.esr if event.ec in _CALLS else event.ec
    text = f"{words(event).result}, from EL{event.from_el} to EL{event.to_el}"
    return Seen(_at(event), (event.from_el, event.to_el, said), text)


def _end(run: JudgedRun) -> Seen:
    return Seen(run.end, (run.reason,), ending(run))


def ending(run: JudgedRun) -> str:
    """Say in one line how a run ends."""
    return f"the run ends: {run.text.partition(chr(10))[0]}"


def _at(event: Event) -> Position:
    return Position(event.n, event.seq)
