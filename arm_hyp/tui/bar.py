"""The bottom line: keys that matter now, or what just came of one; and where the run is.

Read `tui/keys.py` and `tui/view.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from arm_hyp.tui.keys import ACTIONS, BY_NAME, Action, shown_key
from arm_hyp.tui.look import Look
from arm_hyp.tui.view import View


def keys_line(look: Look, width: int, actions: Iterable[Action] = ACTIONS) -> Text:
    """Return the keys to begin with, as many as fit: the one that shows all keys is among them."""
    labelled = [action for action in actions if action.label]
    always = [action for action in labelled if action is BY_NAME["help"] and _room(action, look) <= width]
    room, shown = width - sum(_room(action, look) for action in always), list(always)
    for action in labelled:
        if action not in always and _room(action, look) <= room:
            room, shown = room - _room(action, look), [*shown, action]
    return Text().join(_key(action, look) for action in labelled if action in shown)


def _room(action: Action, look: Look) -> int:
    return _key(action, look).cell_len


def _key(action: Action, look: Look) -> Text:
    """Return a key and what it does, in a word."""
    shown = shown_key(action, is_ascii=look.glyphs.is_ascii)
    return Text.assemble(
        (f" {shown}", look.style("key", press=action.name)),
        (f" {action.label} ", look.style("bar", press=action.name)),
    )


def place_line(view: View, speed: str, look: Look) -> Text:
    """Return where the run is: branch, position, level, and whether it runs."""
    cpu = next((one for one in view.status.cpus if one.index == view.cpu), None)
    state = "runs" if view.is_running else "ended" if view.status.outcome and is_at_frontier(view) else "paused"
    state = "differs" if view.status.difference else state
    parts = [str(view.position), *([] if cpu is None else [f"EL{cpu.el}"]), f"{state} {speed}".rstrip()]
    if view.status.branch != "main":
        parts.insert(0, f"{look.glyphs.branch} {view.status.branch}")
    return Text(f" {look.glyphs.quiet} ".join(parts) + " ", look.style("bar"))


def is_at_frontier(view: View) -> bool:
    """Tell whether the cursor is as far as the branch has come."""
    return view.status.position == view.status.frontier


def bar_line(
    view: View | None,
    note: str,
    is_bad: bool,
    speed: str,
    width: int,
    look: Look,
    actions: Iterable[Action] = ACTIONS,
) -> Text:
    """Return the bottom line, `width` cells: a note in place of the keys, if there is one."""
    right = Text() if view is None else place_line(view, speed, look)
    room = max(width - right.cell_len, 0)
    if view is not None and view.is_running:
        actions = [one._replace(label="pause") if one.name == "run" else one for one in actions]
    left = keys_line(look, room, actions) if not note else Text(f" {note}", look.style("bad" if is_bad else "strong"))
    if note and left.cell_len + 2 > room:  # what came of a key is more important than where the run is
        right, room = Text(), width
    left.truncate(room, overflow="ellipsis" if note else "crop", pad=True)
    line = Text.assemble(left, right)
    line.truncate(width, pad=True)
    return line
