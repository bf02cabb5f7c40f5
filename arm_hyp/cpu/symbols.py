"""Symbols and source lines of one address space: which name and which line an address belongs to.

Read `cpu/assembler.py` and `machine/loader.py`, which make such tables, before and `cpu/disassembler.py` after.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named address; `size_bytes` 0 means that the size is not known and the symbol reaches to the next one."""

    name: str
    address: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Line:
    """From this address on, code and data come from this line; an empty `file` means from no line."""

    address: int
    file: str
    line: int


def _line_order(line: Line) -> tuple[int, bool]:
    """Sort by address; the end of one stretch comes before the begin of the next one at the same address."""
    return line.address, bool(line.file)


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """The symbols and lines of one address space; of symbols that share an address the first one given wins."""

    symbols: tuple[Symbol, ...] = ()
    lines: tuple[Line, ...] = ()
    _addresses: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _line_addresses: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        first = {symbol.address: symbol for symbol in reversed(self.symbols)}
        object.__setattr__(self, "_addresses", tuple(sorted(first)))
        object.__setattr__(self, "symbols", tuple(sorted(self.symbols, key=lambda symbol: symbol.address)))
        object.__setattr__(self, "lines", tuple(sorted(self.lines, key=_line_order)))
        object.__setattr__(self, "_line_addresses", tuple(line.address for line in self.lines))
        object.__setattr__(self, "_by_name", {symbol.name: symbol.address for symbol in reversed(self.symbols)})

    @classmethod
    def merged(cls, tables: Iterable[SymbolTable]) -> SymbolTable:
        """Return one table of several that describe different parts of one address space."""
        parts = list(tables)
        return cls(
            tuple(symbol for table in parts for symbol in table.symbols),
            tuple(line for table in parts for line in table.lines),
        )

    def lookup(self, address: int) -> tuple[str, int] | None:
        """Return the name of the symbol that an address lies in and the offset from its start in bytes, or None."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        start = self._addresses[index]
        symbol = self.symbols[bisect_left(self.symbols, start, key=lambda candidate: candidate.address)]
        offset = address - symbol.address
        return (symbol.name, offset) if not symbol.size_bytes or offset < symbol.size_bytes else None

    def address_of(self, name: str) -> int | None:
        """Return the address of a symbol, or None."""
        return self._by_name.get(name)

    def line_at(self, address: int) -> tuple[str, int] | None:
        """Return the file and line that an address comes from, or None."""
        index = bisect_right(self._line_addresses, address) - 1
        line = self.lines[index] if index >= 0 else None
        return (line.file, line.line) if line is not None and line.file else None

    def describe(self, address: int) -> str:
        """Return `name+0x8`, `name` or nothing: how an address is shown."""
        found = self.lookup(address)
        if found is None:
            return ""
        return f"{found[0]}+{found[1]:#x}" if found[1] else found[0]
