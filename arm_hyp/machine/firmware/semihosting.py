"""Semihosting: what HLT #0xF000 asks of the host, as far as the host lets itself be asked.

Read `machine/firmware/memory.py` and `machine/firmware/host_files.py` before this file, `machine/firmware/__init__.py`
after it. The console, the clock, the command line and the end of the run are there; files and commands of the host are
refused with EACCES. Time is virtual. Pointers are virtual addresses of the caller; one that faults fails the call.

Ref: Arm semihosting specification (AArch64): the operation in W0, the parameter or the address of a block of 64-bit
words in X1, the result in X0. Simplified: blocks are little-endian whatever SCTLR_ELx.EE says; reading the console
never waits; a call moves at most 1 MiB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

from arm_hyp.cpu.core import Core
from arm_hyp.machine.firmware.host_files import FEATURES, OUTPUTS, Errno, HostFiles, SemihostingError
from arm_hyp.machine.firmware.memory import pages

MAX_TRANSFER_BYTES: Final = 1 << 20
MAX_NAME_BYTES: Final = 4096
TICKS_PER_SECOND: Final = 1_000_000_000
APPLICATION_EXIT: Final = 0x20026
"""SYS_EXIT's reason ADP_Stopped_ApplicationExit: the subcode is the status of the process."""
_NS_PER_CENTISECOND: Final = 10_000_000
_TEXT_PIECE_BYTES: Final = 64
_LAST: Final = (1 << 64) - 1


class Operation(IntEnum):
    """The operations of the specification, by number; SYNCCACHE is AArch64's own."""

    OPEN = 0x01
    CLOSE = 0x02
    WRITEC = 0x03
    WRITE0 = 0x04
    WRITE = 0x05
    READ = 0x06
    READC = 0x07
    ISERROR = 0x08
    ISTTY = 0x09
    SEEK = 0x0A
    FLEN = 0x0C
    TMPNAM = 0x0D
    REMOVE = 0x0E
    RENAME = 0x0F
    CLOCK = 0x10
    TIME = 0x11
    SYSTEM = 0x12
    ERRNO = 0x13
    GET_CMDLINE = 0x15
    HEAPINFO = 0x16
    EXIT = 0x18
    SYNCCACHE = 0x19
    EXIT_EXTENDED = 0x20
    ELAPSED = 0x30
    TICKFREQ = 0x31


class PowerOff(NamedTuple):
    """How the guest ended itself: the process status, and the words for it."""

    status: int
    text: str


class HeapInfo(NamedTuple):
    """What SYS_HEAPINFO tells, as virtual addresses. 0: the host does not know, the program decides."""

    heap_base: int = 0
    heap_limit: int = 0
    stack_base: int = 0
    stack_limit: int = 0


UNKNOWN_HEAP: Final = HeapInfo()


def refuse_write(core: Core, address: int, data: bytes) -> bool:
    """Write nothing: guest memory cannot be written."""
    return False


def no_input(count: int) -> bytes:
    """Read nothing: the console's input has ended."""
    return b""


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine gives to semihosting beside the console's output and reading guest memory.

    `write_memory(core, va, data)` tells whether it could. `input(count)` returns at most `count` bytes that the console
    has ready. Without `now_ns`, which is virtual time, calls that ask for time fail with ENOSYS. `epoch_s` is the time
    of day at virtual time 0, in seconds since 1970.
    """

    write_memory: Callable[[Core, int, bytes], bool] = refuse_write
    input: Callable[[int], bytes] = no_input
    now_ns: Callable[[], int] | None = None
    epoch_s: int = 0
    command_line: bytes = b""
    heap: HeapInfo = UNKNOWN_HEAP


BARE_HOST: Final = Host()
"""Only the console's output and reading memory work: no clock, no input, no writing."""


