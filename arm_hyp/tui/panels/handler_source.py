"""The source of a handler with the lines that ran, and what each line printed.

Read `timeline/process/exit_answers.py` before this file, `tui/panels/handler.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from arm_hyp.timeline.process.exit_answers import HandlerAnswer, HandlerRun
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import nothing, shortened, visible

_TAB_CELLS = 4


def source_lines(found: HandlerAnswer, run: HandlerRun, width: int, room: int, look: Look) -> list[Text]:
    """Return at most `room` lines of the function, around the line that ran last."""
    source = found.sources.get(run.file)
    if source is None or not run.line:
        return nothing("The text of its file is not known any more.", width, look)
    lines = source.splitlines()
    first, end = function_range(lines, run.line)
    last = run.last.line if run.last is not None and run.last.file == run.file else run.line
    top = max(min(last - room // 2, end - room), first)
    ran = {one.line for one in run.ran if one.file == run.file}
    printed: dict[int, list[str]] = {}
    for one in found.output:
        if one.file == run.file:
            printed.setdefault(one.line, []).append(one.text)
    shown = range(top, min(top + room, end))
    digits = len(str(end))
    return [
        _line(
            number, lines[number - 1], digits, _mark(number, ran, last, bool(run.failure), look), printed, width, look
        )
        for number in shown
    ]


def function_range(lines: Sequence[str], first: int) -> tuple[int, int]:
    """Return the first line of a function, from 1, and the line behind its last one. Decorators belong to it."""
    if not 1 <= first <= len(lines):
        return 1, 1
    base = _indent(lines[first - 1])
    end = first
    while end <= len(lines) and lines[end - 1].lstrip().startswith("@"):
        end += 1
    end += 1  # the line with def
    while end <= len(lines) and _belongs(lines[end - 1], base):
        end += 1
    while end - 1 > first and not lines[end - 2].strip():
        end -= 1
    return first, end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _belongs(line: str, base: int) -> bool:
    """Tell whether a line is in a function whose `def` is indented by `base`, or ends its list of parameters."""
    return not line.strip() or _indent(line) > base or line.lstrip().startswith(")")


def _mark(number: int, ran: set[int], last: int, has_failed: bool, look: Look) -> tuple[str, str]:
    """Return the glyph and the role of a line: the last one that ran, one that ran, one that did not."""
    if number == last:
        return (look.glyphs.fault, "bad") if has_failed else (look.glyphs.arrow, "key")
    return (look.glyphs.dot, "code") if number in ran else (" ", "dim")


def _line(
    number: int, text: str, digits: int, mark: tuple[str, str], printed: dict[int, list[str]], width: int, look: Look
) -> Text:
    glyph, role = mark
    line = Text.assemble((f"{number:>{digits}} ", look.style("faint")), (f"{glyph} ", look.style(role)))
    code = visible(text.expandtabs(_TAB_CELLS))
    line.append(shortened(code, width - line.cell_len, look), look.style("strong" if role in ("key", "bad") else role))
    if role in ("key", "bad"):
        line.stylize(look.style("cursor"))
    for one in printed.get(number, ()):
        room = width - line.cell_len - 2
        if room >= _TAB_CELLS:
            line.append(f"  {shortened(visible(f'prints {one}'), room, look)}", look.style("good"))
    return line
