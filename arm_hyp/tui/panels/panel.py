"""What a panel is: it says what it must read, and draws lines of text from a view. It needs no terminal.

Read `tui/look.py` and `tui/view.py` before this file, any panel after it.

Cells can stand for something: draw them with `look.style(role, KEY=VALUE)`, and the mouse, Enter and the key that
explains words know what to do. The keys: `go` ((n, seq): go there), `explain` (a word as in `tui/words.py`:
"HCR_EL2.TWI", "ESR_EL2", "WFI", "EC 0x24", "HYP012"), `flip` ("HCR_EL2.TWI": change this bit on a branch), `press` (the
name of an action of `tui/keys.py`, for hints that can be clicked), `look` ((vm, index): look at this vCPU, or with None
at this CPU), `printed` ((vm, offset): go to the instruction that printed this byte). All others are the panel's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from rich.text import Text

from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui.look import Look
from arm_hyp.tui.view import View


class PanelKey(NamedTuple):
    """A key that a panel takes while it has the focus: `method` is called by name."""

    key: str
    method: str
    words: str


class Panel:
    """A part of the screen. A panel may remember what its user chose (an address, a page); a view it never keeps.

    A panel that needs a text from its user has a key with the method "ask", a `question`, and a method
    `answer(text, view)`, which raises UserError for nonsense.
    """

    name: ClassVar[str]
    """One word, lower case: for layouts, the command palette and the command line."""
    title: ClassVar[str]
    keys: ClassVar[tuple[PanelKey, ...]] = ()

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Say what to read. Called again with what was read, until it wants nothing new: PC first, then memory."""
        return ()

    def heading(self, view: View) -> str:
        """Return the title for this view."""
        return self.title

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw it: lines of at most `width` cells. More than `height` lines can be scrolled through."""
        raise NotImplementedError

    def early_lines(self, width: int, look: Look) -> list[Text]:
        """Draw what can be seen before there is a machine to look at."""
        return []

    def anchor(self, view: View) -> int | None:
        """Return the line that must be seen after a move of the cursor; None: stay where the user has scrolled to."""
        return None

    def click(self, meta: dict[str, Any], view: View) -> bool:
        """Take a click on a cell with a meaning of this panel's own. Returns whether it took it."""
        return False