class Semihosting:
    """The semihosting calls of one machine. `end(status, text)` ends the run."""

    def __init__(
        self,
        output: Callable[[int], None],
        read_memory: Callable[[Core, int, int], bytes | None],
        end: Callable[[int, str], None],
        host: Host,
    ) -> None:
        self._output, self._read_memory, self._end, self._host = output, read_memory, end, host
        self._files, self._errno = HostFiles(), 0
        self._operations: dict[int, Callable[[Core, int], int | None]] = {
            Operation.OPEN: self._open,
            Operation.CLOSE: self._close,
            Operation.WRITEC: self._write_character,
            Operation.WRITE0: self._write_text,
            Operation.WRITE: self._write,
            Operation.READ: self._read,
            Operation.READC: self._read_character,
            Operation.ISERROR: lambda core, at: self._block(core, at, 1)[0] >> 63,
            Operation.ISTTY: lambda core, at: int(self._files.file(*self._block(core, at, 1)).is_console),
            Operation.SEEK: self._seek,
            Operation.FLEN: self._length,
            Operation.TMPNAM: self._no_access,
            Operation.REMOVE: self._no_access,
            Operation.RENAME: self._no_access,
            Operation.CLOCK: lambda core, at: self._now_ns() // _NS_PER_CENTISECOND,
            Operation.TIME: lambda core, at: self._host.epoch_s + self._now_ns() // TICKS_PER_SECOND,
            Operation.SYSTEM: self._no_access,
            Operation.ERRNO: lambda core, at: self._errno,
            Operation.GET_CMDLINE: self._get_command_line,
            Operation.HEAPINFO: self._heap_info,
            Operation.EXIT: self._exit,
            Operation.SYNCCACHE: lambda core, at: 0,
            Operation.EXIT_EXTENDED: self._exit,
            Operation.ELAPSED: self._elapsed,
            Operation.TICKFREQ: lambda core, at: TICKS_PER_SECOND,
        }

    def call(self, core: Core) -> bool:
        """Do the operation of W0 with the parameter in X1. False, so that HLT is UNDEFINED: no such one, or at EL0.

        (QEMU too has no semihosting at EL0 by default.)
        """
        handler = self._operations.get(core.x(0) & 0xFFFF_FFFF)
        if handler is None or core.el == 0:
            return False
        try:
            result = handler(core, core.x(1))
        except SemihostingError as error:
            self._errno, result = error.number, error.result
        if result is not None:
            core.set_x(0, result & _LAST)
        return True

    # --- guest memory ------------------------------------------------------------------------------------------------

    def _bytes(self, core: Core, address: int, size_bytes: int, failure: int = -1) -> bytes:
        data = self._read_memory(core, address & _LAST, size_bytes)
        if data is None:
            raise SemihostingError(Errno.EFAULT, failure)
        return data

    def _store(self, core: Core, address: int, data: bytes, failure: int = -1) -> None:
        if not self._host.write_memory(core, address & _LAST, data):
            raise SemihostingError(Errno.EFAULT, failure)

    def _block(self, core: Core, address: int, words: int) -> tuple[int, ...]:
        return struct.unpack(f"<{words}Q", self._bytes(core, address, 8 * words))

    # --- files and the console ---------------------------------------------------------------------------------------

    def _open(self, core: Core, at: int) -> int:
        name, mode, length = self._block(core, at, 3)
        if length > MAX_NAME_BYTES:
            raise SemihostingError(Errno.ENAMETOOLONG)
        return self._files.open(self._bytes(core, name, length), mode)

    def _close(self, core: Core, at: int) -> int:
        self._files.close(*self._block(core, at, 1))
        return 0

    def _write_character(self, core: Core, at: int) -> None:
        self._print(self._bytes(core, at, 1))

    def _write_text(self, core: Core, at: int) -> None:
        end = at + MAX_TRANSFER_BYTES
        while at < end:
            size = _TEXT_PIECE_BYTES - at % _TEXT_PIECE_BYTES
            text, terminator, _ = self._bytes(core, at, size).partition(b"\0")
            self._print(text)
            if terminator:
                return
            at = at + size

    def _write(self, core: Core, at: int) -> int:
        """Print; return how many bytes were not."""
        handle, address, left = self._block(core, at, 3)
        if self._files.file(handle, left).kind not in OUTPUTS:
            raise SemihostingError(Errno.EBADF, left)
        for va, size in pages(address, min(left, MAX_TRANSFER_BYTES)):
            self._print(self._bytes(core, va, size, left))
            left -= size
        return left

    def _print(self, text: bytes) -> None:
        for byte in text:
            self._output(byte)

    def _read(self, core: Core, at: int) -> int:
        """Read what there is; return how many bytes of the buffer were not filled: all of them at the end."""
        handle, address, length = self._block(core, at, 3)
        file, wanted = self._files.file(handle, length), min(length, MAX_TRANSFER_BYTES)
        if file.kind in OUTPUTS:
            raise SemihostingError(Errno.EBADF, length)
        data = self._host.input(wanted) if file.is_console else FEATURES[file.position :][:wanted]
        self._store(core, address, data, length)
        file.position += 0 if file.is_console else len(data)
        return length - len(data)

    def _read_character(self, core: Core, at: int) -> int:
        data = self._host.input(1)
        return data[0] if data else -1

    def _seek(self, core: Core, at: int) -> int:
        handle, position = self._block(core, at, 2)
        self._files.seek(handle, position)
        return 0

    def _length(self, core: Core, at: int) -> int:
        return 0 if self._files.file(*self._block(core, at, 1)).is_console else len(FEATURES)

    def _no_access(self, core: Core, at: int) -> int:
        raise SemihostingError(Errno.EACCES)

    # --- time and the environment ------------------------------------------------------------------------------------

    def _now_ns(self) -> int:
        if self._host.now_ns is None:
            raise SemihostingError(Errno.ENOSYS)
        return self._host.now_ns()

    def _elapsed(self, core: Core, at: int) -> int:
        self._store(core, at, struct.pack("<Q", self._now_ns()))
        return 0

    def _get_command_line(self, core: Core, at: int) -> int:
        """Store the command line and its terminator; the block's size becomes the length without it."""
        address, size = self._block(core, at, 2)
        text = self._host.command_line
        if size <= len(text):
            raise SemihostingError(Errno.E2BIG)
        self._store(core, address, text + b"\0")
        self._store(core, at + 8, struct.pack("<Q", len(text)))
        return 0

    def _heap_info(self, core: Core, at: int) -> None:
        """Fill the block of four words that the word at `at` points to."""
        (block,) = self._block(core, at, 1)
        self._store(core, block, struct.pack("<4Q", *self._host.heap))

    # --- the end -----------------------------------------------------------------------------------------------------

    def _exit(self, core: Core, at: int) -> None:
        reason, status = self._block(core, at, 2)
        if reason != APPLICATION_EXIT:
            self._end(1, f"the guest ended by semihosting, reason {reason:#x}")
        else:
            self._end(status & 0xFF, f"the guest ended by semihosting, status {status}")
        core.request_stop()

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the open handles and the last error."""
        return {"files": self._files.snapshot(), "errno": self._errno}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self._files.restore(state["files"])
        self._errno = state["errno"]
