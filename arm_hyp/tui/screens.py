"""What comes over the panels: all keys, a text, a question, the branches. Escape leads back from each.

Read `tui/keys.py` and `tui/look.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from arm_hyp.tui.keys import ACTIONS, Action, shown_key
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import View

_CSS = """
{name} {{ align: center middle; background: $background 60%; }}
{name} > VerticalScroll {{
    width: 92%; max-width: 110; height: auto; max-height: 92%; padding: 0 1; border: round $accent;
}}
"""


_SHOWN: Final = {"asterisk": ("*", "*"), "up": ("\u2191", "Up"), "down": ("\u2193", "Down")}
"""What keys of panels are called that have long names; the second with ASCII alone."""


class TextScreen(ModalScreen[None]):
    """A text that can be scrolled through."""

    DEFAULT_CSS = _CSS.format(name="TextScreen")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,i,y,question_mark", "dismiss", "back", show=False)]

    def __init__(self, title: str, lines: Iterable[Text], look: Look) -> None:
        super().__init__()
        self._title, self._text, self._look = title, Text("\n").join(lines), look

    def compose(self) -> ComposeResult:
        """Show the text in a frame."""
        with VerticalScroll() as box:
            box.border_title, box.border_subtitle = self._title, "Esc back"
            yield Static(self._text)


class HelpScreen(ModalScreen[None]):
    """All keys, in groups, and those of the panels that are seen."""

    DEFAULT_CSS = _CSS.format(name="HelpScreen")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1,enter", "dismiss", "back", show=False)]

    def __init__(self, panels: Iterable[Panel], look: Look, actions: Iterable[Action] = ACTIONS) -> None:
        super().__init__()
        self._panels, self._look, self._actions = tuple(panels), look, tuple(actions)

    def compose(self) -> ComposeResult:
        """Show the table."""
        with VerticalScroll() as box:
            box.border_title, box.border_subtitle = "all keys", "Esc back"
            yield Static(keys_table(self._panels, self._look, self._actions))


def keys_table(panels: Iterable[Panel], look: Look, actions: Iterable[Action] = ACTIONS) -> Table:
    """Return all keys as a table: those of the whole screen, then those of panels."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for group, members in groupby(actions, lambda action: action.group):
        table.add_row(Text(group, look.style("title")), "")
        for action in members:
            table.add_row(
                Text(f"  {shown_key(action, is_ascii=look.glyphs.is_ascii)}", look.style("key")),
                Text(action.words, look.style("text")),
            )
    table.add_row(Text("  1 to 0", look.style("key")), Text("Show a panel; its digit is in its frame."))
    table.add_row(Text("  Ctrl+P", look.style("key")), Text("The command palette: every action and panel by name."))
    table.add_row(
        Text("  Ctrl+A", look.style("key")), Text("Leave a guest's console that you type to; twice: it gets one.")
    )
    for panel in panels:
        if panel.keys:
            table.add_row(Text(f"In {panel.name}", look.style("title")), "")
            for key in panel.keys:
                shown = _SHOWN.get(key.key, (key.key, key.key))[look.glyphs.is_ascii]
                table.add_row(Text(f"  {shown}", look.style("key")), Text(key.words, look.style("text")))
    return table


class PromptScreen(ModalScreen[str | None]):
    """One line to fill in, at the bottom; the panels stay in sight."""

    DEFAULT_CSS = """
    PromptScreen { background: transparent; align: left bottom; }
    PromptScreen > Vertical { height: 3; border: round $accent; background: $surface; }
    PromptScreen Input, PromptScreen Input:focus { border: none; height: 1; padding: 0 1; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "back", show=False)]

    def __init__(self, question: str, text: str) -> None:
        super().__init__()
        self._question, self._text = question, text

    def compose(self) -> ComposeResult:
        """Show the line."""
        with Vertical() as box:
            box.border_title, box.border_subtitle = self._question, "Enter, or Esc back"
            yield Input(self._text, select_on_focus=True)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Take the answer."""
        self.dismiss(message.value.strip() or None)


class BranchesScreen(ModalScreen[str | None]):
    """The branches of the run, to choose one."""

    DEFAULT_CSS = """
    BranchesScreen { align: center middle; background: $background 60%; }
    BranchesScreen OptionList { width: 80%; min-width: 10; height: auto; max-height: 80%; }
    BranchesScreen OptionList, BranchesScreen OptionList:focus { border: round $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,B", "dismiss(None)", "back", show=False)]

    def __init__(self, view: View, look: Look) -> None:
        super().__init__()
        self._view, self._look = view, look

    def compose(self) -> ComposeResult:
        """Show them."""
        status = self._view.status
        options = [
            Option(
                f"{self._look.glyphs.dot if one.name == status.branch else ' '} {one.name}"
                + (f"  from {one.parent} at {one.begins_at}" if one.parent else "")
                + f"  up to {one.frontier}"
                + (f"  {one.outcome}" if one.outcome else ""),
                id=one.name,
            )
            for one in status.branches
        ]
        box = OptionList(*options)
        box.border_title, box.border_subtitle = "branches", "Enter goes there, Esc back"
        yield box

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Go to it."""
        self.dismiss(message.option.id)
