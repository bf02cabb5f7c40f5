"""What a descriptor of stage 2 says, in words, while a student writes it down; what cannot be meant is said to be so.

Read `arch/translation/descriptors.py` before this file, `tui/lessons/table_form.py` after it. No verdict: whether it is
the descriptor that the task wants, only a check tells.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from arm_hyp.arch.bitfields import FieldValue
from arm_hyp.arch.translation.descriptors import layout_of_descriptor
from arm_hyp.arch.translation.results import StepKind

_LAST_LEVEL: Final = 3
_LEVEL_BITS: Final = 9
_PAGE_BITS: Final = 12
_ADDRESS_BITS: Final = 48
_VALID, _TABLE_OR_PAGE, _AF = 1, 2, 1 << 10
_TOLD: Final = ("S2AP", "MemAttr", "SH", "AF")
_FROM: Final = {1: "1 GiB", 2: "2 MiB", 3: "4 KiB"}
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[int, int], int]]] = {
    ast.BitOr: operator.or_, ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
}  # fmt: skip
_MOST_SHIFT: Final = 64


def number_of(text: str) -> int | None:
    """Return the number that a text is, of 64 bits: 0x4c1, or 1 << 10 | 0b11 << 6 | 1; None for anything else."""
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return value if 0 <= value < 1 << 64 else None


def _value(node: ast.expr) -> int:
    """Return what a sum of numbers is. Raises: ValueError."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.LShift) and 0 <= right <= _MOST_SHIFT:
            return left << right
        if type(node.op) in _OPERATIONS and max(abs(left), abs(right)) < 1 << 64:
            return _OPERATIONS[type(node.op)](left, right)
    raise ValueError("no number")


def kind_of(descriptor: int, level: int) -> StepKind:
    """Return what a walk finds in a descriptor at a level."""
    is_other = bool(descriptor & _TABLE_OR_PAGE)
    if not descriptor & _VALID or (level == _LAST_LEVEL and not is_other):
        return StepKind.INVALID
    if level == _LAST_LEVEL:
        return StepKind.PAGE
    return StepKind.TABLE if is_other else StepKind.BLOCK


def summary(descriptor: int, level: int) -> str:
    """Say in a line what an entry is, and where it leads to."""
    kind = kind_of(descriptor, level)
    if kind is StepKind.INVALID:
        return "nothing: bit 0 is 0" if not descriptor & _VALID else "as invalid: at level 3 a page ends with 0b11"
    lsb = _PAGE_BITS if kind is StepKind.TABLE else _lsb(level)
    address = descriptor & (1 << _ADDRESS_BITS) - (1 << lsb)
    return f"{kind.value}, to {address:#x}"


def details(descriptor: int, level: int) -> Iterator[tuple[str, str, bool]]:
    """Give fields as name, words, and whether that cannot be meant; nothing for what is invalid."""
    kind = kind_of(descriptor, level)
    if kind not in (StepKind.BLOCK, StepKind.PAGE):
        return
    rows = {row.name: row for row in layout_of_descriptor(kind, None)(descriptor).describe()}
    for name in _TOLD:
        row = rows[name]
        yield f"{name} {_bits(row)}", row.meaning, name in ("AF", "S2AP") and not row.value
    below = descriptor & (1 << _lsb(level)) - (1 << _PAGE_BITS)
    if below:
        yield "address", f"bits {below:#x} are below {_FROM[level]}: no {kind.value} begins there", True


def _bits(row: FieldValue) -> str:
    return f"{row.value:0{row.msb - row.lsb + 1}b}"


def _lsb(level: int) -> int:
    return _PAGE_BITS + _LEVEL_BITS * (_LAST_LEVEL - level)


def as_answer(values: Mapping[int, int]) -> dict[str, Any]:
    """Return a table as `answers.toml` has it."""
    return {str(index): value for index, value in sorted(values.items())}
