"""The host's end of the guest's console: what is printed goes out at line ends, what is typed comes in, in raw mode.

Read `machine/console_input.py` before this file and `cli/run.py` after it. In raw mode every key goes to the guest but
Ctrl-A, as under QEMU: Ctrl-A x ends the run, Ctrl-A n types to the next VM, Ctrl-A h lists the keys, Ctrl-A Ctrl-A
sends one Ctrl-A. The terminal is put back as it was however the run ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import BinaryIO, Final

ESCAPE: Final = 0x01
KEYS: Final = (
    "\r\nCtrl-A x  end the run\r\nCtrl-A n  type to the next VM\r\nCtrl-A d  what the guest does now"
    "\r\nCtrl-A h  this list\r\nCtrl-A Ctrl-A  send Ctrl-A to the guest\r\n"
)
_BUFFER_BYTES: Final = 4096
_READ_BYTES: Final = 4096
_LONGEST_WAIT_S: Final = 3600.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Printer:
    """Writes bytes as they are, whole lines at a time; `flush` writes what is left. Raises: OSError, saying where."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._held = file, bytearray()
        self.is_inside_line = False

    def put(self, data: bytes) -> None:
        """Take bytes."""
        if data:
            self._held += data
            self.is_inside_line = not data.endswith(b"\n")
        if b"\n" in data or len(self._held) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write everything."""
        if self._held:
            held = bytes(self._held)
            self._held.clear()  # first: a pipe that is gone must not be tried again
            try:
                self._file.write(held)
                self._file.flush()
            except OSError as error:
                error.filename = "standard output"
                raise


class EscapeKeys:
    """Takes Ctrl-A and the key after it out of what is typed. `on_quit` ends the run, `on_help` lists the keys.

    `on_next(before)` changes to the next VM, once `before` has been typed to this one. `on_diagnose` says what the
    guest does.
    """

    def __init__(
        self,
        on_quit: Callable[[], None],
        on_help: Callable[[], None],
        on_next: Callable[[bytes], None] = lambda before: None,
        on_diagnose: Callable[[], None] = lambda: None,
    ) -> None:
        self._escaped, self._on_next = False, on_next
        self._actions = {ord("x"): on_quit, ord("X"): on_quit, ord("h"): on_help, ord("?"): on_help}
        self._actions |= {ord("d"): on_diagnose, ord("D"): on_diagnose}

    def filter(self, typed: bytes) -> bytes:
        """Return what goes to the guest, or to the last one. An unknown key after Ctrl-A is dropped."""
        passed = bytearray()
        for byte in typed:
            if not self._escaped and byte == ESCAPE:
                self._escaped = True
            elif not self._escaped or byte == ESCAPE:
                self._escaped = False
                passed.append(byte)
            else:
                self._escaped = False
                self._act(byte, passed)
        return bytes(passed)

    def _act(self, key: int, passed: bytearray) -> None:
        if key in b"nN":
            self._on_next(bytes(passed))
            passed.clear()
        else:
            self._actions.get(key, lambda: None)()


class LiveConsole:
    """A `HostConsole`: typed bytes come from a file descriptor (None: from nowhere), idle time takes its time.

    `keys` filters what is typed; `flush` is called before looking and waiting; `wakeup` is a descriptor that ends a
    wait. Without `is_paced`, idle time takes none once the input has ended.
    """

    def __init__(
        self,
        source: int | None,
        *,
        flush: Callable[[], None],
        keys: EscapeKeys | None = None,
        wakeup: int | None = None,
        is_paced: bool = False,
    ) -> None:
        self._source, self._flush, self._keys = source, flush, keys
        self._wakeup, self._is_paced = wakeup, is_paced

    @property
    def can_type(self) -> bool:
        """Tell whether the input has not ended."""
        return self._source is not None

    def poll(self) -> bytes:
        """Return what was typed, without waiting; what the guest printed so far is shown."""
        self._flush()
        if self._source is None or not select.select([self._source], [], [], 0)[0]:
            return b""
        typed = _read(self._source)
        if not typed:
            self._source = None
        return self._keys.filter(typed) if self._keys is not None else typed

    def wait(self, duration_ns: int | None) -> int:
        """Let host time pass, until something is typed at the latest; return how much did, in ns."""
        self._flush()
        if self._source is None and not self._is_paced:
            return duration_ns or 0
        watched = [one for one in (self._source, self._wakeup) if one is not None]
        start = time.monotonic_ns()
        while True:
            passed = time.monotonic_ns() - start
            left_s = _LONGEST_WAIT_S if duration_ns is None else (duration_ns - passed) / 1e9
            if left_s <= 0:
                return duration_ns or 0
            if select.select(watched, [], [], min(left_s, _LONGEST_WAIT_S))[0]:
                passed = time.monotonic_ns() - start
                return passed if duration_ns is None else min(passed, duration_ns)


def _read(source: int) -> bytes:
    try:
        return os.read(source, _READ_BYTES)
    except OSError:  # a terminal that has gone away
        return b""


@contextmanager
def raw_mode(terminal: int) -> Iterator[None]:
    """Have a terminal pass every key on at once, unseen; put it back at the end. Output is still processed."""
    before = termios.tcgetattr(terminal)
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(terminal)
    iflag &= ~(
        termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cc = [*cc]
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    termios.tcsetattr(terminal, termios.TCSADRAIN, [iflag, oflag, cflag, lflag, ispeed, ospeed, cc])
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def signals_end(stop: Callable[[int], None]) -> Iterator[int]:
    """Have SIGINT, SIGTERM and SIGHUP call `stop(signal)`, the second one raise KeyboardInterrupt.

    Gives a descriptor that becomes readable with a signal, for `select`.
    """
    readable, writable = os.pipe()
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        os.write(writable, b"!")
        stop(number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield readable
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)


def standard_terminal() -> int | None:
    """Return the descriptor of standard input if it is a terminal."""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor if os.isatty(descriptor) else None
