"""Look through new blocks for what may be a site, in C where the helper was built; and know which pages hold code.

Read `cpu/native.py` before this file and `cpu/sites.py` after it. The C helper only spares Python the blocks in which
there is surely no site, four out of five, and the instruction-cache maintenance of what is no code. What is a site, and
what becomes of changed code, is decided in Python in either case.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from unicorn import arm64_const as a64
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu import counting
from arm_hyp.cpu.block_counter import address_of
from arm_hyp.cpu.helpers import load_helper
from arm_hyp.cpu.native import NativeCore, translation_callback
from arm_hyp.cpu.probe import BASE, NOP, SPIN, Bench, Check, checked, encode_hvc, internals

PAGE_SHIFT: Final = 12
_FP_BLOCKS: Final = 1024
"""`FP_BLOCKS` of the C file."""
_ANY: Final = (1 << 64) - 1
"""`ANY` of the C file."""
_PLACE, _DROP = "qemu_ram_addr_from_host_aarch64", "tb_invalidate_phys_range_aarch64"
_CHANGED: Final = ctypes.CFUNCTYPE(None, ctypes.c_uint64)


class CodePages:
    """The physical pages, by number, of which there may be translations. `ram` has a byte for each page of RAM."""

    def __init__(self) -> None:
        self._first, self.ram, self._elsewhere = 0, bytearray(), set[int]()

    def cover(self, base: int, size_bytes: int) -> None:
        """Keep a range of physical addresses in `ram`."""
        self._first, self.ram = base >> PAGE_SHIFT, bytearray(size_bytes >> PAGE_SHIFT)

    @property
    def first(self) -> int:
        """The number of the first page in `ram`."""
        return self._first

    def add(self, page: int) -> None:
        """Note a page."""
        if 0 <= page - self._first < len(self.ram):
            self.ram[page - self._first] = 1
        else:
            self._elsewhere.add(page)

    def any(self, address: int, size_bytes: int) -> bool:
        """Tell whether a page of a range of physical addresses is noted."""
        pages = range(address >> PAGE_SHIFT, (address + size_bytes - 1 >> PAGE_SHIFT) + 1)
        start, stop = max(pages.start - self._first, 0), max(pages.stop - self._first, 0)
        return 1 in self.ram[start:stop] or not self._elsewhere.isdisjoint(pages)

    def within(self, address: int, size_bytes: int) -> Iterator[int]:
        """Yield the noted pages of a range of physical addresses in `ram`, by number."""
        first, last = address >> PAGE_SHIFT, address + size_bytes - 1 >> PAGE_SHIFT
        start, stop = max(first - self._first, 0), max(last + 1 - self._first, 0)
        while (at := self.ram.find(1, start, stop)) >= 0:
            yield at + self._first
            start = at + 1

    def clear(self) -> None:
        """Note none."""
        self.ram[:] = bytes(len(self.ram))
        self._elsewhere.clear()


class _Range(ctypes.Structure):
    """`struct code_range` of the C file."""

    _fields_ = [("physical", ctypes.c_uint64), ("size_bytes", ctypes.c_uint64)]


class _State(ctypes.Structure):
    """`struct block_scanner` of the C file."""

    _fields_ = [
        ("reports_all", ctypes.c_uint64),
        ("pages", ctypes.c_void_p),
        ("first_page", ctypes.c_uint64),
        ("page_count", ctypes.c_uint64),
        ("ram", ctypes.c_void_p),
        ("report", ctypes.c_void_p),
        ("translate", ctypes.c_void_p),
        ("place", ctypes.c_void_p),
        ("drop", ctypes.c_void_p),
        ("dropped", ctypes.c_void_p),
        ("changed", ctypes.c_void_p),
        ("fp_traps", ctypes.c_uint64),
        ("fp_count", ctypes.c_uint64),
        ("fp_blocks", _Range * _FP_BLOCKS),
    ]


@functools.cache
def scan_library() -> ctypes.CDLL | None:
    """Return the C helper; None if it was not built, or from another version."""
    return load_helper("scan_blocks", "block_scanner_bytes", ctypes.sizeof(_State))


class Listener(NamedTuple):
    """Who is told. Neither may raise."""

    report: Callable[[int, int], None]
    """A new block may have a site: its virtual address, its size in bytes."""
    changed: Callable[[int | None], None]
    """Software says that code outside RAM has changed, at a physical address, or any code. The core is in a block."""


class BlockScanner:
    """The C helper at one core."""

    def __init__(self, native: NativeCore, library: ctypes.CDLL, listener: Listener) -> None:
        self._state = _State(fp_traps=1, dropped=ctypes.addressof(native.dropped))
        self._report = translation_callback(listener.report)
        self._changed = _CHANGED(lambda physical: listener.changed(None if physical == _ANY else physical))
        for name, function in {
            "report": self._report,
            "changed": self._changed,
            "translate": uclib.uc_vmem_translate,
            "place": getattr(uclib, _PLACE),
            "drop": getattr(uclib, _DROP),
        }.items():
            setattr(self._state, name, address_of(function))
        native.on_translation_in_c(library.block_scanned, self._state)
        native.on_system_instruction_in_c(library.system_executed, self._state)

    @classmethod
    def install(cls, native: NativeCore, listener: Listener) -> BlockScanner | None:
        """Have blocks scanned, and a listener told of some; None where Python does without helpers."""
        is_used = native.has_helpers and checks() and all(check.holds for check in checks())
        return _attach(native, listener) if is_used else None

    def note_pages(self, pages: CodePages, host_address: int) -> None:
        """Note the pages of RAM, which is at an address of the host, in this table from now on."""
        self._pages = (ctypes.c_char * len(pages.ram)).from_buffer(pages.ram)
        self._state.pages, self._state.first_page = ctypes.addressof(self._pages), pages.first
        self._state.page_count, self._state.ram = len(pages.ram), host_address

    def report_all(self, wanted: bool) -> None:
        """Have every block reported, or only those in which there may be a site."""
        self._state.reports_all = wanted

    def fp_traps(self, wanted: bool) -> None:
        """Have blocks that use FP reported, or only noted where nothing else in them may be a site."""
        self._state.fp_traps = wanted

    def take_fp_blocks(self) -> set[tuple[int, int]]:
        """Return the blocks that were noted, (physical address, size in bytes), and forget them."""
        count, self._state.fp_count = self._state.fp_count, 0
        return {(block.physical, block.size_bytes) for block in self._state.fp_blocks[:count]}


def _attach(native: NativeCore, listener: Listener) -> BlockScanner | None:
    library = scan_library()
    if library is None or not all(hasattr(uclib, name) for name in (_PLACE, _DROP)):
        return None
    return BlockScanner(native, library, listener)


class _Scanned(NamedTuple):
    """What is checked: a core with the helper, and what Python was told."""

    bench: Bench
    scanner: BlockScanner
    reported: list[int]


def _scanned() -> _Scanned | None:
    bench, pages, reported = Bench(internals()), CodePages(), list[int]()
    counting.install(bench.core)
    if not bench.core.has_helpers:
        return None
    scanner = _attach(bench.core, Listener(lambda pc, _size_bytes: reported.append(pc - BASE), lambda _physical: None))
    if scanner is None:
        return None
    pages.cover(BASE, 0x1000)
    scanner.note_pages(pages, ctypes.addressof(bench.page))
    scanner.fp_traps(False)
    bench.run(SPIN, count=3)  # new blocks are reported after a first run only
    reported.clear()
    return _Scanned(bench, scanner, reported)


def _site_is_reported(scanned: _Scanned) -> bool:
    scanned.bench.run(NOP, 0x14000001, encode_hvc(1), count=3)  # nop; b .+4; hvc #1
    return scanned.reported == [8]


def _maintained_line_is_dropped(scanned: _Scanned) -> bool:
    """Tell whether code that changes unnoticed is as it was until its line is maintained, and anew after that."""
    native, seen = scanned.bench.core, list[int]()
    scanned.bench.run(*_MAINTAINS, count=5)
    struct.pack_into("<I", scanned.bench.page, 12, _MOV_X1_2)
    for skipped in (2, 0):
        native.start(BASE + 4 * skipped, 5 - skipped)
        seen.append(native.read(a64.UC_ARM64_REG_X1))
    return seen == [1, 2]


_MOV_X1_2: Final = 0xD2800041
_MAINTAINS: Final = (0xD2A80000, 0xD50B7520, 0x14000001, 0xD2800021, SPIN)
"""mov x0, #BASE; ic ivau, x0; b .+4; mov x1, #1; b ."""
_CHECKS: Final[dict[str, Callable[[_Scanned], bool]]] = {
    "a block that may have a site is reported, others are not": _site_is_reported,
    "maintenance of a line drops its translations": _maintained_line_is_dropped,
}


@functools.cache
def checks() -> tuple[Check, ...]:
    """Check the helper, once a process; empty where there is none."""
    scanned = _scanned()
    return () if scanned is None else checked(scanned.bench, scanned, _CHECKS)
