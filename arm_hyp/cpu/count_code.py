"""Count by block where no C helper was built: thirteen instructions of machine code, and Python for what is rare.

Read `cpu/block_counter.py` and `cpu/count_blocks.c` before this file: here is the same, for hosts of one kind. What a
block and a translation cost is in machine code; what happens once an exception or a slice is in Python.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
from typing import Any, ClassVar, Final

from unicorn import arm64_const as a64
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu.block_counter import INSTRUCTION_BYTES, State, address_of
from arm_hyp.cpu.native import INTERRUPT, NativeCore

HOSTS: Final = ("x86_64", "AMD64")
"""What `platform.machine()` says where the code below runs, if the system passes arguments as System V does."""

SOURCE: Final = """
    mov eax, edx                // the instructions of the block
    shr eax, 2
    add rax, [rcx]              // State.started, with them
    cmp rax, [rcx + 8]          // State.limit
    ja slow
    mov [rcx], rax
    mov [rcx + 16], rsi         // State.start
    mov eax, edx
    mov [rcx + 24], rax         // State.size_bytes
    ret
slow:
    jmp [rcx + 104]             // _CodeState.slow
block_translated:
    and qword ptr [rcx + 24], 0 // State.size_bytes
    ret
"""
"""`count_block(core: rdi, address: rsi, size_bytes: edx, state: rcx)`; what it does not settle it leaves to Python.
`block_translated(core, block, previous, state: rcx)`.
"""
CODE: Final = bytes.fromhex("89d0c1e802480301483b4108770e4889014889711089d048894118c3ff61684883611800c3")
"""`SOURCE`, as an assembler makes it: 37 bytes."""
_BLOCK_TRANSLATED: Final = 31
"""Where in `CODE` that function begins, in bytes."""
_PREFETCH_ABORT: Final = 3
_BLOCK: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)


class _CodeState(State):
    """The state of a counter, and where the machine code goes with what it does not settle."""

    _fields_: ClassVar = [("slow", ctypes.c_void_p)]


class CodeCallbacks:
    """The callbacks of one counter."""

    is_in_c = False

    def __init__(self, native: NativeCore) -> None:
        self._handle = native.handle
        self._pc, self._pstate = native.batch([a64.UC_ARM64_REG_PC]), native.batch([a64.UC_ARM64_REG_PSTATE])
        self._slow = _BLOCK(self._count_slowly)
        code = _executable()
        self.count_block, self.block_translated = (ctypes.c_void_p(code + at) for at in (0, _BLOCK_TRANSLATED))
        self.block_left = INTERRUPT(self._left)

    def new_state(self, **values: Any) -> State:
        """Make the state of the counter."""
        self._state = _CodeState(slow=address_of(self._slow), **values)
        return self._state

    def _count_slowly(self, _core: int, address: int, size_bytes: int, _data: int) -> None:
        state = self._state
        after = state.started + size_bytes // INSTRUCTION_BYTES
        if after > state.limit and self._must_stop(after):
            state.size_bytes = 0
            uclib.uc_emu_stop(self._handle)
        else:
            state.started, state.start, state.size_bytes = after, address, size_bytes

    def _must_stop(self, after: int) -> bool:
        state = self._state
        if state.leave or (state.masks and self._pstate.read()[0] & state.masks != state.masks):
            return True
        state.cut = after > state.budget
        return bool(state.cut)

    def _left(self, _core: int, number: int, _data: int) -> None:
        state = self._state
        state.left_bytes = state.size_bytes
        if number != _PREFETCH_ABORT and state.size_bytes:
            offset = self._pc.read()[0] - state.start
            if 0 <= offset < state.size_bytes:
                state.started -= (state.size_bytes - offset) // INSTRUCTION_BYTES - 1
        state.size_bytes = 0


@functools.cache
def _executable() -> int:
    """Put the machine code where it can be executed, once a process; return the address.

    Raises: OSError where the system refuses that.
    """
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(CODE)
    _KEPT.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


_KEPT: Final[list[mmap.mmap]] = []


def callbacks(native: NativeCore) -> CodeCallbacks | None:
    """Return the callbacks for a counter; None on a host of another kind, or one that lets nobody make code."""
    if os.name != "posix" or platform.machine() not in HOSTS:
        return None
    try:
        return CodeCallbacks(native)
    except OSError:
        return None
