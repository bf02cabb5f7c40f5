"""The wire to the machine: a machine process asked without blocking the screen.

Read `timeline/process/process.py` before this file; `tui/session_link.py` (the same in this process) and
`tui/gather.py` after it.

A machine process answers one message at a time; a thread of its own waits for it, so the screen goes on. `stop` and
`type` may be called while it works. What went wrong is an answer (`Failed`, `Restarted`), never an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from arm_hyp.errors import UserError
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.process.answers import Answer, Events, Failed, Restarted
from arm_hyp.timeline.process.messages import Message
from arm_hyp.timeline.process.pipe import Progress, RecordingFile
from arm_hyp.timeline.process.process import MachineProcess

Source = Configuration | RecordingFile


class Link(Protocol):
    """How the screen reaches a machine."""

    progress: Progress | None
    """The last that was heard of a message that takes longer."""

    async def start(self) -> None:
        """Make the machine. Raises: UserError."""

    async def ask(self, message: Message) -> Answer:
        """Ask, and wait for the answer."""

    def stop(self) -> None:
        """Have what is being done end soon."""

    def type(self, data: bytes, vm: int = 0) -> None:
        """Type on a console, also while the machine runs."""

    def take_events(self) -> Events:
        """Return the events that were subscribed to and came since the last call."""

    async def close(self) -> None:
        """End it."""


class ProcessLink:
    """A machine in a process of its own. `on_progress` is called from another thread."""

    def __init__(self, source: Source, on_progress: Callable[[Progress], None] = lambda progress: None) -> None:
        self._source, self._on_progress = source, on_progress
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="machine")
        self._process: MachineProcess | None = None
        self._making = self._thread.submit(self._make)  # at once: the screen is made meanwhile
        self.progress: Progress | None = None

    def _make(self) -> MachineProcess:
        return MachineProcess(self._source, on_progress=self._heard)

    def _heard(self, progress: Progress) -> None:
        self.progress = progress
        self._on_progress(progress)

    @property
    def process(self) -> MachineProcess:
        """The process. Only after `start`."""
        assert self._process is not None, "start it first"
        return self._process

    async def start(self) -> None:
        """Wait until the machine is there. Raises: UserError."""
        self._process = await asyncio.wrap_future(self._making)

    async def ask(self, message: Message) -> Answer:
        """Ask in the thread that waits; messages that come meanwhile take their turn."""
        self.progress = None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.process.send, message)

    def stop(self) -> None:
        """Have what is being done end soon."""
        if self._process is not None:
            self._process.stop()

    def type(self, data: bytes, vm: int = 0) -> None:
        """Type on a console, also while the machine runs."""
        self.process.type(data, vm)

    def take_events(self) -> Events:
        """Return the events that were subscribed to and came since the last call."""
        return self.process.take_events()

    async def kill(self, reason: str) -> Restarted | Failed:
        """End a process that does not listen; another one stands where it was."""
        return await asyncio.to_thread(self.process.kill, reason)

    async def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is None and not self._making.cancel():
            try:
                self._process = await asyncio.wrap_future(self._making)
            except UserError:
                return
        if self._process is not None:
            self._process.stop()
            await asyncio.to_thread(self._process.close)
        self._thread.shutdown(wait=False, cancel_futures=True)
