"""How things look: palettes and glyphs by name, so that a panel says what a thing is, and never its colour.

Read nothing before this file; every panel after it. Nothing is told by colour alone: each role that matters also has a
glyph or an attribute, and the palette `MONO` has attributes only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Final

from rich.style import Style


@dataclass(frozen=True, slots=True)
class Palette:
    """Rich styles by role."""

    text: str
    dim: str
    """Beside the point, but readable."""
    faint: str
    """Frames, quiet lanes."""
    strong: str
    title: str
    focus: str
    """The frame and title of the panel that has the keys."""
    el0: str
    el1: str
    el2: str
    el3: str
    trap: str
    """A synchronous exception."""
    irq: str
    """An interrupt."""
    ret: str
    """An ERET."""
    deciding: str
    """The bit that decides the trap at the cursor."""
    changed: str
    """What the last step changed."""
    cursor: str
    """Background of the place where the run stands."""
    selected: str
    good: str
    bad: str
    key: str
    """A key to press."""
    bar: str
    """The bottom line."""
    on: str
    """A bit that is 1."""
    off: str
    code: str
    comment: str
    surface: str
    """Background and foreground of the whole screen."""

    def el(self, level: int) -> str:
        """Return the style of an exception level."""
        return (self.el0, self.el1, self.el2, self.el3)[level]


DARK: Final = Palette(
    text="#d5d8da", dim="#8a9199", faint="#4a525c", strong="bold #ffffff", title="#59c2ff", focus="bold #ffd173",
    el0="#aad94c", el1="#59c2ff", el2="#ffb454", el3="#f29668", trap="bold #ff6b6b", irq="bold #d2a6ff",
    ret="#8a9199", deciding="bold #10141a on #ffd173", changed="bold #ffd173", cursor="on #263850",
    selected="reverse", good="#7fd962", bad="bold #ff6b6b", key="bold #ffb454", bar="#d5d8da on #1f2b36",
    on="bold #ffffff", off="#6c757f", code="#d5d8da", comment="italic #7d8590", surface="#d5d8da on #10141a",
)  # fmt: skip
LIGHT: Final = Palette(
    text="#24292f", dim="#57606a", faint="#afb8c1", strong="bold #000000", title="#0550ae", focus="bold #953800",
    el0="#2f6f1d", el1="#0550ae", el2="#953800", el3="#a40e26", trap="bold #b3151f", irq="bold #6f3fc0",
    ret="#57606a", deciding="bold #ffffff on #953800", changed="bold #953800", cursor="on #cfe4ff",
    selected="reverse", good="#1a7f37", bad="bold #b3151f", key="bold #953800", bar="#24292f on #dde4ea",
    on="bold #000000", off="#6e7781", code="#24292f", comment="italic #57606a", surface="#24292f on #ffffff",
)  # fmt: skip
PROJECTOR: Final = Palette(
    text="#ffffff", dim="#d0d0d0", faint="#909090", strong="bold #ffffff", title="bold #7fdfff", focus="bold #ffff00",
    el0="bold #a8ff60", el1="bold #7fdfff", el2="bold #ffc060", el3="bold #ff9070", trap="bold #ff8080",
    irq="bold #e0b0ff", ret="#d0d0d0", deciding="bold #000000 on #ffff00", changed="bold #ffff00",
    cursor="on #004080", selected="reverse", good="bold #80ff80", bad="bold #ff8080", key="bold #ffff00",
    bar="bold #ffffff on #303030", on="bold #ffffff", off="#b0b0b0", code="bold #ffffff", comment="#d0d0d0",
    surface="#ffffff on #000000",
)  # fmt: skip
MONO: Final = Palette(
    text="", dim="dim", faint="dim", strong="bold", title="bold", focus="bold reverse", el0="", el1="", el2="bold",
    el3="bold", trap="bold", irq="bold", ret="dim", deciding="bold reverse", changed="bold underline",
    cursor="reverse", selected="reverse", good="", bad="bold", key="bold", bar="reverse", on="bold", off="dim",
    code="", comment="dim", surface="",
)  # fmt: skip
PALETTES: Final = {"dark": DARK, "light": LIGHT, "projector": PROJECTOR, "mono": MONO}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters by what they mean: each is one cell wide, of a set that the terminal has."""

    line: str = "━"
    python: str = "═"
    idle: str = "╌"
    rise: str = "┃"
    rise_irq: str = "╏"
    fall: str = "│"
    up: str = "▲"
    down: str = "▼"
    corner_down_right: str = "┏"
    corner_down_left: str = "┓"
    corner_up_left: str = "┛"
    corner_up_right: str = "┗"
    step: str = "┳"
    """An exception or a return that stays at its level."""
    step_return: str = "┯"
    live: str = "▸"
    """A run that may go on."""
    end: str = "■"
    quiet: str = "·"
    tick: str = "╷"
    blocks: str = " ▁▂▃▄▅▆▇█"
    bars: str = " ▏▎▍▌▋▊▉█"
    """Level bars by eighths of a cell."""
    here: str = "◀"
    dot: str = "●"
    ring: str = "○"
    states: str = "○◐●◉"
    """Of an interrupt: inactive, pending, active, pending and active."""
    arrow: str = "→"
    changed: str = "•"
    fault: str = "✗"
    fine: str = "✓"
    more: str = "…"
    branch: str = "⎇"
    box: str = "┌─┐│└┘"
    """Corners and lines: upper left, horizontal, upper right, vertical, lower left, lower right."""
    box_focus: str = "┏━┓┃┗┛"
    tree: tuple[str, str, str] = ("├─ ", "└─ ", "│  ")

    @property
    def is_ascii(self) -> bool:
        """Whether nothing but ASCII is drawn."""
        return self.line.isascii()


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs(
    line="-", python="=", idle="~", rise="|", rise_irq=":", fall="'", up="^", down="v", corner_down_right="+",
    corner_down_left="+", corner_up_left="+", corner_up_right="+", step="+", step_return="+", live=">", end="#",
    quiet=".", tick=",", blocks=" .:-=+*#@", here="<",
    bars=" ...--==#", states="opaP",
    dot="*", ring="o", arrow=">", changed="*", fault="x", fine="v", more="~", branch="Y", box="+-+|++",
    box_focus="#=#|##", tree=("|- ", "`- ", "|  "),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A palette and glyphs. `has_motion` is False for those who want nothing to move by itself."""

    palette: Palette = DARK
    glyphs: Glyphs = UNICODE
    has_motion: bool = True

    def style(self, role: str, **meta: object) -> Style:
        """Return the style of a role by its name, with what the cell stands for (see `panels/panel.py`)."""
        definition = getattr(self.palette, role)
        return _style_for(definition, tuple(meta.items())) if meta else _style(definition)


@lru_cache(maxsize=256)
def _style(definition: str) -> Style:
    return Style.parse(definition) if definition else Style.null()


@lru_cache(maxsize=8192)
def _style_for(definition: str, meta: tuple[tuple[str, object], ...]) -> Style:
    return _style(definition) + Style(meta=dict(meta))


ROLES: Final = tuple(field.name for field in fields(Palette))
