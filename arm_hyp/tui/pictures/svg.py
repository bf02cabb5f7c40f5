"""Anything that rich can draw as an SVG that needs nothing from elsewhere: the reader's own monospaced font.

Read `tui/look.py` before this file, `cli/demo.py` and `cli/export.py` after it.
"""

from __future__ import annotations

import io
import re
from typing import Final

from rich.color import Color
from rich.console import Console, RenderableType
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme

from arm_hyp.tui.look import Look

_WEB_FONTS: Final = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
_FONT_SIZE: Final = "font-size: 20px"
_LARGER: Final = "font-size: 21px"
"""rich's lines are so far apart that a frame of a smaller font has gaps."""
_CELL_ASPECT: Final = 21 * 0.602 / 20
"""0.602 is the width of a character of the usual monospaced fonts, by their size."""
Colour = tuple[int, int, int]
_BLACK: Final[Colour] = (0, 0, 0)
_WHITE: Final[Colour] = (255, 255, 255)


def svg_of(
    drawn: RenderableType, columns: int, title: str, *, identity: str = "arm-hyp", look: Look | None = None
) -> str:
    """Return an SVG, `columns` cells wide. `identity` begins the names in it: pictures on one page need their own.

    Without a look it has rich's colours for the ground.
    """
    console = Console(
        record=True,
        width=columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    console.print(drawn)
    theme = None if look is None else theme_of(look)
    svg = console.export_svg(title=title, unique_id=identity, theme=theme, font_aspect_ratio=_CELL_ASPECT)
    svg = svg.replace(_FONT_SIZE, _LARGER)
    svg = _WEB_FONTS.sub("", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)  # viewers differ in what they do with many spaces


def theme_of(look: Look) -> TerminalTheme:
    """Return the ground of a look: a palette without colours is black on white, as on paper."""
    text, ground = colours_of(look.style("surface"))
    theme = TerminalTheme(ground, text, [])
    theme.ansi_colors = SVG_EXPORT_THEME.ansi_colors
    return theme


def colours_of(surface: Style) -> tuple[Colour, Colour]:
    """Return the colours of text and ground."""
    return _colour(surface.color, _BLACK), _colour(surface.bgcolor, _WHITE)


def _colour(color: Color | None, default: Colour) -> Colour:
    if color is None:
        return default
    red, green, blue = color.get_truecolor()
    return red, green, blue
