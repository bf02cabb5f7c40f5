"""What a lesson brings over the panels: choices, bits to configure, a verdict, the list of lessons.

Read `tui/screens.py` and `tui/lessons/verdict.py` before this file, `tui/lessons/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.course.classroom import Standing
from arm_hyp.course.manifest import Task
from arm_hyp.tui.lessons.markdown import inline
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.bit_grid import value_text
from arm_hyp.tui.panels.bits import field_words
from arm_hyp.tui.panels.drawing import bar
from arm_hyp.tui.text import flowed

SCREEN_CSS: Final = """
{name} {{ align: center middle; background: $background 60%; }}
{name} > Vertical, {name} > VerticalScroll {{
    width: 92%; max-width: 110; height: auto; max-height: 92%; padding: 0 1; border: round $accent;
    background: $surface;
}}
{name} OptionList, {name} OptionList:focus {{ height: auto; max-height: 100%; border: none; padding: 0; }}
{name} Static {{ margin: 0 0 1 0; }}
"""
_BAR: Final = 20
_STEPS: Final = {"space": 1, "right": 1, "left": -1}
_DIGITS: Final = "0123456789abcdef"
_BINARY_BITS: Final = 4
"""Fields of so many bits are typed in binary, as they are shown; wider ones in hexadecimal."""
_AS_IT_IS: Final = "as it is"
_MOST_CELLS: Final = 104
_AROUND_CELLS: Final = 6


def room(columns: int) -> int:
    """Return how many cells a line has in a frame, on a screen of so many columns."""
    return min(columns * 92 // 100 - _AROUND_CELLS, _MOST_CELLS)


class ChoiceScreen(ModalScreen[str | None]):
    """A question with its choices: Enter, or the letter, answers."""

    DEFAULT_CSS = SCREEN_CSS.format(name="ChoiceScreen")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "back", show=False)]

    def __init__(self, task: Task, answer: str, look: Look) -> None:
        super().__init__()
        self._asked, self._answer, self._look = task, answer, look

    def compose(self) -> ComposeResult:
        """Show the question, and the choices below it."""
        with Vertical() as box:
            box.border_title, box.border_subtitle = self._asked.title, "Enter or the letter answers, Esc back"
            yield Static(inline(self._asked.question, self._look))
            yield OptionList(*(Option(self._prompt(letter), id=letter) for letter in self._asked.choices))

    def on_mount(self) -> None:
        """Begin at what was answered before."""
        if self._answer in self._asked.choices:
            self.query_one(OptionList).highlighted = list(self._asked.choices).index(self._answer)

    def _prompt(self, letter: str) -> Text:
        words = Text.assemble((letter, self._look.style("key")), "  ", inline(self._asked.choices[letter], self._look))
        return Text("\n").join(flowed(words, room(self.app.size.width), 3))

    def on_key(self, event: events.Key) -> None:
        """Take a letter for an answer."""
        if event.character in self._asked.choices:
            event.stop()
            self.dismiss(event.character)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Take the chosen one for an answer."""
        self.dismiss(message.option.id)


class BitsScreen(ModalScreen[Mapping[str, int] | None]):
    """Fields to set before the first instruction: right and left or Space change the chosen one, digits are typed in.

    A field of several bits that nobody has changed is left as it is.
    """

    DEFAULT_CSS = SCREEN_CSS.format(name="BitsScreen")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "back", show=False)]

    def __init__(self, task: Task, values: Mapping[str, int], look: Look) -> None:
        super().__init__()
        self._asked, self._look, self._values = task, look, dict(values)
        self._fields = {name: field_of(name) for name in task.bits}
        self._name_cells = max(map(len, self._fields))

    def compose(self) -> ComposeResult:
        """Show the question, and the fields below it."""
        with Vertical() as box:
            box.border_title = self._asked.title
            typed = "" if all(field.width_bits == 1 for field in self._fields.values()) else ", digits type it"
            box.border_subtitle = f"Space changes it{typed}; Enter checks; Esc back"
            yield Static(inline(self._asked.question, self._look))
            yield OptionList(*map(self._prompt, self._fields))

    def _prompt(self, name: str) -> Text:
        field, value, look = self._fields[name], self._values.get(name, 0), self._look
        glyph = look.glyphs.dot if value else look.glyphs.ring
        shown = value_text(field, value) if self._is_set(name) else _AS_IT_IS
        lead = Text.assemble(
            (f"{glyph} {name:<{self._name_cells}} ", look.style("on" if value else "off")),
            (f"{shown}  ", look.style("changed" if value else "off")),
        )
        words = Text(field_words(field, value), look.style("text" if value else "dim"))
        return Text("\n").join(flowed(lead + words, room(self.app.size.width), lead.cell_len))

    def on_key(self, event: events.Key) -> None:
        """Change the chosen field."""
        box = self.query_one(OptionList)
        if box.highlighted is None:
            return
        name = list(self._fields)[box.highlighted]
        value = self._changed(name, event)
        if value is None:
            return
        event.stop()
        event.prevent_default()
        self._values[name] = value & self._fields[name].max
        box.replace_option_prompt_at_index(box.highlighted, self._prompt(name))

    def _changed(self, name: str, event: events.Key) -> int | None:
        """Return the value of a field behind a key; None if the key has nothing to do with it."""
        value = self._values.get(name, 0)
        if event.key in _STEPS:
            return value + _STEPS[event.key]
        base = 2 if self._fields[name].width_bits <= _BINARY_BITS else 16
        if event.key == "backspace":
            return value // base
        digit = _DIGITS.find(event.character or " ")
        return value * base + digit if 0 <= digit < base else None

    def _is_set(self, name: str) -> bool:
        return name in self._values or self._fields[name].width_bits == 1

    def on_option_list_option_selected(self, _message: OptionList.OptionSelected) -> None:
        """Answer with the fields as they are."""
        self.dismiss({name: self._values.get(name, 0) for name in self._fields if self._is_set(name)})


