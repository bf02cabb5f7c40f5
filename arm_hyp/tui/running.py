"""Running: beats of a speed, one after the other, until somebody pauses it or it can go no further.

Read `tui/speeds.py` and `tui/driver.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from arm_hyp.tui.driver import Driver
from arm_hyp.tui.speeds import FULL, SPEEDS


class Running:
    """Whether the run goes on by itself, and how fast. `show` draws the view after each beat."""

    def __init__(self, driver: Driver, show: Callable[[], None], speed: int) -> None:
        self._driver, self._show = driver, show
        self.speed = speed
        self.goes_on = False
        self.has_waiting: Callable[[], bool] = lambda: False
        """Whether the user has pressed something meanwhile."""

    @property
    def shown(self) -> str:
        """The speed, while it matters."""
        return SPEEDS[self.speed].name if self.goes_on else ""

    def pause(self) -> None:
        """Stop soon."""
        if self.goes_on:
            self.goes_on = False
            self._driver.link.stop()

    def set_speed(self, speed: int) -> str:
        """Run at another speed; return what to say."""
        self.speed = min(max(speed, 0), FULL)
        return f"speed: {SPEEDS[self.speed].name}"

    async def run(self) -> str:
        """Go on; return what to say at the end."""
        try:
            note = await self._beats()
        finally:  # also when the machine process has died
            self.goes_on = False
        await self._driver.look()
        return note

    async def _beats(self) -> str:
        note = ""
        while self.goes_on and not note and not self.has_waiting():
            speed, before = SPEEDS[self.speed], self._driver.now.position
            begun = asyncio.get_running_loop().time()
            note = await self._beat(speed.beat, speed.seconds)
            self._show()
            if speed.beat != "run":
                if self._driver.now.position == before:
                    break
                await asyncio.sleep(max(speed.seconds - (asyncio.get_running_loop().time() - begun), 0))
        return note

    async def _beat(self, beat: str, seconds: float) -> str:
        beats: dict[str, Callable[[], Awaitable[str]]] = {
            "step": self._step,
            "trap": self._driver.next_trap_or_breakpoint,
        }
        if beat in beats:
            return await beats[beat]()
        handle = asyncio.get_running_loop().call_later(seconds, self._driver.link.stop)
        try:
            return await self._driver.run(is_running=True)
        finally:
            handle.cancel()

    async def _step(self) -> str:
        """Go one step on; at a breakpoint say so."""
        from arm_hyp.tui.panels.code import breakpoints_of  # here: a first picture needs none

        note, view = await self._driver.step(), self._driver.now
        pc = next((cpu.pc for cpu in view.status.cpus if cpu.is_current), None)
        return note or (f"breakpoint {pc:#x}" if pc is not None and pc in breakpoints_of(view) else "")
