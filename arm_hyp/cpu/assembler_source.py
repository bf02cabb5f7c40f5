"""The assembler's reader: text to statements, without comments, with file, line and column.

Read `cpu/assembler.py` before and `cpu/assembler_expressions.py` after. GNU as is the model: `//` and `/* */` are
comments, `;` separates statements, `'a'` is a number. Of the C preprocessor, lines that begin with `#`, this reads
`#define NAME value`, `#undef`, `#ifdef`, `#ifndef`, `#else`, `#endif` and the line markers that the real one leaves
behind.

Simplified: `#include`, `#if` and macros with parameters are refused: write `.include`, `.if` and `.macro`, or run the
file through `gcc -E` first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from arm_hyp.errors import UserError


class AssemblyError(UserError):
    """Say in one line what is wrong with an assembly source: "file:line:column: cause; way out"."""

    def __init__(self, file: str, line: int, column: int, message: str, way_out: str = "") -> None:
        super().__init__(f"{file}:{line}:{column}", message, way_out)
        self.file, self.line, self.column = file, line, column
        self.message = f"{message}; {way_out}" if way_out else message


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a source; `note` says which macro it came out of."""

    file: str
    line: int
    column: int
    note: str = ""

    def error(self, message: str, way_out: str = "") -> AssemblyError:
        """Return the error that names this place."""
        return AssemblyError(self.file, self.line, self.column, message + self.note, way_out)

    def seen_from(self, file: str) -> str:
        """Return the line's number, and which file it is in unless it is this one."""
        return str(self.line) if self.file == file else f"{self.line} of {self.file}"

    def moved(self, columns: int) -> Place:
        """Return the place some columns to the right; inside a macro's expansion columns mean nothing and stay."""
        return self if self.note else replace(self, column=self.column + columns)


@dataclass(frozen=True, slots=True)
class Origin:
    """A file that is being read, for the sake of what it includes: its path, its name in errors, and its includer."""

    path: Path
    shown: str
    includer: Origin | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One label, directive or instruction, stripped, where it begins, and the file it is from (None: from no file)."""

    text: str
    place: Place
    origin: Origin | None = field(default=None, compare=False)


_STRING = r'"(?:\\.|[^"\\\n])*"'
_IDENTIFIER = r"[A-Za-z_.$][\w.$]*"
_TOKEN = re.compile(
    rf"(?P<directive>^[ \t]*\#[^\n]*)|(?P<string>{_STRING})|(?P<char>'(?:\\.|[^\\\n])'?)"
    r"|(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)|(?P<open>/\*|\")",
    re.DOTALL | re.MULTILINE | re.ASCII,
)
_LINE_MARKER = re.compile(r"#\s*(?:line\s+)?(\d+)(?:\s+\"([^\"]*)\")?", re.ASCII)
_WORD_OR_STRING = re.compile(rf"{_STRING}|(?<![\w.$])[A-Za-z_]\w*(?![\w$])", re.ASCII)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "a": 7, "v": 11, "0": 0}
_MAX_DEFINE_ROUNDS = 16


def split_outside(text: str, separators: str, brackets: bool = True) -> list[tuple[int, str]]:
    """Split at separators that stand outside of strings (and brackets); each part comes with its offset in `text`."""
    parts, start, depth, index = [], 0, 0, 0
    for match in re.finditer(rf"{_STRING}|.", text, re.DOTALL):
        index, token = match.start(), match.group()
        if brackets and token in "([{":
            depth += 1
        elif brackets and token in ")]}":
            depth = max(depth - 1, 0)
        elif depth == 0 and token in separators:
            parts.append((start, text[start:index]))
            start = index + 1
    return [*parts, (start, text[start:])]


def char_value(body: str) -> int:
    """Return the number of a character constant's body: `a`, `\\n`, `\\\\`."""
    return _ESCAPES.get(body[1], ord(body[1])) if body[0] == "\\" else ord(body[0])


def strip_comments(source: str, file: str) -> str:
    """Blank comments and turn character constants into numbers, keeping every line and nearly every column.

    Raises: AssemblyError for a comment or string without an end.
    """

    def substitute(match: re.Match[str]) -> str:
        kind, text = match.lastgroup, match.group()
        if kind == "open":
            line = source.count("\n", 0, match.start()) + 1
            column = match.start() - source.rfind("\n", 0, match.start())
            what, end = ("string", '"') if text == '"' else ("comment", "*/")
            raise AssemblyError(file, line, column, f"this {what} has no end", f"close it with {end}")
        if kind == "char":
            return str(char_value(text[1:])).ljust(len(text))
        if kind == "directive":
            return re.sub(r"/\*.*?\*/|//.*", lambda inner: " " * len(inner.group()), text)
        return text if kind == "string" else re.sub(r"[^\n]", " ", text)

    return _TOKEN.sub(substitute, source)


