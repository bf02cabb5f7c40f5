"""Plays a tour: does what a step says, tells about it, and holds until its pause is over or a key goes on.

Read `tui/tours/tour.py` and `tui/tours/caption.py` before this file, `tui/tours/app.py`, its stage, after it.
Whoever takes over may go anywhere; when the tour goes on, it goes back to where its step was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from arm_hyp.timeline.position import Position
from arm_hyp.tui.tours.caption import Caption
from arm_hyp.tui.tours.tour import Do, Step, Tour

Pause = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits until an event, or so many seconds."""


class Stage(Protocol):
    """What a tour plays on."""

    async def perform(self, do: Do) -> None:
        """Do one action, and wait until it is done."""

    async def settle(self) -> None:
        """Wait until all is done, and close what is over the panels."""

    def place(self) -> tuple[str, Position]:
        """Return the branch and the position where the run is."""

    async def return_to(self, branch: str, position: Position) -> None:
        """Go back there."""

    def tell(self, caption: Caption) -> None:
        """Show what is told."""


async def pause_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event, or so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


class Player:
    """One performance. `speed` 2 halves the pauses; None is at the speed of whoever presses keys."""

    def __init__(self, tour: Tour, stage: Stage, speed: float | None = 1.0, pause: Pause = pause_for) -> None:
        self.tour, self.is_taken = tour, False
        self._stage, self._speed, self._pause = stage, speed, pause
        self._pressed = asyncio.Event()

    def go_on(self) -> None:
        """Go on: from a pause, to an answer, or after somebody has taken over."""
        self.is_taken = False
        self._pressed.set()

    def take_over(self) -> None:
        """Let the user go anywhere; the tour waits."""
        if not self.is_taken:
            self.is_taken = True
            self._pressed.set()

    async def play(self) -> None:
        """Play it to its end."""
        for number, step in enumerate(self.tour.step, 1):
            await self._stage.settle()
            for do in step.actions:
                await self._stage.perform(do)
            is_last = number == len(self.tour.step)
            if step.question:
                await self._hold(step, number, step.text, 0.0, step.question)
                await self._hold(step, number, step.answer, 0.0 if is_last else step.pause)
            else:
                await self._hold(step, number, step.text, 0.0 if is_last else step.pause)

    async def _hold(self, step: Step, number: int, text: str, seconds: float, question: str = "") -> None:
        """Tell, and wait until it goes on; whoever takes over has all the time."""
        place = self._stage.place()
        waits = not seconds or self._speed is None
        while True:
            self._pressed.clear()
            caption = Caption(
                step.title, _one_line(text), _one_line(question), number, len(self.tour.step), not self.is_taken, waits
            )
            self._stage.tell(caption)
            if self.is_taken or waits or self._speed is None:
                await self._pressed.wait()
            else:
                await self._pause(self._pressed, seconds / self._speed)
            if caption.is_playing and not self.is_taken:
                return
            if not self.is_taken:
                await self._stage.settle()
                await self._stage.return_to(*place)


def _one_line(text: str) -> str:
    return " ".join(text.split())
