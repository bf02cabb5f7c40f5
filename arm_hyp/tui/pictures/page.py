"""A run as one HTML page with a slider over its steps: nothing is loaded from elsewhere, and nothing of it is run but
the script in `page.html`.

Read `pictures/steps.py` and `pictures/page.html` before this file, `cli/export.py` after it. Every different line of a
screen is in the page once, as runs of (style, text); a step is a row of numbers of lines. The text becomes text nodes,
so whatever a guest prints, none of it is markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any, Final, TextIO

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from arm_hyp.tui.look import DARK, LIGHT, ROLES, Look
from arm_hyp.tui.picture import Size
from arm_hyp.tui.pictures.steps import Picture
from arm_hyp.tui.pictures.svg import colours_of

_CONSOLE: Final = Console(width=1000, _environ={})
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_HOLE: Final = re.compile(r"@([A-Z]+)@")


class PageWriter:
    """Takes pictures as they come, and writes the page at the end. In the dark look the page has a light one, too."""

    def __init__(self, file: TextIO, size: Size, title: str, look: Look) -> None:
        self._file, self._size, self._title = file, size, title
        self._lines: dict[str, int] = {}
        self._styles: dict[str, int] = {}
        self._steps: list[dict[str, Any]] = []
        self._text, self._ground = (_hex(one) for one in colours_of(look.style("surface")))
        self._light = _in_light() if look.palette == DARK else {}
        self.note = ""

    def add(self, one: Picture) -> None:
        """Take a picture."""
        numbers = [self._number(line) for line in one.lines]
        self._steps.append({"at": str(one.position), "label": one.label, "lines": numbers})

    def _number(self, line: Text) -> int:
        runs: list[tuple[int, str]] = []
        for text, style, _ in line.render(_CONSOLE, end=""):
            number = self._styles.setdefault(self._css(style or Style.null()), len(self._styles))
            if runs and runs[-1][0] == number:
                runs[-1] = number, runs[-1][1] + text
            else:
                runs.append((number, text))
        return self._lines.setdefault(json.dumps(runs, ensure_ascii=False, separators=(",", ":")), len(self._lines))

    def _css(self, style: Style) -> str:
        text, ground = self._colour(style.color, "fg"), self._colour(style.bgcolor, "bg")
        if style.reverse:
            text, ground = ground or "var(--bg)", text or "var(--fg)"
        rules = [f"color:{text}" if text else "", f"background:{ground}" if ground else ""]
        rules += ["font-weight:bold" if style.bold else "", "font-style:italic" if style.italic else ""]
        rules += ["text-decoration:underline" if style.underline else "", "opacity:.7" if style.dim else ""]
        return ";".join(filter(None, rules))

    def _colour(self, colour: Color | None, part: str) -> str:
        if colour is None:
            return ""
        dark = colour.get_truecolor().hex
        if part == "bg" and dark == self._ground:
            return ""  # drawn, it would hide what hangs down from the line above
        light = self._light.get((part, dark))
        return dark if light is None else f"light-dark({light},{dark})"

    def close(self) -> None:
        """Write the page."""
        template = files("arm_hyp.tui.pictures").joinpath("page.html").read_text(encoding="utf-8")
        found = _SCRIPT.search(template)
        assert found is not None, "the page has one script"
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        text, ground, light = self._text, self._ground, self._light
        holes = {
            "HASH": digest,
            "SCHEME": "light dark" if light else "normal",
            "FOREGROUND": f"light-dark({light['fg', text]},{text})" if light else text,
            "BACKGROUND": f"light-dark({light['bg', ground]},{ground})" if light else ground,
            "TITLE": html.escape(self._title),
            "NOTE": html.escape(self.note),
            "COLUMNS": str(self._size.width),
            "STYLES": "\n".join(f".s{number}{{{css}}}" for css, number in self._styles.items()),
            "DATA": self._data(),
        }
        self._file.write(_HOLE.sub(lambda hole: holes[hole[1]], template))

    def _data(self) -> str:
        """Return the steps as JSON in which nothing ends a script."""
        lines = f"[{','.join(self._lines)}]"
        steps = json.dumps(self._steps, ensure_ascii=False, separators=(",", ":"))
        return f'{{"lines":{lines},"steps":{steps}}}'.replace("<", "\\u003c")


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _in_light() -> dict[tuple[str, str], str]:
    """Return the light palette's colour for each of the dark one, as text ("fg") and as ground ("bg")."""
    found: dict[tuple[str, str], str] = {}
    dark, light = Look(DARK), Look(LIGHT)
    for role in ROLES:
        ours, theirs = dark.style(role), light.style(role)
        for part, one, other in (("fg", ours.color, theirs.color), ("bg", ours.bgcolor, theirs.bgcolor)):
            if one is not None and other is not None:
                found.setdefault((part, one.get_truecolor().hex), other.get_truecolor().hex)
    return found
