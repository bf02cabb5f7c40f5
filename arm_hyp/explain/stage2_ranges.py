"""The stage 2 of a regime as ranges: what is mapped where, neighbours that belong together as one line.

Read `arch/translation/parameters.py` and `explain/checkers/table_tree.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.arch.translation.parameters import stage2_parameters
from arm_hyp.explain.checkers.table_tree import Entry, Read, TableTree

_UNITS: Final = ("", "K", "M", "G", "T")
_ATTRIBUTE_BITS: Final = 0b11 << 53 | 0b11 << 8 | 0b11 << 6 | 0b1111 << 2
"""XN <54:53>, SH <9:8>, S2AP <7:6>, MemAttr <5:2>: a range has one value of them."""
_READ, _WRITE, _XN, _MEMORY_TYPE = 1 << 6, 1 << 7, 1 << 54, 0b11 << 4
_MOST_LINES: Final = 500


class Range(NamedTuple):
    """IPAs from `start` to below `end` lead to PAs from `pa` on, with the same attributes."""

    start: int
    end: int
    pa: int
    attributes: int

    def is_followed_by(self, other: Range) -> bool:
        """Tell whether another range goes on where this one ends, in both address spaces and alike."""
        length = self.end - self.start
        return (self.end, self.pa + length, self.attributes) == (other.start, other.pa, other.attributes)

    def __str__(self) -> str:
        bits = self.attributes
        rights = "".join(
            letter if has else "-" for letter, has in (("R", bits & _READ), ("W", bits & _WRITE), ("X", not bits & _XN))
        )
        memory = "memory" if bits & _MEMORY_TYPE else "device"
        size = in_units(self.end - self.start)
        return f"IPA {self.start:#014x}-{self.end:#014x} {size:>6}  ->  PA {self.pa:#014x}  {rights} {memory}"


def stage2_lines(registers: TranslationRegisters, read: Read) -> list[str]:
    """Return a line about the controls, then one a range."""
    made = stage2_parameters(registers)
    head = f"VTTBR_EL2 {registers.vttbr_el2:#x}, VTCR_EL2 {registers.vtcr_el2:#x}"
    state = "on" if made.is_enabled else "off: HCR_EL2.VM is 0"
    if not made.is_legal:
        return [f"{head}: stage 2 is {state}; VTCR_EL2 is not legal for this machine"]
    lines = [str(one) for one in _merged(TableTree(made.tables, 2, 0, None, read).entries())]
    more = [f"... and {len(lines) - _MOST_LINES:,} more"] if len(lines) > _MOST_LINES else []
    return [f"{head}: stage 2 is {state}", *(lines[:_MOST_LINES] or ["nothing is mapped"]), *more]


def _merged(entries: Iterable[Entry]) -> Iterator[Range]:
    last: Range | None = None
    for entry in entries:
        one = Range(entry.start, entry.end, entry.output, entry.descriptor & _ATTRIBUTE_BITS)
        if last is not None and last.is_followed_by(one):
            last = last._replace(end=one.end)
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def in_units(size_bytes: int) -> str:
    """Return a size in the largest unit that it is a multiple of."""
    unit = 0
    while size_bytes and not size_bytes % 1024 and unit < len(_UNITS) - 1:
        size_bytes, unit = size_bytes >> 10, unit + 1
    return f"{size_bytes}{_UNITS[unit]}"
