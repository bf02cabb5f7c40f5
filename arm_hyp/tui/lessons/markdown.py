"""The Markdown of lessons as lines of text: paragraphs, lists, tables and code, for any width.

Read `tui/text.py` and `tui/lessons/commands.py` before this file, `tui/lessons/page.py` after it. Names of registers
and their fields can be explained: they stand for their word. A command is written as the key that does it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from arm_hyp.tui.lessons.commands import instead_of
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.text import flowed

_ITEM: Final = re.compile(r"(\s*)([-*]|\d+\.)\s+(.*)")
_INLINE: Final = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\*([^\s*][^*]*)\*|<kbd>(.*?)</kbd>")
_REGISTER: Final = re.compile(r"\b[A-Z][A-Z0-9]*_EL[0-3](?:\.[A-Za-z0-9]+)?\b")
_RULE: Final = re.compile(r"\|?[\s:|-]+\|?")
_GAP: Final = 2
_LEAST: Final = 4
_PROGRAM: Final = "arm-hyp"
_ROLES: Final = ("code", "strong", "strong", "key")


@lru_cache(maxsize=32)
def drawn(markdown: str, width: int, look: Look) -> tuple[Text, ...]:
    """Return a text in lines of at most `width` cells, without blank lines at its ends."""
    lines: list[Text] = []
    for block in _blocks(markdown):
        if lines:
            lines.append(Text())
        lines += _block(block, width, look)
    return tuple(lines)


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Give the lines of each block: what blank lines part, but code as a whole."""
    block, is_code = list[str](), False
    for line in (*markdown.splitlines(), ""):
        if line.startswith("```"):
            is_code = not is_code
        if line.strip() or is_code:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _block(block: list[str], width: int, look: Look) -> Iterator[Text]:
    first = block[0]
    if first.startswith("```"):
        return _code([line for line in block if not line.startswith("```")], width, look)
    if first.startswith("    "):
        return _code([line[4:] for line in block], width, look)
    if first.lstrip().startswith("|"):
        return _table(block, width, look)
    return _prose(block, width, look)


def _code(lines: Sequence[str], width: int, look: Look) -> Iterator[Text]:
    for line in lines:
        text = Text(f"  {visible(line)}", look.style("code"))
        text.truncate(width, overflow="ellipsis")
        yield text


def _prose(block: Sequence[str], width: int, look: Look) -> Iterator[Text]:
    """Give a paragraph or a list: lines that begin no item go on with the one before."""
    items: list[tuple[str, str]] = []
    for line in block:
        match = _ITEM.fullmatch(line)
        if match is not None:
            mark = look.glyphs.quiet if match[2] in "-*" else match[2]
            items.append((f"{match[1]}{mark} ", match[3]))
        elif items:
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
        else:
            items.append(("", line.strip("# ")))
    for lead, words in items:
        text = Text.assemble((lead, look.style("dim")), inline(words, look))
        yield from flowed(text, width, cell_len(lead))


def inline(words: str, look: Look, role: str = "text") -> Text:
    """Return words with code, emphasis and keys in their styles, and registers that can be explained."""
    text, at = Text(), 0
    for match in _INLINE.finditer(words):
        _plain(text, words[at : match.start()], role, look)
        kind, inside = next((kind, inside) for kind, inside in zip(_ROLES, match.groups(), strict=True) if inside)
        if kind != "code" or not _key(text, inside, look):
            _plain(text, inside, kind, look)
        at = match.end()
    _plain(text, words[at:], role, look)
    return text


def _key(text: Text, code: str, look: Look) -> bool:
    """Write the key that does a command here, and what is typed then; return whether there is one."""
    program, *command = code.split() or [""]
    found = instead_of(command) if program == _PROGRAM else None
    if found is None:
        return False
    meta = {"press": found.action, "typed": found.typed} if found.action else {}
    text.append(found.key, look.style("key" if meta else "text", **meta))
    if found.typed:
        text.append(f" {visible(found.typed)}", look.style("code", **meta))
    return True


def _plain(text: Text, words: str, role: str, look: Look) -> None:
    at = 0
    for match in _REGISTER.finditer(words):
        text.append(visible(words[at : match.start()]), look.style(role))
        text.append(match[0], look.style("strong", explain=match[0]))
        at = match.end()
    text.append(visible(words[at:]), look.style(role))


def _table(block: Sequence[str], width: int, look: Look) -> Iterator[Text]:
    """Give a table with its columns below each other; cells are broken where all of them have no room."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in block if not _RULE.fullmatch(line)
    ]
    columns = max(map(len, rows))
    cells = [[inline(cell, look, "text" if row is not rows[0] else "dim") for cell in row] for row in rows]
    widths = _fitting([max(row[at].cell_len for row in cells if at < len(row)) for at in range(columns)], width)
    for row in cells:
        broken = [flowed(cell, room) for cell, room in zip(row, widths, strict=False)]
        for parts in zip_longest(*broken, fillvalue=Text()):
            yield _row(parts, widths, width)


def _fitting(widths: list[int], width: int) -> list[int]:
    """Return widths of columns that fit, with two cells between them: the widest ones give way."""
    made = list(widths)
    while sum(made) + _GAP * (len(made) - 1) > width and max(made) > _LEAST:
        made[made.index(max(made))] -= 1
    return made


def _row(parts: Sequence[Text], widths: Sequence[int], width: int) -> Text:
    line = Text()
    for part, room in zip(parts, widths, strict=False):
        line.append_text(part).append(" " * (room - part.cell_len + _GAP))
    line.rstrip()
    line.truncate(width, overflow="ellipsis")
    return line
