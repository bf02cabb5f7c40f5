"""Stage-2 tables as text, in the columns of Linux's `stage2_page_tables` in debugfs (ptdump).

Read `hypervisor/stage2/mapper.py` before this file. A line is a range of IPAs with the same level and attributes; where
they lead to is not part of it, as it is not in Linux's::

    ---[ Guest IPA ]---
    0x0000000040000000-0x0000000048000000         128M PMD   R W X AF BLK SH MEM
"""

from __future__ import annotations

from typing import Final, NamedTuple

from arm_hyp.hypervisor.stage2.descriptors import LeafDescriptor, MemoryType
from arm_hyp.hypervisor.stage2.mapper import Mapping, Stage2

_LEVELS: Final = ("PGD", "PUD", "PMD", "PTE")
_UNITS: Final = "KMGT"


class _Column(NamedTuple):
    """A word that is printed where bits of the descriptor have a value."""

    word: str
    mask: int
    value: int

    def applies(self, descriptor: LeafDescriptor) -> bool:
        """Tell whether the word is printed."""
        return descriptor & self.mask == self.value


_COLUMNS: Final = (
    _Column("R", 1 << 6, 1 << 6),
    _Column("W", 1 << 7, 1 << 7),
    _Column("X", LeafDescriptor.XN.mask, 0),
    _Column("AF", LeafDescriptor.AF.mask, LeafDescriptor.AF.mask),
    _Column("BLK", LeafDescriptor.TYPE.mask, 0),
    _Column("SH", LeafDescriptor.SH.mask, LeafDescriptor.SH.mask),
    _Column("CONT", LeafDescriptor.CONTIGUOUS.mask, LeafDescriptor.CONTIGUOUS.mask),
    _Column("COW", LeafDescriptor.COW.mask, LeafDescriptor.COW.mask),
)
_MEMORY: Final = {MemoryType.NORMAL: "MEM", MemoryType.NORMAL_NC: "MEM/NC"}


class _Range(NamedTuple):
    start: int
    end: int
    level: int
    words: str


def dump(stage2: Stage2) -> str:
    """Return all mappings as lines of text, neighbours that look the same as one."""
    ranges: list[_Range] = []
    for each in map(_range, stage2.mappings()):
        if ranges and ranges[-1].end == each.start and ranges[-1][2:] == each[2:]:
            ranges[-1] = ranges[-1]._replace(end=each.end)
        else:
            ranges.append(each)
    return "\n".join(["---[ Guest IPA ]---", *map(_line, ranges)])


def _range(mapping: Mapping) -> _Range:
    words = attribute_words(LeafDescriptor.to(mapping.pa, mapping.level, mapping.attributes))
    return _Range(mapping.ipa, mapping.ipa + mapping.size_bytes, mapping.level, words)


def attribute_words(descriptor: LeafDescriptor) -> str:
    """Return the attributes of a block or page, each word in its column."""
    words = [column.word if column.applies(descriptor) else " " * len(column.word) for column in _COLUMNS]
    return " ".join([*words, _MEMORY.get(MemoryType(descriptor.MEM_ATTR), "DEV")])


def _line(each: _Range) -> str:
    return (
        f"0x{each.start:016x}-0x{each.end:016x}   {_size(each.end - each.start)} {_LEVELS[each.level]}   {each.words}"
    )


def _size(size_bytes: int) -> str:
    """Return a size in the largest unit that it is a multiple of."""
    size, unit = size_bytes >> 10, 0
    while size and not size % 1024 and unit < len(_UNITS) - 1:
        size, unit = size >> 10, unit + 1
    return f"{size:9}{_UNITS[unit]}"
