"""The boot plan: what lies where in RAM and flash when the first CPU starts, and what its registers hold.

Read `machine/loader.py` and `machine/device_tree.py` before this file, `machine/machine.py` after it. `plan_boot` is
pure; whoever calls it has read the files. Three ways to start, as on QEMU:
- an arm64 Image or a raw binary by Linux's protocol: the initrd at 128 MiB into RAM (at half of a smaller RAM) or
  higher, the device tree behind it and in x0;
- an ELF file or assembly as bare metal: at its entry point, the device tree where RAM begins if there is room;
- flash: at address 0, the device tree where RAM begins.

Ref: Linux, Documentation/arm64/booting.rst; QEMU, docs/system/arm/virt.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.machine import board, device_tree
from arm_hyp.machine.device_tree import BoardDescription, BootModule
from arm_hyp.machine.loader import Image, Segment, read_file

INITRD_OFFSET: Final = 128 << 20
TREE_ALIGNMENT_BYTES: Final = 2 << 20
"""Linux maps the tree in blocks of this size."""
_LINUX_PROTOCOL: Final = ("image", "raw")


@dataclass(frozen=True, slots=True)
class File:
    """A file's name, as errors shall say it, and what it holds."""

    name: str
    data: bytes

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> File:
        """Read a file. Raises: UserError."""
        return cls(os.fspath(path), read_file(path))


@dataclass(frozen=True, slots=True)
class Load:
    """A file and the physical address that the user wants it at."""

    address: int
    file: File

    @classmethod
    def read(cls, text: str) -> Load:
        """Read the file of `ADDR=FILE`. Raises: UserError."""
        address, separator, path = text.partition("=")
        try:
            number = int(address, 0)
        except ValueError:
            number = -1
        if not separator or not path or number < 0:
            raise UserError(f"--load {text}", "is not ADDR=FILE", "for example --load 0x50000000=guest.bin")
        return cls(number, File(f"--load {text}", read_file(path)))


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """A file for Xen; the plan finds a place for it."""

    kind: Literal["kernel", "ramdisk"]
    file: File
    bootargs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """What to boot on which board: a program or flash. The plan fills in the board's initrd and modules."""

    board: BoardDescription
    kernel: Image | None = None
    kernel_name: str = "the program"
    flash: File | None = None
    initrd: File | None = None
    loads: tuple[Load, ...] = ()
    modules: tuple[ModuleFile, ...] = ()
    tree: File | None = None

    @property
    def ram(self) -> range:
        """The range of RAM."""
        return range(board.RAM_BASE, board.RAM_BASE + self.board.memory_bytes)


@dataclass(frozen=True, slots=True)
class BootPlan:
    """Where everything goes. `registers` are those of the first CPU that the protocol sets; the others are 0.

    `included` are the files that the program's text includes, relative to its folder.
    """

    segments: tuple[Segment, ...]
    entry: int
    flash: bytes = b""
    registers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tree: bytes = b""
    tree_address: int | None = None
    symbols: SymbolTable = field(default_factory=SymbolTable)
    warnings: tuple[str, ...] = ()
    included: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Taken:
    """A range of RAM that something needs."""

    name: str
    span: range


class _Layout:
    """RAM while it is being dealt out."""

    def __init__(self, ram: range) -> None:
        self.ram, self.taken, self.segments = ram, list[_Taken](), list[Segment]()

    def put(self, name: str, address: int, data: bytes) -> None:
        """Place bytes at a fixed address. Raises: UserError."""
        self.claim(name, range(address, address + len(data)))
        self.segments.append(Segment(address, data))

    def claim(self, name: str, span: range) -> None:
        """Take a range. Raises: UserError, where it is outside RAM or taken."""
        if span.start < self.ram.start or span.stop > self.ram.stop:
            where = f"which is outside RAM: RAM is {_span(self.ram)}"
            raise UserError(name, f"needs {_span(span)}, {where}", "choose another address or more --memory")
        clash = self.clash(span)
        if clash is not None:
            cause = f"needs {_span(span)}, which overlaps {clash.name} at {_span(clash.span)}"
            raise UserError(name, cause, "choose another address")
        self.taken.append(_Taken(name, span))

    def clash(self, span: range) -> _Taken | None:
        """Return what has part of a range already."""
        return next((one for one in self.taken if one.span.start < span.stop and span.start < one.span.stop), None)

    def find(self, name: str, data: bytes, start: int, alignment: int) -> range:
        """Place bytes at the first free address from `start` on, or anywhere else. Raises: UserError."""
        for first, step in ((start, alignment), (start, board.PAGE_BYTES), (self.ram.start, board.PAGE_BYTES)):
            ends = sorted(one.span.stop for one in self.taken if one.span.stop > first)
            for address in (_aligned(at, step) for at in (first, *ends)):
                span = range(address, address + len(data))
                if span.stop <= self.ram.stop and self.clash(span) is None:
                    self.put(name, address, data)
                    return span
        raise UserError(name, f"its {len(data):,} bytes do not fit into RAM beside the rest", "add --memory")


