"""A machine and its VMs from a TOML file: one [machine] table and a [[vm]] table for each VM.

Read `runner/configuration.py` before this file and `runner/runner.py` after it; `docs/vms.md` is the reference for
those who write such files. Each key is a row of one of two tables: the field that it sets, and how its value is read.
Whatever is wrong with a file is a UserError that names file, table and key. Paths are relative to the file, and ~ is
the user's home.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from arm_hyp.errors import UserError
from arm_hyp.machine import board
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import CONSOLES, CPU_MODELS, Configuration, Drive, VirtualMachine, parse_drive
from arm_hyp.runner.settings import parse_setting
from arm_hyp.runner.sizes import parse_size

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+|[1-9][0-9]*")
_LARGEST_WEIGHT: Final = 1 << 16
_LAST_ADDRESS: Final = (1 << 48) - 1


class Place(NamedTuple):
    """Where in a file a value is."""

    file: Path
    table: str
    key: str

    def wrong(self, cause: str, way_out: str = "") -> UserError:
        """Return the error that says what is wrong there."""
        return UserError(f"{self.file}: {self.table}: {self.key}", cause, way_out)

    def path(self, text: str) -> Path:
        """Return the path that a text means in this file."""
        return self.file.parent / os.path.expanduser(text)


Reader = Callable[[Place, Any], Any]
"""Return what a value of the file means. Raises: UserError."""


class Key(NamedTuple):
    """A key of a table: the field that it sets, and how it is read."""

    field: str
    read: Reader
    is_required: bool = False


# --- values -----------------------------------------------------------------------------------------------------------

_TYPES: Final = {str: "a string", int: "a number", bool: "true or false", list: "a list"}


def _typed(place: Place, value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise place.wrong(f"{value!r} is not {_TYPES[wanted]}")
    return value


def _text(place: Place, value: Any) -> str:
    return str(_typed(place, value, str))


def _flag(place: Place, value: Any) -> bool:
    return bool(_typed(place, value, bool))


def _name(place: Place, value: Any) -> str:
    if _NAME.fullmatch(_text(place, value)) is None:
        raise place.wrong(f"{value!r} is not a name", "use letters, digits, _ . and -")
    return str(value)


def _number(lowest: int, highest: int) -> Reader:
    def read(place: Place, value: Any) -> int:
        if not lowest <= _typed(place, value, int) <= highest:
            raise place.wrong(f"{value} is not from {lowest} to {highest}")
        return int(value)

    return read


def _one_of(choices: tuple[str, ...]) -> Reader:
    def read(place: Place, value: Any) -> str:
        if _text(place, value) not in choices:
            raise place.wrong(f"there is no {value!r}", f"use {' or '.join(choices)}")
        return str(value)

    return read


def _list_of(reader: Reader) -> Reader:
    def read(place: Place, value: Any) -> tuple[Any, ...]:
        return tuple(reader(place, each) for each in _typed(place, value, list))

    return read


def _size(place: Place, value: Any) -> int:
    text = str(value) if type(value) is int else _text(place, value)
    try:
        return parse_size(text)
    except UserError as error:
        raise place.wrong(f"{value!r}: {error.cause}", 'for example "256M"') from None


def _file(place: Place, value: Any) -> str:
    path = place.path(_text(place, value))
    if not path.is_file():
        beside = [each.name for each in path.parent.glob("*")]
        raise place.wrong(f"there is no file {path}", _near(path.name, beside))
    return str(path)


def _drive(place: Place, value: Any) -> Drive:
    text = _text(place, value)
    try:
        drive = parse_drive(text)
    except UserError as error:
        raise place.wrong(f"{value!r} {error.cause}", error.way_out) from None
    return Drive(_file(place, drive.path), drive.read_only)


def _load(place: Place, value: Any) -> str:
    address, separator, path = _text(place, value).partition("=")
    if not separator or _ADDRESS.fullmatch(address) is None:
        raise place.wrong(f"{value!r} is not ADDR=FILE", 'for example "0x50000000=guest.bin"')
    return f"{address}={_file(place, path)}"


def _setting(place: Place, value: Any) -> str:
    text = _text(place, value)
    try:
        return parse_setting(text).text
    except UserError as error:
        raise place.wrong(f"{value!r}: {error.cause}", "for example HCR_EL2.TWE=1") from None


# --- tables -----------------------------------------------------------------------------------------------------------

MACHINE_KEYS: Final[Mapping[str, Key]] = {
    "cpu": Key("cpu", _one_of(CPU_MODELS)),
    "cpus": Key("cpus", _number(1, board.MAX_CPUS)),
    "gic": Key("gic", _number(2, 3)),
    "memory": Key("machine_memory_bytes", _size),
    "list-registers": Key("list_registers", _number(1, 16)),
    "hypervisor": Key("hypervisor", _file),
}
VM_KEYS: Final[Mapping[str, Key]] = {
    "name": Key("name", _name, is_required=True),
    "image": Key("image", _file, is_required=True),
    "memory": Key("memory_bytes", _size),
    "vcpus": Key("vcpus", _number(1, board.MAX_CPUS)),
    "load-address": Key("load_address", _number(0, _LAST_ADDRESS)),
    "set": Key("settings", _list_of(_setting)),
    "initrd": Key("initrd", _file),
    "append": Key("append", _text),
    "dtb": Key("dtb", _file),
    "load": Key("loads", _list_of(_load)),
    "drive": Key("drives", _list_of(_drive)),
    "rng": Key("rng", _flag),
    "console": Key("console", _one_of(CONSOLES)),
    "prefix": Key("prefix", _text),
    "input": Key("input", _file),
    "weight": Key("weight", _number(1, _LARGEST_WEIGHT)),
    "pin": Key("pins", _list_of(_number(0, board.MAX_CPUS - 1))),
}


def read_vm_file(path: str) -> Configuration:
    """Return the run that a file describes. Raises: UserError."""
    file, tables = Path(path), _parse(path)
    for table in tables:
        if table not in ("machine", "vm"):
            way_out = _near(table, ("machine", "vm")) or "the tables are [machine] and [[vm]]"
            raise UserError(f"{path}: {table}", "there is no such table", way_out)
    machine, vms = tables.get("machine", {}), tables.get("vm", [])
    if not isinstance(machine, dict):
        raise UserError(f"{path}: machine", "is not a table", "begin it with [machine]")
    if not isinstance(vms, list) or not vms or not all(isinstance(vm, dict) for vm in vms):
        raise UserError(f"{path}: vm", "there are no tables of VMs", "begin each with [[vm]]")
    of_machine = read_fields(file, "[machine]", MACHINE_KEYS, machine)
    return Configuration(**{"hypervisor": ""} | of_machine, vms=_virtual_machines(file, vms))


def _parse(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(read_file(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(path, f"is not a TOML file: {error}") from None


def _virtual_machines(file: Path, tables: list[dict[str, Any]]) -> tuple[VirtualMachine, ...]:
    made: dict[str, VirtualMachine] = {}
    for number, table in enumerate(tables, start=1):
        name = table.get("name")
        where = f"[[vm]] {name if isinstance(name, str) else f'number {number}'}"
        vm = VirtualMachine(**read_fields(file, where, VM_KEYS, table))
        if vm.name in made:
            raise Place(file, where, "name").wrong("two VMs have it", "give each its own")
        made[vm.name] = vm
    return tuple(made.values())


def read_fields(file: Path, where: str, keys: Mapping[str, Key], table: dict[str, Any]) -> dict[str, Any]:
    """Return what a table sets, by field."""
    fields = {}
    for name, value in table.items():
        place = Place(file, where, name)
        if name not in keys:
            raise place.wrong("there is no such key", _near(name, keys) or f"the keys are {', '.join(keys)}")
        fields[keys[name].field] = keys[name].read(place, value)
    for name, key in keys.items():
        if key.is_required and key.field not in fields:
            raise Place(file, where, name).wrong("is missing")
    return fields


def _near(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), n=2)
    return f"did you mean {' or '.join(close)}?" if close else ""
