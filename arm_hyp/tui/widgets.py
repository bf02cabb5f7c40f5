"""A panel on the screen: draws its lines in a frame, scrolls, takes keys and clicks, and finds words to choose.

Read `tui/panels/panel.py` and `tui/frames.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from arm_hyp.tui.frames import Frame, frame_of
from arm_hyp.tui.layouts import Place
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.picture import panel_frame, top_line
from arm_hyp.tui.text import flowed
from arm_hyp.tui.view import View

_CONSOLE = Console(color_system="truecolor", force_terminal=True, legacy_windows=False)
"""For turning Text into segments only: nothing is printed on it."""


def strip_of(line: Text, base: Style) -> Strip:
    """Return a line as Textual draws it."""
    return Strip(Segment.apply_style(line.render(_CONSOLE, end=""), base), line.cell_len)


def runs_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as runs: the first of each, and how many follow one another."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        first, count = runs[-1] if runs else (number, 0)
        if runs and first + count == number:
            runs[-1] = first, count + 1
        else:
            runs.append((number, 1))
    return runs


class Bar(Widget):
    """The bottom line: `draw` makes it for a width, `press` does what the key that was clicked on does."""

    DEFAULT_CSS = "Bar { dock: bottom; height: 1; }"

    def __init__(self, draw: Callable[[int], tuple[Text, Style]], press: Callable[[str], None]) -> None:
        super().__init__()
        self._draw, self._press = draw, press

    def render_line(self, y: int) -> Strip:
        """Draw it."""
        return strip_of(*self._draw(self.size.width))

    def on_click(self, event: events.Click) -> None:
        """A click on a key is that key."""
        name = event.style.meta.get("press")
        if isinstance(name, str):
            self._press(name)


def where(error: Exception) -> str:
    """Return what went wrong, and in which line of ours."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}" + (
        f", {error}" if str(error) else ""
    )


