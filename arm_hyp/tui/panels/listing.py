"""A listing of code: labels, lines of source and instructions in the order of their addresses.

Read `cpu/symbols.py` before this file, `panels/instruction.py` and `panels/code.py`, which draw it, after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.tui.panels.drawing import visible

PAGE_BYTES: Final = 4096
_BLOCK_BYTES: Final = 256
"""A window begins at a block, so that it stands still while the PC moves in it."""
_BEFORE_BYTES: Final = 128
_BEHIND_BYTES: Final = 192
_FARTHEST_BYTES: Final = 1 << 16
"""A symbol whose size nobody knows is taken to reach no farther."""
_ASSEMBLY: Final = frozenset({".s", ".S", ".inc"})
_LABELS: Final = re.compile(r"^(\s*[\w.$]+:)+")
_NUMBER: Final = re.compile(r"(?<!\w)#?(0x[0-9a-f]+|0(?!\d)|[1-9]\d*)(?!\w)")
Sources = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `word` is None for a label or a line of source, whose `text` is all there is.

    `source` is the line that an instruction comes from, where it is the first of that line; `place` is file and line.
    """

    address: int
    word: int | None = None
    text: str = ""
    source: str = ""
    place: str = ""


def window(focus: int) -> tuple[tuple[int, int], ...]:
    """Return the stretches of memory around an address, as (address, bytes), none of which crosses a page."""
    start = max((focus & -_BLOCK_BYTES) - _BEFORE_BYTES, 0)
    end = min((focus & -_BLOCK_BYTES) + _BLOCK_BYTES + _BEHIND_BYTES, 1 << 64)
    border = (start // PAGE_BYTES + 1) * PAGE_BYTES
    return ((start, end - start),) if end <= border else ((start, border - start), (border, end - border))


def place_name(symbols: SymbolTable, address: int) -> str:
    """Return `name+0x8` of an address; empty where no symbol is near."""
    found = symbols.lookup(address)
    if found is None or found[1] >= _FARTHEST_BYTES:
        return ""
    return visible(f"{found[0]}+{found[1]:#x}" if found[1] else found[0])


def source_place(symbols: SymbolTable, address: int) -> str:
    """Return `file:line` of an address, without the directory; empty where it is not known."""
    found = symbols.line_at(address)
    return "" if found is None else visible(f"{PurePath(found[0]).name}:{found[1]}")


def source_line(symbols: SymbolTable, sources: Sources, address: int) -> str:
    """Return the line of source that an address comes from, without what surrounds it; empty where there is none."""
    found = symbols.line_at(address)
    lines = sources.get(found[0], ()) if found is not None else ()
    return visible(" ".join(lines[found[1] - 1].split())) if found is not None and 0 < found[1] <= len(lines) else ""


def rows_of(pieces: Iterable[tuple[int, bytes]], symbols: SymbolTable, sources: Sources) -> tuple[Row, ...]:
    """Return the rows of some stretches of memory, without lines of source of their own."""
    return tuple(row for address, data in pieces for row in _rows(address, data, symbols, sources))


def _rows(start: int, data: bytes, symbols: SymbolTable, sources: Sources) -> Iterator[Row]:
    last_line: tuple[str, int] | None = None
    for offset in range(0, len(data) - 3, 4):
        address = start + offset
        found = symbols.lookup(address)
        if found is not None and not found[1]:
            yield Row(address, text=visible(found[0]))
        line = symbols.line_at(address)
        is_first = line is not None and line != last_line
        last_line = line
        source = source_line(symbols, sources, address) if is_first else ""
        place = source_place(symbols, address) if is_first else ""
        yield Row(address, int.from_bytes(data[offset : offset + 4], "little"), source=source, place=place)


def interleaved(rows: Iterable[Row]) -> Iterator[Row]:
    """Give each line of source a row of its own, before the first instruction that comes from it."""
    for row in rows:
        if row.word is not None and row.source:
            yield Row(row.address, text=row.source, place=row.place)
        yield row


def remark(row: Row, instruction: str) -> str:
    """Return what a line of source tells beside its instruction: only the comment where assembly says the same."""
    if PurePath(row.place.rpartition(":")[0]).suffix not in _ASSEMBLY:
        return row.source
    code, slashes, comment = row.source.partition("//")
    if _plain(_LABELS.sub("", code)) != _plain(instruction):
        return row.source
    return f"// {comment.strip()}" if slashes else ""


def _plain(text: str) -> str:
    """Return an instruction without what is a matter of taste: spaces, capitals, in which base numbers are."""
    return _NUMBER.sub(lambda found: str(int(found[1], 0)), "".join(text.lower().split()))
