"""What a run is a function of, beside the user's input: files, board and start, as plain data.

Read `machine/boot.py` and `machine/wiring.py` before this file, `runner/runner.py` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from arm_hyp.arch.id_policy import LIST_REGISTERS
from arm_hyp.errors import UserError
from arm_hyp.machine.boot import BootRequest, File, Load, ModuleFile
from arm_hyp.machine.device_tree import BoardDescription
from arm_hyp.machine.loader import MemoryLayout, load_file
from arm_hyp.machine.machine import RAM_BASE
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S

if TYPE_CHECKING:
    from arm_hyp.machine.virtio.drive import BlockBackend

Console = Literal["pl011", "virtio", "none"]


class Drive(msgspec.Struct, frozen=True):
    """A disk image; what a guest writes to it stays in memory."""

    path: str
    read_only: bool = False


class Module(msgspec.Struct, frozen=True):
    """A file for Xen: dom0's kernel with its arguments, or dom0's initrd."""

    kind: Literal["kernel", "ramdisk"]
    path: str
    bootargs: str = ""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run is a function of. Files by path, memory in bytes, `loads` as ADDR=FILE."""

    image: str | None = None
    bios: str | None = None
    el: int = 2
    cpu: str = "a72"
    cpus: int = 1
    gic: int = 2
    list_registers: int = LIST_REGISTERS
    memory_bytes: int = 256 << 20
    load_address: int | None = None
    settings: tuple[str, ...] = ()
    initrd: str | None = None
    append: str = ""
    dtb: str | None = None
    loads: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()
    drives: tuple[Drive, ...] = ()
    rng: bool = False
    console: Console = "pl011"
    rtc_epoch_s: int = DEFAULT_EPOCH_S


def machine_options(made: Configuration) -> dict[str, Any]:
    """Return what the board is made of: `wiring.Options` by name. Opens the drives. Raises: UserError."""
    slots = len(made.drives) + made.rng + (made.console == "virtio")
    if slots > 32:
        raise UserError("--drive", f"{slots} virtio devices are too many", "the board has 32 slots")
    return dict(
        model=made.cpu,
        start_el=made.el,
        memory_bytes=made.memory_bytes,
        gic=made.gic,
        cpus=made.cpus,
        list_registers=made.list_registers,
        rtc_epoch_s=made.rtc_epoch_s,
        drives=tuple(map(_open, made.drives)),
        has_rng=made.rng,
        has_virtio_console=made.console == "virtio",
    )


def _open(drive: Drive) -> BlockBackend:
    from arm_hyp.machine.virtio.drive import open_drive  # here: a machine without drives starts sooner

    return open_drive(drive.path, read_only=drive.read_only)


def boot_request(made: Configuration) -> BootRequest:
    """Read the files, and return what is to be booted. Raises: UserError."""
    layout = MemoryLayout(RAM_BASE, made.memory_bytes)
    kernel = None
    if made.image is not None:
        kernel = load_file(made.image, load_address=made.load_address, memory=layout)
    return BootRequest(
        board=describe_board(made),
        kernel=kernel,
        kernel_name=made.image or "the program",
        flash=_file(made.bios),
        initrd=_file(made.initrd),
        loads=tuple(Load.read(text) for text in made.loads),
        modules=tuple(ModuleFile(one.kind, File.read(one.path), one.bootargs) for one in made.modules),
        tree=_file(made.dtb),
    )


def describe_board(made: Configuration) -> BoardDescription:
    """Return what the device tree says of the board."""
    return BoardDescription(
        cpus=made.cpus,
        cpu=made.cpu,
        gic=cast(Literal[2, 3], made.gic),
        el=cast(Literal[1, 2], made.el),
        memory_bytes=made.memory_bytes,
        bootargs=made.append,
        has_el2_virtual_timer=made.cpu == "max",
        has_flash=made.bios is not None,
    )


def _file(path: str | None) -> File | None:
    return None if path is None else File.read(path)
