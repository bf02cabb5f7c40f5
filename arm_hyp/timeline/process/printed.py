"""Which instruction printed a character: the line's stretch of the run, repeated with an eye on the console.

Read `timeline/process/console.py` before this file, `timeline/process/session.py` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arm_hyp.errors import UserError
from arm_hyp.events import ConsoleOutput
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import PrintedAnswer

if TYPE_CHECKING:
    from arm_hyp.events import Event
    from arm_hyp.timeline.process import messages as ask
    from arm_hyp.timeline.process.console import PrintedAt
    from arm_hyp.timeline.timeline import Timeline


class _Watcher:
    """A sink that notes where a console grew past an offset."""

    interests = frozenset({ConsoleOutput})

    def __init__(self, console: bytearray, offset: int) -> None:
        self._console, self._offset = console, offset
        self.found: Position | None = None

    def emit(self, event: Event) -> None:
        """Look at the console, which has what the event tells."""
        if self.found is None and type(event) is ConsoleOutput and len(self._console) > self._offset:
            self.found = Position(event.n, event.seq)


def printed_by(timeline: Timeline, printed_at: PrintedAt, asked: ask.PrintedBy) -> PrintedAnswer:
    """Return where the byte at an offset of a console was printed, which is up to the cursor. Raises: UserError."""
    consoles, here = timeline.runner.consoles, timeline.position
    if not 0 <= asked.vm < len(consoles) or not 0 <= asked.offset < len(consoles[asked.vm]):
        raise UserError(f"byte {asked.offset} of console {asked.vm}", "has not been printed here")
    first, following = printed_at.around(asked.vm, asked.offset)
    end = here if following is None else min(here, Position(following.n + 1))
    watcher = _Watcher(consoles[asked.vm], asked.offset)
    timeline.replay(Position(max(first.n - 1, 0)), end, sink=watcher)
    found = watcher.found
    if found is not None and not found.seq:  # a store: it has retired. For a VM it is an exit, which is handled there
        timeline.seek(found)
        found = timeline.step_back()
    timeline.seek(here)
    return PrintedAnswer(found)
