"""Who hears what a session's run does for the first time, and who types: a screen, a report of everything, a diagnosis.

Read `timeline/process/events.py` and `timeline/process/telling.py` before this file, `timeline/process/session.py`
after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from arm_hyp.events import FanOut, NullSink
from arm_hyp.machine.console_input import HostConsole
from arm_hyp.timeline.process.answers import Done, Events
from arm_hyp.timeline.process.events import Batch, types_of
from arm_hyp.timeline.process.messages import Subscribe, Tell
from arm_hyp.timeline.process.telling import Teller
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from arm_hyp.explain.diagnosis.recent import Recent

_NOTHING: Final = Batch(frozenset())


class LiveUser(HostConsole, Protocol):
    """Who is at the console of a run that is watched."""

    def become(self, *, can_type: bool, is_paced: bool) -> None:
        """Be somebody who can type, or cannot any more, and for whom idle time takes its time, or takes none."""


class Listeners:
    """Those of one timeline. `teller` is there after `Tell`, and `recent` keeps what a diagnosis asks for."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline, self._batch = timeline, _NOTHING
        self.teller: Teller | None = None
        self.recent: Recent | None = None

    def subscribe(self, message: Subscribe) -> Done:
        """Have a screen hear events of some types, or no more."""
        self._batch = Batch(types_of(message.kinds)) if message.kinds else _NOTHING
        return self._listen()

    def tell(self, message: Tell) -> Done:
        """Have all events of some types told, and what is printed. Raises: UserError."""
        from arm_hyp.explain.diagnosis.recent import Recent  # here: most sessions do without

        clock = self._timeline.runner.machine.clock
        self.teller = Teller(types_of(message.kinds), lambda: clock.idle_ns)
        self.recent = Recent() if message.kinds else None
        return self._listen()

    def _listen(self) -> Done:
        """Connect those who want to hear anything: a machine that nobody listens to makes no events."""
        is_told = self.teller is not None and self.teller.interests
        wanted = (self._batch if self._batch.interests else None, self.teller if is_told else None, self.recent)
        sinks = [sink for sink in wanted if sink is not None]
        self._timeline.listen(sinks[0] if len(sinks) == 1 else FanOut(*sinks) if sinks else NullSink())
        return Done()

    def printed(self, vm: int, data: bytes) -> None:
        """Take what a guest prints."""
        if self.teller is not None:
            self.teller.print(vm, data)

    def take(self) -> Events:
        """Return the events that a screen has not had yet."""
        return self._batch.take()
