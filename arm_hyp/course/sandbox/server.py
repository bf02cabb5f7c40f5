"""The process that students' processes are forked from: everything is imported once, and nobody's code ever runs here.

Read `course/sandbox/child.py` before this file, `course/sandbox/run.py`, which starts it and asks it, after it. It is
asked through a socket: a request with two descriptors (where the child's frames go, and what it writes); when the child
is gone the answer says how it ended. One at a time. It ends when the other end of the socket does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any, Final, NamedTuple

import msgspec

from arm_hyp.course.sandbox import child
from arm_hyp.course.sandbox.types import Job, Limits
from arm_hyp.course.sandbox.wire import LENGTH

FAILED: Final = 70
"""The status of a child that an exception has ended."""
_LIBRARY: Final = (
    *("arm_hyp.hypervisor", "arm_hyp.hypervisor.dispatch", "arm_hyp.hypervisor.hypervisor"),
    *("arm_hyp.hypervisor.student.code", "arm_hyp.hypervisor.student.loading", "arm_hyp.cpu.assembler"),
    *("arm_hyp.hypervisor.student.telling", "arm_hyp.machine.virtio.drive", "arm_hyp.arch.iss_text"),
    *("bisect", "collections", "copy", "dataclasses", "enum", "functools", "heapq", "itertools", "json", "math"),
    *("operator", "random", "re", "string", "struct", "textwrap", "typing", "traceback"),
)
"""What a student's code may want, and must not wait for, nor look for once it is confined."""


class Request(msgspec.Struct, frozen=True):
    """One job; `folder` is where relative paths begin."""

    job: Job
    limits: Limits
    folder: str


class Ended(msgspec.Struct, frozen=True):
    """How a child ended: its wait status, the CPU time it used, and whether it was ended as the host's time was up."""

    status: int
    cpu_s: float
    was_late: bool


requests: Final = msgspec.msgpack.Decoder(Request)
answers: Final = msgspec.msgpack.Decoder(Ended)


class _Waker(NamedTuple):
    """A pipe that can be read when a child has ended."""

    end: int
    start: int

    @classmethod
    def make(cls) -> _Waker:
        end, start = os.pipe()
        os.set_blocking(end, False)
        os.set_blocking(start, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(start, warn_on_full_buffer=False)
        return cls(end, start)

    def forget(self) -> None:
        """Have a forked child hear of no children of its own."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self.end)
        os.close(self.start)


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _LIBRARY:
        __import__(name)
    ends, waker = socket.socket(fileno=int(sys.argv[1])), _Waker.make()
    while (taken := _take(ends)) is not None:
        request, descriptors = taken
        ended = _serve(request, descriptors, ends, waker)
        data = msgspec.msgpack.encode(ended)
        with contextlib.suppress(OSError):
            ends.sendall(LENGTH.pack(len(data)) + data)


def _take(ends: socket.socket) -> tuple[Request, list[int]] | None:
    head, descriptors, _, _ = socket.recv_fds(ends, LENGTH.size, 2)
    if len(head) < LENGTH.size:
        return None
    (left,) = LENGTH.unpack(head)
    data = bytearray()
    while len(data) < left:
        part = ends.recv(left - len(data))
        if not part:
            return None
        data += part
    return requests.decode(bytes(data)), descriptors


def _serve(request: Request, descriptors: list[int], ends: socket.socket, waker: _Waker) -> Ended:
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        waker.forget()
        ends.close()
        _become(request, *descriptors)
    for one in descriptors:
        os.close(one)
    return _wait(pid, begin + request.limits.wall_s, ends, waker)


def _wait(pid: int, deadline: float, ends: socket.socket, waker: _Waker) -> Ended:
    """Wait for a child; end it when its time is up, or when nobody asks any more."""
    while True:
        gone, status, usage = os.wait4(pid, os.WNOHANG)
        if gone:
            return Ended(status, usage.ru_utime + usage.ru_stime, was_late=False)
        left_s = deadline - time.monotonic()
        ready = select.select([waker.end, ends.fileno()], [], [], max(left_s, 0.0))[0]
        if waker.end in ready:
            os.read(waker.end, 4096)
        if ends.fileno() in ready or left_s <= 0:
            os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            return Ended(status, usage.ru_utime + usage.ru_stime, was_late=True)


def _become(request: Request, frames: int, output: int) -> Any:
    """Be the student's process, to its end."""
    status = FAILED
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in enumerate((nothing, output, output)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(output)
        os.chdir(request.folder)
        child.do(request.job, request.limits, frames)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
