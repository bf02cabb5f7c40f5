"""Guest memory by virtual address, with the rights of the CPU that asks: for semihosting's pointers.

Read `machine/seams.py` before and `machine/firmware/semihosting.py` after this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arm_hyp.cpu.core import Core
from arm_hyp.machine.board import PAGE_BYTES
from arm_hyp.machine.seams import BusError, GuestMemory

_READ: Final = 1
_WRITE: Final = 2
_LAST: Final = (1 << 64) - 1


class VirtualMemory:
    """RAM as a CPU sees it at its present exception level, translated page by page. Addresses wrap at 2^64."""

    def __init__(self, memory: GuestMemory) -> None:
        self._memory = memory

    def read(self, core: Core, address: int, size_bytes: int) -> bytes | None:
        """Read by VA; None where any byte faults or is not RAM."""
        parts = []
        for va, size in pages(address, size_bytes):
            pa = core.native.translate(va, _READ)
            if pa is None:
                return None
            try:
                parts.append(self._memory.read(pa, size))
            except BusError:
                return None
        return b"".join(parts)

    def write(self, core: Core, address: int, data: bytes) -> bool:
        """Write by VA; False where any byte faults or is not RAM: pages before it are written then."""
        done = 0
        for va, size in pages(address, len(data)):
            pa = core.native.translate(va, _WRITE)
            if pa is None:
                return False
            try:
                self._memory.write(pa, data[done : done + size])
            except BusError:
                return False
            done += size
        return True


def pages(address: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Split a range into (address, size in bytes) pieces that lie in one 4 KiB page each."""
    while size_bytes > 0:
        size = min(size_bytes, PAGE_BYTES - address % PAGE_BYTES)
        yield address & _LAST, size
        address, size_bytes = address + size, size_bytes - size
