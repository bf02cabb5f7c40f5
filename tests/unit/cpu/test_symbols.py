"""Symbol tables: the nearest symbol below, within its size; lines that end where they end."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.cpu.symbols import Line, Symbol, SymbolTable

TABLE = SymbolTable(
    (Symbol("late", 0x200, 0), Symbol("early", 0x100, 0x10), Symbol("same", 0x100, 4), Symbol("early", 0x300, 8)),
    (Line(0x110, "b.s", 7), Line(0x100, "a.s", 3), Line(0x110, "", 0), Line(0x120, "", 0)),
)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (0xFF, None), (0x100, ("early", 0)), (0x10F, ("early", 0xF)), (0x110, None), (0x200, ("late", 0)),
        (0x2FF, ("late", 0xFF)), (0x307, ("early", 7)), (0x308, None),
    ],
)  # fmt: skip
def test_lookup(address: int, found: tuple[str, int] | None) -> None:
    assert TABLE.lookup(address) == found


@pytest.mark.parametrize(
    ("address", "found"),
    [(0xFF, None), (0x100, ("a.s", 3)), (0x10F, ("a.s", 3)), (0x110, ("b.s", 7)), (0x11F, ("b.s", 7)), (0x120, None)],
)
def test_line_at(address: int, found: tuple[str, int] | None) -> None:
    assert TABLE.line_at(address) == found


def test_address_of_gives_the_first_symbol_of_a_name() -> None:
    assert (TABLE.address_of("same"), TABLE.address_of("early"), TABLE.address_of("none")) == (0x100, 0x100, None)


def test_describe() -> None:
    assert (TABLE.describe(0x200), TABLE.describe(0x204), TABLE.describe(0)) == ("late", "late+0x4", "")


def test_an_empty_table_knows_nothing() -> None:
    empty = SymbolTable()
    assert (empty.lookup(0), empty.line_at(0), empty.address_of("x"), empty.describe(5)) == (None, None, None, "")


def test_a_table_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TABLE.symbols = ()  # type: ignore[misc]


def test_merged_tables_answer_for_all_parts() -> None:
    merged = SymbolTable.merged([TABLE, SymbolTable((Symbol("high", 1 << 40, 4),))])
    assert merged.lookup((1 << 40) + 1) == ("high", 1) and merged.lookup(0x101) == ("early", 1)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 10)), max_size=20), st.integers(0, 120))
def test_lookup_agrees_with_a_search(rows: list[tuple[int, int]], address: int) -> None:
    symbols = tuple(Symbol(f"s{index}", start, size) for index, (start, size) in enumerate(rows))
    nearest = max((symbol.address for symbol in symbols if symbol.address <= address), default=None)
    first = next((symbol for symbol in symbols if symbol.address == nearest), None)
    inside = first is not None and (first.size_bytes == 0 or address < first.address + first.size_bytes)
    expected = (first.name, address - first.address) if first is not None and inside else None
    assert SymbolTable(symbols).lookup(address) == expected
