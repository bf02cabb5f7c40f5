"""Leave a core from within an access, in C where the helper was built, so that nothing need look behind each access.

Read `cpu/native.py` and `cpu/counting.py` before this file and `cpu/leave_access.c` after it;
`docs/adr/014-access-exits.md` says why it is done so.

Unicorn calls a function behind each load and store that asks whether the run is to end. Only what answers an access
can have said so: a device, or a store that nothing takes. With the helper these leave at once, by themselves, and
Unicorn leaves the calls out. Where a hook may stop the core before an instruction, it is told to have them again.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable
from typing import Any, Final

from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu import counting
from arm_hyp.cpu.block_counter import address_of
from arm_hyp.cpu.helpers import load_helper
from arm_hyp.cpu.native import NativeCore
from arm_hyp.cpu.probe import BASE, SPIN, Bench, Check, checked, internals

_SET_DIRTY: Final = "tlb_set_dirty_aarch64"
_CHECK: Final = "helper_check_exit_request_aarch64"
_OMIT_OFFSET, _INIT_DONE_OFFSET = 2034, 2035
"""Bytes of the handle: leave the calls out (`no_exit_request`); and one behind it that is always 1."""
_NESTING_OFFSET, _ERROR_OFFSET = 1384, 1424
"""Bytes of the handle: `size_recur_mem`, `invalid_error`."""
_ENVIRONMENT_OFFSET: Final = 0x128
"""Bytes in the core's state: the pointer to what translated code uses. The TLB lies before that."""
_TABLES_BEFORE, _VICTIMS_BEFORE = 0xD0, 0x2140
_MODES, _ENTRY_BYTES = 12, 64
_STORE_FAILS: Final = uc_const.UC_HOOK_MEM_WRITE_UNMAPPED | uc_const.UC_HOOK_MEM_WRITE_PROT
_LAST: Final = (1 << 64) - 1


class _Exits(ctypes.Structure):
    """`struct access_exits` of the C file."""

    _fields_ = [
        (name, ctypes.c_void_p) for name in ("check", "emu_stop", "nesting", "error", "looks", "tables", "victims")
    ]


