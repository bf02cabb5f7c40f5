"""Semihosting: what HLT #0xF000 asks of the host. Read `machine/firmware/__init__.py` before this file.

Ref: Arm semihosting specification (AArch64).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from arm_hyp.cpu.core import Core

NOT_SUPPORTED: Final = (1 << 64) - 1
SYS_WRITEC, SYS_WRITE0, SYS_EXIT, SYS_EXIT_EXTENDED = 0x03, 0x04, 0x18, 0x20
APPLICATION_EXIT: Final = 0x20026


class PowerOff(NamedTuple):
    """How the guest ended itself: the process status, and the words for it."""

    status: int
    text: str


class Semihosting:
    """The semihosting calls of one machine. `end(status, text)` ends the run."""

    def __init__(
        self,
        output: Callable[[int], None],
        read_memory: Callable[[Core, int, int], bytes | None],
        end: Callable[[int, str], None],
    ) -> None:
        self._output, self._read_memory, self._end = output, read_memory, end
        self._operations: dict[int, Callable[[Core, int], int | None]] = {
            SYS_WRITEC: self._write_character,
            SYS_WRITE0: self._write_text,
            SYS_EXIT: self._exit,
            SYS_EXIT_EXTENDED: self._exit,
        }

    def call(self, core: Core) -> bool:
        """Do the operation of W0 with the parameter in X1. False if it is not modelled."""
        handler = self._operations.get(core.x(0) & 0xFFFF_FFFF)
        if handler is None:
            return False
        result = handler(core, core.x(1))
        if result is not None:
            core.set_x(0, result)
        return True

    def _write_character(self, core: Core, parameter: int) -> int | None:
        for byte in self._read_memory(core, parameter, 1) or b"":
            self._output(byte)
        return None

    def _write_text(self, core: Core, parameter: int) -> int | None:
        while (text := self._read_memory(core, parameter, 1)) and text != b"\0":
            self._output(text[0])
            parameter += 1
        return None

    def _exit(self, core: Core, parameter: int) -> int | None:
        block = self._read_memory(core, parameter, 16)
        if block is None:
            return NOT_SUPPORTED
        reason, status = int.from_bytes(block[:8], "little"), int.from_bytes(block[8:], "little")
        if reason != APPLICATION_EXIT:
            self._end(1, f"the guest ended by semihosting, reason {reason:#x}")
        else:
            self._end(status & 0xFF, f"the guest ended by semihosting, status {status}")
        core.request_stop()
        return None
