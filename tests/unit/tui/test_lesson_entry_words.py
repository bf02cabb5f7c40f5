"""What is said of a descriptor while it is typed in: never whether it is the right one."""

from __future__ import annotations

import pytest

from arm_hyp.tui.lessons.entry_words import details, number_of, summary


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0x4c1", 0x4C1),
        ("0x40000000 | 1 << 10 | 0b11<<6 | 1", 0x400004C1),
        ("3 * (1 << 12)", 0x3000),
        ("1 << 64", None),
        ("-1", None),
        ("9 ** 9", None),
        ("1 <<", None),
        ("page", None),
        ("True", None),
        ("", None),
    ],
)
def test_a_number_may_be_a_sum(text: str, number: int | None) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("descriptor", "level", "words"),
    [
        (0x4C1, 1, "block, to 0x0"),
        (0x4008_2003, 1, "table, to 0x40082000"),
        (0x4020_377F, 3, "page, to 0x40203000"),
        (0x4000_07FC, 1, "nothing: bit 0 is 0"),
        (0x4020_377D, 3, "as invalid: at level 3 a page ends with 0b11"),
    ],
)
def test_an_entry_is_said_in_a_line(descriptor: int, level: int, words: str) -> None:
    assert summary(descriptor, level) == words


def test_what_cannot_be_meant_is_said_to_be_so() -> None:
    told = {name: is_bad for name, _, is_bad in details(0x4000_1001, 1)}
    assert told == {"S2AP 00": True, "MemAttr 0000": False, "SH 00": False, "AF 0": True, "address": True}
    assert not any(is_bad for _, _, is_bad in details(0x4C1, 1))
    assert not list(details(0x4008_2003, 1))  # a table has none of these
