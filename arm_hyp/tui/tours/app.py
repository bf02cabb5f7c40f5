"""The terminal with a tour: what it says stands under the panels; any key takes over, one gives it back.

Read `tui/app.py` and `tui/tours/player.py` before this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from arm_hyp.timeline.position import Position
from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.driver import Driver
from arm_hyp.tui.link import Link
from arm_hyp.tui.panels.page import PagePanel
from arm_hyp.tui.tours.caption import ROWS, Caption
from arm_hyp.tui.tours.player import Pause, Player, pause_for
from arm_hyp.tui.tours.tour import Do, Tour
from arm_hyp.tui.widgets import strip_of

GO_ON: Final = "t"
_NEXT: Final = frozenset({GO_ON, "enter"})
_IN_DRIVER: Final[Mapping[str, Callable[[Driver, str], Awaitable[str]]]] = {
    "goto": Driver.goto,
    "search": Driver.search,
    "breakpoint": Driver.toggle_breakpoint,
    "mark": Driver.mark,
    "whatif": Driver.flip,
    "who_changed": Driver.last_change,
}


class CaptionWidget(Widget):
    """Draws what the tour says."""

    DEFAULT_CSS = f"CaptionWidget {{ dock: bottom; height: {ROWS}; margin: 0 0 1 0; }}"

    caption: Caption | None = None

    def show(self, caption: Caption) -> None:
        """Show something else."""
        self.caption = caption
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        app = self.app
        assert isinstance(app, TourApp)
        if self.caption is None or y >= ROWS:
            return Strip.blank(self.size.width, app.look.style("surface"))
        return strip_of(self.caption.lines(self.size.width, app.look)[y], app.look.style("surface"))


class TourApp(ArmHypApp):
    """An application that begins with a tour."""

    rows_below = 1 + ROWS

    def __init__(self, link: Link, options: Options, tour: Tour, speed: float = 1.0, pause: Pause = pause_for) -> None:
        super().__init__(link, options)
        self.player = Player(tour, self, speed if options.look.has_motion else None, pause)
        page = self.panels["page"]
        assert isinstance(page, PagePanel)
        self._page = page
        page.steps = [(step.title, step.told) for step in tour.step]
        self.is_over = False
        """Whether the last step was told, and gone on from."""

    def compose(self) -> ComposeResult:
        """Make the caption, above the bottom line."""
        yield from super().compose()
        yield CaptionWidget()

    async def on_mount(self) -> None:
        """Begin; Textual has the base do its own part after this."""
        self.run_worker(self._play(), exclusive=False)

    async def _play(self) -> None:
        await self.work.is_idle.wait()
        if self.driver.view is None:  # it could not begin; that is said
            return
        await self.player.play()
        self.is_over = True
        self.rows_below = 1
        self.query_one(CaptionWidget).display = False
        self.arrange()
        self.look_soon()
        self.say("the tour is over, the keys are yours: ? shows all of them")

    async def on_event(self, event: events.Event) -> None:
        """Take the keys of the tour; any other key or click takes over, and does what it does."""
        if not self.is_over and isinstance(event, events.Key) and self._is_for_tour(event):
            self.player.go_on()
            return
        if not self.is_over and isinstance(event, events.Key | events.MouseDown) and not self.is_leaving:
            self.player.take_over()
        await super().on_event(event)

    def _is_for_tour(self, event: events.Key) -> bool:
        if self.player.is_taken:
            return event.key == GO_ON and len(self.screen_stack) == 1 and self.typing.vm is None
        return event.key in _NEXT

    # --- what the player asks for ------------------------------------------------------------------------------------

    async def perform(self, do: Do) -> None:
        """Do one action, and wait until it is done."""
        if do.name == "panel":
            self.show_panel(do.argument)
        elif do.name == "explain":
            self.do("tour", lambda: self.explain(do.argument))
        elif do.name in _IN_DRIVER:
            self.do("tour", lambda: _IN_DRIVER[do.name](self.driver, do.argument))
        else:
            self.action_do(do.name)
        await self._done()

    async def _done(self) -> None:
        """Wait until there is nothing to do."""
        await asyncio.sleep(0)
        await self.work.is_idle.wait()

    async def settle(self) -> None:
        """Wait until all is done, and close what is over the panels."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.running.pause()
        await self._done()

    def place(self) -> tuple[str, Position]:
        """Return the branch and the position where the run is."""
        return self.driver.now.status.branch, self.driver.now.position

    async def return_to(self, branch: str, position: Position) -> None:
        """Go back there, with all panels in sight."""
        self.zoom(None)

        async def go() -> str:
            if self.driver.now.status.branch != branch:
                await self.driver.switch(branch)
            return await self.driver.go(position)

        self.do("tour", go)
        await self._done()

    def tell(self, caption: Caption) -> None:
        """Show what is told; the page has it, too."""
        self._page.index = caption.number - 1
        self.screen_stack[0].query_one(CaptionWidget).show(caption)
        self.note = ""
        self.refresh_bar()
