"""The filter of system calls, run here on a small model of the kernel's machine, for both architectures."""

from __future__ import annotations

import errno
import os

import pytest

from arm_hyp.course.sandbox import seccomp
from arm_hyp.course.sandbox.seccomp import Instruction

X86_64, AARCH64 = seccomp._ARCHITECTURES["x86_64"], seccomp._ARCHITECTURES["aarch64"]
ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
REFUSED, NO_ACCESS, UNKNOWN = (0x5_0000 | number for number in (errno.EPERM, errno.EACCES, errno.ENOSYS))


def decide(program: list[Instruction], audit: int, number: int, *arguments: int) -> int:
    """Run a filter on a call as the kernel does. Raises: IndexError if it runs past its end."""
    data = [number, audit, 0, 0]
    for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]:
        data += [argument & 0xFFFF_FFFF, argument >> 32 & 0xFFFF_FFFF]
    tests = {0x15: lambda a, k: a == k, 0x35: lambda a, k: a >= k, 0x45: lambda a, k: bool(a & k)}
    accumulator, at = 0, 0
    while True:
        code, value, then, other = program[at]
        at += 1
        if code == 0x20:
            accumulator = data[value // 4]
        elif code == 0x06:
            return value
        else:
            at += then if tests[code](accumulator, value) else other


def call(architecture: seccomp.Architecture, number: int, *arguments: int) -> int:
    return decide(seccomp.program(architecture), architecture.audit, number, *arguments)


ME, NULL, POINTER = os.getpid(), 0, 1 << 33
CASES = (
    ("read", 0, 63, (0,), ALLOW),
    ("openat, for reading", 257, 56, (0, POINTER, os.O_RDONLY | os.O_CLOEXEC), ALLOW),
    ("openat, for writing", 257, 56, (0, POINTER, os.O_WRONLY), NO_ACCESS),
    ("openat, for both", 257, 56, (0, POINTER, os.O_RDWR), NO_ACCESS),
    ("openat that makes a file", 257, 56, (0, POINTER, os.O_CREAT), NO_ACCESS),
    ("openat that empties one", 257, 56, (0, POINTER, os.O_TRUNC), NO_ACCESS),
    ("openat of no name", 257, 56, (0, POINTER, 0o20000000), NO_ACCESS),
    ("openat2", 437, 437, (0, POINTER, POINTER, 24), REFUSED),
    ("prlimit that asks", 302, 261, (0, 0, NULL, POINTER), ALLOW),
    ("prlimit that sets, at a high address", 302, 261, (0, 0, POINTER, NULL), REFUSED),
    ("prlimit that sets, at a low one", 302, 261, (0, 0, 0x1000, NULL), REFUSED),
    ("abort", 234, 131, (ME, ME, 6), ALLOW),
    ("a signal that cannot be told from the host's", 234, 131, (ME, ME, 9), REFUSED),
    ("abort of another", 234, 131, (ME + 1, ME + 1, 6), REFUSED),
    ("kill", 62, 129, (ME, 15), REFUSED),
    ("fcntl F_GETFL", 72, 25, (3, 3), ALLOW),
    ("fcntl F_SETOWN", 72, 25, (3, 8, ME), REFUSED),
    ("ioctl TCGETS", 16, 29, (0, 0x5401), ALLOW),
    ("ioctl TIOCSTI", 16, 29, (0, 0x5412), REFUSED),
    ("futex wake", 202, 98, (POINTER, 129), ALLOW),
    ("futex wait", 202, 98, (POINTER, 128), REFUSED),
    ("clone", 56, 220, (0,), REFUSED),
    ("clone3", 435, 435, (POINTER, 88), UNKNOWN),
    ("execve", 59, 221, (POINTER,), REFUSED),
    ("socket", 41, 198, (1, 1), REFUSED),
    ("ptrace", 101, 117, (0,), REFUSED),
    ("process_vm_writev", 311, 271, (1,), REFUSED),
    ("io_uring_setup", 425, 425, (8, POINTER), REFUSED),
    ("bpf", 321, 280, (0,), REFUSED),
    ("a call that comes one day", 999, 999, (), REFUSED),
)


@pytest.mark.parametrize(("name", "x86_64", "aarch64", "arguments", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_each_call_is_decided(name: str, x86_64: int, aarch64: int, arguments: tuple[int, ...], wanted: int) -> None:
    assert call(X86_64, x86_64, *arguments) == wanted
    assert call(AARCH64, aarch64, *arguments) == wanted


def test_calls_that_only_x86_has_are_looked_at_too() -> None:
    assert call(X86_64, 2, POINTER, os.O_RDONLY) == ALLOW
    assert call(X86_64, 2, POINTER, os.O_WRONLY) == NO_ACCESS
    assert call(X86_64, 57) == call(X86_64, 58) == call(X86_64, 85, POINTER) == REFUSED  # fork, vfork, creat


def test_another_architecture_and_x32_end_the_process() -> None:
    assert decide(seccomp.program(X86_64), 0x4000_0003, 5) == KILL  # i386
    assert call(X86_64, 0x4000_0000 | 1) == KILL
    assert decide(seccomp.program(AARCH64), 0x4000_0028, 5) == KILL  # arm


@pytest.mark.parametrize("architecture", [X86_64, AARCH64], ids=["x86_64", "aarch64"])
def test_every_number_has_an_answer_and_no_number_is_there_twice(architecture: seccomp.Architecture) -> None:
    program = seccomp.program(architecture)
    answers = {decide(program, architecture.audit, number) for number in range(512)}
    assert answers <= {ALLOW, REFUSED, NO_ACCESS, UNKNOWN}
    numbers = [number for number, _ in seccomp._rows(architecture.column)]
    assert len(numbers) == len(set(numbers)) and len(program) < 4096
