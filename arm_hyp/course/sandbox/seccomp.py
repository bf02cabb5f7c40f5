"""A filter of system calls for this process, for good: Linux's seccomp, which binds root too.

Read `course/sandbox/confine.py` after this file. The filter is a list of what is allowed; all else fails with EPERM, so
that a student's code gets a PermissionError at the line that tried. A call that the kernel learns later is not allowed.
The filter is a program of the classic BPF machine: one accumulator, jumps forward. Ref: Linux, seccomp(2), and
Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_ABOVE_OR_EQUAL: Final = 0x35
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_KILL: Final = 0x8000_0000  # SECCOMP_RET_KILL_PROCESS
_ALLOW: Final = 0x7FFF_0000
_ERRNO: Final = 0x0005_0000
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_X32: Final = 0x4000_0000

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000  # the last: O_TMPFILE
_TCGETS, _TIOCGWINSZ, _FIONCLEX, _FIOCLEX = 0x5401, 0x5413, 0x5450, 0x5451
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 1030
_FUTEX_WAKE: Final = (1, 129)
"""Also as FUTEX_PRIVATE. Nobody may wait: there is one thread."""

_PLAIN: Final[tuple[tuple[str, int, int], ...]] = (
    *(("read", 0, 63), ("readv", 19, 65), ("pread64", 17, 67), ("preadv", 295, 69), ("lseek", 8, 62)),
    *(("write", 1, 64), ("writev", 20, 66), ("close", 3, 57), ("dup", 32, 23), ("dup2", 33, -1), ("dup3", 292, 24)),
    *(("fstat", 5, 80), ("stat", 4, -1), ("lstat", 6, -1), ("newfstatat", 262, 79), ("statx", 332, 291)),
    *(("access", 21, -1), ("faccessat", 269, 48), ("faccessat2", 439, 439), ("readlink", 89, -1)),
    *(("readlinkat", 267, 78), ("getcwd", 79, 17), ("getdents64", 217, 61)),
    *(("brk", 12, 214), ("mmap", 9, 222), ("munmap", 11, 215), ("mprotect", 10, 226), ("mremap", 25, 216)),
    *(("madvise", 28, 233), ("mincore", 27, 232), ("membarrier", 324, 283), ("rseq", 334, 293)),
    *(("rt_sigaction", 13, 134), ("rt_sigprocmask", 14, 135), ("rt_sigreturn", 15, 139), ("sigaltstack", 131, 132)),
    *(("restart_syscall", 219, 128), ("exit", 60, 93), ("exit_group", 231, 94)),
    *(("getpid", 39, 172), ("gettid", 186, 178), ("getppid", 110, 173), ("getpgid", 121, 155), ("getsid", 124, 156)),
    *(("getuid", 102, 174), ("geteuid", 107, 175), ("getgid", 104, 176), ("getegid", 108, 177)),
    *(("getgroups", 115, 158), ("getpgrp", 111, -1), ("uname", 63, 160), ("sysinfo", 99, 179), ("times", 100, 153)),
    *(("getrusage", 98, 165), ("getrlimit", 97, 163), ("getpriority", 140, 141), ("getitimer", 36, 102)),
    *(("time", 201, -1), ("gettimeofday", 96, 169), ("clock_gettime", 228, 113), ("clock_getres", 229, 114)),
    *(("sched_getaffinity", 204, 123), ("sched_yield", 24, 124), ("getcpu", 309, 168), ("getrandom", 318, 278)),
)
"""What is allowed with any arguments: the name, its number on x86-64, and on AArch64 (-1: it is not there)."""


class Instruction(NamedTuple):
    """One instruction of the filter: `struct sock_filter`. `then` and `other` are how many to jump over."""

    code: int
    value: int
    then: int = 0
    other: int = 0

    def pack(self) -> bytes:
        """Return it as the kernel takes it."""
        return struct.pack("=HBBI", self.code, self.then, self.other, self.value)


Block = list[Instruction]


def _answer(action: int) -> Instruction:
    return Instruction(_RETURN, action)


def _argument(number: int, half: int = 0) -> Instruction:
    """Load 32 bits of an argument: `half` 0 are the low ones. Both architectures are little-endian."""
    return Instruction(_LOAD, _ARGUMENTS_AT + 8 * number + 4 * half)


_REFUSED: Final = _ERRNO | errno.EPERM


def one_of(argument: int, values: Iterable[int]) -> Block:
    """Allow a call if the low 32 bits of an argument are one of these values."""
    tests = [part for value in values for part in (Instruction(_IF_EQUAL, value, 0, 1), _answer(_ALLOW))]
    return [_argument(argument), *tests, _answer(_REFUSED)]


def no_bits(argument: int, bits: int) -> Block:
    """Allow a call unless an argument has any of these bits; then it fails with EACCES, as for want of a permission."""
    return [
        _argument(argument),
        Instruction(_IF_ANY_BIT, bits, 0, 1),
        _answer(_ERRNO | errno.EACCES),
        _answer(_ALLOW),
    ]


def is_null(argument: int) -> Block:
    """Allow a call if an argument is a null pointer."""
    refuse = _answer(_REFUSED)
    halves = [(_argument(argument, half), Instruction(_IF_EQUAL, 0, 1, 0), refuse) for half in (0, 1)]
    return [*halves[0], *halves[1], _answer(_ALLOW)]


def _is_unknown() -> Block:
    return [_answer(_ERRNO | errno.ENOSYS)]


def _aborts_itself() -> Block:
    """Allow abort(): SIGABRT to this very process, so that a crash of the C library is seen as what it is."""
    pid, signal_number = one_of(0, (os.getpid(),)), one_of(2, (signal.SIGABRT,))
    return [*pid[:1], Instruction(_IF_EQUAL, os.getpid(), 1, 0), _answer(_REFUSED), *signal_number]


_LOOKED_AT: Final[tuple[tuple[str, int, int, Callable[[], Block]], ...]] = (
    ("open", 2, -1, lambda: no_bits(1, _WRITING)),
    ("openat", 257, 56, lambda: no_bits(2, _WRITING)),
    ("ioctl", 16, 29, lambda: one_of(1, (_TCGETS, _TIOCGWINSZ, _FIOCLEX, _FIONCLEX))),
    ("fcntl", 72, 25, lambda: one_of(1, (_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC))),
    ("futex", 202, 98, lambda: one_of(1, _FUTEX_WAKE)),
    ("prlimit64", 302, 261, lambda: is_null(2)),
    ("tgkill", 234, 131, _aborts_itself),
    ("clone3", 435, 435, _is_unknown),  # the C library then asks for clone
)
"""What is allowed for some arguments: as in _PLAIN, and the block that decides."""


class Architecture(NamedTuple):
    """One whose numbers are known: AUDIT_ARCH_*, and the column of numbers in the tables."""

    audit: int
    column: int
    has_x32: bool = False


_ARCHITECTURES: Final = {
    "x86_64": Architecture(0xC000_003E, 0, has_x32=True),
    "aarch64": Architecture(0xC000_00B7, 1),
}


def is_known() -> bool:
    """Tell whether there is a filter for this system."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES and sys.maxsize > 1 << 32