def field_of(name: str) -> Field:
    """Return the field that REGISTER.FIELD names."""
    register, _, field = name.partition(".")
    return next(each for each in REGISTERS[register].FIELDS if each.name == field)


class VerdictScreen(ModalScreen[str | None]):
    """What a check says. Enter goes on with what `leads_to` says, l looks at the run; Escape goes back."""

    DEFAULT_CSS = SCREEN_CSS.format(name="VerdictScreen")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "dismiss('on')", "on", show=False),
        Binding("l", "dismiss('run')", "run", show=False),
        Binding("escape,q,f", "dismiss(None)", "back", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Text], leads_to: str, *, has_run: bool) -> None:
        """`has_run`: there is a run to look at that is the student's work."""
        super().__init__()
        self._title, self._text, self._leads_to = title, Text("\n").join(lines), leads_to
        self._run = "; l: your run" if has_run else ""

    def compose(self) -> ComposeResult:
        """Show it in a frame."""
        with VerticalScroll() as box:
            box.border_title, box.border_subtitle = self._title, f"Enter: {self._leads_to}{self._run}; Esc back"
            yield Static(self._text)


class LessonsScreen(ModalScreen[str | None]):
    """All lessons, and how far one is in each; Enter goes to one."""

    DEFAULT_CSS = SCREEN_CSS.format(name="LessonsScreen")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,L", "dismiss(None)", "back", show=False)]

    def __init__(self, standings: Sequence[Standing], look: Look) -> None:
        super().__init__()
        self._standings, self._look = standings, look

    def compose(self) -> ComposeResult:
        """Show them under the names of the parts."""
        passed = sum(one.is_passed for one in self._standings)
        with Vertical() as box:
            box.border_title, box.border_subtitle = "lessons", "Enter goes there, Esc back"
            full = bar(passed / max(len(self._standings), 1), _BAR, self._look).replace(" ", self._look.glyphs.quiet)
            yield Static(Text.assemble((full, self._look.style("good")), f" {passed} of {len(self._standings)} passed"))
            yield OptionList(*self._options())

    def _options(self) -> list[Option]:
        part, made = "", list[Option]()
        for one in self._standings:
            if one.part and one.part != part:
                part = one.part
                made.append(Option(Text(part, self._look.style("title")), disabled=True))
            made.append(Option(self._prompt(one), id=one.name, disabled=bool(one.problem)))
        return made

    def _prompt(self, one: Standing) -> Text:
        glyphs, look = self._look.glyphs, self._look
        mark = glyphs.fine if one.is_passed else glyphs.live if one.is_current else " "
        state = one.problem or f"{one.passed} of {one.tasks}"
        return Text.assemble(
            (f"{mark} ", look.style("good" if one.is_passed else "key")),
            (f"{one.name[:2]} {one.title or one.name:<40} ", look.style("text")),
            (state, look.style("bad" if one.problem else "dim")),
        )

    def on_mount(self) -> None:
        """Begin at the lesson that is worked on."""
        box = self.query_one(OptionList)
        current = next((one.name for one in self._standings if one.is_current), None)
        if current is not None:
            box.highlighted = box.get_option_index(current)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Go there."""
        self.dismiss(message.option.id)
