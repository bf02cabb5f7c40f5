"""Symbols from a System.map and from an ELF file, the latter of our own making too; and files that are neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.cpu.symbols import Symbol, SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.runner.symbol_files import read_symbols, symbols_as_elf

TABLE = SymbolTable(
    (Symbol("start", 0x4008_0000, 8), Symbol("el1", 0x4008_0010, 0), Symbol("high", 0xFFFF_8000_0000_0000, 4))
)


def test_a_system_map(tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_text(
        "0000000000000000 A zero\nffff800008000000 T _text\nffff800008010800 t vectors\n                 U other\n\n"
    )
    with pytest.raises(UserError, match="line 4"):
        read_symbols(str(path))
    path.write_text("ffff800008000000 T _text\nffff800008010800 t vectors\t[module]\n")
    table = read_symbols(str(path))
    assert table.address_of("vectors") == 0xFFFF_8000_0801_0800
    assert table.describe(0xFFFF_8000_0800_0004) == "_text+0x4"


def test_an_elf_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "symbols.elf"
    path.write_bytes(symbols_as_elf(TABLE))
    assert read_symbols(str(path)).symbols == TABLE.symbols


@pytest.mark.parametrize(
    "content", [b"\n", b"hello\n", b"\x7fELF", symbols_as_elf(TABLE)[:100], symbols_as_elf(SymbolTable())]
)
def test_what_has_no_symbols(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match="--symbols"):
        read_symbols(str(path))


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=16))
def test_a_damaged_elf_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes) -> None:
    content = bytearray(symbols_as_elf(TABLE))
    place %= len(content)
    content[place : place + len(damage)] = damage
    path = tmp_path_factory.getbasetemp() / "damaged.elf"
    path.write_bytes(content)
    try:
        read_symbols(str(path))
    except UserError as error:
        assert "\n" not in str(error)
