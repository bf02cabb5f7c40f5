"""What a command that a lesson's text names is in the terminal: a key, and what is typed behind it.

Read `tui/keys.py` before this file, `tui/lessons/markdown.py`, which writes the key in place of the command, after it.
The text is one for plain lines, paper and the terminal: it names commands where a noun can stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from arm_hyp.course.text import commands_in
from arm_hyp.tui.keys import ACTIONS, DIGITS, LESSON_ACTIONS
from arm_hyp.tui.panels.catalogue import NAMES

_SHOWN: Final = {action.name: action.shown for action in (*ACTIONS, *LESSON_ACTIONS)}
_WALK: Final = DIGITS[NAMES.index("walk")]
_PALETTE: Final = "Ctrl+P"
REGISTERS_ALONE: Final = f"{DIGITS[NAMES.index('registers')]} {_SHOWN['zoom']}"
"""The keys that show the registers alone: all of them have room only so."""
_CODE: Final = "HYP"
_OPEN: Final = "this terminal open"
PANEL: Final = "panel "
"""What leads to a panel is no action of the table, but this and the panel's name."""


class Instead(NamedTuple):
    """A key as it is shown, the action that it does, and what is typed then; empty where there is nothing."""

    key: str
    action: str
    typed: str = ""


def _does(action: str) -> Callable[[Sequence[str]], Instead]:
    return lambda words: Instead(_SHOWN[action], action)


def _asks(action: str, at: int = 0) -> Callable[[Sequence[str]], Instead]:
    """Return the form of a command whose operand, from that word on, is what the key asks for."""
    return lambda words: Instead(_SHOWN[action], action, " ".join(_operands(words)[at:]))


def _operands(words: Sequence[str]) -> list[str]:
    """Return the words before the first option."""
    return list(words[: next((at for at, word in enumerate(words) if word.startswith("--")), len(words))])


def _run(words: Sequence[str]) -> Instead | None:
    """A run is seen by Space, and counted in a panel. With a witness it is another thing."""
    if "--stat" in words:
        return Instead(_PALETTE, f"{PANEL}exits", "exits")
    return None if "--check" in words else _does("run")(words)


def _walk(words: Sequence[str]) -> Instead:
    return Instead(f"{_WALK} a", f"{PANEL}walk", next(iter(words), ""))


def _find(words: Sequence[str]) -> Instead:
    """The end is where most recordings are looked at first: so begin at the start."""
    return Instead(f"{_SHOWN['home']} {_SHOWN['search']}", "search", " ".join(_operands(words)[1:]).strip("'"))


def _explain_code(words: Sequence[str]) -> Instead | None:
    return _asks("explain")(words) if words and words[0].startswith(_CODE) else None


def _watch(_words: Sequence[str]) -> Instead:
    return Instead(_OPEN, "")


_FORMS: Final[Mapping[tuple[str, ...], Callable[[Sequence[str]], Instead | None]]] = {
    ("run",): _run,
    ("show",): lambda _words: Instead(f"{_SHOWN['end']} {REGISTERS_ALONE}", "end"),
    ("who",): _asks("who_changed", 1),
    ("find",): _find,
    ("walk",): _walk,
    ("explain", "bit"): _asks("explain"),
    ("explain", "insn"): _asks("explain"),
    ("explain", "esr"): _asks("explain"),
    ("explain", "code"): _asks("explain"),
    ("explain",): _explain_code,
    ("lesson", "answer"): _asks("do", 1),
    ("lesson", "check"): _does("check"),
    ("lesson", "watch"): _watch,
    ("lesson", "hint"): _does("hint"),
    ("lesson", "list"): _does("lessons"),
    ("lesson", "next"): _does("next_lesson"),
    ("lesson", "reset"): _does("reset"),
    ("lesson", "solution"): _does("solution"),
}
"""By the words that a command begins with. What is not here has no key, and stays a command."""


def instead_of(command: Sequence[str]) -> Instead | None:
    """Return what is done here in place of a command, given as its words behind `arm-hyp`; None where nothing is."""
    for count in (2, 1):
        form = _FORMS.get(tuple(command[:count]))
        if form is not None:
            return form(command[count:])
    return None


def typed_for(action: str, *texts: str) -> str:
    """Return what a text says is to be typed behind the key of an action; empty where it says nothing."""
    found = (instead_of(command) for text in texts for command in commands_in(text))
    return next((one.typed for one in found if one is not None and one.action == action), "")