class Reader:
    """Reads one source text into statements, acting on the preprocessor lines it meets."""

    def __init__(self, source: str, file: str, origin: Origin | None) -> None:
        self._origin = origin
        self._lines = strip_comments(source.replace("\r\n", "\n"), file).split("\n")
        self._file, self._marked_file, self._shift = file, file, 0
        self._defines: dict[str, str] = {}
        self._conditions: list[tuple[Place, bool]] = []

    def statements(self) -> Iterator[Statement]:
        """Give the statements in order. Raises: AssemblyError."""
        for number, line in enumerate(self._lines, 1):
            place = Place(self._marked_file, number + self._shift, 1)
            if line.lstrip().startswith("#"):
                self._preprocess(line.strip(), place.moved(len(line) - len(line.lstrip())), number)
            elif all(active for _, active in self._conditions):
                yield from self._split(line, place)
        if self._conditions:
            raise self._conditions[-1][0].error("this condition has no #endif")

    def _split(self, line: str, place: Place) -> Iterator[Statement]:
        expanded = self._expand(line, place)
        for offset, part in split_outside(expanded, ";", brackets=False):
            if part.strip():
                begin = place.moved(offset + len(part) - len(part.lstrip()))
                yield Statement(part.strip(), begin, self._origin)

    def _expand(self, line: str, place: Place) -> str:
        if not self._defines:
            return line
        for _ in range(_MAX_DEFINE_ROUNDS):
            expanded = _WORD_OR_STRING.sub(lambda match: self._defines.get(match.group(), match.group()), line)
            if expanded == line or len(expanded) > 10_000:
                return expanded
            line = expanded
        raise place.error("a #define in this line expands to itself")

    def _preprocess(self, line: str, place: Place, number: int) -> None:
        marker = _LINE_MARKER.match(line)
        if marker:
            self._shift = int(marker[1][:9]) - number - 1
            self._marked_file = marker[2] or self._marked_file
            return
        word, _, rest = line[1:].strip().partition(" ")
        action = self._ACTIONS.get(word)
        if action is not None and (word in self._CONDITIONALS or all(active for _, active in self._conditions)):
            action(self, rest.strip(), place)

    def _define(self, rest: str, place: Place) -> None:
        match = re.fullmatch(r"([A-Za-z_]\w*)(?:\s+(.*))?", rest, re.ASCII)
        if match is None or rest.endswith("\\"):
            raise place.error(
                "only `#define NAME value` on one line is supported", "write a .macro, or run the file through gcc -E"
            )
        self._defines[match[1]] = match[2] or ""

    def _undefine(self, rest: str, place: Place) -> None:
        self._defines.pop(rest, None)

    def _ifdef(self, rest: str, place: Place) -> None:
        self._conditions.append((place, rest in self._defines))

    def _ifndef(self, rest: str, place: Place) -> None:
        self._conditions.append((place, rest not in self._defines))

    def _else(self, rest: str, place: Place) -> None:
        if not self._conditions:
            raise place.error("#else without #ifdef")
        self._conditions.append((place, not self._conditions.pop()[1]))

    def _endif(self, rest: str, place: Place) -> None:
        if not self._conditions:
            raise place.error("#endif without #ifdef")
        self._conditions.pop()

    def _include(self, rest: str, place: Place) -> None:
        raise place.error(f"#include {rest} is not supported", "write .include, or run the file through gcc -E")

    def _if(self, rest: str, place: Place) -> None:
        raise place.error("#if and #elif are not supported", "write .if, or run the file through gcc -E")

    def _error(self, rest: str, place: Place) -> None:
        raise place.error(f"#error {rest}")

    _CONDITIONALS = frozenset({"ifdef", "ifndef", "else", "endif", "if", "elif"})
    _ACTIONS: ClassVar[dict[str, Callable[[Reader, str, Place], None]]] = {
        "define": _define,
        "undef": _undefine,
        "ifdef": _ifdef,
        "ifndef": _ifndef,
        "else": _else,
        "endif": _endif,
        "include": _include,
        "if": _if,
        "elif": _if,
        "error": _error,
    }


def read_statements(source: str, file: str, origin: Origin | None = None) -> Iterator[Statement]:
    """Give the statements of a source in order, before macros are expanded. Raises: AssemblyError."""
    return Reader(source, file, origin).statements()
