"""A task's [machine] table: the words of files of VMs, for one machine.

Read `runner/vm_file.py` before this file, `course/build.py` after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.runner.vm_file import MACHINE_KEYS, VM_KEYS, Key, Place, read_fields

_OF_BOARD: Final = ("cpu", "cpus", "gic", "list-registers")
_OF_SOFTWARE: Final = (
    *("image", "memory", "vcpus", "load-address", "set", "initrd", "append", "dtb", "load", "drive", "rng"),
    "console",
)
_VMS: Final = "vm"
DEFAULT_MEMORY_BYTES: Final = 16 << 20
"""Small: a check makes many machines."""


def _handlers(place: Place, value: Any) -> str:
    """Return a file of handlers; "" means the library's own alone."""
    return "" if value == "" else str(MACHINE_KEYS["hypervisor"].read(place, value))


def _level(place: Place, value: Any) -> int:
    if value not in (1, 2) or isinstance(value, bool):
        raise place.wrong(f"{value!r} is neither 1 nor 2", "a machine starts at EL2, or at EL1 without EL2")
    return int(value)


KEYS: Final[Mapping[str, Key]] = {
    **{name: MACHINE_KEYS[name] for name in _OF_BOARD},
    **{name: Key(VM_KEYS[name].field, VM_KEYS[name].read) for name in _OF_SOFTWARE},
    "hypervisor": Key("hypervisor", _handlers),
    "el": Key("el", _level),
}


def configuration(table: Mapping[str, Any], build: Path) -> Configuration:
    """Return what a table describes; its files lie in the folder `build`. Raises: UserError."""
    file = build / "lesson.toml"
    plain = {key: value for key, value in table.items() if key != _VMS}
    fields = {"memory_bytes": DEFAULT_MEMORY_BYTES} | read_fields(file, "[machine]", KEYS, plain)
    vms = tuple(
        VirtualMachine(**{"memory_bytes": DEFAULT_MEMORY_BYTES} | read_fields(file, "[[machine.vm]]", VM_KEYS, vm))
        for vm in table.get(_VMS, ())
    )
    if vms:
        fields = {"hypervisor": ""} | fields
    if "image" not in fields and not vms:
        raise Place(file, "[machine]", "image").wrong("is missing", "name what runs")
    return Configuration(**fields, vms=vms)