class PanelWidget(Widget, can_focus=True):
    """One slot of the screen, with the panel that stands there."""

    DEFAULT_CSS = "PanelWidget { position: absolute; }"

    class Chosen(Message):
        """The user clicked on a cell that stands for something, or chose it with Enter."""

        def __init__(self, meta: dict[str, Any], panel: Panel) -> None:
            self.meta, self.panel = meta, panel
            super().__init__()

    class Changed(Message):
        """A panel shows something else now, and may want to read more."""

        def __init__(self, panel: Panel, asks: str = "") -> None:
            self.panel, self.asks = panel, asks
            super().__init__()

    view: View | None = None
    panel: Panel | None = None
    look: Look = Look()

    def __init__(self, slot: int, tell_defect: Callable[[str], None] = lambda words: None) -> None:
        """Make slot number `slot`. `tell_defect` hears of a panel that cannot be drawn."""
        super().__init__(id=f"slot{slot}")
        self._tell_defect = tell_defect
        self.slot, self.top = slot, 0
        self._seen: tuple[object, ...] = ()
        self._lines: list[Text] = []
        self._strips: list[Strip] | None = None
        self._drawn_before: list[tuple[Text, Strip]] = []
        self._drawn_on: tuple[object, ...] = ()

    def place(self, place: Place, panel: Panel, look: Look) -> None:
        """Stand at a place, with a panel."""
        if panel is not self.panel:
            self.top, self._seen = 0, ()
        self.panel, self.look = panel, look
        self.styles.offset = (place.x, place.y)
        self.styles.width, self.styles.height = place.width, place.height
        self.display = True
        self.redraw()

    def show(self, view: View, look: Look) -> None:
        """Draw another view."""
        self.view, self.look = view, look
        self.redraw()

    def redraw(self) -> None:
        """Draw the same view again: the panel has changed, or the size. What is as it was is not sent again."""
        before, self._strips = self._strips, None
        if before is None or len(before) != self.size.height or not self.is_on_screen:
            self.refresh()
            return
        self._strips = self._drawn()
        changed = [y for y, (old, new) in enumerate(zip(before, self._strips, strict=True)) if old is not new]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, count) for y, count in runs_of(changed)))

    @property
    def inside(self) -> Size:
        """The size within the frame."""
        return Size(max(self.size.width - 2, 0), max(self.size.height - 2, 0))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        if self._strips is None:
            self._strips = self._drawn()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def _drawn(self) -> list[Strip]:
        if self.view is None or self.panel is None or not self.inside.area:
            title = self.panel.title if self.panel else ""
            self._lines = self.panel.early_lines(self.inside.width, self.look) if self.panel else []
            frame = frame_of(*self.size, self.look, title=title)
        else:
            width, height = self.inside
            self._lines = self._lines_of(self.panel, self.view, width, height)
            self._follow(height)
            frame = panel_frame(
                self.panel, self.view, len(self._lines), self.top, self.size, self.look, has_focus=self.has_focus
            )
        return self._strips_of(frame, self._lines[self.top :])

    def _lines_of(self, panel: Panel, view: View, width: int, height: int) -> list[Text]:
        """Draw a panel; one that fails says so in its place, and the others go on."""
        try:
            return panel.lines(view, width, height, self.look)
        except Exception as error:
            self.app.call_later(self._tell_defect, f"{panel.name}: {where(error)}")
            return flowed(Text(f"This panel cannot be drawn here: {where(error)}", self.look.style("bad")), width)

    def _strips_of(self, frame: Frame, lines: list[Text]) -> list[Strip]:
        """Return strips of lines in a frame; most are as they were, and need not be made again."""
        base, kind = self.look.style("surface"), (self.look, self.size, frame.edge.style)
        before, self._drawn_on = self._drawn_before if self._drawn_on == kind else [], kind
        inside = [lines[index] if index < len(lines) else Text() for index in range(max(self.size.height - 2, 0))]
        parts = [(frame.head, frame.head), *((line, None) for line in inside), (frame.foot, frame.foot)]
        made = []
        for index, (content, whole) in enumerate(parts[: self.size.height]):
            known = before[index] if index < len(before) else None
            if known is None or known[0] != content or known[0].style != content.style:
                known = content, strip_of(whole or frame.row(content), base)
            made.append(known)
        self._drawn_before = made
        return [strip for _, strip in made]

    def _follow(self, height: int) -> None:
        """Bring what the cursor is about into sight, if the cursor has moved; never scroll beyond the end."""
        assert self.view is not None and self.panel is not None
        anchor = self.panel.anchor(self.view)
        key = self.view.position, self.view.status.branch, anchor
        if key == self._seen:
            anchor = None
        self._seen = key
        self.top = top_line(len(self._lines), height, self.top, anchor)

    def scroll_lines(self, count: int) -> None:
        """Scroll, down if positive."""
        self.top += count
        self.redraw()

    def watch_has_focus(self, _has_focus: bool) -> None:
        """Show whether it has the focus."""
        super().watch_has_focus(_has_focus)
        self.redraw()

    def on_resize(self) -> None:
        """Draw anew, around what the cursor is about."""
        self.top, self._seen = 0, ()
        self.redraw()

    def on_mouse_scroll_down(self) -> None:
        """Scroll."""
        self.scroll_lines(2)

    def on_mouse_scroll_up(self) -> None:
        """Scroll."""
        self.scroll_lines(-2)

    def on_key(self, event: events.Key) -> None:
        """Take the panel's own keys, and up and down where the panel has none for them."""
        panel = self.panel
        if panel is None or self.view is None:
            return
        names = {event.key, event.character or event.key}
        own = next((row for row in panel.keys if row.key in names), None)
        if own is not None:
            event.stop()
            event.prevent_default()
            asks = getattr(panel, "question", "") if own.method == "ask" else ""
            if not asks:
                getattr(panel, own.method)(self.view)
            self.post_message(self.Changed(panel, asks))
        elif event.key in ("up", "down"):
            event.stop()
            self.scroll_lines(1 if event.key == "down" else -1)

    def on_click(self, event: events.Click) -> None:
        """Tell what was clicked on."""
        meta = {key: value for key, value in event.style.meta.items() if not key.startswith("@")}
        if meta and self.panel is not None:
            self.post_message(self.Chosen(meta, self.panel))
