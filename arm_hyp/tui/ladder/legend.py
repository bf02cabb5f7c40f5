"""What the signs of the ladder mean: those that are seen, in one line, where there is room for it.

Read `tui/ladder/drawing.py` before this file, `tui/ladder/panel.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from arm_hyp.tui.ladder.drawing import Picture
from arm_hyp.tui.ladder.spans import Span, Via
from arm_hyp.tui.look import Look

_GAP: Final = "   "
_SAMPLE: Final = 12
"""Instructions of the line that stands for all of them."""


def legend(picture: Picture, width: int, look: Look) -> Text:
    """Return what the signs in a picture mean, as many as fit."""
    made = Text()
    for sign, role, words in _signs(picture, look):
        one = Text.assemble(_GAP if made else "", (sign, look.style(role)), (f" {words}", look.style("dim")))
        if made.cell_len + one.cell_len <= width:
            made.append_text(one)
    return made


def density_legend(width: int, look: Look) -> Text:
    """Return what the signs mean from afar, if that fits."""
    blocks, dim = look.glyphs.blocks, look.style("dim")
    made = Text.assemble(
        (blocks[-1], look.style("el1")),
        (" how much ran", dim),
        _GAP,
        (f"{look.glyphs.up}{blocks[len(blocks) // 2]}", look.style("trap")),
        (" how many exceptions came to the level above", dim),
    )
    return made if made.cell_len <= width else Text()


def _signs(picture: Picture, look: Look) -> Iterator[tuple[str, str, str]]:
    """Give each sign that is seen with its role and its meaning, the most important first."""
    glyphs, spans = look.glyphs, [picture.axis.spans[index] for index in picture.visible]
    if any(span.instructions for span in spans):
        yield f"{glyphs.line}{_SAMPLE}{glyphs.line}", _role(spans), f"{_SAMPLE} instructions"
    if any(span.via is Via.TRAP for span in spans):
        yield glyphs.up, "trap", "exception"
    if any(span.via is Via.IRQ for span in spans):
        yield f"{glyphs.rise_irq}{glyphs.up}", "irq", "interrupt"
    if any(span.via is Via.RET for span in spans):
        yield glyphs.down, "ret", "ERET"
    if any(span.is_python and not span.instructions for span in spans):
        yield f"{glyphs.python}py{glyphs.python}", "el2", "handler in Python"
    if any(span.idle_ns for span in spans):
        yield f"{glyphs.idle}zz{glyphs.idle}", "ret", "waits"
    if spans[-1].is_open:
        yield (glyphs.end, "strong", "the end") if picture.is_over else (glyphs.live, "strong", "goes on")


def _role(spans: Sequence[Span]) -> str:
    return next((f"el{span.lane.el}" for span in spans if span.instructions), "el1")
