"""Count by block: the structure that the callbacks share with Python, and the runs that end exactly.

Read `cpu/native.py` before this file and `cpu/count_blocks.c` after it; `docs/adr/004-counting.md` says why it is done
so. The callbacks are in C where that was built, or a few instructions of machine code with Python behind them
(`cpu/count_code.py`).

A block that the budget does not cover is stopped before it runs. Then the core is told to make its next block of
exactly as many instructions as are left, which is how it does single steps of its own. Such blocks are kept beside the
normal ones, so nothing is ever translated twice.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu.native import UNREACHABLE, NativeCore
from arm_hyp.errors import UserError

_COUNTER_OFFSET: Final = 1368
_CPU_OFFSET: Final = 440
_LIMIT_OFFSET: Final = 24
_ACCESS_OFFSET: Final = 33144
_BACK_OFFSET: Final = 33192
_NO_LIMIT: Final = 0xFFFF_FFFF
_RESTORE: Final = "cpu_restore_state_aarch64"
INSTRUCTION_BYTES: Final = 4


class State(ctypes.Structure):
    """`struct block_counter` of the C file."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("started", "limit", "start", "size_bytes", "leave", "budget")),
        *((name, ctypes.c_uint64) for name in ("left_bytes", "cut", "masks", "pc_register", "pstate_register")),
        *((name, ctypes.c_void_p) for name in ("emu_stop", "reg_read")),
    ]


class Inside(NamedTuple):
    """What the helper needs of the inside of a core."""

    cpu: int
    """Address of the core's state."""
    limit: ctypes.c_uint32
    """How many instructions the next block may have (`cflags_next_tb`)."""
    access: ctypes.c_uint64
    """Where in its translation a block accesses a device (`mem_io_pc`)."""
    restore: Callable[[int, int, bool], bool]
    """Restore the state, with the PC, as it is at a place in a translation (`cpu_restore_state`)."""


class Callbacks(Protocol):
    """What Unicorn calls for a counter: C functions, with the counter's state."""

    count_block: Any
    block_translated: Any
    block_left: Any
    is_in_c: bool

    def new_state(self, **values: Any) -> State:
        """Make the state of a counter."""


class LibraryCallbacks:
    """The callbacks in C."""

    is_in_c = True

    def __init__(self, library: ctypes.CDLL) -> None:
        self.count_block, self.block_translated = library.count_block, library.block_translated
        self.block_left = library.block_left

    def new_state(self, **values: Any) -> State:
        """Make the state of a counter."""
        return State(**values)


