"""A recording written in another tool's format: it is replayed, with the format's sink listening.

Read `timeline/recordings/replay.py` and `debug/exports/formats.py` before this file, `cli/export.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TextIO

from arm_hyp.debug.exports.formats import FORMATS, ExportSink, Format, source_of
from arm_hyp.debug.exports.lines import started
from arm_hyp.errors import UserError
from arm_hyp.events import Event, ExceptionTaken, FanOut
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline.recordings.replay import Replay

_WHOLE: Final = 100
_REACHED: Final = "the part to export is complete"


class Part(NamedTuple):
    """What to export: what happens from `start` instructions on, and before `end`; None: to the end of the run."""

    start: int = 0
    end: int | None = None


class Export:
    """One export: make it, `write` it, and ask what `difference` there was."""

    def __init__(self, replay: Replay, name: str, part: Part | None = None) -> None:
        """Take a recording and the name of a format. Raises: UserError."""
        self._replay, self._format, self._part = replay, FORMATS[name], part or Part()
        self._fan = FanOut()
        self.runner = replay.runner(self._fan)
        replay.name_files(self.runner)
        _check(replay, name, self._format, self.runner, self._part)
        self._answer: dict[str, Any] = {}

    def write(self, file: TextIO, progress: Callable[[int], None] = lambda percent: None) -> None:
        """Replay, and write the file. `progress` hears how far the replay is, in per cent."""
        sink = self._format.make(file, source_of(self.runner))
        window = _Window(sink, self._part, self._reached)
        percent = Percent(self._part.end or self._replay.recording.end.n, progress)
        sink.emit(started(self.runner))
        self._fan.sinks = (percent, window)
        self._answer = self._replay.run(self.runner)
        sink.close()
        file.flush()

    def stop(self, text: str) -> None:
        """Have `write` come back soon: from a signal."""
        self.runner.machine.request_stop(text, 1, at_once=False)

    def _reached(self) -> None:
        self.runner.machine.request_stop(_REACHED, 0)

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for is in the file."""
        return self._answer["text"] == _REACHED or not self._replay.was_interrupted(self._answer)

    @property
    def difference(self) -> str:
        """How the replay differs from what was recorded, in one sentence; empty if it does not."""
        return self._replay.difference(self.runner, self._answer)


def _check(replay: Replay, name: str, wanted: Format, runner: Runner, part: Part) -> None:
    if wanted.needs_vms and runner.hypervisor is None:
        cause = f"there is no VM in {replay.name}, so there are no events of KVM"
        raise UserError(
            f"--to {name}", cause, f"use {' or '.join(n for n, each in FORMATS.items() if not each.needs_vms)}"
        )
    end = replay.recording.end.n
    if part.start > end:
        raise UserError(f"--from {part.start}", f"the run ends at {end:,} instructions", "begin earlier")
    if part.end is not None and part.end <= part.start:
        raise UserError(f"--until {part.end}", "nothing lies before it that is asked for", "end later")


class _Window:
    """Passes on what happens in a part of the run; says when that is over."""

    def __init__(self, sink: ExportSink, part: Part, is_over: Callable[[], None]) -> None:
        self._sink, self._part, self._is_over = sink, part, is_over
        interests = getattr(sink, "interests", None)
        if interests is not None:
            self.interests: frozenset[type[Event]] = interests

    def emit(self, event: Event) -> None:
        """Pass an event on, if it is asked for."""
        if self._part.end is not None and event.n >= self._part.end:
            self._is_over()
        elif event.n >= self._part.start:
            self._sink.emit(event)


class Percent:
    """Tells how far a run is, each time that it comes one per cent further."""

    interests: Final = frozenset[type[Event]]({ExceptionTaken})

    def __init__(self, end: int, tell: Callable[[int], None]) -> None:
        self._end, self._tell, self._told = max(end, 1), tell, -1

    def emit(self, event: Event) -> None:
        """Look where an event is."""
        percent = min(event.n * _WHOLE // self._end, _WHOLE)
        if percent != self._told:
            self._told = percent
            self._tell(percent)
