"""Frames: exactly so wide and so high, whatever is in them."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from arm_hyp.tui.frames import frame_of
from arm_hyp.tui.look import ASCII, MONO, Look

_LINES = st.lists(st.text(st.characters(exclude_categories=("C", "Z")), max_size=60).map(Text), max_size=12)


@given(_LINES, st.integers(4, 60), st.integers(3, 12), st.text("abc é界", max_size=70), st.booleans())
def test_a_frame_has_its_size(lines: list[Text], width: int, height: int, title: str, has_focus: bool) -> None:
    made = frame_of(width, height, Look(), title=title, digit="1", has_focus=has_focus, note="3/10").around(lines)
    assert len(made) == height
    assert {line.cell_len for line in made} == {width}


def test_a_line_that_is_cut_says_so() -> None:
    made = frame_of(8, 3, Look(MONO, ASCII)).around([Text("abcdefghij")])
    assert made[1].plain == "|abcde~|"


def test_the_panel_that_has_the_keys_shows_it_without_colour() -> None:
    look = Look(MONO)
    assert frame_of(8, 3, look).foot.plain != frame_of(8, 3, look, has_focus=True).foot.plain
