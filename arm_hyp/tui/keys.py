"""Every key of the terminal, in one table: the bindings, the help, the command palette and the lessons' lint read it.

Read nothing before this file, `tui/app.py` after it. Keys of a single panel are with the panel (`Panel.keys`); they
count while it has the focus. Names of keys are Textual's.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Action(NamedTuple):
    """One thing that a key does: `name` is the app's `action_<name>`; `shown` is what a hint calls the key."""

    name: str
    keys: tuple[str, ...]
    shown: str
    words: str
    group: str
    label: str = ""
    """One word for the bottom line; empty: not shown there."""


TIME, TRAPS, CHANGE, PANELS, PROGRAM = "Through time", "Finding", "Asking and changing", "Panels", "Program"
LESSON = "Lesson"
ACTIONS: Final = (
    Action("step", ("right",), "→", "One step on: an instruction, or an exception.", TIME, "step"),
    Action("back", ("left",), "←", "One step back. Everything can be undone by going back.", TIME, "back"),
    Action("next_trap", ("pagedown",), "PgDn", "On to the next exception.", TIME, "trap"),
    Action("previous_trap", ("pageup",), "PgUp", "Back to the last exception.", TIME),
    Action("run", ("space", "f8"), "Space", "Run, and pause. Stops at breakpoints. Also F8.", TIME, "run"),
    Action("run_back", ("f9",), "F9", "Run back to the last breakpoint, or the start.", TIME),
    Action("home", ("home",), "Home", "To the start of the run.", TIME),
    Action("end", ("end",), "End", "As far as the run has come.", TIME),
    Action("stop", ("escape",), "Esc", "Stop what takes long: the run stands where it has come to.", TIME),
    Action("goto", ("g",), "g", "Go to a position, +N, -N, N%, a mark, a symbol or an address.", TIME),
    Action("faster", ("greater_than_sign",), ">", "Run faster.", TIME),
    Action("slower", ("less_than_sign",), "<", "Run slower.", TIME),
    Action("search", ("slash",), "/", "Search the run: a symbol, or a condition as EC=0x24 or to_el==EL2.", TRAPS),
    Action("search_next", ("n",), "n", "The next one.", TRAPS),
    Action("search_previous", ("N",), "N", "The one before.", TRAPS),
    Action("breakpoint", ("b",), "b", "Set or take away a breakpoint, at the line chosen in code.", TRAPS),
    Action("mark", ("M",), "M", "Give this position a name.", TRAPS),
    Action("why", ("y",), "y", "Why did it trap, or not? The whole card. Again: back.", CHANGE, "why"),
    Action(
        "whatif", ("w",), "w", "What if this bit were different? Flips it on a branch of the run.", CHANGE, "what if"
    ),
    Action("undo", ("backspace",), "Backspace", "Leave the branch: back to where it began.", CHANGE),
    Action("branches", ("B",), "B", "The branches of this run.", CHANGE),
    Action("who_changed", ("C",), "C", "Who changed this register or memory last? Goes there.", CHANGE),
    Action("edit", ("e",), "e", "Edit the handlers in $EDITOR, and load them here on a branch.", CHANGE),
    Action("copy", ("c",), "c", "Copy the trap as Markdown.", CHANGE),
    Action("explain", ("i",), "i", "Explain the word under the mouse, or the chosen one.", CHANGE),
    Action("focus_next", ("tab",), "Tab", "The next panel; Shift+Tab the one before.", PANELS),
    Action("focus_previous", ("shift+tab",), "Shift+Tab", "The panel before.", PANELS),
    Action("panel_other", ("full_stop",), ".", "Show another panel in this place.", PANELS),
    Action("zoom", ("z",), "z", "This panel alone, and back.", PANELS),
    Action("ladder_out", ("minus",), "-", "The ladder shows more of the run.", PANELS),
    Action("ladder_in", ("plus", "equals_sign"), "+", "The ladder shows more detail.", PANELS),
    Action("subject", ("p",), "p", "Look at the next CPU, or VM.", PANELS),
    Action("console", ("enter",), "Enter", "In a console: type to the guest. On a place: go there.", PANELS),
    Action("save", ("S",), "S", "Save the run as a recording, with branches, marks and breakpoints.", PROGRAM),
    Action("text", ("l",), "l", "The text of the lesson or tour, and back.", PROGRAM),
    Action("theme", ("T",), "T", "Dark, light, projector, no colours.", PROGRAM),
    Action("help", ("question_mark", "f1"), "?", "All keys.", PROGRAM, "keys"),
    Action("interrupt", ("ctrl+c",), "Ctrl+C", "Pause, or close what is in front. Twice: quit.", PROGRAM),
    Action("quit", ("q", "ctrl+q"), "q", "Quit.", PROGRAM, "quit"),
)
LESSON_ACTIONS: Final = (
    Action("go_on", (), "Enter", "On in the text, in its page: to what is below, or the next step.", LESSON, "on"),
    Action("do", ("d",), "d", "Do the task: answer it, or edit its file in $EDITOR.", LESSON, "task"),
    Action("check", ("k",), "k", "Check the task now. What is saved is checked by itself.", LESSON),
    Action("hint", ("h",), "h", "A hint for the task; again: a plainer one.", LESSON, "hint"),
    Action("feedback", ("f",), "f", "What the last check said.", LESSON),
    Action("rerun", ("r",), "r", "The run of the task anew, with your files as they are.", LESSON),
    Action("lessons", ("L",), "L", "All lessons, and how far you are.", LESSON, "lessons"),
    Action("next_lesson", ("ctrl+n",), "Ctrl+N", "The next lesson.", LESSON),
    Action("solution", ("x",), "x", "The solution, after passing, or after asking twice.", LESSON),
    Action("reset", ("R",), "R", "Put back what the lesson starts with. What you had is kept beside it.", LESSON),
)
"""Those of a terminal with a lesson, beside `ACTIONS`. Enter is `console` there, too: it depends on the panel."""
_ASCII_NAMES: Final = {"→": "Right", "←": "Left"}


def shown_key(action: Action, *, is_ascii: bool) -> str:
    """Return what a hint calls the key of an action, on a screen that may have ASCII alone."""
    return _ASCII_NAMES.get(action.shown, action.shown) if is_ascii else action.shown


BY_NAME: Final = {action.name: action for action in ACTIONS}
PALETTE_KEY: Final = "ctrl+p"
ESCAPE_FROM_CONSOLE: Final = "ctrl+a"
"""Back from a guest's console, as under QEMU and `arm-hyp run`; twice: the guest gets one."""
DIGITS: Final = "1234567890"
"""Digit N shows or focuses panel N of the catalogue."""


def known_keys() -> frozenset[str]:
    """Return every key as texts may name it."""
    shown = {action.shown for action in (*ACTIONS, *LESSON_ACTIONS)}
    return frozenset(shown | set(DIGITS) | {"Ctrl+P", "Ctrl+A", "F1", "F8", "="})
