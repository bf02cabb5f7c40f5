"""What the user asked for, done one after the other: steps that wait are done together, so a held key never lags.

Read nothing before this file, `tui/app.py` after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

Job = Callable[[int], Awaitable[str]]
"""Does something so many times; returns what to say."""
_COUNTED: Final = frozenset({"step", "back"})
"""Jobs of which several that wait are done at once."""
_ONCE: Final = frozenset({"look"})
"""Jobs that need not be done twice in a row."""


class Work:
    """A queue of named jobs. `run` does them for ever; `guard` awaits each and says what came of it."""

    def __init__(self, guard: Callable[[Callable[[], Awaitable[str]]], Awaitable[None]]) -> None:
        self._guard = guard
        self._waiting: deque[tuple[str, Job]] = deque()
        self._has_work = asyncio.Event()
        self.is_idle = asyncio.Event()

    def soon(self, name: str, job: Job) -> None:
        """Do something when what is being done is done."""
        self._waiting.append((name, job))
        self.is_idle.clear()
        self._has_work.set()

    def waits(self) -> bool:
        """Tell whether something waits that ends a run: looking does not, each beat ends with it."""
        return any(name not in _ONCE for name, _ in self._waiting)

    async def run(self) -> None:
        """Do what was asked for, for ever."""
        while True:
            await self._has_work.wait()
            while self._waiting:
                name, job = self._waiting.popleft()
                await self._guard(_bound(job, self._times(name)))
            self._has_work.clear()
            self.is_idle.set()

    def _times(self, name: str) -> int:
        """Take the same jobs behind this one out of the queue; return how often to do it."""
        count = 1
        while name in _COUNTED | _ONCE and self._waiting and self._waiting[0][0] == name:
            self._waiting.popleft()
            count += name in _COUNTED
        return count


def _bound(job: Job, count: int) -> Callable[[], Awaitable[str]]:
    return lambda: job(count)
