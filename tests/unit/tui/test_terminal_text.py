"""What guests print, as cells: no control character gets through, and each cell knows where it is from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.tui.panels.terminal_text import cells_of

TRICKY = st.lists(
    st.sampled_from([b"\x1b", b"[", b"]", b"31m", b"\x07", b"\r", b"\b", b"\t", b"\x9b", b"a", b"\xc3\xa9"])
)


def text_of(line: bytes) -> str:
    return "".join(cell.text for cell in cells_of(line, 0))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"plain", "plain"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"home\x1b[2J\x1b[H", "home"),
        (b"cut off\x1b[3", "cut off"),
        (b"\x1b]0;title\x07a\x1b]8;;link\x1b\\b", "ab"),
        (b"\x1b]0;no end", "^[]0;no end"),
        (b"\x1bc\x07\x00\x7f", "^[c^G^@^?"),
        (b"abc\rX", "Xbc"),
        (b"abc\b\bX", "aXc"),
        (b"\b\bX", "X"),
        (b"a\tb", "a       b"),
        (b"12345678\rA\tB", "A2345678B"),
        (b"\xff\xc3\xa9\xc3", "\\xffé\\xc3"),
        (b"\xc2\x9b31mred", "red"),
        (b"\xc2\x85\xe2\x80\xae", "\\x85\\x202e"),
        (b"e\xcc\x81", "e\u0301"),
        (b"\xcc\x81", "\\u0301"),
    ],
)
def test_a_line_is_shown_as_a_terminal_would(line: bytes, text: str):
    assert text_of(line) == text


def test_each_cell_knows_the_byte_it_is_from():
    cells = cells_of(b"\x1b[1m\xc3\xa9\x07x", 100)
    assert [(cell.text, cell.offset, cell.is_stand_in) for cell in cells] == [
        ("é", 104, False),
        ("^", 106, True),
        ("G", 106, True),
        ("x", 107, False),
    ]


def test_what_is_printed_over_counts():
    assert [cell.offset for cell in cells_of(b"abc\rX", 0)] == [4, 1, 2]


@given(st.one_of(st.binary(), TRICKY.map(b"".join)))
def test_nothing_that_a_terminal_obeys_gets_through(line: bytes):
    cells = cells_of(line, 7)
    assert all(cell.text.isprintable() and cell.text for cell in cells)
    assert not any(ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 for cell in cells for one in cell.text)
    assert all(7 <= cell.offset < 7 + len(line) for cell in cells)
