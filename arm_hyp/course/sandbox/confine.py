"""All that holds a student's process, put on in order, and said in words: what holds, and what does not here.

Read `course/sandbox/seccomp.py` and `course/sandbox/landlock.py` before this file, `course/sandbox/child.py` after it.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from arm_hyp.course.sandbox import landlock, seccomp
from arm_hyp.course.sandbox.types import Limits

_DESCRIPTORS: Final = 64
_PROC_STATUS: Final = Path("/proc/self/statm")


def confine(limits: Limits, own: Path) -> tuple[str, ...]:
    """Hold this process from here on; `own` is the folder of the student's files. Returns what holds, in sentences."""
    steps: tuple[Callable[[], str], ...] = (
        lambda: _limit(limits),
        lambda: _read_only(own),
        _filter,
    )
    return tuple(step() for step in steps)


def _limit(limits: Limits) -> str:
    for number in (signal.SIGXFSZ, signal.SIGXCPU, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    wanted = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (limits.cpu_s, limits.cpu_s + 1),
        resource.RLIMIT_FSIZE: (limits.output_bytes, limits.output_bytes),
        resource.RLIMIT_NOFILE: (_DESCRIPTORS, _DESCRIPTORS),
        resource.RLIMIT_NPROC: (0, 0),
    }
    taken_bytes = _taken_bytes()
    if taken_bytes is not None:
        wanted[resource.RLIMIT_AS] = (taken_bytes + limits.memory_bytes,) * 2
    for kind, pair in wanted.items():
        resource.setrlimit(kind, pair)
    memory = "memory, " if taken_bytes is not None else ""
    return f"limited: CPU time, {memory}output" + ("" if memory else "; NOT limited here: memory")


def _taken_bytes() -> int | None:
    """Return the addresses that this process has reserved, most of them by the core; None where nobody says."""
    try:
        return int(_PROC_STATUS.read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return None


def _read_only(own: Path) -> str:
    known = landlock.version()
    if not known:
        return "NOT held here: files of others can be read (no Landlock)"
    seccomp.forbid_new_privileges()
    landlock.restrict(landlock.readable(own), known)
    return "reads its own Python files and Python's library only (Landlock)"


def _filter() -> str:
    if not seccomp.is_known():
        return f"NOT held here: processes, network, writing of files (no seccomp on {sys.platform})"
    try:
        seccomp.forbid_new_privileges()
        seccomp.install()
    except OSError as error:
        return f"NOT held here: processes, network, writing of files (seccomp: {error.strerror})"
    return "no processes or threads, no network, no writing of files, no waiting (seccomp)"
