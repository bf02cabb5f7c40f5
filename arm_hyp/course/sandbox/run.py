"""The sandbox from the outside: a server that is started once, asked for each run, and started again if it is gone.

Read `course/sandbox/types.py` and `course/sandbox/server.py` before this file, `course/sandbox/verdict.py` beside it.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

import arm_hyp
from arm_hyp.course.sandbox.heard import Heard
from arm_hyp.course.sandbox.server import Ended, Request, answers
from arm_hyp.course.sandbox.types import Job, Limits, Outcome
from arm_hyp.course.sandbox.verdict import Seen, outcome
from arm_hyp.course.sandbox.wire import LENGTH

_DEFAULT: Final = Limits()
_READ_BYTES: Final = 1 << 16
_TRIES: Final = 2
_GRACE_S: Final = 30.0
"""How much longer than the limit a server may take for an answer: its start, and the machine."""
_START: Final = "import sys; sys.path += sys.argv[2:]; from arm_hyp.course.sandbox.server import main; main()"
_PACKAGES: Final = ("site-packages", "dist-packages")


class ServerGone(Exception):
    """The server does not answer."""


class Sandbox:
    """One server and the way to it. Used by one thread; `close` ends it."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-c", _START, str(its.fileno()), *_library()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(its.fileno(),),
            env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": os.defpath},
            cwd="/",
            process_group=0,
        )
        its.close()
        self._socket = ours

    def run(self, job: Job, limits: Limits) -> Outcome:
        """Have a job done. Raises: ServerGone."""
        heard = Heard(limits)
        with tempfile.TemporaryFile() as output:
            frames = self._ask(Request(job, limits, os.getcwd()), output)
            try:
                ended = self._listen(heard, frames, limits)
            finally:
                os.close(frames)
            return outcome(Seen(job, limits, heard, ended, _text(output, limits)))

    def _ask(self, request: Request, output: IO[bytes]) -> int:
        """Send a request; return the end of a pipe from which the child's frames come. Raises: ServerGone."""
        data = msgspec.msgpack.encode(request)
        frames, its = os.pipe()
        try:
            socket.send_fds(self._socket, [LENGTH.pack(len(data))], [its, output.fileno()])
            self._socket.sendall(data)
        except OSError:
            os.close(frames)
            raise ServerGone from None
        finally:
            os.close(its)
        return frames

    def _listen(self, heard: Heard, frames: int, limits: Limits) -> Ended:
        """Take in what the child says until it is gone. Raises: ServerGone."""
        open_ends: list[int] = [frames, self._socket.fileno()]
        while True:
            ready = select.select(open_ends, [], [], limits.wall_s + _GRACE_S)[0]
            if not ready:
                raise ServerGone
            if frames in ready and not self._take(heard, frames):
                open_ends.remove(frames)
            elif frames not in ready:
                return self._answer()

    @staticmethod
    def _take(heard: Heard, frames: int) -> bool:
        """Take in one piece; False behind the last. What comes after something wrong is thrown away."""
        data = os.read(frames, _READ_BYTES)
        if data and not heard.wrong:
            heard.take(data)
        return bool(data)

    def _answer(self) -> Ended:
        data = bytearray()
        while len(data) < LENGTH.size or len(data) < LENGTH.size + LENGTH.unpack_from(data)[0]:
            part = self._socket.recv(_READ_BYTES)
            if not part:
                raise ServerGone
            data += part
        return answers.decode(bytes(data[LENGTH.size :]))

    def close(self) -> None:
        """End the server, and whatever it runs."""
        self._socket.close()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _library() -> list[str]:
    """Return where this package is, and others are installed: never the folder that somebody happens to be in."""
    installed = [path for path in sys.path if os.path.basename(path) in _PACKAGES]
    return [*dict.fromkeys((str(Path(arm_hyp.__file__).resolve().parents[1]), *installed))]


def _text(output: IO[bytes], limits: Limits) -> str:
    output.seek(0)
    return output.read(limits.output_bytes).decode("utf-8", "replace")


_here: list[Sandbox] = []
"""The server of this process, if it has been started."""


def start_ahead() -> None:
    """Have the server get ready meanwhile: it takes half a second."""
    if not _here:
        _here.append(Sandbox())


@atexit.register
def close() -> None:
    """End the server of this process. The next run starts another one."""
    while _here:
        with suppress(OSError):
            _here.pop().close()


def run_student(job: Job, limits: Limits = _DEFAULT) -> Outcome:
    """Run a student's handlers in a process of their own, and return what they did. Raises nothing they can cause."""
    for _ in range(_TRIES):
        start_ahead()
        try:
            return _here[0].run(job, limits)
        except (ServerGone, OSError):
            close()
    return Outcome(status="not graded", reason="the process for students' code cannot be started here; run it again")
