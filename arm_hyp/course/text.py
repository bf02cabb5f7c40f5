"""A lesson's `text.md`: short steps, which may name a task, point into a run and ask for a panel.

Read `course/manifest.py` before this file, `course/classroom.py` beside it.

A step begins with `## TITLE`. A line in it that begins with @ is for the program: `@task NAME` (here it is done), `@run
NAME` (whose machine is shown, where no task is), `@go WHERE` (a position, `start`, `end`, or a condition as for
`arm-hyp find`), `@panel NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from arm_hyp.course.files import read_text
from arm_hyp.course.manifest import Lesson
from arm_hyp.errors import UserError

_DIRECTIVE: Final = re.compile(r"@(\w+)\s+(.+)")
_KEY: Final = re.compile(r"<kbd>(.*?)</kbd>")
_COMMAND: Final = re.compile(r"`arm-hyp((?: +[^`]*)?)`|^ {4,}(?:\$ )?arm-hyp( .*)?$", re.MULTILINE)
DIRECTIVES: Final = ("task", "run", "go", "panel")


class Step(NamedTuple):
    """A step: Markdown under a title, its task, and where in which run to look with which panel; each may be empty."""

    title: str
    body: str
    task: str = ""
    run: str = ""
    go: str = ""
    panel: str = ""

    @property
    def plain(self) -> str:
        """The text with keys as [Key]."""
        return _KEY.sub(r"[\1]", self.body)


def read_steps(lesson: Lesson) -> tuple[Step, ...]:
    """Return the steps of a lesson's text. Raises: UserError."""
    return tuple(_steps(lesson.text, read_text(lesson.text, "a lesson has a text")))


def _steps(path: Path, text: str) -> Iterator[Step]:
    title, lines, said, is_code = "", list[str](), dict[str, str](), False
    for number, line in enumerate(text.splitlines(), start=1):
        is_code ^= line.startswith("```")
        if line.startswith("## ") and not is_code:
            if lines or said:
                yield _step(title, lines, said)
            title, lines, said = line[3:].strip(), [], {}
        elif line.startswith("@") and not is_code:
            name, value = _directive(path, number, line)
            if name in said:
                raise UserError(f"{path}:{number}", f"a second @{name} in one step", "begin another step")
            said[name] = value
        elif not (line.startswith("# ") and not title and not is_code):  # the title is in lesson.toml
            lines.append(line)
    if is_code:
        raise UserError(str(path), "a block of code does not end", "end it with ```")
    yield _step(title, lines, said)


def _directive(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _DIRECTIVE.fullmatch(line.strip())
    if match is None or match[1] not in DIRECTIVES:
        raise UserError(f"{path}:{number}", f"{line.strip()} is nothing to do", "there are @" + ", @".join(DIRECTIVES))
    return match[1], match[2].strip()


def _step(title: str, lines: list[str], said: dict[str, str]) -> Step:
    return Step(title, "\n".join(lines).strip(), **said)


def keys_in(text: str) -> list[str]:
    """Return the keys that a text names: what stands in <kbd>."""
    return _KEY.findall(text)


def commands_in(text: str) -> list[list[str]]:
    """Return the commands of this program that a text names, as words behind `arm-hyp`."""
    return [(match[1] or match[2] or "").split() for match in _COMMAND.finditer(text)]


def words_in(text: str) -> int:
    """Count the words of a text, without code blocks and lines for the program."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return len([word for line in prose.splitlines() if not line.startswith("@") for word in line.split()])
