"""Guests that are recorded and replayed in tests, and users whose waiting takes whatever time a test likes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from arm_hyp.events import RecordingSink
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import Recording, read_recording, write_recording
from arm_hyp.timeline.recordings.replay import Replay

LIMIT = 3_000_000

ECHO = """
        ldr     x1, =0x09000000
1:      mov     x9, #200
2:      subs    x9, x9, #1
        b.ne    2b
        ldr     w2, [x1, #0x18]         // UARTFR
        tbnz    w2, #4, 1b              // RXFE
        ldr     w0, [x1]
        str     w0, [x1]
        cmp     w0, #'q'
        b.ne    1b
        ldr     x0, =0x84000008         // SYSTEM_OFF
        smc     #0
"""
"""Prints what is typed, up to a q."""

SLEEPER = """
        ldr     x1, =0x09000000
        ldr     x26, =0x08000000        // GICD
        ldr     x27, =0x08010000        // GICC
        mov     w0, #1
        str     w0, [x26]
        mov     w0, #0xff
        str     w0, [x27, #4]
        mov     w0, #1
        str     w0, [x27]
        mov     w0, #2                  // INTID 33
        str     w0, [x26, #0x104]
        mov     w0, #0x50               // UARTIMSC: RXIM, RTIM
        str     w0, [x1, #0x38]
        mrs     x3, cntfrq_el0
        lsl     x3, x3, #1              // two seconds
        mov     x4, #1
        msr     cntp_ctl_el0, x4
        mov     w0, #0x40000000         // INTID 30
        str     w0, [x26, #0x100]
2:      msr     cntp_tval_el0, x3
3:      wfi
        ldr     w2, [x1, #0x18]
        tbz     w2, #4, 4f
        mov     w0, #'.'
        str     w0, [x1]
        b       2b
4:      ldr     w0, [x1]
        mov     w5, #0x7ff
        str     w5, [x1, #0x44]         // UARTICR
        str     w0, [x1]
        cmp     w0, #'q'
        b.ne    3b
        ldr     x0, =0x84000008
        smc     #0
"""
"""Sleeps; says `.` every two seconds, and prints what is typed, up to a q."""


class User:
    """A `HostConsole` as nobody could write it down: `script` has (ns that pass before, what is typed then or None).

    None ends the run, as Ctrl-A x. Behind the script nobody types any more, and time passes as the guest likes.
    """

    def __init__(self, script: Iterable[tuple[int, bytes | None]]) -> None:
        self._script, self._typed, self.runner = list(script), bytearray(), None
        self._ends = False

    @property
    def can_type(self) -> bool:
        return bool(self._script)

    def poll(self) -> bytes:
        if self._ends:
            self._ends = False
            self.runner.machine.request_stop("ended by the user", 130)
        typed = bytes(self._typed)
        self._typed.clear()
        return typed

    def wait(self, duration_ns: int | None) -> int:
        if not self._script:
            return duration_ns or 0
        left, typed = self._script[0]
        if duration_ns is not None and duration_ns < left:
            self._script[0] = left - duration_ns, typed
            return duration_ns
        del self._script[0]
        if typed is None:
            self._ends = True
        else:
            self._typed += typed
        return left


def record(
    configuration: Configuration, *, user: User | None = None, limit: int = LIMIT, until: str = "", **options: Any
) -> tuple[Recording, Runner, list[Any]]:
    """Run and record. Returns the recording, the machine at its end, and all events."""
    recorder, everything = Recorder(configuration, **options), RecordingSink()
    runner = Runner(configuration, everything)
    recorder.started(runner)
    if user is not None:
        runner.machine.user, user.runner = user, runner
    answer = runner.send(Run(limit, until))
    return recorder.recording(runner, answer, limit, until), runner, everything.events


def replay(path: Path, *folders: str) -> tuple[str, Runner, list[Any]]:
    """Replay a file. Returns how it differs, the machine at its end, and all events."""
    with Replay.open(str(path), folders) as opened:
        everything = RecordingSink()
        runner = opened.runner(everything)
        answer = opened.run(runner)
        return opened.difference(runner, answer), runner, everything.events


def saved(path: Path, recording: Recording) -> Recording:
    """Write and read."""
    write_recording(str(path), recording)
    return read_recording(str(path))


def guest(folder: Path, text: str) -> Configuration:
    """Return the configuration of an assembly guest."""
    file = folder / "guest.s"
    file.write_text(text)
    return Configuration(image=str(file), memory_bytes=16 << 20)
