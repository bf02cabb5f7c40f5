"""Sizes of RAM as people write them, on a command line or in a file. Read `runner/vm_file.py` after this file."""

from __future__ import annotations

import re
from typing import Final

from arm_hyp.errors import UserError

_UNITS: Final = {"": 1 << 20, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LARGEST: Final = 8 << 30


def parse_size(text: str, what: str = "--memory") -> int:
    """Return bytes for `64M`, `1G`, `512K`; a plain number is in MiB. Raises: UserError, about `what`."""
    match = re.fullmatch(r"(\d+)([KMG]?)(?:I?B)?", text.strip().upper())
    size = int(match.group(1)) * _UNITS[match.group(2)] if match else 0
    if not 1 << 20 <= size <= _LARGEST or (size % (2 << 20) and size != 1 << 20):
        cause = "RAM is 1 MiB, or 2 MiB to 8 GiB in steps of 2 MiB"
        raise UserError(f"{what} {text}", cause, f"for example {what} 256M")
    return size
