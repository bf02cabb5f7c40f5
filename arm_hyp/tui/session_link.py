"""A link to a session in this process: for tests, and for pictures that are made without a screen.

Read `tui/link.py` and `timeline/process/session.py` before this file.
"""

from __future__ import annotations

from arm_hyp.runner.messages import Type
from arm_hyp.timeline.process.answers import Answer, Events
from arm_hyp.timeline.process.messages import Message
from arm_hyp.timeline.process.pipe import Progress
from arm_hyp.timeline.process.session import Session


class SessionLink:
    """A session in this process: for tests, and for pictures that are made without a screen."""

    progress: Progress | None = None

    def __init__(self, session: Session) -> None:
        self.session = session

    async def start(self) -> None:
        """Do nothing: it is there."""

    async def ask(self, message: Message) -> Answer:
        """Ask, and answer at once."""
        return self.session.send(message)

    def stop(self) -> None:
        """Have what is being done end soon."""
        self.session.stop()

    def type(self, data: bytes, vm: int = 0) -> None:
        """Type on a console."""
        self.session.send(Type(data, vm))

    def take_events(self) -> Events:
        """Return the events that were subscribed to and came since the last call."""
        return self.session.take_events()

    async def close(self) -> None:
        """Do nothing: it ends with this process."""
