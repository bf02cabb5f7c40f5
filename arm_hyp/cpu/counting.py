"""Choose how instructions are counted: by block, in C or with a little machine code, or one by one by Unicorn.

Read `cpu/block_counter.py` before this file; `docs/adr/004-counting.md` says why there is a choice. The C helper is
used where it was built, the machine code where it was not and the host can execute it; then no other C helper is used
either. Nobody can tell the ways apart but by the time they take: `tests/golden/test_ways_of_counting.py` compares them.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Final

from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const

from arm_hyp.cpu import count_code
from arm_hyp.cpu.block_counter import INSTRUCTION_BYTES, BlockCounter, Callbacks, LibraryCallbacks, State, look_inside
from arm_hyp.cpu.helpers import load_helper
from arm_hyp.cpu.native import NativeCore
from arm_hyp.cpu.probe import BASE, NOP, SPIN, Bench, Check, checked, encode_hvc, internals
from arm_hyp.errors import UserError

SWITCH: Final = "ARM_HYP_COUNTING"
"""The environment variable that chooses: `auto` (the default), `c`, `code`, or `python` for Unicorn's own way."""

BY_BLOCK: Final = ("c", "code")
"""The ways to count by block, the faster first."""
_WAYS: Final = ("auto", *BY_BLOCK, "python")


@functools.cache
def _library() -> ctypes.CDLL | None:
    return load_helper("count_blocks", "block_counter_bytes", ctypes.sizeof(State))


def _in_c(_native: NativeCore) -> Callbacks | None:
    library = _library()
    return None if library is None else LibraryCallbacks(library)


_CALLBACKS: Final[dict[str, Callable[[NativeCore], Callbacks | None]]] = {"c": _in_c, "code": count_code.callbacks}


def _attach(native: NativeCore, way: str) -> bool:
    callbacks, inside = _CALLBACKS[way](native), look_inside(native)
    if callbacks is None or inside is None:
        return False
    native.counting = BlockCounter(native, inside, callbacks)
    return True


def _bench(way: str) -> Bench | None:
    bench = Bench(internals())
    return bench if _attach(bench.core, way) else None


def _stops_exactly(bench: Bench) -> bool:
    bench.run(*[NOP] * 8, 0x17FFFFF8, count=13)  # eight nop; b .-32
    return bench.core.started() == 13 and bench.core.read(a64.UC_ARM64_REG_PC) == BASE + 4 * INSTRUCTION_BYTES


def _fault_is_counted(bench: Bench) -> bool:
    status = bench.run(0xD2800000, 0xF9400001, NOP, SPIN, count=10)  # mov x0, #0; ldr x1, [x0]
    return status == uc_const.UC_ERR_READ_UNMAPPED and bench.core.started() == 2


def _exception_is_counted(bench: Bench) -> bool:
    bench.run(NOP, encode_hvc(1), count=10)
    return bench.interrupts == [11] and bench.core.started() == 2


def _access_is_located(bench: Bench) -> bool:
    seen: list[tuple[int, int]] = []

    def read(_offset: int, _size_bytes: int) -> int:
        bench.core.begin_access()
        seen.append((bench.core.started(), bench.core.read(a64.UC_ARM64_REG_PC) - BASE))
        bench.core.end_access()
        return 0

    bench.core.map_mmio(0, 0x1000, read, lambda _offset, _size_bytes, _value: None)
    bench.run(0xD2800000, 0xF9400001, NOP, SPIN, count=10)  # mov x0, #0; ldr x1, [x0]: two accesses of 4 bytes
    return seen == [(2, 4), (2, 4)]


# The last but one maps page 0, which the second needs to be empty.
_CHECKS: Final[dict[str, Callable[[Bench], bool]]] = {
    "a budget that ends inside a block stops there": _stops_exactly,
    "what an access to nothing leaves of a block is not counted": _fault_is_counted,
    "a device access knows its instruction": _access_is_located,
    "an exception at the end of a block is counted with it": _exception_is_counted,
}


@functools.cache
def checks(way: str = "c") -> tuple[Check, ...]:
    """Check a way to count by block, once a process; empty where there is none."""
    bench = _bench(way)
    return () if bench is None else checked(bench, bench, _CHECKS)


def is_usable(way: str) -> bool:
    """Tell whether a way to count by block is there, and does what it should."""
    return bool(checks(way)) and all(check.holds for check in checks(way))


def way() -> str:
    """Return the way in use: `c`, `code` or `python`. Raises: UserError for a switch that cannot be followed."""
    wanted = os.environ.get(SWITCH, "auto")
    if wanted not in _WAYS:
        raise UserError(SWITCH, f"there is no way of counting named {wanted!r}", f"use one of {', '.join(_WAYS)}")
    if wanted == "python":
        return "python"
    usable = next((way for way in BY_BLOCK if wanted in ("auto", way) and is_usable(way)), None)
    if usable is None and wanted != "auto":
        raise UserError(SWITCH, *_REFUSALS[wanted])
    return usable or "python"


_REFUSALS: Final = {
    "c": ("the C helper does not load here", "install with a C compiler, or leave it at auto"),
    "code": ("this host does not execute the machine code, which is for x86-64", "leave it at auto"),
}


def describe() -> str:
    """Say in a few words how instructions are counted, and why so. Raises: UserError as `way` does."""
    used = way()
    if used == "c":
        return "by block, in C"
    if os.environ.get(SWITCH, "auto") != "auto":
        why = f"{SWITCH} says so"
    elif _library() is None:
        why = "the C helper was not built: install again where there is a C compiler, to run faster"
    else:
        why = "the C helper does not suit this Unicorn"
    return f"{_DESCRIPTIONS[used]} ({why})"


_DESCRIPTIONS: Final = {"code": "by block, in machine code", "python": "by instruction"}


def install(native: NativeCore) -> None:
    """Have a new core count the way that is in use. Before any other hook: it must be the first to hear."""
    used = way()
    if used in BY_BLOCK:
        _attach(native, used)
