"""The options of `arm-hyp run` that need more than a number: their forms, and one line for each that is wrong.

Read `runner/sizes.py` and `runner/configuration.py` before this file, `cli/run.py` after it.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

from typer.core import TyperCommand

from arm_hyp.errors import UserError
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S
from arm_hyp.runner.configuration import CONSOLES, Console, Module

TRACE_FORMATS: Final = ("text", "why", "jsonl", "kvm", "csv", "perfetto")
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


# --- the hypervisor ---------------------------------------------------------------------------------------------------

OF_MACHINE: Final = {"cpu", "cpus", "gic", "list_registers", "hypervisor"}
"""The parameters that a file of VMs may hold, but which the command line overrides."""
_OF_RUN: Final = {
    *("input_", "realtime", "max_instructions", "until", "stat", "diagnose", "dump", "check"),
    *("trace", "trace_format", "record", "embed", "gdb", "symbols", "tui"),
}
_OF_ANY_RUN: Final = {"file"} | OF_MACHINE | _OF_RUN
"""The parameters that a file of VMs leaves to the command line."""
_NOT_FOR_VMS: Final = {
    "bios": ("it starts a machine, not a VM", "name a FILE"),
    "module": ("it is for Xen, which needs EL2", "leave one out"),
}


_ANYTHING: Final = re.compile(r".*", re.DOTALL)
_OPTIONAL_VALUES: Final = {
    "--hypervisor": (re.compile(r".*\.py", re.IGNORECASE), ""),
    "--gdb": (re.compile(r"(.*:)?\d+"), "1234"),
}
"""Options that take the next word as their value only if it has this form, and the value without it."""


class RunCommand(TyperCommand):
    """A command whose `--hypervisor` and `--gdb` need no value; else one takes a file of handlers, the other a port."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give an option its own value where none follows, and parse."""
        end = args.index("--") if "--" in args else len(args)
        following = [*args[1:], ""]
        for index, word in enumerate(args[:end]):
            form, value = _OPTIONAL_VALUES.get(word, (_ANYTHING, ""))
            if not form.fullmatch(following[index]):
                args[index] = f"{word}={value}"
        return super().parse_args(ctx, args)


def is_vm_file(path: str | None) -> bool:
    """Tell whether what is to run is a file that describes VMs."""
    return path is not None and path.lower().endswith(".toml")


def check_given(given: AbstractSet[str], file: str | None, *, el: int, hypervisor: str | None) -> None:
    """Refuse options that mean nothing for VMs, or nothing without any. `given` has the parameters that the user set.

    Raises: UserError.
    """
    if is_vm_file(file):
        for name in sorted(given - _OF_ANY_RUN):
            raise UserError(_option_name(name), f"{file} describes the VMs", "write it there")
    elif hypervisor is None and "vcpus" in given:
        raise UserError("--vcpus", "there is no VM", "add --hypervisor, or say --cpus")
    elif hypervisor is not None and "el" in given and el != 1:
        raise UserError(f"--el {el}", "a VM starts at EL1: the hypervisor is at EL2", "leave one out")
    elif hypervisor is not None:
        for name in sorted(given & _NOT_FOR_VMS.keys()):
            cause, way_out = _NOT_FOR_VMS[name]
            raise UserError(f"{_option_name(name)} with --hypervisor", cause, way_out)


def _option_name(parameter: str) -> str:
    return "--" + parameter.strip("_").replace("_", "-")
