"""The keys of a lesson where there is little room: on its page, and in the bottom line."""

from __future__ import annotations

import pytest

from arm_hyp.tui.bar import keys_line
from arm_hyp.tui.keys import BY_NAME, LESSON_ACTIONS
from arm_hyp.tui.lessons.page import Key, key_lines
from arm_hyp.tui.look import Look

KEYS = (Key("d", "answer", "do"), Key("5 w", "in the grid", "panel bits"), Key("k", "check", "check"))


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, ["d answer  5 w in the grid  k check"]),
        (33, ["d answer  5 w in the grid", "k check"]),  # "k" alone would fit
        (15, ["d answer", "5 w in the grid", "k check"]),
        (9, ["d answer", "5 w in", "the grid", "k check"]),
    ],
)
def test_a_key_stays_with_its_words_where_a_line_is_full(width: int, shown: list[str]) -> None:
    assert [line.plain for line in key_lines(KEYS, Look(), width)] == shown


def test_the_narrowest_bottom_line_has_the_key_of_the_task() -> None:
    actions = {action.name: action for action in LESSON_ACTIONS} | BY_NAME
    named = [actions[name] for name in ("go_on", "do", "hint", "text", "help")]
    place = " 0 · EL2 · paused "
    assert keys_line(Look(), 44 - len(place), named).plain.split() == ["Enter", "on", "d", "task", "?", "keys"]
