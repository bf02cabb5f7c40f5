"""Sections of a program while it is laid out, and what is known of them afterwards: entry, symbols, lines.

Read `cpu/assembler_data.py` before and `cpu/assembler_layout.py` after.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from arm_hyp.cpu import assembler_data as data
from arm_hyp.cpu.assembler_expressions import Node, Position
from arm_hyp.cpu.assembler_operands import Instruction
from arm_hyp.cpu.assembler_source import Place
from arm_hyp.cpu.symbols import Line, Symbol

ALIGNMENT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one statement (or pool entry) puts into a section."""

    offset: int
    size: int
    place: Place | None
    content: bytes | data.Fill | data.Values | Instruction

    @property
    def is_code(self) -> bool:
        """Tell whether this is an instruction, written as such or with .inst."""
        content = self.content
        return isinstance(content, Instruction) or (isinstance(content, data.Values) and content.is_instruction)


@dataclass(slots=True)
class Section:
    """One section while it grows: chunks, literals that wait for a pool, and its address once that is known."""

    name: str
    address: int = 0
    size: int = 0
    alignment: int = ALIGNMENT_BYTES
    chunks: list[Chunk] = field(default_factory=list)
    literals: dict[tuple[int, Node], str] = field(default_factory=dict)


def entry(text: Section) -> int:
    """Return the address of a section's first instruction, or its start."""
    return next((text.address + chunk.offset for chunk in text.chunks if chunk.is_code), text.address)


def symbols(sections: Mapping[str, Section], labels: Mapping[str, Position]) -> tuple[Symbol, ...]:
    """Return the labels by address, each up to the next one or its section's end; names that begin with .L stay out."""
    visible = {name: position for name, position in labels.items() if not name.startswith(".L")}
    ends = {name: {section.size} for name, section in sections.items()}
    for position in visible.values():
        ends[position.section].add(position.offset)
    ordered = {name: sorted(offsets) for name, offsets in ends.items()}
    found = []
    for name, position in visible.items():
        offsets = ordered[position.section]
        size = offsets[min(bisect_right(offsets, position.offset), len(offsets) - 1)] - position.offset
        found.append(Symbol(name, sections[position.section].address + position.offset, size))
    return tuple(sorted(found, key=lambda symbol: symbol.address))


def lines(sections: Iterable[Section]) -> tuple[Line, ...]:
    """Return which line each address comes from, in ascending order, ended by a Line of no file."""
    found: list[Line] = []
    end: int | None = None
    for section in sections:
        for chunk in section.chunks:
            address, place = section.address + chunk.offset, chunk.place
            if end is not None and address != end:
                found.append(Line(end, "", 0))
            line = Line(address, place.file if place else "", place.line if place else 0)
            if not found or (found[-1].file, found[-1].line) != (line.file, line.line):
                found.append(line)
            end = address + chunk.size
    return tuple(found) if end is None else (*found, Line(end, "", 0))
