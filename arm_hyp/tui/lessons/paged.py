"""An application with a page: beside the run where there is room, and alone in front of it where there is none.

Read `tui/app.py`, `tui/layouts.py` and `tui/lessons/page.py` before this file, `tui/lessons/app.py` after it.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.tui.app import SLOTS, ArmHypApp, Options
from arm_hyp.tui.layouts import LESSON_FROM, Place, arrange_beside
from arm_hyp.tui.lessons.page import LessonPage
from arm_hyp.tui.link import Link
from arm_hyp.tui.widgets import PanelWidget

_PAGE_SLOT: Final = SLOTS - 1
BESIDE_SLOT: Final = 2
"""Where a panel comes that a step wants to be seen."""


class PagedApp(ArmHypApp):
    """An application with a `page`, in a slot of its own."""

    def __init__(self, link: Link, options: Options) -> None:
        super().__init__(link, options)
        self.page = LessonPage()
        self.panels["page"] = self.page

    @property
    def has_room(self) -> bool:
        """Whether the page stands beside the run."""
        width, height = self.size
        return width >= LESSON_FROM[0] and height >= LESSON_FROM[1]

    def places(self, width: int, height: int, chosen: dict[int, str]) -> tuple[Place, ...]:
        """Put the page beside the panels, where there is room."""
        if self.zoomed is not None or not self.has_room:
            return super().places(width, height, chosen)
        return arrange_beside((_PAGE_SLOT, "page"), width, height, chosen)

    def slot_to_use(self) -> PanelWidget:
        """Return the slot for another panel: never that of the page."""
        widget = super().slot_to_use()
        return self.query_one(f"#slot{BESIDE_SLOT}", PanelWidget) if widget.panel is self.page else widget

    def _resized(self) -> None:
        is_read = self.zoomed == "page" or self.focused_panel is self.page
        if is_read:  # it stays in sight, in front of the run or beside it
            self.zoomed = None if self.has_room else "page"
        super()._resized()
        for widget in self.page_widgets if is_read else ():
            self.give_keys(widget)

    def show_page(self) -> None:
        """Give the page the keys; alone, where it has no room beside the run."""
        if not self.has_room and self.zoomed != "page":
            self.zoom("page")
        for widget in self.page_widgets:
            self.give_keys(widget)

    def show_run(self) -> None:
        """Show the run, where the page stands in front of it."""
        if self.zoomed == "page":
            self.zoom(None)

    @property
    def page_widgets(self) -> list[PanelWidget]:
        """Where the page is seen: one slot, or none."""
        return [widget for widget in self.widgets if widget.panel is self.page]

    def to_top(self) -> None:
        """Scroll to the top of the page."""
        for widget in self.page_widgets:
            widget.top = 0

    def read_on(self) -> bool:
        """Scroll on in the page; return whether there was more."""
        for widget in self.page_widgets:
            if self.driver.view is None or widget.top + widget.inside.height >= self._page_lines(widget):
                return False
            self.scroll_page(1)
            return True
        return False

    def scroll_page(self, direction: int) -> None:
        """Scroll the page by what is seen of it."""
        for widget in self.page_widgets:
            widget.scroll_lines(direction * (widget.inside.height - 1))

    def read_to_end(self) -> None:
        """Scroll to the end of the page."""
        for widget in self.page_widgets:
            widget.scroll_lines(self._page_lines(widget))

    def _page_lines(self, widget: PanelWidget) -> int:
        return len(self.page.lines(self.driver.now, *widget.inside, self.look))
