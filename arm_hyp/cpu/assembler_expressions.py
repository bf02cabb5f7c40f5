"""Expressions of the assembler: parsed to a small tree, folded as far as known, evaluated when addresses are.

Read `cpu/assembler_source.py` before and `cpu/assembler_include.py` after. A label is a `Position` (section and
offset) from the moment it is defined, so that differences within a section are numbers at once (`.space 0x800 - (. -
vectors)`), while its address waits until all sections have theirs.

Precedence is GNU as's, not C's: `* / % << >>` bind tightest, then `| & ^`, then `+ -` and comparisons, then `&&`,
then `||`. Simplified: a true comparison is 1 (LLVM), where GNU as says -1. Results are 64 bits wide.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from arm_hyp.cpu.assembler_source import Place


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol that is not known yet, and where it is used."""

    name: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Position:
    """An offset from the start of a section: what a label, or `.`, stands for."""

    section: str
    offset: int


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator (unary with `left` 0) on two operands that are not both known; `size` counts the tree's nodes."""

    operator: str
    left: Node
    right: Node
    place: Place = field(compare=False)
    size: int = field(compare=False)


Node = int | Name | Position | Operation

_TOKEN = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)(?![\w.])|(?P<name>[A-Za-z_.$][\w.$]*)"
    r"|(?P<operator><<|>>|==|!=|<>|<=|>=|&&|\|\||[-+*/%&|^~!<>()])|(?P<bad>\S))",
    re.ASCII,
)
_LEVEL = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<>": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 3, "-": 3,
    "|": 4, "&": 4, "^": 4, "*": 5, "/": 5, "%": 5, "<<": 5, ">>": 5,
}  # fmt: skip
_MAX_DEPTH = 100
_MAX_SIZE = 300


def _divide(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_BINARY: dict[str, Callable[[int, int], int]] = {
    "||": lambda left, right: int(bool(left) or bool(right)),
    "&&": lambda left, right: int(bool(left) and bool(right)),
    "==": lambda left, right: int(left == right),
    "!=": lambda left, right: int(left != right),
    "<>": lambda left, right: int(left != right),
    "<": lambda left, right: int(left < right),
    "<=": lambda left, right: int(left <= right),
    ">": lambda left, right: int(left > right),
    ">=": lambda left, right: int(left >= right),
    "+": operator.add,
    "-": operator.sub,
    "|": operator.or_,
    "&": operator.and_,
    "^": operator.xor,
    "*": operator.mul,
    "/": _divide,
    "%": lambda left, right: left - _divide(left, right) * right,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_UNARY: dict[str, Callable[[int], int]] = {
    "unary -": operator.neg,
    "unary ~": operator.invert,
    "unary !": lambda value: int(not value),
    "unary +": operator.pos,
}


def _fit(value: int) -> int:
    return value if -(1 << 63) <= value < 1 << 64 else value & (1 << 64) - 1


def _calculate(symbol: str, left: int, right: int, place: Place) -> int:
    if symbol in _UNARY:
        return _UNARY[symbol](right)
    if symbol in ("/", "%") and right == 0:
        raise place.error("division by zero")
    if symbol in ("<<", ">>") and not 0 <= right < 64:
        raise place.error(f"shift by {right}: the distance must be 0 to 63")
    return _fit(_BINARY[symbol](left, right))


def combine(symbol: str, left: Node, right: Node, place: Place) -> Node:
    """Return the operation on two nodes, folded to a number or a position where that is possible."""
    if isinstance(left, int) and isinstance(right, int):
        return _calculate(symbol, left, right, place)
    if isinstance(left, Position):
        if symbol in ("+", "-") and isinstance(right, int):
            return Position(left.section, left.offset + (right if symbol == "+" else -right))
        if isinstance(right, Position) and left.section == right.section and _LEVEL.get(symbol) == 3 and symbol != "+":
            return _calculate(symbol, left.offset, right.offset, place)
    if symbol == "+" and isinstance(left, int) and isinstance(right, Position):
        return Position(right.section, right.offset + left)
    size = 1 + sum(node.size if isinstance(node, Operation) else 1 for node in (left, right))
    if size > _MAX_SIZE:
        raise place.error("this expression grows without end", "give the symbol a number, or use .set fewer times")
    return Operation(symbol, left, right, place, size)


class _Parser:
    def __init__(self, text: str, place: Place, lookup: Callable[[str], Node | None]) -> None:
        self._place, self._lookup, self._depth = place, lookup, 0
        self._tokens = [
            (m.lastgroup or "", m[m.lastgroup or 0], m.start(m.lastgroup or 0)) for m in _TOKEN.finditer(text)
        ]
        self._tokens.append(("end", "", len(text)))
        self._index = 0

    def parse(self) -> Node:
        node = self._binary(1)
        kind, text, offset = self._tokens[self._index]
        if kind != "end":
            raise self._place.moved(offset).error(f"`{text}` does not belong in this expression")
        return node

    def _next(self) -> tuple[str, str, Place]:
        kind, text, offset = self._tokens[self._index]
        self._index += kind != "end"
        return kind, text, self._place.moved(offset)

    def _binary(self, level: int) -> Node:
        left = self._unary()
        while _LEVEL.get(self._tokens[self._index][1], 0) >= level:
            _, symbol, place = self._next()
            left = combine(symbol, left, self._binary(_LEVEL[symbol] + 1), place)
        return left

    def _unary(self) -> Node:
        kind, text, place = self._next()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise place.error("this expression is nested too deeply")
        try:
            if kind == "operator" and text in "-~!+":
                return combine(f"unary {text}", 0, self._unary(), place)
            return self._primary(kind, text, place)
        finally:
            self._depth -= 1

    def _primary(self, kind: str, text: str, place: Place) -> Node:
        if kind == "number" and len(text) < 140:
            return int(text, 8) if re.fullmatch(r"0[0-7]+", text) else int(text, 0 if text[:1] == "0" else 10)
        if kind == "name":
            known = self._lookup(text)
            return Name(text, place) if known is None else known
        if text == "(":
            node = self._binary(1)
            if self._next()[1] != ")":
                raise place.error("this parenthesis is not closed")
            return node
        raise place.error(f"`{text[:40]}` is not a value" if text else "a value is missing here")


def parse(text: str, place: Place, lookup: Callable[[str], Node | None]) -> Node:
    """Parse an expression; `lookup` gives what is known of a name (and of `.`), or None. Raises: AssemblyError."""
    try:
        return _Parser(text, place, lookup).parse()
    except ValueError:
        raise place.error(f"`{text.strip()}` is not a number") from None


def evaluate(node: Node, resolve: Callable[[Name | Position], Node], memo: dict[str, int]) -> int:
    """Calculate a node. Raises: AssemblyError.

    `resolve` gives what a name stands for, and a position's address; `memo` keeps the values of names between calls.
    """
    open_names: set[str] = set()

    def named(node: Name) -> int:
        if node.name in open_names or len(open_names) > _MAX_DEPTH:
            raise node.place.error(f"`{node.name}` is defined by itself, or by too long a chain of symbols")
        if node.name not in memo:
            open_names.add(node.name)
            memo[node.name] = value(resolve(node))
            open_names.discard(node.name)
        return memo[node.name]

    def value(node: Node) -> int:
        if isinstance(node, Operation):
            return _calculate(node.operator, value(node.left), value(node.right), node.place)
        if isinstance(node, Name):
            return named(node)
        return node if isinstance(node, int) else value(resolve(node))

    return value(node)
