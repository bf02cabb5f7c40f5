"""What a tour says, in a frame under the panels: the text, the question or its answer, and the keys that matter.

Read `tui/frames.py` and `tui/tours/tour.py` before this file, `tui/tours/app.py` after it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.tui.frames import frame_of
from arm_hyp.tui.look import Look
from arm_hyp.tui.text import flowed

TEXT_ROWS: Final = 4
ROWS: Final = TEXT_ROWS + 2


class Caption(NamedTuple):
    """What is told now: `number` of so many `steps`. `is_playing`: the tour has the keys, else who watches."""

    title: str
    text: str
    question: str
    number: int
    steps: int
    is_playing: bool
    waits: bool
    """Whether the tour waits for a key, and does not go on by itself."""

    def lines(self, width: int, look: Look) -> list[Text]:
        """Draw it: `ROWS` lines."""
        inside = max(width - 4, 1)
        told = flowed(Text(self.text, look.style("text")), inside)
        if self.question:
            told += flowed(Text(f"? {self.question}", look.style("changed")), inside, 2)
        rows = [Text.assemble(" ", line) for line in told]
        title = f"{self.title}, {self.number} of {self.steps}"
        frame = frame_of(width, ROWS, look, title=title, has_focus=self.is_playing, note=self._hint)
        return frame.around(rows)

    @property
    def _hint(self) -> str:
        if not self.is_playing:
            return "the keys are yours; t: on with the tour"
        if self.question:
            return "Enter: the answer"
        return "Enter: on, any other key: yours" if self.waits else "plays; any key takes over"
