"""The slots of the screen: which panel stands where, which has the keys, and which fills the screen alone.

Read `tui/widgets.py`, `tui/layouts.py` and `tui/panels/catalogue.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from textual.app import App

from arm_hyp.tui.driver import Driver
from arm_hyp.tui.layouts import LEAST_COLUMNS, LEAST_ROWS, Place, Preset, arrange
from arm_hyp.tui.look import LIGHT, Look
from arm_hyp.tui.panels.catalogue import Panels
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.picture import preset_of
from arm_hyp.tui.widgets import PanelWidget


class SlotsApp(App[None], inherit_bindings=False):
    """An application of panels in slots. Whoever builds on it says what `driver` looks at, and draws."""

    driver: Driver
    look: Look
    rows_below: int = 1
    """Lines at the bottom that are no panel's."""

    def __init__(self, *, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self.panels, self.has_panels = Panels(), False
        self.chosen: dict[int, str] = {}
        """The panels that the user put into slots."""
        self.zoomed: str | None = None

    def show(self) -> None:
        """Draw the view that there is."""
        raise NotImplementedError

    def look_soon(self) -> None:
        """Read anew what is seen now."""
        raise NotImplementedError

    @property
    def is_tiny(self) -> bool:
        """Whether there is no room for panels."""
        width, height = self.size
        return width < LEAST_COLUMNS or height < LEAST_ROWS

    @property
    def widgets(self) -> list[PanelWidget]:
        """The slots that are seen."""
        return [widget for widget in self.screen_stack[0].query(PanelWidget) if widget.display]

    @property
    def focused_panel(self) -> Panel | None:
        """The panel that has the focus."""
        focused = self.screen_stack[0].focused
        return focused.panel if isinstance(focused, PanelWidget) else None

    def seen_panels(self) -> list[Panel]:
        """Return the panels that are seen."""
        return [widget.panel for widget in self.widgets if widget.panel is not None]

    def _preset(self) -> Preset:
        view = self.driver.view
        return preset_of(self.zoomed, *self.size, has_vms=view is not None and bool(view.status.vms))

    def places(self, width: int, height: int, chosen: dict[int, str]) -> tuple[Place, ...]:
        """Return where panels stand in so many cells."""
        return arrange(self._preset(), width, height, chosen)

    def arrange(self) -> None:
        """Put every panel where it belongs for this size."""
        width, height = self.size
        chosen = {} if self.zoomed else self.chosen
        places = () if self.is_tiny else self.places(width, height - self.rows_below, chosen)
        for widget in self.screen_stack[0].query(PanelWidget):
            place = next((one for one in places if one.slot == widget.slot), None)
            if place is None:
                widget.display = False
            else:
                widget.place(place, self._panel_for(place.panel), self.look)
        if self.screen_stack[0].focused is None and self.widgets:  # it was too small for panels
            self.give_keys(self.widgets[0])
        self.show()

    def _panel_for(self, name: str) -> Panel:
        """Return a panel; until all are imported, what stands for it."""
        return self.panels[name] if self.has_panels else self.panels.early(name)

    def wear(self, look: Look) -> None:
        """Look so; what comes over the panels too."""
        self.look = look
        self.set_class(look.glyphs.is_ascii, "-ascii")
        self.theme = "textual-light" if look.palette == LIGHT else "textual-dark"

    def show_panel(self, name: str) -> None:
        """Give a panel the focus; bring it into the slot that has it, or the last one."""
        if self.is_tiny:
            return
        if self.zoomed not in (None, name):
            self.zoom(None)
        widget = next((one for one in self.widgets if one.panel is self.panels[name]), None)
        if widget is None:
            self.put(name, self.slot_to_use())
        else:
            self.give_keys(widget)

    def give_keys(self, widget: PanelWidget) -> None:
        """Give a panel the focus now: the next key may be waiting for it."""
        self.screen_stack[0].set_focus(widget)

    def slot_to_use(self) -> PanelWidget:
        """Return the slot for another panel: the one that has the focus, but the ladder keeps its own."""
        focused = self.screen_stack[0].focused
        if isinstance(focused, PanelWidget) and focused.slot > 0 and focused.display:
            return focused
        return self.widgets[min(2, len(self.widgets) - 1)]

    def put(self, name: str, widget: PanelWidget) -> None:
        """Put a panel into a slot."""
        self.zoomed = None
        self.chosen[widget.slot] = name
        self.arrange()
        self.give_keys(widget)
        self.look_soon()

    def zoom(self, name: str | None) -> None:
        """Show one panel alone; None: all of them."""
        wanted = self.panels.get(name or self.zoomed or "")  # nothing, if it was never seen
        self.zoomed = name
        self.arrange()
        self.look_soon()
        widget = next((one for one in self.widgets if one.panel is wanted), None)
        if widget is not None:
            self.give_keys(widget)
