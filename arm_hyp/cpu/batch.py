"""Registers of a core in prepared batches: many in one call, with arguments that are converted once.

Read `docs/reading-guide.md` before this file and `cpu/native.py` after it.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from unicorn import UcError
from unicorn import arm64_const as a64
from unicorn.unicorn_py3.unicorn import uclib

CpReg = tuple[int, int, int, int, int]
"""(op0, op1, CRn, CRm, op2), in the order of the assembler's generic name."""

RegisterId = int | CpReg
"""A register by Unicorn's number, or a system register by its encoding."""

_SLOT_BYTES: Final = 32
_VECTORS: Final = 32
_M64: Final = (1 << 64) - 1
_VALUE_OFFSET_BYTES: Final = 24


def direct(name: str, *arguments: Any) -> Callable[..., int]:
    """Return a C function that is called with the interpreter's lock held and takes prepared arguments as they are."""
    address = ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value
    assert address is not None
    return ctypes.PYFUNCTYPE(ctypes.c_int, *arguments)(address)


_read_batch: Final = direct("uc_reg_read_batch")
_write_batch: Final = direct("uc_reg_write_batch")


class Batch:
    """A prepared list of registers that is read or written in one call (about 1 us for 30 registers)."""

    def __init__(self, handle: ctypes.c_void_p, registers: Sequence[RegisterId]) -> None:
        count = len(registers)
        self._handle, self._count = handle, count
        self._slots = ctypes.create_string_buffer(_SLOT_BYTES * count)
        self._values = memoryview(self._slots).cast("B").cast("Q")
        base = ctypes.addressof(self._slots)
        self._unpack = struct.Struct("<" + "24xQ" * count).unpack_from
        self._ids, self._pointers = (ctypes.c_int * count)(), (ctypes.c_void_p * count)()
        for index, register in enumerate(registers):
            self._prepare(index, base + index * _SLOT_BYTES, register)
        # Made once: converting them in each call would cost as much as the call.
        self._arguments = (
            ctypes.c_void_p(handle.value),
            ctypes.c_void_p(ctypes.addressof(self._ids)),
            ctypes.c_void_p(ctypes.addressof(self._pointers)),
            ctypes.c_int(count),
        )

    def _prepare(self, index: int, address: int, register: RegisterId) -> None:
        if isinstance(register, int):
            self._ids[index], self._pointers[index] = register, address + _VALUE_OFFSET_BYTES
            return
        op0, op1, crn, crm, op2 = register
        struct.pack_into("<5I", self._slots, index * _SLOT_BYTES, crn, crm, op0, op1, op2)
        self._ids[index], self._pointers[index] = a64.UC_ARM64_REG_CP_REG, address

    def read(self) -> tuple[int, ...]:
        """Return the values in the order of the registers."""
        status = _read_batch(*self._arguments)
        if status:
            raise UcError(status)
        return self._unpack(self._slots)

    def write(self, *values: int) -> None:
        """Write all registers, in order."""
        slots = self._values
        for index, value in enumerate(values):
            slots[index * 4 + 3] = value
        status = _write_batch(*self._arguments)
        if status:
            raise UcError(status)


class Vectors:
    """V0 to V31 of a core, 128 bits each, read or written in one call."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._words = (ctypes.c_uint64 * (2 * _VECTORS))()
        base = ctypes.addressof(self._words)
        self._ids = (ctypes.c_int * _VECTORS)(*range(a64.UC_ARM64_REG_Q0, a64.UC_ARM64_REG_Q0 + _VECTORS))
        self._pointers = (ctypes.c_void_p * _VECTORS)(*range(base, base + 16 * _VECTORS, 16))
        self._arguments = (
            ctypes.c_void_p(handle.value),
            ctypes.c_void_p(ctypes.addressof(self._ids)),
            ctypes.c_void_p(ctypes.addressof(self._pointers)),
            ctypes.c_int(_VECTORS),
        )

    def read(self) -> tuple[int, ...]:
        """Return their values in order."""
        status = _read_batch(*self._arguments)
        if status:
            raise UcError(status)
        words = tuple(self._words)
        return tuple(high << 64 | low for low, high in zip(words[::2], words[1::2], strict=True))

    def write(self, *values: int) -> None:
        """Write all of them, in order."""
        self._words[:] = [word for value in values for word in (value & _M64, value >> 64)]
        status = _write_batch(*self._arguments)
        if status:
            raise UcError(status)