def plan_boot(request: BootRequest) -> BootPlan:
    """Find the place of everything. Raises: UserError, where something overlaps, does not fit or is damaged."""
    layout = _Layout(request.ram)
    for name, span in _program_spans(request):
        layout.claim(name, span)
    for load in request.loads:
        layout.put(load.file.name, load.address, load.file.data)
    return _plan_flash(request, layout) if request.flash is not None else _plan_program(request, layout)


def _program_spans(request: BootRequest) -> Iterable[tuple[str, range]]:
    return ((request.kernel_name, span) for span in request.kernel.spans) if request.kernel is not None else ()


def _plan_flash(request: BootRequest, layout: _Layout) -> BootPlan:
    assert request.flash is not None
    if request.kernel is not None:
        cause = f"it and {request.kernel_name} cannot both start the machine"
        raise UserError(f"--bios {request.flash.name}", cause, "leave one out")
    if len(request.flash.data) > board.FLASH_BANK_BYTES:
        size = board.FLASH_BANK_BYTES >> 20
        raise UserError(request.flash.name, f"is larger than the flash of {size} MiB", "is it the right file?")
    tree = _tree(request, layout)
    layout.put("the device tree", board.RAM_BASE, tree)
    return BootPlan(
        tuple(layout.segments), board.FLASH_BASE[0], request.flash.data, tree=tree, tree_address=board.RAM_BASE
    )


def _plan_program(request: BootRequest, layout: _Layout) -> BootPlan:
    kernel = request.kernel
    if kernel is None:
        raise UserError("the machine", "has nothing to start", "name a program or --bios")
    tree = _tree(request, layout)
    by_linux_protocol = kernel.kind in _LINUX_PROTOCOL
    if by_linux_protocol:
        at: int | None = layout.find("the device tree", tree, _behind_initrd(layout), TREE_ALIGNMENT_BYTES).start
    else:
        at = _bare_metal_tree(request, layout, tree)
    missing = () if at is not None else (f"{request.kernel_name} leaves no room for a device tree where RAM begins",)
    return BootPlan(
        (*kernel.segments, *layout.segments),
        kernel.entry,
        registers=MappingProxyType({"x0": at or 0, "x1": 0, "x2": 0, "x3": 0} if by_linux_protocol else {}),
        tree=tree if at is not None else b"",
        tree_address=at,
        symbols=kernel.symbols,
        warnings=(*kernel.warnings, *missing),
        included=kernel.included,
    )


def _bare_metal_tree(request: BootRequest, layout: _Layout, tree: bytes) -> int | None:
    """Place the tree where RAM begins; if the program is there, a tree that nobody asked for is left out."""
    wanted = request.tree or request.initrd or request.modules or request.board.bootargs
    if not wanted and (len(tree) > len(layout.ram) or layout.clash(range(board.RAM_BASE, board.RAM_BASE + len(tree)))):
        return None
    layout.put("the device tree", board.RAM_BASE, tree)
    return board.RAM_BASE


def _tree(request: BootRequest, layout: _Layout) -> bytes:
    """Place the initrd and the modules, and return the tree that tells where they are."""
    start = _initrd_start(layout)
    initrd = None
    if request.initrd is not None:
        initrd = layout.find(request.initrd.name, request.initrd.data, start, board.PAGE_BYTES)
    modules = []
    for module in request.modules:
        span = layout.find(module.file.name, module.file.data, start, board.PAGE_BYTES)
        modules.append(BootModule(module.kind, span.start, len(span), module.bootargs))
    if request.tree is not None:
        arguments = request.board.bootargs
        given = request.tree
        return device_tree.patch(given.name, given.data, bootargs=arguments, initrd=initrd, modules=tuple(modules))
    return device_tree.build(replace(request.board, initrd=initrd, modules=tuple(modules)))


def _initrd_start(layout: _Layout) -> int:
    return layout.ram.start + min(len(layout.ram) // 2, INITRD_OFFSET)


def _behind_initrd(layout: _Layout) -> int:
    """Return the first address behind all that lies where the initrd goes, or above."""
    start = _initrd_start(layout)
    span = next((one.span for one in layout.taken if start in one.span), None)
    return span.stop if span is not None else start


def _aligned(address: int, alignment: int) -> int:
    return -(-address // alignment) * alignment


def _span(span: range) -> str:
    return f"{span.start:#x} to {span.stop - 1:#x}"
