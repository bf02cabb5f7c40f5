"""Tables that fit, and what panels draw with."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from arm_hyp.tui.look import ASCII, DARK, Look
from arm_hyp.tui.panels.drawing import bar, shortened, size_text, visible
from arm_hyp.tui.panels.table import Cell, Column, table

LOOK = Look()


def column(title: str, *texts: str, rank: int = 0, is_right: bool = False) -> Column:
    return Column(title, [Cell(text, Style()) for text in texts], rank, is_right)


COLUMNS = (
    column("name", "a", "longer"),
    column("n", "1", "100", rank=1, is_right=True),
    column("more", "x", "y", rank=2),
)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (17, ["name      n  more", "a         1  x", "longer  100  y"]),
        (16, ["name      n", "a         1", "longer  100"]),
        (5, ["name", "a", "longer"]),
    ],
)
def test_columns_that_do_not_fit_go_by_rank(width: int, expected: list[str]):
    assert [line.plain.rstrip() for line in table(COLUMNS, width, LOOK)] == expected


def test_titles_can_be_left_out():
    assert len(table(COLUMNS, 40, LOOK, has_titles=False)) == 2


@given(st.floats(allow_nan=False), st.integers(1, 40))
def test_a_bar_is_exactly_as_wide_as_it_should_be(share: float, width: int):
    assert len(bar(share, width, LOOK)) == len(bar(share, width, Look(DARK, ASCII))) == width
    assert (bar(share, width, LOOK).strip() == "") == (share <= 0)


def test_a_bar_has_steps_of_an_eighth():
    assert [bar(share, 2, LOOK) for share in (0, 0.001, 0.25, 0.5, 0.75, 1)] == ["  ", "▏ ", "▌ ", "█ ", "█▌", "██"]


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (4100, "4,100 bytes"),
        (4096, "4 KiB"),
        (6 << 20, "6 MiB"),
        (1 << 40, "1 TiB"),
        (1 << 30, "1 GiB"),
    ],
)
def test_a_size_is_exact(size_bytes: int, text: str):
    assert size_text(size_bytes) == text


@given(st.text())
def test_a_guests_text_has_no_control_characters_left(text: str):
    assert not any(unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp") for one in visible(text))


def test_control_characters_have_stand_ins():
    assert visible("a\x1b[2Jb\x00\x7f\x9b\u202e") == "a^[[2Jb^@^?\\x9b\\x202e"


def test_a_long_text_is_cut_with_a_mark():
    assert [shortened("abcdef", width, LOOK) for width in (6, 5, 1, 0)] == ["abcdef", "abcd…", "…", ""]
