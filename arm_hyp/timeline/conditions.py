"""Conditions on events: `EC=0x24 and ipa==0x9000018`, `kind==irq`, `text~"panic"`, `not (cpu==1 or X0==3)`.

Read `events.py`, `kvm_events.py` and `timeline/condition_names.py` before this file, `timeline/search.py` after it. A
condition is text from the user: it is parsed here, by a grammar of five rules, and never evaluated as Python.

    condition:  both ("or" both)*
    both:       one ("and" one)*
    one:        "not" one | "(" condition ")" | NAME [(OPERATOR VALUE) | ("in" VALUE "-" VALUE)]
    OPERATOR:   == = != < <= > >= ~          (~: the text contains it, in any case)
    VALUE:      a number | a word | "text"

A comparison with what an event does not have is false, with any operator. A test may also answer None: not known here,
ask the event itself. So what is kept of a run in short can rule most of it out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from arm_hyp.errors import UserError
from arm_hyp.events import Event
from arm_hyp.timeline.condition_names import EVERY_TYPE, Name, find_name, types_of_tag

Scalar = int | str
Lookup = Callable[[str], "Scalar | None"]
"""`lookup(name)`: the value that an event has, None if it has none of that name. Raises: Unknown."""
Test = Callable[[Lookup], "bool | None"]
Kinds = frozenset[type[Event]]


class Unknown(Exception):
    """Raised by a lookup that cannot tell the value, though there may be one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. `interests` are the types of events for which it may hold."""

    text: str
    test: Test
    interests: Kinds

    def __str__(self) -> str:
        return self.text


class _Part(NamedTuple):
    """What a part of a condition asks, and for which events it may hold."""

    test: Test
    kinds: Kinds


def parse_condition(text: str) -> Condition:
    """Parse a condition. Raises: UserError that names the column."""
    parser = _Parser(text)
    part = parser.condition()
    parser.expect_end()
    return Condition(text.strip(), part.test, part.kinds)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*(?![\w.]))
    |(?P<name>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)?)|(?P<sign>==|!=|<=|>=|[=<>~()-]))""",
    re.VERBOSE,
)
_END: Final = "end"
_WORDS: Final = frozenset({"and", "or", "not", "in"})
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "~": lambda have, wanted: str(wanted) in str(have),
}
_DEEPEST: Final = 50


