"""One stage of a walk as a picture: the address cut into indices over a row of boxes, one for each table.

Read `tui/panels/drawing.py` before this file, `tui/panels/walk.py` after it. Where the boxes do not fit, each table is
a row. Ref: Arm ARM D8.2 (translation process), the figures of the walks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.timeline.process.answers import WalkAnswer, WalkStep
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import size_text

_BORDER_CELLS: Final = 5
"""Of a box: two sides, a space beside each, and the arrow to the next."""


class Box(NamedTuple):
    """A table with the entry that the walk read. `head` has the level and bits <msb:lsb> of the index `place`."""

    head: str
    place: str
    table: str
    entry: str
    kind: str
    is_bad: bool


def address_text(value: int) -> str:
    """Write an address as short as it is, in groups: 4008_0000."""
    return f"{value:_x}"


def boxes_of(walk: WalkAnswer) -> tuple[Box, ...]:
    """Return the tables of one stage in the order of the walk. The last one is bad if the walk failed there."""
    tops = [walk.input_bits, *(step.lsb for step in walk.steps)]
    last = len(walk.steps) - 1
    return tuple(
        _box(step, tops[number] - 1, number == last and walk.pa is None and _is_own_fault(walk))
        for number, step in enumerate(walk.steps)
    )


def _is_own_fault(walk: WalkAnswer) -> bool:
    """Whether the fault is of this stage, or of stage 2 for a descriptor of it, not for the address that it gave."""
    return walk.fault is not None and (walk.fault[2] == walk.stage or walk.stage2 is None)


def _box(step: WalkStep, msb: int, is_bad: bool) -> Box:
    kind = f"{step.kind} {size_text(1 << step.lsb)}" if step.kind in ("block", "page") else step.kind
    entry = "?" if step.descriptor is None else address_text(step.descriptor)
    bits = f"L{step.level} [{msb}:{step.lsb}]"
    return Box(bits, f"0x{step.table_index:03x}", address_text(step.table_address), entry, kind, is_bad)


def picture(walk: WalkAnswer, width: int, is_short: bool, look: Look) -> list[Text]:
    """Return the tables of one stage: boxes in a row if they fit, else, or if it must be short, a row for each."""
    boxes = boxes_of(walk)
    inside = [max(len(box.head), len(box.table) + 2, len(box.entry) + 6, len(box.kind) + 6) for box in boxes]
    if sum(inside) + _BORDER_CELLS * len(boxes) - 1 > width or is_short:
        return _rows(boxes, width, look)
    return _row_of_boxes(list(zip(boxes, inside, strict=True)), walk, width, look)


def _rest(walk: WalkAnswer) -> tuple[str, str]:
    """Return the bits of the address below the last index, and their value."""
    lsb = walk.steps[-1].lsb if walk.steps else 0
    return (f"[{lsb - 1}:0]", f"0x{walk.input_address & (1 << lsb) - 1:_x}") if lsb else ("", "")


def _rows(boxes: tuple[Box, ...], width: int, look: Look) -> list[Text]:
    """Return a line for each table: the bits of the index, the index, the descriptor, and what it is."""
    heads, entries = (
        max(map(len, texts), default=0) for texts in zip(*((b.head, b.entry) for b in boxes), strict=True)
    )
    lines = []
    for box in boxes:
        line = Text.assemble((f"{box.head:<{heads}} ", look.style("dim")), (f"{box.place} ", look.style("strong")))
        if heads + entries + len(box.kind) + 11 <= width:
            line.append(f"{box.entry:<{entries}} ", look.style("text"))
        line.append(f"{_mark(box, look)} {box.kind}", look.style("bad" if box.is_bad else "el1"))
        if line.cell_len + len(box.table) + 4 <= width:
            line.append(f" in {box.table}", look.style("dim"))
        lines.append(line)
    return lines


def _mark(box: Box, look: Look) -> str:
    return look.glyphs.fault if box.is_bad else look.glyphs.arrow


def _row_of_boxes(boxes: list[tuple[Box, int]], walk: WalkAnswer, width: int, look: Look) -> list[Text]:
    lines = [Text() for _ in range(7)]
    for box, inside in boxes:
        for line, part in zip(lines, _drawn(box, inside, look), strict=True):
            line.append_text(part)
    bits, value = _rest(walk)
    texts = {0: (f" {bits}", "dim"), 1: (f" {value}", "strong"), 4: (_output(walk, look), "good")}
    for number, line in enumerate(lines):
        line.right_crop(1)  # the place of an arrow to another table
        text, role = texts.get(number, ("", "text"))
        if line.cell_len + len(text) <= width:
            line.append(text, look.style(role))
    return lines


def _output(walk: WalkAnswer, look: Look) -> str:
    """Say where a stage leads that has not failed: to an IPA if stage 2 was asked for it."""
    if walk.stage2 is not None:
        return f"{look.glyphs.arrow} IPA {address_text(walk.stage2.input_address)}"
    return "" if walk.pa is None else f"{look.glyphs.arrow} PA {address_text(walk.pa)}"


def _drawn(box: Box, inside: int, look: Look) -> list[Text]:
    """Return a box of `inside` cells and its sides, with the space behind it, and its index above it."""
    upper_left, level, upper_right, side, lower_left, lower_right = tuple(look.glyphs.box)
    style = look.style("bad" if box.is_bad else "faint")
    entry = look.style("bad" if box.is_bad else "strong")
    index = f"{_mark(box, look)}{box.place[2:]} "

    def row(text: str, role: str, arrow: str = " ") -> Text:
        cell = Text(f" {text}".ljust(inside + 2), look.style(role))
        return Text.assemble((side, style), cell, (side, style), (arrow, look.style("el1")))

    reads = Text.assemble((side, style), (f" {index}{box.entry}".ljust(inside + 2), entry), (side, style))
    reads.append(look.glyphs.arrow if not box.is_bad else " ", look.style("el1"))
    title = f" {box.table} "
    return [
        Text(f"  {box.head}".ljust(inside + _BORDER_CELLS), look.style("dim")),
        Text(f"  {box.place}".ljust(inside + _BORDER_CELLS), look.style("strong")),
        Text.assemble((upper_left, style), (title, look.style("text")), (level * (inside + 2 - len(title)), style))
        .append(upper_right, style)
        .append(" "),
        row(look.glyphs.quiet, "faint"),
        reads,
        row(" " * len(index) + box.kind, "bad" if box.is_bad else "el1"),
        Text(f"{lower_left}{level * (inside + 2)}{lower_right} ", style),
    ]
