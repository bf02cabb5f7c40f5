"""Macros, repetition and conditional assembly: statements in, plain labels, directives and instructions out.

Read `cpu/assembler_include.py` before and `cpu/assembler_layout.py` after. Keystone's own macros know neither
numeric labels nor lines, so they are expanded here, as GNU as does: `.macro` (defaults, `:req`, `:vararg`,
`name=value`, `\\@`, `\\()`), `.rept`, `.irp`, `.if` and its family, `.include`. What comes out of a macro carries the
place of its call.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from arm_hyp.cpu.assembler_include import Includer
from arm_hyp.cpu.assembler_source import Place, Statement, split_outside

MAX_STATEMENTS = 200_000

_LABEL = re.compile(r"([A-Za-z_.$][\w.$]*|\d+)\s*:", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_.$][\w.$]*)\s*=(?!=)\s*(.*)", re.ASCII | re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z_$][\w$]*)(?::(req|vararg))?(?:\s*=\s*(.*))?", re.ASCII | re.DOTALL)
_ARGUMENT = re.compile(r"\\(@|\(\)|[A-Za-z_$][\w$]*)", re.ASCII)
_OPENS = {".macro": ".endm", ".rept": ".endr", ".irp": ".endr", ".irpc": ".endr"}
_CLOSES = {".endm": ".endm", ".endmacro": ".endm", ".endr": ".endr"}


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    kind: str
    default: str


@dataclass(frozen=True, slots=True)
class _Macro:
    name: str
    parameters: tuple[_Parameter, ...]
    body: tuple[Statement, ...]


def first_word(text: str) -> tuple[str, str]:
    """Split a statement into its first word in lower case and the rest."""
    parts = text.split(None, 1)
    return parts[0].lower(), parts[1] if len(parts) > 1 else ""


class Expander:
    """Expands a stream of statements; `evaluate` and `is_defined` ask the layout what is known so far."""

    def __init__(
        self,
        statements: Iterable[Statement],
        evaluate: Callable[[str, Place], int],
        is_defined: Callable[[str], bool],
    ) -> None:
        self._source, self._pushed = iter(statements), deque[Statement]()
        self._evaluate, self._is_defined = evaluate, is_defined
        self._macros: dict[str, _Macro] = {}
        self._conditions: list[Place] = []
        self._taken = self._expansions = 0
        self._includer = Includer()
        self.included = self._includer.files

    def __iter__(self) -> Iterator[Statement]:
        while (statement := self._take()) is not None:
            label = _LABEL.match(statement.text)
            if label:
                yield Statement(f"{label[1]}:", statement.place)
                self._push_rest(statement, label.end())
                continue
            word, rest = first_word(statement.text)
            if word == ".end":
                break
            if word in self._HANDLERS:
                self._HANDLERS[word](self, rest, statement)
            elif word in self._macros:
                self._call(self._macros[word], rest, statement)
            else:
                yield self._assignment(statement)
        if self._conditions:
            raise self._conditions[-1].error("this .if has no .endif")

    def _assignment(self, statement: Statement) -> Statement:
        match = _ASSIGNMENT.fullmatch(statement.text)
        return replace(statement, text=f".set {match[1]}, {match[2]}") if match else statement

    def _take(self) -> Statement | None:
        statement = self._pushed.popleft() if self._pushed else next(self._source, None)
        self._taken += 1
        if statement is not None and self._taken > MAX_STATEMENTS:
            raise statement.place.error(
                f"more than {MAX_STATEMENTS} statements after expansion", "look for a .rept or .macro that never ends"
            )
        return statement

    def _push(self, statements: list[Statement]) -> None:
        if self._taken + len(self._pushed) + len(statements) > 2 * MAX_STATEMENTS:
            raise statements[0].place.error(f"more than {MAX_STATEMENTS} statements after expansion", "repeat less")
        self._pushed.extendleft(statement for statement in reversed(statements) if statement.text)

    def _push_rest(self, statement: Statement, start: int) -> None:
        rest = statement.text[start:]
        if rest.strip():
            place = statement.place.moved(start + len(rest) - len(rest.lstrip()))
            self._push([replace(statement, text=rest.strip(), place=place)])

    # Bodies.

    def _body(self, opening: Statement) -> tuple[Statement, ...]:
        ends = [_OPENS[first_word(opening.text)[0]]]
        body: list[Statement] = []
        while (statement := self._take()) is not None:
            word = first_word(statement.text)[0]
            if word in _OPENS:
                ends.append(_OPENS[word])
            elif _CLOSES.get(word) == ends[-1]:
                ends.pop()
                if not ends:
                    return tuple(body)
            body.append(statement)
        raise opening.place.error(f"this {first_word(opening.text)[0]} has no {ends[-1]}")

    def _macro(self, rest: str, statement: Statement) -> None:
        body = self._body(statement)
        match = re.match(r"([A-Za-z_.$][\w.$]*)\s*,?\s*(.*)", rest, re.ASCII | re.DOTALL)
        if match is None:
            raise statement.place.error(".macro needs a name")
        separators = "," if "," in match[2] else " \t"
        texts = [part.strip() for _, part in split_outside(re.sub(r"\s*=\s*", "=", match[2]), separators)]
        parameters = tuple(self._parameter(text, statement) for text in texts if text)
        self._macros[match[1].lower()] = _Macro(match[1], parameters, body)

    def _parameter(self, text: str, statement: Statement) -> _Parameter:
        match = _PARAMETER.fullmatch(text)
        if match is None:
            raise statement.place.error(f"`{text}` is not a macro parameter")
        return _Parameter(match[1], match[2] or "", match[3] or "")

    def _call(self, macro: _Macro, rest: str, call: Statement) -> None:
        self._expansions += 1
        values = self._arguments(macro, rest, call) | {"@": str(self._expansions), "()": ""}
        self._push([self._filled(line, values, macro.name, call.place) for line in macro.body])

    def _arguments(self, macro: _Macro, rest: str, call: Statement) -> dict[str, str]:
        texts = [part.strip() for _, part in split_outside(rest, ",")] if rest.strip() else []
        if len(texts) == 1 and len(macro.parameters) > 1:
            texts = [part for _, part in split_outside(rest, " \t") if part]
        values = {parameter.name: parameter.default for parameter in macro.parameters}
        names = [parameter.name for parameter in macro.parameters]
        for index, text in enumerate(texts):
            name, equals, value = text.partition("=")
            if equals and name.strip() in values:
                values[name.strip()] = value.strip()
            elif names and index >= len(names) - 1 and macro.parameters[-1].kind == "vararg":
                values[names[-1]] = ", ".join(texts[len(names) - 1 :])
            elif index >= len(names):
                raise call.place.error(f"macro {macro.name} takes {len(names)} arguments, not {len(texts)}")
            elif text:
                values[names[index]] = text.strip('"') if text.startswith('"') else text
        for parameter in macro.parameters:
            if parameter.kind == "req" and not values[parameter.name]:
                raise call.place.error(f"macro {macro.name} needs a value for {parameter.name}")
        return values

    def _filled(self, line: Statement, values: dict[str, str], name: str, call: Place) -> Statement:
        text = _ARGUMENT.sub(lambda match: values.get(match[1], match[0]), line.text).strip()
        if len(text) > 4096:
            raise call.error(f"macro {name} makes a line of more than 4096 characters")
        note = call.note or f" (in macro {name}, line {line.place.seen_from(call.file)})"
        return replace(line, text=text, place=replace(call, note=note))

    def _repeat(self, rest: str, statement: Statement) -> None:
        count, body = self._evaluate(rest, statement.place), self._body(statement)
        if count < 0 or count * len(body) > MAX_STATEMENTS:
            raise statement.place.error(
                f".rept {count} of {len(body)} statements", f"at most {MAX_STATEMENTS} in all; .fill repeats data"
            )
        self._push(list(body) * count)

    def _each(self, rest: str, statement: Statement) -> None:
        name, _, texts = (part.strip() for part in rest.partition(","))
        is_characters = first_word(statement.text)[0] == ".irpc"
        values = list(texts) if is_characters else [part.strip() for _, part in split_outside(texts, ",")]
        body = self._body(statement)
        pattern = re.compile(rf"\\{re.escape(name)}(?![\w$])|\\\(\)", re.ASCII)
        filled = [
            replace(line, text=pattern.sub(lambda m, v=value: "" if m[0] == "\\()" else v, line.text))  # type: ignore[misc]
            for value in values
            for line in body
        ]
        self._push(filled)

    # Conditions.

    def _if(self, rest: str, statement: Statement) -> None:
        self._conditions.append(statement.place)
        if not self._holds(first_word(statement.text)[0], rest, statement.place):
            self._skip(statement, to_else=True)

    def _holds(self, word: str, rest: str, place: Place) -> bool:
        if word in (".ifdef", ".ifndef", ".ifnotdef"):
            return self._is_defined(rest.strip()) == (word == ".ifdef")
        if word in (".ifb", ".ifnb"):
            return bool(rest.strip()) == (word == ".ifnb")
        if word in (".ifc", ".ifnc", ".ifeqs", ".ifnes"):
            texts = [part.strip().strip('"') for _, part in split_outside(rest, ",")]
            return (len(texts) == 2 and texts[0] == texts[1]) == (word in (".ifc", ".ifeqs"))
        value = self._evaluate(rest, place)
        return {
            ".ifeq": value == 0, ".iflt": value < 0, ".ifle": value <= 0, ".ifgt": value > 0, ".ifge": value >= 0,
        }.get(word, value != 0)  # fmt: skip

    def _skip(self, opening: Statement, to_else: bool) -> None:
        depth = 0
        while (statement := self._take()) is not None:
            word, rest = first_word(statement.text)
            if word in self._IFS:
                depth += 1
            elif word == ".endif" and depth:
                depth -= 1
            elif not depth and word == ".endif":
                self._conditions.pop()
                return
            elif not depth and to_else and self._is_chosen(word, rest, statement.place):
                return
        raise opening.place.error("this .if has no .endif")

    def _is_chosen(self, word: str, rest: str, place: Place) -> bool:
        return word == ".else" or (word == ".elseif" and self._evaluate(rest, place) != 0)

    def _else(self, rest: str, statement: Statement) -> None:
        if not self._conditions:
            raise statement.place.error(f"{first_word(statement.text)[0]} without .if")
        self._skip(statement, to_else=False)

    def _endif(self, rest: str, statement: Statement) -> None:
        if not self._conditions:
            raise statement.place.error(".endif without .if")
        self._conditions.pop()

    def _purge(self, rest: str, statement: Statement) -> None:
        self._macros.pop(rest.strip().lower(), None)

    def _include(self, rest: str, statement: Statement) -> None:
        self._push(self._includer.statements(rest, statement))

    def _stray(self, rest: str, statement: Statement) -> None:
        raise statement.place.error(f"{first_word(statement.text)[0]} has nothing to end")

    _IFS = frozenset(
        {".if", ".ifdef", ".ifndef", ".ifnotdef", ".ifb", ".ifnb", ".ifc", ".ifnc", ".ifeqs", ".ifnes",
         ".ifne", ".ifeq", ".iflt", ".ifle", ".ifgt", ".ifge"}
    )  # fmt: skip
    _HANDLERS: ClassVar[dict[str, Callable[[Expander, str, Statement], None]]] = {
        ".macro": _macro,
        ".purgem": _purge,
        ".include": _include,
        ".rept": _repeat,
        ".irp": _each,
        ".irpc": _each,
        ".else": _else,
        ".elseif": _else,
        ".endif": _endif,
        ".endm": _stray,
        ".endmacro": _stray,
        ".endr": _stray,
        **dict.fromkeys(_IFS, _if),
    }
