"""The options of `arm-hyp run` that need more than a number: their forms, and one line for each that is wrong.

Read `runner/sizes.py` and `runner/configuration.py` before this file, `cli/run.py` after it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, cast

from arm_hyp.errors import UserError
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S
from arm_hyp.runner.configuration import CONSOLES, Console, Module

TRACE_FORMATS: Final = ("text", "jsonl", "kvm")
_MODULE_KINDS: Final = ("kernel", "ramdisk")
_LAST_EPOCH_S: Final = (1 << 32) - 1


def one_of(option: str, value: str, choices: tuple[str, ...], what: str) -> str:
    """Return the value if it is a choice. Raises: UserError."""
    if value not in choices:
        raise UserError(f"{option} {value}", f"there is no such {what}", f"use {' or '.join(choices)}")
    return value


def parse_console(text: str) -> Console:
    """Parse `--console`. Raises: UserError."""
    return cast(Console, one_of("--console", text, CONSOLES, "console"))


def parse_address(text: str) -> int:
    """Parse `--load-address`. Raises: UserError."""
    try:
        return int(text, 0)
    except ValueError:
        raise UserError(f"--load-address {text}", "this is not a number", "write it as 0x40080000") from None


def parse_module(text: str) -> Module:
    """Parse KIND=FILE[,ARGUMENTS]. Raises: UserError."""
    kind, separator, rest = text.partition("=")
    path, _, arguments = rest.partition(",")
    if kind not in _MODULE_KINDS or not separator or not path:
        raise UserError(f"--module {text}", "is not KIND=FILE[,ARGUMENTS]", "KIND is kernel or ramdisk")
    return Module(cast(Literal["kernel", "ramdisk"], kind), path, arguments)


def parse_epoch(text: str | None) -> int:
    """Parse `--rtc`: seconds since 1970, or an ISO 8601 date and time in UTC. Raises: UserError."""
    if text is None:
        return DEFAULT_EPOCH_S
    seconds = int(text) if text.isascii() and text.isdigit() else _iso_seconds(text)
    if not 0 <= seconds <= _LAST_EPOCH_S:
        raise UserError(f"--rtc {text}", "does not fit the clock's 32 bits", "give a time from 1970 to 2106")
    return seconds


def _iso_seconds(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        way_out = "give seconds since 1970, or for example 2024-02-29T12:00:00"
        raise UserError(f"--rtc {text}", "is not a time", way_out) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
