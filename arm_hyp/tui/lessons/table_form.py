"""A translation table filled in by hand: an entry a line, and what it says as one types.

Read `tui/lessons/entry_words.py` and `tui/lessons/screens.py` before this file, `tui/lessons/actions.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from arm_hyp.course.manifest import Task
from arm_hyp.tui.lessons.entry_words import details, number_of, summary
from arm_hyp.tui.lessons.markdown import inline
from arm_hyp.tui.lessons.screens import SCREEN_CSS
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import visible

_MOST_FIXED: Final = 8
"""A table of so many entries has a line for each; for a longer one the indices are typed as well."""
_LINES: Final = 5
_HEAD: Final = "entry   descriptor: 0x..., or a sum: 0x40000000 | 1 << 10 | 1"
_NAME_CELLS: Final = 14


class Filled(NamedTuple):
    """The entries by index, as they were typed in; whether they are to be checked, or only kept and looked at."""

    entries: Mapping[int, int]
    is_for_check: bool


class TableScreen(ModalScreen[Filled]):
    """Entries of a table: Enter checks them, Escape keeps them."""

    DEFAULT_CSS = (
        SCREEN_CSS.format(name="TableScreen")
        + """
    TableScreen Horizontal { height: 1; }
    TableScreen Input, TableScreen Input:focus { border: none; height: 1; padding: 0 1; }
    TableScreen Input:focus { background: $boost; text-style: bold; }
    TableScreen .index { width: 8; margin: 0; padding: 0 1; }
    TableScreen .value { width: 35; }
    TableScreen .says { width: 1fr; margin: 0 0 0 1; height: 1; }
    TableScreen .head { margin: 0; }
    TableScreen #rows { height: auto; }
    TableScreen #fields { margin: 1 0 0 0; height: 6; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", show=False),
        Binding("down", "app.focus_next", "next", show=False),
        Binding("up", "app.focus_previous", "before", show=False),
    ]

    def __init__(self, task: Task, values: Mapping[str, int], look: Look) -> None:
        super().__init__()
        self._asked, self._look = task, look
        self._is_fixed = task.entries <= _MOST_FIXED
        self._given = {int(index): number for index, number in values.items() if index.isdigit()}
        self._level = task.level or 0

    # --- what is seen ------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Show the question, a line for each entry, and what the one says that is being typed."""
        with VerticalScroll(can_focus=False) as box:
            box.border_title, box.border_subtitle = self._asked.title, "Enter checks; Tab: next; Esc keeps it, back"
            yield Static(inline(self._asked.question, self._look))
            yield Static(Text(_HEAD, self._look.style("dim")), classes="head")
            with Vertical(id="rows"):
                yield from self._rows()
            yield Static(id="fields")

    def _rows(self) -> Iterator[Horizontal]:
        indices = range(self._asked.entries) if self._is_fixed else [*sorted(self._given), *[None] * _LINES][:_LINES]
        for line, index in enumerate(indices):
            name = "" if index is None else str(index)
            value = self._given.get(index) if index is not None else None
            first = (
                Static(name, classes="index")
                if self._is_fixed
                else Input(name, placeholder="entry", classes="index", id=f"index{line}")
            )
            second = Input("" if value is None else f"{value:#x}", placeholder="0x", classes="value", id=f"value{line}")
            yield Horizontal(first, second, Static(classes="says", id=f"says{line}"))

    def on_mount(self) -> None:
        """Say what the entries are that were filled in before."""
        self.query(Input).first().focus()
        for line in self._lines():
            self._say(line)

    def on_input_changed(self, _message: Input.Changed) -> None:
        """Say what the entries are now."""
        for line in self._lines():
            self._say(line)

    def on_descendant_focus(self) -> None:
        """Tell the fields of the entry that is being typed."""
        self._tell_fields()

    def _lines(self) -> range:
        return range(len(self.query(Horizontal)))

    def _text(self, part: str, line: int) -> str:
        return self.query_one(f"#{part}{line}", Input).value.strip()

    def _index(self, line: int) -> int | None:
        """Return the index of a line's entry; None where it is none."""
        if self._is_fixed:
            return line
        index = number_of(self._text("index", line))
        return index if index is not None and index < self._asked.entries else None

    def _say(self, line: int) -> None:
        words, is_bad = self._words(line)
        role = "bad" if is_bad else "text"
        self.query_one(f"#says{line}", Static).update(Text(words, self._look.style(role), no_wrap=True))
        self._tell_fields()

    def _words(self, line: int) -> tuple[str, bool]:
        """Return what is said of a line, and whether it cannot be used."""
        typed = self._text("value", line)
        if not typed:
            return "", False
        if self._index(line) is None:
            return f"which entry, 0 to {self._asked.entries - 1}?", True
        value = number_of(typed)
        if value is None:
            return "no number of 64 bits", True
        return summary(value, self._level) if self._level else f"= {value:#x}", False

    def _tell_fields(self) -> None:
        line = next((line for line in self._lines() if self.query(Horizontal)[line].has_focus_within), None)
        value = None if line is None else number_of(self._text("value", line))
        rows = details(value, self._level) if value is not None and self._level else ()
        made = [
            Text.assemble(
                (f"{self._look.glyphs.fault if is_bad else ' '} {name:<{_NAME_CELLS}}", self._look.style("dim")),
                (visible(words), self._look.style("bad" if is_bad else "text")),
            )
            for name, words, is_bad in rows
        ]
        self.query_one("#fields", Static).update(Text("\n").join(made))

    # --- what comes of it --------------------------------------------------------------------------------------------

    def _filled(self, *, is_for_check: bool) -> Filled:
        made = {}
        for line in self._lines():
            index, value = self._index(line), number_of(self._text("value", line))
            if index is not None and value is not None:
                made[index] = value
        return Filled(made, is_for_check)

    def on_input_submitted(self, _message: Input.Submitted) -> None:
        """Have the table checked, if every line can be used."""
        bad = next((line for line in self._lines() if self._words(line)[1]), None)
        if bad is None:
            self.dismiss(self._filled(is_for_check=True))
        else:
            self.query_one(f"#value{bad}", Input).focus()

    def action_leave(self) -> None:
        """Keep what was typed."""
        self.dismiss(self._filled(is_for_check=False))
