"""One view as lines of text, exactly as the application shows it, and who makes such views without a screen.

Read `tui/layouts.py`, `tui/frames.py` and `tui/driver.py` before this file; `tui/widgets.py` (the same on a screen) and
`tui/pictures/` after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.errors import UserError
from arm_hyp.timeline.position import START, Position
from arm_hyp.tui.bar import bar_line
from arm_hyp.tui.driver import Driver
from arm_hyp.tui.frames import Frame, fitted, frame_of
from arm_hyp.tui.keys import DIGITS
from arm_hyp.tui.layouts import LEAST_COLUMNS, LEAST_ROWS, Place, Preset, Row, arrange, preset_for
from arm_hyp.tui.link import Link
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.catalogue import NAMES, make_panels
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import View

MOST_COLUMNS: Final = 400
MOST_ROWS: Final = 200


class Size(NamedTuple):
    """Of a screen, in cells."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read 120x40. Raises: UserError."""
        width, _, height = text.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UserError(f"size {text}", "is not COLUMNSxROWS", "write it as 120x40")
        size = cls(int(width), int(height))
        if not (LEAST_COLUMNS <= size.width <= MOST_COLUMNS and LEAST_ROWS <= size.height <= MOST_ROWS):
            way_out = f"from {LEAST_COLUMNS}x{LEAST_ROWS} to {MOST_COLUMNS}x{MOST_ROWS}"
            raise UserError(f"size {text}", "is no size for a picture", way_out)
        return size


def digit_of(panel: str) -> str:
    """Return the key of a panel; empty where it has none."""
    index = NAMES.index(panel)
    return DIGITS[index] if index < len(DIGITS) else ""


def preset_of(panel: str | None, width: int, height: int, *, has_vms: bool) -> Preset:
    """Return the preset for a screen, or that for one panel alone."""
    if panel is not None:
        return (Row(1, ((panel, 1),), least=3),)
    return preset_for(width, height, has_vms=has_vms)


def top_line(count: int, height: int, top: int = 0, anchor: int | None = None) -> int:
    """Return which of `count` lines is the first to be seen: near `top`, with the anchor in sight, if there is one."""
    if anchor is not None and not top <= anchor < top + height:
        top = anchor - height // 2
    return max(min(top, count - height), 0)


def panel_frame(
    panel: Panel, view: View, count: int, top: int, size: tuple[int, int], look: Look, *, has_focus: bool
) -> Frame:
    """Return a panel's frame, with `count` lines in it that are seen from `top` on."""
    width, height = size
    inside = max(height - 2, 0)
    return frame_of(
        width,
        height,
        look,
        title=panel.heading(view),
        digit=digit_of(panel.name),
        has_focus=has_focus,
        note=f"{top + inside}/{count}" if count > inside else "",
    )


def picture(
    view: View,
    panels: Mapping[str, Panel],
    places: Sequence[Place],
    size: Size,
    look: Look,
    *,
    note: str = "",
    focus: int = 0,
) -> list[Text]:
    """Return the whole screen: `size.height` lines of `size.width` cells. `focus` is the slot that has the keys."""
    rows: list[Text] = [Text() for _ in range(size.height - 1)]
    for place in places:
        drawn = _placed(panels[place.panel], view, place, look, has_focus=place.slot == focus)
        for index, line in enumerate(drawn):
            rows[place.y + index].append_text(line)
    surface, bar = look.style("surface"), look.style("bar")
    screen = [_on(surface, fitted(row, size.width, look)) for row in rows]
    return [*screen, _on(bar, bar_line(view, note, False, "", size.width, look))]


def _placed(panel: Panel, view: View, place: Place, look: Look, *, has_focus: bool) -> list[Text]:
    width, height = max(place.width - 2, 0), max(place.height - 2, 0)
    lines = panel.lines(view, width, height, look)
    top = top_line(len(lines), height, anchor=panel.anchor(view))
    frame = panel_frame(panel, view, len(lines), top, (place.width, place.height), look, has_focus=has_focus)
    return frame.around(lines[top:])


def _on(ground: object, line: Text) -> Text:
    return Text("", style=ground, end="").append_text(line)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a picture is to show: the whole screen, or one panel alone, in a size and a look."""

    size: Size = field(default_factory=lambda: Size(120, 40))
    look: Look = field(default_factory=Look)
    panel: str | None = None

    def __post_init__(self) -> None:
        """Refuse a panel that there is not. Raises: UserError."""
        if self.panel is not None and self.panel not in NAMES:
            raise UserError(f"panel {self.panel}", "there is no such panel", f"there are {', '.join(NAMES)}")


class Painter:
    """Somebody who looks at a run and paints what is seen. `driver` moves."""

    def __init__(self, link: Link, wanted: Wanted, *, is_recording: bool = False) -> None:
        self.wanted = wanted
        self.panels = make_panels()
        self.driver = Driver(link, self._seen, is_recording=is_recording)

    def _places(self) -> tuple[Place, ...]:
        view, (width, height) = self.driver.view, self.wanted.size
        preset = preset_of(self.wanted.panel, width, height, has_vms=view is not None and bool(view.status.vms))
        return arrange(preset, width, height - 1)

    def _seen(self) -> list[Panel]:
        return [self.panels[place.panel] for place in self._places()]

    async def open(self, at: Position | None = None) -> None:
        """Start the machine and look at it. Raises: UserError."""
        await self.driver.open(at)
        await self.driver.look()  # with VMs other panels are seen

    async def forget(self) -> None:
        """Compare the next view with this one alone: what was seen before is not what happened before."""
        self.driver.view = None
        await self.driver.look()

    async def come_to(self, position: Position) -> None:
        """Go to a position by a step, so that what the step has changed is marked."""
        driver = self.driver
        await driver.go(position)
        if driver.now.position > START:
            here = driver.now.position
            await driver.back()
            await self.forget()
            await driver.go(here)
        else:
            await self.forget()

    def lines(self, note: str = "") -> list[Text]:
        """Return the screen as it is now."""
        return picture(self.driver.now, self.panels, self._places(), self.wanted.size, self.wanted.look, note=note)