class _Parser:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._depth = text, 0
        self._tokens = list(self._split())
        self._at = 0

    def fail(self, token: _Token, cause: str, way_out: str = "") -> UserError:
        """Return the error of a place in the text."""
        return UserError(f"condition {self._text.strip()!r}", f"column {token.column}: {cause}", way_out)

    def _split(self) -> list[_Token]:
        tokens, at = [], 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                rest = self._text[at:].lstrip()
                place = _Token(_END, "", end - len(rest.rstrip()) + 1)
                raise self.fail(place, f"{rest.split()[0]} is no name, number or operator")
            word = match[match.lastgroup]
            kind = word.lower() if match.lastgroup == "name" and word.lower() in _WORDS else match.lastgroup
            tokens.append(_Token(kind, word, match.start(match.lastgroup) + 1))
            at = match.end()
        return [*tokens, _Token(_END, "", end + 1)]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, *wanted: str) -> _Token | None:
        """Take the next token if it is one of these kinds or signs."""
        token = self._tokens[self._at]
        if token.kind in wanted or (token.kind == "sign" and token.text in wanted):
            return self._next()
        return None

    def expect_end(self) -> None:
        """Raise if anything is left."""
        token = self._next()
        if token.kind != _END:
            raise self.fail(token, f"{token.text} is one too many", "put `and` or `or` between two comparisons")

    def condition(self) -> _Part:
        """Parse what `or` joins."""
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _any_of(parts)

    def _both(self) -> _Part:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else _all_of(parts)

    def _one(self) -> _Part:
        self._depth += 1
        token = self._next()
        if self._depth > _DEEPEST:
            raise self.fail(token, "this is nested too deeply")
        try:
            if token.kind == "not":
                return _not(self._one())
            if token.text == "(" and token.kind == "sign":
                inner = self.condition()
                if not self._take(")"):
                    raise self.fail(self._next(), "a ) is missing")
                return inner
            return self._comparison(token)
        finally:
            self._depth -= 1

    def _comparison(self, token: _Token) -> _Part:
        if token.kind != "name":
            what = f"{token.text} is no name" if token.text else "the condition ends too early"
            raise self.fail(token, what, "write NAME==VALUE, for example EC=0x24")
        found = find_name(token.text)
        if isinstance(found, str):
            raise self.fail(token, f"there is nothing named {token.text}", found)
        if self._take("in"):
            return self._range(found)
        sign = self._take(*_COMPARE)
        if sign is None:
            return _Part(lambda lookup: _truth(lookup, found), found.kinds)
        value_token = self._next()
        value = self._value(value_token, found)
        if isinstance(value, str) and sign.text in ("<", "<=", ">", ">="):
            raise self.fail(sign, f"{sign.text} compares numbers", "texts are compared by ==, != and ~")
        kinds = found.kinds
        if found.name == "event" and sign.text in ("=", "=="):
            kinds = types_of_tag(str(value))
            if not kinds:
                raise self.fail(value_token, f"there is no event {value}", _events_near(str(value)))
        return _Part(_comparing(found, _COMPARE[sign.text], value), kinds)

    def _range(self, found: Name) -> _Part:
        low = self._value(self._next(), found)
        dash = self._take("-")
        if dash is None:
            raise self.fail(self._next(), "the end of the range is missing", f"write {found.name} in 0x1000-0x1fff")
        high = self._value(self._next(), found)
        if isinstance(low, str) or isinstance(high, str) or low > high:
            raise self.fail(dash, "this is no range of numbers", "the lower one comes first")
        first, last = low, high
        return _Part(
            _comparing(found, lambda have, _: isinstance(have, int) and first <= have <= last, low), found.kinds
        )

    def _value(self, token: _Token, found: Name) -> Scalar:
        if token.kind == "number":
            if found.is_text:
                return token.text.lower()
            try:
                return int(token.text, 0) if not token.text.isdigit() else int(token.text)
            except ValueError:
                raise self.fail(token, f"{token.text} is no number", "write it as 1, 0x1f or 0b101") from None
        if token.kind == "text":
            text = token.text[1:-1].lower()
        elif token.kind == "name":
            text = token.text.lower()
        else:
            what = f"{token.text} is no value" if token.text else f"the value of {found.name} is missing"
            raise self.fail(token, what)
        value = found.value_of(text)
        if value is None:
            raise self.fail(
                token, f"{token.text} is no value of {found.name}, which is a number", found.near_values(text)
            )
        return value


def _events_near(tag: str) -> str:
    found = find_name("event")
    assert isinstance(found, Name)
    return found.near_values(tag)


# --- tests ------------------------------------------------------------------------------------------------------------


def _read(lookup: Lookup, found: Name) -> Scalar | None:
    value = lookup(found.name)
    return value.lower() if isinstance(value, str) else value


def _comparing(found: Name, compare: Callable[[Scalar, Scalar], bool], wanted: Scalar) -> Test:
    def test(lookup: Lookup) -> bool | None:
        try:
            have = _read(lookup, found)
        except Unknown:
            return None
        return have is not None and isinstance(have, str) == isinstance(wanted, str) and compare(have, wanted)

    return test


def _truth(lookup: Lookup, found: Name) -> bool | None:
    try:
        return bool(_read(lookup, found))
    except Unknown:
        return None


def _all_of(parts: list[_Part]) -> _Part:
    def test(lookup: Lookup) -> bool | None:
        unknown = False
        for part in parts:
            answer = part.test(lookup)
            if answer is False:
                return False
            unknown = unknown or answer is None
        return None if unknown else True

    return _Part(test, frozenset.intersection(*(part.kinds for part in parts)))


def _any_of(parts: list[_Part]) -> _Part:
    inner = _all_of([_not(part) for part in parts])
    return _Part(_not(inner).test, frozenset.union(*(part.kinds for part in parts)))


def _not(part: _Part) -> _Part:
    def test(lookup: Lookup) -> bool | None:
        answer = part.test(lookup)
        return None if answer is None else not answer

    return _Part(test, EVERY_TYPE)
