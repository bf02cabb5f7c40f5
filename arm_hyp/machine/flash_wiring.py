"""Flash connected: the contents of bank 0 as memory to run from, all else of both banks as devices.

Read `machine/flash.py` before this file and `machine/wiring.py` after it. The contents become a device with the first
write to them, and memory again behind the instruction that returns the bank to read-array mode.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from arm_hyp.cpu.bus_faults import RomStore
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.memory_map import map_rom, unmap_rom
from arm_hyp.machine import board
from arm_hyp.machine.bus import Bus
from arm_hyp.machine.flash import BANK_BYTES, FlashBank


class _Behind:
    """The part of a bank behind its contents, as a device of its own."""

    def __init__(self, bank: FlashBank) -> None:
        self._bank, self._start = bank, bank.mapped_bytes

    def read(self, offset: int, size_bytes: int) -> int:
        """Read at an offset from the end of the contents."""
        return self._bank.read(self._start + offset, size_bytes)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write at an offset from the end of the contents."""
        self._bank.write(self._start + offset, size_bytes, value)

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the bank."""
        return self._bank.snapshot()

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._bank.restore(state)


class Flash:
    """Both banks, and which form the contents of bank 0 have in the CPUs."""

    def __init__(self, content: bytes, cores: Sequence[Core]) -> None:
        self._cores, self.banks = cores, (FlashBank(content), FlashBank())
        self._bank = self.banks[0]
        self._is_memory = False
        self._host_address = ctypes.addressof(ctypes.c_char.from_buffer(self._bank.array))
        self._base = board.FLASH_BASE[0]

    def add_to(self, bus: Bus) -> None:
        """Put on the bus what is always a device."""
        size_bytes = BANK_BYTES - self._bank.mapped_bytes
        if size_bytes:
            bus.add("flash-0", self._base + self._bank.mapped_bytes, size_bytes, _Behind(self._bank))
        bus.add("flash-1", board.FLASH_BASE[1], BANK_BYTES, self.banks[1])

    def attach(self) -> None:
        """Map the contents into the CPUs as memory."""
        for core in self._cores:
            map_rom(core, self._base, memoryview(self._bank.array), self._host_address)
            core.rom_written = self._written
        self._is_memory = True

    def _written(self, store: RomStore | None) -> bool:
        """Take a store into the contents; without one, tell whether the access should be tried again as a device's."""
        if store is None or not self._is_memory:
            return store is None and self._become_device()
        offset = store.address - self._base
        if not 0 <= offset < self._bank.mapped_bytes:
            return False
        self._bank.write(offset, store.size_bytes, store.value)
        if not self._bank.is_idle:
            self._become_device()
        return True

    def _become_device(self) -> bool:
        """Have writes reach the bank; one has just failed. False if they do already."""
        if not self._is_memory:
            return False
        for core in self._cores:
            unmap_rom(core, self._base, self._bank.mapped_bytes)
            core.mmio.map(self._base, self._bank.mapped_bytes, self._bank.read, self._writer(core))
        self._is_memory = False
        return True

    def _writer(self, core: Core) -> Callable[[int, int, int], None]:
        def write(offset: int, size_bytes: int, value: int) -> None:
            self._bank.write(offset, size_bytes, value)
            if self._bank.is_idle:
                core.request_stop()

        return write

    def settle(self) -> None:
        """Have the contents be memory again if they can. Call it while no CPU runs."""
        if self._is_memory or not self._bank.is_idle:
            return
        for core in self._cores:
            unmap_rom(core, self._base, self._bank.mapped_bytes)
            map_rom(core, self._base, memoryview(self._bank.array), self._host_address)
        self._is_memory = True

    def reset(self) -> None:
        """Reset the chips: they keep what they hold."""
        for bank in self.banks:
            bank.reset()
        self.settle()

    def snapshot(self) -> dict[str, Any]:
        """Return the state of both banks."""
        return {"banks": [bank.snapshot() for bank in self.banks]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. A bank that is not in read-array mode is a device from here on."""
        for bank, saved in zip(self.banks, state["banks"], strict=True):
            bank.restore(saved)
        if self._bank.is_idle:
            self.settle()
        else:
            self._become_device()
