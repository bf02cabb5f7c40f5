"""Find the bug by pointing: the guest's source with a cursor, at the instruction that was looked at; Enter answers.

Read `tui/panels/listing.py` and `tui/lessons/screens.py` before this file, `tui/lessons/actions.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar, Final, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from arm_hyp.course.manifest import Task
from arm_hyp.tui.lessons.markdown import inline
from arm_hyp.tui.lessons.screens import SCREEN_CSS, room
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.view import Subject

TYPED: Final = ""
"""Comes back where the student wants to type the answer instead."""
_TAB: Final = 8


class Source(NamedTuple):
    """A file of the guest: its plain name, its lines, and the numbers of those that became instructions or data."""

    name: str
    lines: tuple[str, ...]
    assembled: frozenset[int]


def sources_of(subject: Subject) -> tuple[Source, ...]:
    """Return the guest's files, that with most in it first."""
    numbers: dict[str, set[int]] = {}
    for line in subject.symbols.lines:
        numbers.setdefault(line.file, set()).add(line.line)
    found = [
        Source(PurePath(file).name, lines, frozenset(numbers[file]))
        for file, lines in subject.sources.items()
        if file in numbers
    ]
    return tuple(sorted(found, key=lambda source: (source.name != subject.name, -len(source.assembled))))


def place_of(subject: Subject, address: int | None) -> str:
    """Return `file:line` of an address; empty where nobody knows it."""
    found = None if address is None else subject.symbols.line_at(address)
    return "" if found is None else f"{PurePath(found[0]).name}:{found[1]}"


class PointScreen(ModalScreen[str | None]):
    """The source of a guest: up and down choose a line, right and left another file, Enter answers with the line."""

    DEFAULT_CSS = SCREEN_CSS.format(name="PointScreen")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "back", show=False),
        Binding("t", "type", "type", show=False),
        Binding("right", "turn(1)", "next file", show=False),
        Binding("left", "turn(-1)", "file before", show=False),
    ]

    def __init__(self, task: Task, sources: Sequence[Source], at: str, look: Look) -> None:
        """Begin at a place, `file:line`."""
        super().__init__()
        self._asked, self._sources, self._look = task, sources, look
        name, _, line = at.rpartition(":")
        names = [source.name for source in sources]
        self._at = names.index(name) if name in names else 0
        self._line = int(line) if name in names else min(sources[0].assembled)

    def compose(self) -> ComposeResult:
        """Show the question, and the lines below it."""
        with Vertical() as box:
            box.border_subtitle = "Enter: this line; t: type it; Esc back"
            yield Static(inline(self._asked.question, self._look))
            yield OptionList()

    def on_mount(self) -> None:
        """Show the file where the cursor is."""
        self._show()

    def _show(self) -> None:
        source, lines = self._sources[self._at], self.query_one(OptionList)
        others = "; Left, Right: other files" * (len(self._sources) > 1)
        box = self.query_one(Vertical)
        box.border_title = f"{source.name}{others}"
        lines.clear_options()
        digits = len(str(len(source.lines)))
        lines.add_options([self._prompt(number, digits) for number in range(1, len(source.lines) + 1)])
        lines.highlighted = self._line - 1
        self.call_after_refresh(self._to_middle)

    def _to_middle(self) -> None:
        lines = self.query_one(OptionList)
        lines.scroll_to(y=max(self._line - 1 - lines.size.height // 2, 0), animate=False)

    def _prompt(self, number: int, digits: int) -> Text:
        source = self._sources[self._at]
        role = "text" if number in source.assembled else "dim"
        text = visible(source.lines[number - 1].expandtabs(_TAB))
        line = Text.assemble((f"{number:>{digits}}  ", self._look.style("dim")), (text, self._look.style(role)))
        line.truncate(room(self.app.size.width), overflow="ellipsis")
        return line

    def action_turn(self, distance: int) -> None:
        """Show another file."""
        self._at = (self._at + distance) % len(self._sources)
        self._line = min(self._sources[self._at].assembled)
        self._show()

    def action_type(self) -> None:
        """Have it typed instead."""
        self.dismiss(TYPED)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Answer with the line; a label alone means the line behind it."""
        source = self._sources[self._at]
        self.dismiss(f"{source.name}:{_with_code(source, message.option_index + 1)}")


def _with_code(source: Source, number: int) -> int:
    """Return the line itself, or for one with a label alone the first behind it that became something."""
    is_label = source.lines[number - 1].partition("//")[0].rstrip().endswith(":")
    behind = (line for line in sorted(source.assembled) if line > number)
    return next(behind, number) if is_label and number not in source.assembled else number
