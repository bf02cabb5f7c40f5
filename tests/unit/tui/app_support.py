"""The application without a terminal: opened at a guest, with keys pressed, and what it shows as lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual import _wait
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.link import Link, ProcessLink
from arm_hyp.tui.notice import Notice
from arm_hyp.tui.session_link import SessionLink

RECORDINGS = Path(__file__).resolve().parents[2] / "fixtures" / "recordings"
TRAP = "10.2"
"""Where the WFI of `wfi` traps."""
LONGEST_S = 60.0
"""A test that hangs ends."""
_wait.SLEEP_GRANULARITY, _wait.SLEEP_IDLE = 1 / 500, 1 / 5000
"""The pilot takes two milliseconds without work for the end of it, in place of twenty: five times for each key.
`Driven.settle` knows what it has to wait for."""


def configuration(guest: str | Path, *settings: str, hypervisor: str | None = None) -> Configuration:
    """Return a run of a guest of `guests/`, or of a file."""
    return Configuration(image=str(guests_directory() / guest), settings=settings, hypervisor=hypervisor)


def wfi() -> SessionLink:
    """Return a link to the guest whose WFI traps at 10.2, in this process."""
    return SessionLink(Session(configuration("02-wfi.s", "HCR_EL2.TWI=1")))


class Driven:
    """An application that runs, and a pilot who presses its keys."""

    def __init__(self, app: ArmHypApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until all that they began is done."""
        await self.pilot.press(*keys)
        await self.settle()

    async def write(self, text: str) -> None:
        """Answer a prompt."""
        await self.pilot.press(*(_NAMES.get(one, one) for one in text), "enter")
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is being done."""
        await self.pilot.pause()
        while not self.app.work.is_idle.is_set():
            await self.app.work.is_idle.wait()
            await self.pilot.pause()
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not holds():
            await asyncio.sleep(0)

    async def click(self, x: int, y: int) -> None:
        """Click on a cell."""
        await self.pilot.click(offset=(x, y))
        await self.settle()

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        return [strip.text for strip in self.app.screen._compositor.render_strips(self.app.size)]

    @property
    def text(self) -> str:
        """What is on the screen, as one text."""
        return "\n".join(self.lines)

    @property
    def bar(self) -> str:
        """The bottom line, behind what is said above it because it is too long."""
        notice, lines = self.app.screen_stack[0].query_one(Notice), self.lines
        above = lines[-1 - notice.size.height : -1][1:-1] if notice.display else []
        return " ".join([*(line.strip("\u2503 ") for line in above), lines[-1]])

    @property
    def place(self) -> str:
        """The position, as it is written."""
        return str(self.app.driver.now.position)

    @property
    def branch(self) -> str:
        """The branch where the cursor is."""
        return self.app.driver.now.status.branch

    @property
    def panels(self) -> list[str]:
        """The panels that are seen, by name."""
        return [panel.name for panel in self.app.seen_panels()]

    @property
    def focused(self) -> str:
        """The panel that has the keys."""
        panel = self.app.focused_panel
        assert panel is not None
        return panel.name

    def cell(self, key: str, value: object) -> tuple[int, int]:
        """Return a cell that stands for something."""
        return self.cell_where(lambda style: style.meta.get(key) == value)

    def cell_where(self, holds: Callable[[Style], bool]) -> tuple[int, int]:
        """Return the first cell whose style is so."""
        for y in range(self.app.size.height):
            for x in range(self.app.size.width):
                if holds(self.app.screen.get_style_at(x, y)):
                    return x, y
        raise AssertionError(f"no such cell:\n{self.text}")


_NAMES = {".": "full_stop", "+": "plus", "%": "percent_sign", "=": "equals_sign", "_": "underscore", "/": "slash"}


@asynccontextmanager
async def opened(
    link: Link | None = None,
    size: tuple[int, int] = (120, 40),
    **options: Any,
) -> AsyncIterator[Driven]:
    """Open the application and wait until it shows something. Without a link: at the guest whose WFI traps."""
    if link is None:
        link, options = wfi(), {"runs_ahead": True, **options}
    app = ArmHypApp(link, Options(**options))
    async with app.run_test(size=size) as pilot:
        driven = Driven(app, pilot)
        await driven.settle()
        yield driven
        assert app.defects == []


@contextmanager
def written() -> Iterator[list[str]]:
    """Note all that applications write to their terminals meanwhile."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HeadlessDriver, "is_headless", property(lambda self: False))
        patch.setattr(HeadlessDriver, "write", lambda self, data: found.append(data))
        yield found


def process(guest: str | Path, *settings: str, hypervisor: str | None = None) -> ProcessLink:
    """Return a link to a guest in a process of its own."""
    return ProcessLink(configuration(guest, *settings, hypervisor=hypervisor))


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test."""

    async def bounded() -> None:
        async with asyncio.timeout(LONGEST_S):
            await test

    asyncio.run(bounded())
