"""Whatever answers messages: a session in this process, or a machine in a process of its own.

Read `timeline/process/messages.py` and `timeline/process/answers.py` before this file; `timeline/process/session.py`
and `timeline/process/process.py` are the two. Who asks sees no difference.
"""

from __future__ import annotations

from typing import Protocol

from arm_hyp.timeline.process.answers import Answer, Events
from arm_hyp.timeline.process.messages import Message


class Machine(Protocol):
    """One machine that is asked."""

    def send(self, message: Message) -> Answer:
        """Do what a message asks, and answer it. What went wrong is an answer, too."""

    def stop(self) -> None:
        """Have what is being done end soon; its answer says how far it came."""

    def take_events(self) -> Events:
        """Return the events that were subscribed to and came since the last call."""
