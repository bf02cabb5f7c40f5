"""The firmware below EL2: PSCI over SMCCC, and semihosting.

Read `cpu/core.py` before this file. On silicon this is software at EL3; here it answers an untrapped SMC (or HVC, when
the machine starts software at EL1) at once, and HLT #0xF000.

Ref: Arm DEN0022 (PSCI), DEN0028 (SMCCC), Arm semihosting specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from arm_hyp.cpu.core import Core, Stop
from arm_hyp.events import FirmwareCall

NOT_SUPPORTED: Final = (1 << 64) - 1
PSCI_VERSION, PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET, PSCI_FEATURES = 0x8400_0000, 0x8400_0008, 0x8400_0009, 0x8400_000A
PSCI_1_1: Final = 0x1_0001
SYS_WRITEC, SYS_WRITE0, SYS_EXIT, SYS_EXIT_EXTENDED = 0x03, 0x04, 0x18, 0x20
APPLICATION_EXIT: Final = 0x20026


class PowerOff(NamedTuple):
    """How the guest ended itself: the process status, and the words for it."""

    status: int
    text: str


class Firmware:
    """One machine's firmware. `off` is set when the guest ended itself; `read_memory` reads guest memory by VA."""

    def __init__(self, output: Callable[[int], None], read_memory: Callable[[Core, int, int], bytes | None]) -> None:
        self._output, self._read_memory = output, read_memory
        self.off: PowerOff | None = None
        self._calls: dict[int, tuple[str, Callable[[Core], int]]] = {
            PSCI_VERSION: ("PSCI_VERSION", lambda core: PSCI_1_1),
            PSCI_SYSTEM_OFF: ("SYSTEM_OFF", self._system_off),
            PSCI_FEATURES: ("PSCI_FEATURES", self._features),
        }
        self._semihosting: dict[int, Callable[[Core, int], int | None]] = {
            SYS_WRITEC: self._write_character,
            SYS_WRITE0: self._write_text,
            SYS_EXIT: self._exit,
            SYS_EXIT_EXTENDED: self._exit,
        }

    def call(self, core: Core, conduit: str) -> None:
        """Answer an SMC or HVC: the function number is in W0, the result goes to X0."""
        function = core.x(0) & 0xFFFF_FFFF
        name, handler = self._calls.get(function, ("unknown", lambda core: NOT_SUPPORTED))
        result = handler(core)
        core.set_x(0, result)
        core.emit(FirmwareCall, pc=core.pc - 4, conduit=conduit, function=function, name=name, result=result)

    def _features(self, core: Core) -> int:
        return 0 if core.x(1) & 0xFFFF_FFFF in self._calls else NOT_SUPPORTED

    def _system_off(self, core: Core) -> int:
        self._end(core, PowerOff(0, "the guest powered off (PSCI SYSTEM_OFF)"))
        return core.x(0)

    def _end(self, core: Core, how: PowerOff) -> None:
        self.off = how
        core.request_stop(Stop.REQUESTED)

    def semihosting(self, core: Core) -> bool:
        """Do the semihosting call of HLT #0xF000: operation in W0, parameter in X1. False if it is not modelled."""
        handler = self._semihosting.get(core.x(0) & 0xFFFF_FFFF)
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
            self._end(core, PowerOff(1, f"the guest ended by semihosting, reason {reason:#x}"))
        else:
            self._end(core, PowerOff(status & 0xFF, f"the guest ended by semihosting, status {status}"))
        return None

    def snapshot(self) -> dict[str, object]:
        """Return the state."""
        return {"off": tuple(self.off) if self.off else None}

    def restore(self, state: dict[str, object]) -> None:
        """Take a state back."""
        off = state["off"]
        self.off = PowerOff(*off) if isinstance(off, tuple) else None
