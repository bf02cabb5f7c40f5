"""The machine: one core, RAM, a UART, the firmware, and the loop that runs them to an end.

Read `machine/clock.py`, `machine/timers.py`, `machine/pl011.py` and `machine/firmware.py` before this file,
`runner/runner.py` after it.
"""

from __future__ import annotations

import ctypes
import mmap
import zlib
from dataclasses import dataclass
from typing import Any, Final

from arm_hyp.cpu import snapshot as core_snapshot
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.stop import Stop
from arm_hyp.events import ConsoleOutput, Ended, EventSink
from arm_hyp.machine.clock import VirtualClock
from arm_hyp.machine.firmware import Firmware
from arm_hyp.machine.pl011 import SIZE_BYTES, Pl011
from arm_hyp.machine.timers import GenericTimers

RAM_BASE: Final = 0x4000_0000
PL011_BASE: Final = 0x0900_0000
TLB_GRID: Final = 1 << 20
"""The TLB is emptied every so many retired instructions, so that a run can be resumed there exactly."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `reason` is guest, limit, dead, idle or stopped; `status` is the process's."""

    reason: str
    status: int
    text: str


class _View:
    """What a device inside the CPU may know of it: see `seams.CpuView`."""

    def __init__(self, core: Core) -> None:
        self._core, self.control, self.set_control = core, core.controls.read, core.controls.write

    @property
    def el(self) -> int:
        return self._core.el


class Machine:
    """A board with one CPU. Memory size in bytes; `start_el` is where software begins."""

    def __init__(
        self,
        *,
        model: str = "a72",
        start_el: int = 2,
        memory_bytes: int = 256 << 20,
        gic: int = 2,
        sink: EventSink | None = None,
    ) -> None:
        self.core = Core(model, start_el=start_el, gic=gic, sink=sink)
        self.memory_bytes = memory_bytes
        self._mapping = mmap.mmap(-1, memory_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.ram = memoryview(self._mapping)
        self._ram_pointer = (ctypes.c_char * memory_bytes).from_buffer(self._mapping)
        self.core.attach_ram(RAM_BASE, self.ram, ctypes.addressof(self._ram_pointer))
        self.clock = VirtualClock(lambda: self.core.retired)
        self.timers = GenericTimers(self.clock, _View(self.core), self.core.features)
        self.core.system.ports.update(self.timers.ports())
        self.console = bytearray()
        self.uart = Pl011(self._print)
        self.core.native.map_mmio(PL011_BASE, SIZE_BYTES, self._uart_read, self._uart_write)
        self.firmware = Firmware(self._print, self._read_virtual)
        self.core.firmware, self.core.semihosting = self.firmware.call, self.firmware.semihosting

    # --- memory and console ------------------------------------------------------------------------------------------

    def write_memory(self, address: int, data: bytes) -> None:
        """Write RAM at a physical address. Raises: ValueError outside RAM."""
        offset = self._offset(address, len(data))
        self.ram[offset : offset + len(data)] = data
        self.core.native.flush_translations()

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Read RAM at a physical address. Raises: ValueError outside RAM."""
        offset = self._offset(address, size_bytes)
        return bytes(self.ram[offset : offset + size_bytes])

    def _offset(self, address: int, size_bytes: int) -> int:
        offset = address - RAM_BASE
        if not 0 <= offset <= self.memory_bytes - size_bytes:
            raise ValueError(f"{address:#x}..{address + size_bytes:#x} is outside RAM")
        return offset

    def _read_virtual(self, core: Core, address: int, size_bytes: int) -> bytes | None:
        data = bytearray()
        for at in range(address, address + size_bytes):
            physical = core.native.translate(at)
            if physical is None or not RAM_BASE <= physical < RAM_BASE + self.memory_bytes:
                return None
            data.append(self.ram[physical - RAM_BASE])
        return bytes(data)

    def _uart_read(self, offset: int, size_bytes: int) -> int:
        try:
            return self.uart.read(offset, size_bytes)
        except KeyError as error:
            self.core.die(str(error.args[0]))
            return 0  # never reaches the guest: the core is dead

    def _uart_write(self, offset: int, size_bytes: int, value: int) -> None:
        try:
            self.uart.write(offset, size_bytes, value)
        except KeyError as error:
            self.core.die(str(error.args[0]))

    def _print(self, byte: int) -> None:
        self.console.append(byte)
        self.core.emit(ConsoleOutput, device="pl011", text=chr(byte))

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def retired(self) -> int:
        """Instructions retired by the machine."""
        return self.core.retired

    def run(self, limit: int) -> Outcome:
        """Run until the guest ends itself, dies, idles for ever, or `limit` instructions have retired in all."""
        while True:
            outcome = self._outcome(self._advance(limit), limit)
            if outcome is not None:
                self.core.emit(Ended, reason=outcome.reason, status=outcome.status, text=outcome.text)
                return outcome

    def step(self, count: int = 1) -> bool:
        """Run `count` further instructions; True if the guest has come to an end. Leaves no mark in the run."""
        limit = self.core.retired + count
        while self.core.retired < limit:
            stop = self._advance(limit)
            if self._outcome(stop, limit + 1) is not None:
                return True
        return False

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain data; RAM as zlib-compressed bytes."""
        return {
            "version": 1,
            "core": core_snapshot.snapshot(self.core),
            "clock": self.clock.snapshot(),
            "timers": self.timers.snapshot(),
            "uart": self.uart.snapshot(),
            "firmware": self.firmware.snapshot(),
            "console": bytes(self.console),
            "ram": zlib.compress(self.ram, 1),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. Raises: ValueError if it is of another version or CPU model."""
        self.ram[:] = zlib.decompress(state["ram"])
        core_snapshot.restore(self.core, state["core"])
        self.clock.restore(state["clock"])
        self.timers.restore(state["timers"])
        self.uart.restore(state["uart"])
        self.firmware.restore(state["firmware"])
        self.console[:] = state["console"]

    def _advance(self, limit: int) -> Stop:
        grid = (self.core.retired // TLB_GRID + 1) * TLB_GRID
        stop = self.core.run(min(limit, grid))
        if stop is Stop.LIMIT and self.core.retired == grid:
            self.core.native.flush_tlb()
        return stop

    def _outcome(self, stop: Stop, limit: int) -> Outcome | None:
        core = self.core
        if self.firmware.off is not None:
            return Outcome("guest", self.firmware.off.status, self.firmware.off.text)
        if core.dead_because:
            return Outcome("dead", 1, core.dead_because)
        if core.waiting and not self._wake():
            return Outcome(
                "idle", 1, f"{core.waiting.upper()} waits for ever: no interrupt is enabled that could end it"
            )
        if stop is Stop.LIMIT and core.retired >= limit:
            return Outcome("limit", 1, f"the limit of {limit:,} instructions was reached")
        return None

    def _wake(self) -> bool:
        return not self.core.waiting or self.core.wakes()