class BlockCounter:
    """Runs one core for exact numbers of instructions, counting by block."""

    def __init__(self, native: NativeCore, inside: Inside, callbacks: Callbacks) -> None:
        self._handle, self._limit, self._inside, self._callbacks = native.handle, inside.limit, inside, callbacks
        self.is_in_c = callbacks.is_in_c
        self._is_unlocated, self._access = False, (-1, 0)
        self._pc = native.batch([a64.UC_ARM64_REG_PC])
        self._state = callbacks.new_state(pc_register=a64.UC_ARM64_REG_PC, pstate_register=a64.UC_ARM64_REG_PSTATE)
        self._state.emu_stop, self._state.reg_read = address_of(uclib.uc_emu_stop), address_of(uclib.uc_reg_read)
        for kind, function in {
            uc_const.UC_HOOK_BLOCK: callbacks.count_block,
            uc_const.UC_HOOK_EDGE_GENERATED: callbacks.block_translated,
            uc_const.UC_HOOK_INTR: callbacks.block_left,
        }.items():
            self._hook(kind, address_of(function))

    def _hook(self, kind: int, callback: int) -> None:
        hook, everywhere = ctypes.c_size_t(), (ctypes.c_uint64(1), ctypes.c_uint64(0))
        pointers = ctypes.byref(hook), ctypes.c_int(kind), ctypes.c_void_p(callback), ctypes.byref(self._state)
        status = uclib.uc_hook_add(self._handle, *pointers, *everywhere)
        if status:
            raise UserError("unicorn", f"it refuses a hook (status {status})", "set ARM_HYP_COUNTING=python")

    def start(self, pc: int, count: int, masks: int) -> int:
        """Run at most `count` instructions from `pc`; return Unicorn's status code (0 when fine).

        Ends before the instruction behind one that clears any bit of PSTATE that is set in `masks`.
        """
        state, limit, run = self._state, self._limit, uclib.uc_emu_start
        state.started, state.budget, state.size_bytes, state.cut = 0, count, 0, 0
        state.masks, state.leave, state.limit = masks, 0, 0 if masks else count
        if count == 1:  # otherwise a limit would have the block translated again for each count
            limit.value = count
        status = run(self._handle, pc, UNREACHABLE, 0, 0)
        while state.cut and state.started < count and not status:
            state.cut = 0
            limit.value = count - state.started
            status = run(self._handle, self._pc.read()[0], UNREACHABLE, 0, 0)
        limit.value = _NO_LIMIT
        return int(status)

    @property
    def count_address(self) -> int:
        """Address of the counts of the block that runs: instructions started, -, its address, its size in bytes."""
        return ctypes.addressof(self._state)

    def leave(self) -> None:
        """Stop before the next block."""
        self._state.leave, self._state.limit = 1, 0

    def started(self) -> int:
        """Tell how many instructions were started since `start`, with the one at the PC if it runs or has failed."""
        self.locate()
        state = self._state
        size_bytes = int(state.size_bytes)
        if size_bytes:
            offset = self._pc.read()[0] - state.start
            if 0 <= offset < size_bytes:
                return int(state.started - (size_bytes - offset) // INSTRUCTION_BYTES + 1)
        return int(state.started)

    def begin_access(self) -> bool:
        """Note that a device access is being answered; tell whether it is of the same instruction as the one before.

        The PC is that of the block until somebody wants to know better: see `locate`. Another access of the same run
        of a block may be of the same instruction or not: then both are located.
        """
        before, now = self._access, (int(self._state.started), self._inside.access.value)
        self._access, self._is_unlocated = now, True
        return now == before or (now[0] == before[0] and self._pc_at(before[1]) == self._pc_at(now[1]))

    def end_access(self) -> None:
        """Note that the device access has been answered."""
        self._is_unlocated = False

    def forget_access(self) -> None:
        """Have the next device access be of another instruction."""
        self._access = (-1, 0)

    def _pc_at(self, place: int) -> int:
        self._inside.restore(self._inside.cpu, place, False)
        return self._pc.read()[0]

    def locate(self) -> None:
        """Have the PC be that of the instruction whose device access is being answered, if one is (1 us)."""
        if self._is_unlocated:
            self._is_unlocated = False
            self._inside.restore(self._inside.cpu, self._access[1], False)

    def left_before(self, pc: int) -> None:
        """Count nothing from `pc` on of the block that a breakpoint left: its exception is one that fails to fetch."""
        state = self._state
        offset = pc - state.start
        if 0 <= offset < state.left_bytes:
            state.started -= (state.left_bytes - offset) // INSTRUCTION_BYTES
        state.left_bytes = 0


def address_of(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def look_inside(native: NativeCore) -> Inside | None:
    """Find what the helper needs inside a core; None in an unknown Unicorn.

    The pointer to the core lies before the instruction counter in the same structure: where the counter is at its known
    place, so is the pointer. The core points back to that structure behind the fields that are used.
    """
    handle = native.handle.value
    if handle is None or native.internals.counter_offset != _COUNTER_OFFSET or not hasattr(uclib, _RESTORE):
        return None
    cpu = ctypes.c_uint64.from_address(handle + _CPU_OFFSET).value
    limit = ctypes.c_uint32.from_address(cpu + _LIMIT_OFFSET)
    if limit.value != _NO_LIMIT or ctypes.c_uint64.from_address(cpu + _BACK_OFFSET).value != handle:
        return None
    restore = ctypes.PYFUNCTYPE(ctypes.c_bool, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_bool)((_RESTORE, uclib))
    return Inside(cpu, limit, ctypes.c_uint64.from_address(cpu + _ACCESS_OFFSET), restore)
