"""The page of a lesson or a tour: text in short steps, one at a time.

Read `tui/panels/panel.py` before this file, `tui/tours/` after it.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text

from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.text import flowed
from arm_hyp.tui.view import View


class PagePanel(Panel):
    """Paragraphs of the step where the reader is. `steps` are their titles and paragraphs."""

    name = "page"
    title = "text"
    keys: ClassVar[tuple[PanelKey, ...]] = (
        PanelKey("]", "following", "the next step of the text"),
        PanelKey("[", "preceding", "the step before"),
    )

    def __init__(self) -> None:
        self.steps: list[tuple[str, tuple[str, ...]]] = []
        self.index = 0

    def heading(self, view: View) -> str:
        """Return the step's title, and which of how many it is."""
        if not self.steps:
            return self.title
        return f"{self.steps[self.index][0]}, {self.index + 1}/{len(self.steps)}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the step's paragraphs."""
        if not self.steps:
            return flowed(Text("There is no text here: lessons and tours have some.", look.style("dim")), width)
        made: list[Text] = []
        for paragraph in self.steps[self.index][1]:
            made += [*flowed(Text(paragraph, look.style("text")), width), Text()]
        return made

    def following(self, _view: View) -> None:
        """Go to the next step."""
        self.index = min(self.index + 1, max(len(self.steps) - 1, 0))

    def preceding(self, _view: View) -> None:
        """Go to the step before."""
        self.index = max(self.index - 1, 0)
