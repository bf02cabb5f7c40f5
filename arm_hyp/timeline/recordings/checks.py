"""What a configuration from a file may hold: no more than the command line and files of VMs would have let through.

Read `runner/configuration.py` and `runner/vm_file.py` before this file, `timeline/recordings/recording.py` after it.
Types have been checked by msgspec; here it is ranges and forms, each a row of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from arm_hyp.errors import UserError
from arm_hyp.machine import board
from arm_hyp.runner.configuration import CPU_MODELS, Configuration, Drive, Module, VirtualMachine
from arm_hyp.runner.settings import parse_setting
from arm_hyp.runner.sizes import parse_size

_LAST_ADDRESS: Final = (1 << 48) - 1
_LAST_EPOCH_S: Final = (1 << 32) - 1
_LONGEST_TEXT: Final = 1 << 16
_MOST: Final = 256

Check = Callable[[Any], bool]


def _within(lowest: int, highest: int) -> Check:
    return lambda value: lowest <= value <= highest


def _is_size(value: int) -> bool:
    try:
        return parse_size(f"{value >> 10}K") == value
    except UserError:
        return False


def _is_text(value: str | None) -> bool:
    return value is None or (len(value) <= _LONGEST_TEXT and "\0" not in value)


def _is_load(text: str) -> bool:
    address, separator, _ = text.partition("=")
    try:
        return bool(separator) and 0 <= int(address, 0) <= _LAST_ADDRESS
    except ValueError:
        return False


def _is_setting(text: str) -> bool:
    try:
        return len(text) <= _MOST and parse_setting(text) is not None
    except UserError:
        return False


def _all(check: Check) -> Check:
    return lambda values: len(values) <= _MOST and all(map(check, values))


_SOFTWARE: Final[Mapping[str, Check]] = {
    "memory_bytes": _is_size,
    "load_address": lambda value: value is None or 0 <= value <= _LAST_ADDRESS,
    "settings": _all(_is_setting),
    "append": _is_text,
    "loads": _all(_is_load),
    "drives": lambda value: len(value) <= board.VIRTIO_SLOTS,
    "rtc_epoch_s": _within(0, _LAST_EPOCH_S),
}
_VM: Final[Mapping[str, Check]] = {
    **_SOFTWARE,
    "name": lambda value: 0 < len(value) <= _MOST and value.isprintable(),
    "vcpus": _within(1, board.MAX_CPUS),
    "prefix": _is_text,
    "weight": _within(1, 1 << 16),
    "pins": _all(_within(0, board.MAX_CPUS - 1)),
    "input": lambda value: value is None,
}
_MACHINE: Final[Mapping[str, Check]] = {
    **_SOFTWARE,
    "el": _within(1, 2),
    "cpu": lambda value: value in CPU_MODELS,
    "cpus": _within(1, board.MAX_CPUS),
    "gic": _within(2, 3),
    "list_registers": _within(1, 16),
    "modules": _all(lambda value: _is_text(value.bootargs)),
    "vcpus": _within(0, board.MAX_CPUS),
    "vms": _all(lambda vm: _check(_VM, vm, f"VM {vm.name[:40]!r}: ")),
    "machine_memory_bytes": lambda value: value is None or _is_size(value),
}


def check_configuration(made: Configuration) -> None:
    """Refuse what no command line could have given. Raises: ValueError."""
    _check(_MACHINE, made, "")


def _check(rows: Mapping[str, Check], made: Any, what: str) -> bool:
    for name, check in rows.items():
        if not check(getattr(made, name)):
            raise ValueError(f"{what}its configuration has no proper {name}")
    return True


_FIELDS: Final = {
    "": Configuration,
    "vms": VirtualMachine,
    "drives": Drive,
    "modules": Module,
}


def check_known(plain: Any, of: str = "") -> None:
    """Refuse a configuration with fields of a later version: they would be lost in silence. Raises: ValueError."""
    if not isinstance(plain, dict):
        return  # of the wrong type: whoever decodes it says so
    for name, value in plain.items():
        if name not in _FIELDS[of].__struct_fields__:
            raise ValueError(f"its configuration has `{str(name)[:40]}`, which this version of arm-hyp does not know")
        for each in value if name in _FIELDS and isinstance(value, list) else ():
            check_known(each, name)
