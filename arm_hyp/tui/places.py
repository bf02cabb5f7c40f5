"""Places as a user writes them: a position, a distance, a share of the run, a mark, a symbol, a condition; and fields.

Read `timeline/position.py` and `timeline/conditions.py` before this file, `tui/driver.py` after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.errors import UserError
from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import StatusAnswer
from arm_hyp.timeline.process.messages import Break
from arm_hyp.tui.view import View

_POSITION: Final = re.compile(r"(\d[\d,_]*)(?:\.(\d+))?")
_RELATIVE: Final = re.compile(r"([+-])(\d[\d,_]*)")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d+)?)%")
_NAME: Final = re.compile(r"[A-Za-z_.$][\w.$]*(\+0x[0-9a-fA-F]+)?")


@dataclass(frozen=True, slots=True)
class Relative:
    """So many places on, or back if it is negative."""

    count: int


@dataclass(frozen=True, slots=True)
class Sought:
    """What to search for: breakpoints or conditions, with the text that the user wrote."""

    text: str
    breakpoints: tuple[Break, ...] = ()
    conditions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, view: View) -> Sought:
        """Take an address, a symbol, or a condition. Raises: UserError."""
        text = text.strip()
        if not text:
            raise UserError(
                "search", "there is nothing to look for", "for example: event==exception_taken, or a symbol"
            )
        found = _address(text, view)
        if found is not None:
            return cls(text, breakpoints=(Break(found),))
        parse_condition(text)  # says what is wrong with it
        return cls(text, conditions=(text,))


def parse_place(text: str, view: View) -> Position | Relative | Sought:
    """Return the place that a text names: 1,526.2, +100, 50%, a mark, a symbol, 0x40080000. Raises: UserError."""
    text = text.strip()
    if text in view.status.marks:
        return view.status.marks[text]
    for form, make in ((_POSITION, _position), (_RELATIVE, _relative)):
        match = form.fullmatch(text)
        if match is not None:
            return make(match)
    share = _SHARE.fullmatch(text)
    if share is not None:
        return Position(round(end_of(view).n * min(float(share[1]), 100.0) / 100))
    found = _address(text, view)
    if found is None:
        known = ", ".join(view.status.marks) or "none yet"
        raise UserError(f"go to {text or '?'}", "is no position, mark, symbol or address", f"marks: {known}")
    return Sought(text, breakpoints=(Break(found),))


def end_of(view: View) -> Position:
    """Return how far the branch is known: of a recording its end, also before the cursor was there."""
    return known_end(view.status)


def known_end(status: StatusAnswer) -> Position:
    """Return how far the branch of a cursor is known."""
    return max(status.frontier, *(one.frontier for one in status.branches if one.name == status.branch))


def _position(match: re.Match[str]) -> Position:
    return Position(_whole(match[1]), int(match[2] or 0))


def _relative(match: re.Match[str]) -> Relative:
    count = _whole(match[2])
    return Relative(count if match[1] == "+" else -count)


def _whole(text: str) -> int:
    return int(text.replace(",", "").replace("_", ""))


def _address(text: str, view: View) -> int | None:
    """Return the address of a hexadecimal number or a symbol, with an offset if there is one; else None."""
    if text[:2].lower() == "0x":
        try:
            return int(text, 16)
        except ValueError:
            return None
    if not _NAME.fullmatch(text):
        return None
    name, _, offset = text.partition("+")
    start = view.subject.symbols.address_of(name)
    return None if start is None else start + int(offset or "0", 16)


def field_named(bit: str) -> tuple[str, str]:
    """Return the register and the field that "HCR_EL2.TWI" names. Raises: UserError."""
    register, _, name = bit.partition(".")
    if register not in REGISTERS or not name:
        raise UserError(bit or "a bit", "is not a field of a register", "write it as HCR_EL2.TWI")
    return register, name


def field_of(register: str, name: str) -> Field:
    """Return a field of a register. Raises: UserError."""
    found = next((field for field in REGISTERS[register].FIELDS if field.name == name), None)
    if found is None:
        raise UserError(f"{register}.{name}", f"{register} has no such field", "press 4 to see them")
    return found
