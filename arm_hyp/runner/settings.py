"""`REG[.FIELD]=VALUE`: settings of registers by name, as the command line and the what-if take them.

Read `arch/registers/` before this file and `runner/applying.py`, which writes them, after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from arm_hyp.errors import UserError

_FORM: Final = re.compile(r"([A-Za-z][\w]*)(?:\.(\w+))?=(.+)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One register, or one field of it, and the value it gets before the first instruction."""

    text: str
    register: str
    field: str | None
    value: int


def parse_setting(text: str) -> Setting:
    """Parse `REG[.FIELD]=VALUE`. Raises: UserError naming the register or field that is unknown."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UserError(f"--set {text}", "this is not REG[.FIELD]=VALUE", "for example --set HCR_EL2.TWI=1")
    register, field, number = match.groups()
    return Setting(text, register.upper(), field, _number(text, number, 128 if register[0] in "Qq" else 64))


def _number(text: str, number: str, bits: int) -> int:
    try:
        value = int(number, 0)
    except ValueError:
        raise UserError(f"--set {text}", f"{number} is not a number", "write it as 1, 0x1f or 0b101") from None
    if not 0 <= value < 1 << bits:
        way_out = f"give a value from 0 to 2**{bits} - 1"
        raise UserError(f"--set {text}", f"{number} does not fit in {bits} bits", way_out)
    return value