def program(architecture: Architecture) -> Block:
    """Return the whole filter. A call of another architecture, or of x32, ends the process."""
    made = [
        Instruction(_LOAD, _ARCHITECTURE_AT),
        Instruction(_IF_EQUAL, architecture.audit, 1, 0),
        _answer(_KILL),
        Instruction(_LOAD, _NUMBER_AT),
    ]
    if architecture.has_x32:
        made += [Instruction(_IF_ABOVE_OR_EQUAL, _X32, 0, 1), _answer(_KILL)]
    for number, block in _rows(architecture.column):
        made += [Instruction(_IF_EQUAL, number, 0, len(block)), *block]
    return [*made, _answer(_REFUSED)]


def _rows(column: int) -> list[tuple[int, Block]]:
    plain = [(numbers[column], [_answer(_ALLOW)]) for _, *numbers in _PLAIN]
    looked_at = [((x86_64, aarch64)[column], decide()) for _, x86_64, aarch64, decide in _LOOKED_AT]
    return [(number, block) for number, block in plain + looked_at if number != -1]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_new_privileges() -> None:
    """Have nothing that this process starts gain rights: what seccomp and Landlock ask for. Raises: OSError."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0)


def install() -> None:
    """Put the filter over this process. It stays until its end. Raises: OSError if the kernel has no seccomp."""
    packed = b"".join(one.pack() for one in program(_ARCHITECTURES[platform.machine()]))
    made = _Program(len(packed) // 8, packed)
    _prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(made))


def _prctl(option: int, first: int, second: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if library.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), zero, zero):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