class _Device(ctypes.Structure):
    """`struct device_range` of the C file."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("exits", "read", "write")]


class _Table(ctypes.Structure):
    """`struct table` of the C file."""

    _fields_ = [("mask", ctypes.c_uint64), ("entries", ctypes.c_uint64)]


@functools.cache
def _library() -> ctypes.CDLL | None:
    return load_helper("leave_access", "leave_access_bytes", ctypes.sizeof(_Exits) + ctypes.sizeof(_Device))


class AccessExits:
    """The C helper at one core."""

    def __init__(self, native: NativeCore, library: ctypes.CDLL, handle: int, environment: int) -> None:
        self._native, self._library = native, library
        self._omit = ctypes.c_uint8.from_address(handle + _OMIT_OFFSET)
        self._exits = _Exits(
            check=address_of(getattr(uclib, _CHECK)),
            emu_stop=address_of(uclib.uc_emu_stop),
            nesting=handle + _NESTING_OFFSET,
            error=handle + _ERROR_OFFSET,
            looks=ctypes.addressof(native.looks),
            tables=environment - _TABLES_BEFORE,
            victims=environment - _VICTIMS_BEFORE,
        )
        self._devices: list[_Device] = []  # what C calls must not be collected

    def device(self, read: Any, write: Any) -> tuple[Any, Any, Any]:
        """Return what Unicorn is to call in place of these two C functions, and with which data."""
        device = _Device(ctypes.addressof(self._exits), address_of(read), address_of(write))
        self._devices.append(device)
        return self._library.device_read, self._library.device_write, ctypes.byref(device)

    def begin(self, base: int, size_bytes: int) -> None:
        """Leave the calls out from now on. Stores to a range of physical addresses, RAM, never fail."""
        for where in ((0, base - 1), (base + size_bytes, _LAST)):
            self._native.hook_in_c(_STORE_FAILS, self._library.store_failed, self._exits, where)
        self._native.on_translation_in_c(self._library.notice_writes_to, self._exits)
        self.look_behind_accesses(False)

    def notice_writes_to(self, address: int) -> None:
        """Have what is stored into the page of a virtual address noticed, as for each new block."""
        self._library.notice_writes_to(None, ctypes.byref(ctypes.c_uint64(address)), None, ctypes.byref(self._exits))

    def look_behind_accesses(self, wanted: bool) -> None:
        """Have what is translated from now on ask behind each access, and each hook, whether the run is to end."""
        self._omit.value = not wanted


def _environment(state: int) -> int | None:
    """Return where translated code has the state; None if the tables of the TLB are not before it."""
    environment = ctypes.c_uint64.from_address(state + _ENVIRONMENT_OFFSET).value
    if environment % 16 or not 0 < environment - state < 1 << 16:
        return None
    tables = (_Table * _MODES).from_address(environment - _TABLES_BEFORE)
    return environment if all(_is_plausible(table.mask, table.entries) for table in tables) else None


def _is_plausible(mask: int, entries: int) -> bool:
    """Tell whether a table has a power of two of entries, and is somewhere."""
    count = mask // _ENTRY_BYTES + 1
    return count & count - 1 == 0 and count < 1 << 24 and entries != 0


def _attach(native: NativeCore) -> AccessExits | None:
    library, state, handle = _library(), native.live_state(), native.handle.value
    if (
        library is None
        or state is None
        or handle is None
        or not native.has_helpers
        or not all(hasattr(uclib, name) for name in (_CHECK, _SET_DIRTY))
    ):
        return None
    flags = ctypes.c_uint8.from_address(handle + _OMIT_OFFSET), ctypes.c_uint8.from_address(handle + _INIT_DONE_OFFSET)
    environment = _environment(state)
    if environment is None or [flag.value for flag in flags] != [0, 1]:
        return None
    return AccessExits(native, library, handle, environment)


def _bench() -> Bench | None:
    bench = Bench(internals())
    counting.install(bench.core)
    bench.core.exits = _attach(bench.core)
    if bench.core.exits is None:
        return None
    bench.core.exits.begin(BASE, 0x1000)
    bench.run(SPIN, count=3)  # new blocks are reported after a first run only
    return bench


def _device_is_left(bench: Bench) -> bool:
    seen: list[int] = []

    def read(offset: int, _size_bytes: int) -> int:
        bench.core.begin_access()
        seen.append(offset)
        bench.core.locate()
        bench.core.stop()
        return 0

    bench.core.map_mmio(0, 0x1000, read, lambda _offset, _size_bytes, _value: None)
    bench.run(*_LOADS, count=10)
    registers = [bench.core.read(register) for register in (a64.UC_ARM64_REG_X1, a64.UC_ARM64_REG_PC)]
    return seen == [8] and registers == [7, BASE + 8]


def _failed_store_is_left(bench: Bench) -> bool:
    status = bench.run(*_STORES, count=10)
    registers = [bench.core.read(register) for register in (a64.UC_ARM64_REG_X1, a64.UC_ARM64_REG_PC)]
    return status == uc_const.UC_ERR_WRITE_UNMAPPED and registers == [7, BASE + 8]


def _writes_are_noticed(bench: Bench) -> bool:
    """Code is stored into a page that the TLB takes for mere data: unnoticed, and noticed where we ask for that."""
    return [_rewritten(bench, is_told) for is_told in (False, True)] == [1, 2]


def _rewritten(bench: Bench, is_told: bool) -> int:
    """Return what the new code does: 1 if the old one was executed, 2 if the store was noticed."""
    exits, state = bench.core.exits, bench.core.live_state()
    assert exits is not None and state is not None
    set_dirty = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)((_SET_DIRTY, uclib))
    bench.run(*_REWRITES, _MOV_X1_1, count=len(_REWRITES))
    struct.pack_into("<I", bench.page, 4 * len(_REWRITES), _MOV_X1_2)
    set_dirty(state, BASE)
    if is_told:
        exits.notice_writes_to(BASE)
    bench.core.start(BASE, len(_REWRITES))
    return bench.core.read(a64.UC_ARM64_REG_X1)


_LOADS: Final = (0xD2800000, 0xD28000E1, 0xB9400801, 0xB9400C01, SPIN)
"""mov x0, #0; mov x1, #7; ldr w1, [x0, #8]; ldr w1, [x0, #12]; b ."""
_STORES: Final = (0xD2A00020, 0xD28000E1, 0xB9000801, 0xD2800121, SPIN)
"""mov x0, #0x10000; mov x1, #7; str w1, [x0, #8]; mov x1, #9; b ."""
_MOV_X1_1, _MOV_X1_2 = 0xD2800021, 0xD2800041
_REWRITES: Final = (0xD2A80000, 0x180000A2, 0xB9001002, 0x14000001, _MOV_X1_1, SPIN)
"""mov x0, #BASE; ldr w2, the word behind this; str w2, [x0, #16]; b .+4; mov x1, #1; b ."""

# The first maps page 0.
_CHECKS: Final[dict[str, Callable[[Bench], bool]]] = {
    "a device that asks for a stop is left at once": _device_is_left,
    "a store to nothing is left at once": _failed_store_is_left,
    "what is stored into code is noticed": _writes_are_noticed,
}


@functools.cache
def checks() -> tuple[Check, ...]:
    """Check the helper, once a process; empty where there is none."""
    bench = _bench()
    return () if bench is None else checked(bench, bench, _CHECKS)


def install(native: NativeCore) -> None:
    """Have the helper at a new core that counts in C, where there is one and it suits this Unicorn."""
    if native.has_helpers and checks() and all(check.holds for check in checks()):
        native.exits = _attach(native)
