"""Where panels stand: presets by size, as rows of panels, and the arithmetic that makes whole cells of them.

Read `tui/frames.py` before this file, `tui/app.py` and `tui/picture.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

LEAST_COLUMNS: Final = 40
LEAST_ROWS: Final = 12


class Place(NamedTuple):
    """A slot of the screen: `slot` counts from 0, cells from the upper left corner."""

    slot: int
    panel: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels: its share of the height, at least and at most so many lines; panels with shares of the width."""

    share: int
    panels: tuple[tuple[str, int], ...]
    least: int = 4
    most: int = 1000


Preset = tuple[Row, ...]
SMALL: Final[Preset] = (
    Row(10, (("ladder", 1),), least=9, most=11),
    Row(8, (("code", 38), ("trap", 42)), least=5),
    Row(5, (("registers", 1),), least=3, most=6),
)
MEDIUM: Final[Preset] = (
    Row(12, (("ladder", 1),), least=9, most=13),
    Row(15, (("code", 1), ("trap", 1)), least=6),
    Row(12, (("registers", 6), ("bits", 6)), least=5, most=14),
)
LARGE: Final[Preset] = (
    Row(14, (("ladder", 1),), least=11, most=15),
    Row(26, (("code", 60), ("trap", 74), ("bits", 66)), least=8),
    Row(19, (("registers", 60), ("consoles", 74), ("gic", 66)), least=6),
)
LARGE_VMS: Final[Preset] = (
    Row(18, (("ladder", 1),), least=11, most=19),
    Row(24, (("code", 60), ("trap", 74), ("bits", 66)), least=8),
    Row(19, (("registers", 60), ("consoles", 74), ("vcpus", 66)), least=6),
)


def preset_for(width: int, height: int, *, has_vms: bool = False) -> Preset:
    """Return the preset that suits a screen, whose bottom line is not a panel's."""
    if width >= 150 and height >= 44:
        return LARGE_VMS if has_vms else LARGE
    return MEDIUM if width >= 110 and height >= 32 else SMALL


LESSON_FROM: Final = (110, 32)
"""From this size on, in columns and lines, a lesson's page stands beside the run."""
LESSON_MEDIUM: Final[Preset] = (
    Row(12, (("ladder", 1),), least=9, most=12),
    Row(14, (("code", 1),), least=6),
    Row(13, (("trap", 1),), least=6),
)
LESSON_LARGE: Final[Preset] = (
    Row(14, (("ladder", 1),), least=11, most=15),
    Row(24, (("code", 60), ("trap", 74)), least=8),
    Row(18, (("registers", 60), ("consoles", 74)), least=6),
)


def arrange_beside(
    page: tuple[int, str], width: int, height: int, chosen: dict[int, str] | None = None
) -> tuple[Place, ...]:
    """Return places with a page, (slot, panel), over the whole height at the left, and a run at the right of it."""
    columns = min(max(width * 2 // 5, 46), 76)
    preset = LESSON_LARGE if width - columns >= 110 and height >= 44 else LESSON_MEDIUM
    beside = (place._replace(x=place.x + columns) for place in arrange(preset, width - columns, height, chosen))
    return (*beside, Place(page[0], page[1], 0, 0, columns, height))


def arrange(preset: Sequence[Row], width: int, height: int, chosen: dict[int, str] | None = None) -> tuple[Place, ...]:
    """Return where every panel stands, in reading order. `chosen` are panels that the user put into slots.

    A panel that was chosen for one slot leaves the slot that it had by the preset to the one that was there.
    """
    heights = _shared(height, [(row.share, row.least, row.most) for row in preset])
    places, slot, y = [], 0, 0
    for row, rows in zip(preset, heights, strict=True):
        x = 0
        for (panel, _), columns in zip(
            row.panels, _shared(width, [(share, 8, 10_000) for _, share in row.panels]), strict=True
        ):
            if rows >= 3:
                places.append(Place(slot, (chosen or {}).get(slot, panel), x, y, columns, rows))
            x, slot = x + columns, slot + 1
        y += rows
    return tuple(places)


def _shared(total: int, wanted: Sequence[tuple[int, int, int]]) -> list[int]:
    """Share so many cells out by weight, within the least and the most of each; the most flexible gets what is left."""
    weights = sum(share for share, _, _ in wanted)
    cells = [min(max(total * share // weights, least), most) for share, least, most in wanted]
    index = _widest_range(wanted)
    cells[index] += total - sum(cells)
    while cells[index] < 0 or any(count < 0 for count in cells):
        largest = cells.index(max(cells))
        cells[largest], cells[index] = cells[largest] + min(cells[index], 0), max(cells[index], 0)
    return cells


def _widest_range(wanted: Sequence[tuple[int, int, int]]) -> int:
    return max(range(len(wanted)), key=lambda index: (wanted[index][2], wanted[index][0]))
