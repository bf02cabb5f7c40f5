"""RAM: one host mapping that all CPUs share.

Read `machine/seams.py` before this file, `machine/dirty_pages.py` and `machine/machine.py` after it. Whoever writes RAM
past the CPUs (a loader, a device with DMA) does it here, so that code which was changed is translated anew.
"""

from __future__ import annotations

import ctypes
import mmap
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from arm_hyp.cpu.core import Core
from arm_hyp.cpu.memory_map import attach_ram
from arm_hyp.machine.dirty_pages import PAGE_BYTES, DirtyPages, Run, differences, dirty_pages
from arm_hyp.machine.seams import BusError

_COMPRESSION: Final = 1
"""zlib's fastest."""
_PIECE_BYTES: Final = 1 << 16
_EMPTY: Final = bytes(_PIECE_BYTES)


class Ram:
    """A range of RAM at a physical address. Sizes in bytes."""

    def __init__(self, base: int, size_bytes: int) -> None:
        self.base, self.size_bytes = base, size_bytes
        self._mapping = mmap.mmap(-1, size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.view = memoryview(self._mapping)
        self._pointer = (ctypes.c_char * size_bytes).from_buffer(self._mapping)
        self._cores: Sequence[Core] = ()
        self.observers: list[Callable[[int, bytes], None]] = []  # hear of each `write`, before it is done
        self._dirty: DirtyPages | None = None

    def attach(self, cores: Sequence[Core]) -> None:
        """Map this RAM into the CPUs."""
        self._cores = cores
        for core in cores:
            attach_ram(core, self.base, self.view, ctypes.addressof(self._pointer))

    def contains(self, address: int, size_bytes: int = 1) -> bool:
        """Tell whether a range of physical addresses is all RAM."""
        return self.base <= address and address + size_bytes <= self.base + self.size_bytes

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read at a physical address. Raises: BusError where any byte is not RAM."""
        start = self._offset(address, size_bytes)
        return bytes(self.view[start : start + size_bytes])

    def write(self, address: int, data: bytes) -> None:
        """Write at a physical address, and have changed code translated anew. Raises: BusError, nothing written."""
        start = self._offset(address, len(data))
        if data:
            for observe in self.observers:
                observe(address, data)
            self.view[start : start + len(data)] = data
            for core in self._cores:
                core.maintenance.code_changed(address, len(data))

    # --- what has changed --------------------------------------------------------------------------------------------

    def take_changes(self) -> list[Run]:
        """Return the pages that may have changed since the last call; at the first one, all that are not empty."""
        if self._dirty is None:
            self._dirty = dirty_pages(self._mapping, ctypes.addressof(self._pointer))
        return self._dirty.take()

    def changed_pages(self) -> list[range]:
        """Return which pages may have changed since the last `take_changes`, by their numbers in rows."""
        return [] if self._dirty is None else self._dirty.look()

    def put_back(self, runs: Sequence[Run]) -> None:
        """Write pages that count as unchanged from now on, and have changed code translated anew.

        Raises: ValueError before the first `take_changes`.
        """
        if self._dirty is None:
            raise ValueError("nobody has asked for the changes yet")
        changed = [[piece for run in runs for piece in self._changed_code(core, run)] for core in self._cores]
        self._dirty.put_back(runs)
        for core, pieces in zip(self._cores, changed, strict=True):
            core.maintenance.code_replaced(pieces)

    def _changed_code(self, core: Core, run: Run) -> Iterator[tuple[int, int]]:
        """Yield what a run will change in pages of which a core has translated something: address, size in bytes."""
        for page in core.sites.code_pages.within(self.base + run.offset, len(run.data)):
            offset = page * PAGE_BYTES - self.base
            new = run.data[offset - run.offset :][:PAGE_BYTES]
            for at, size_bytes in differences(self._mapping[offset : offset + PAGE_BYTES], new):
                yield self.base + offset + at, size_bytes

    def _offset(self, address: int, size_bytes: int) -> int:
        if not self.contains(address, size_bytes):
            raise BusError(f"{address:#x}..{address + size_bytes:#x} is not RAM")
        return address - self.base

    def snapshot(self) -> dict[int, bytes]:
        """Return the pieces that are not empty, compressed, by offset: most of RAM is empty."""
        pieces = ((at, self._mapping[at : at + _PIECE_BYTES]) for at in range(0, self.size_bytes, _PIECE_BYTES))
        return {at: zlib.compress(piece, _COMPRESSION) for at, piece in pieces if not _EMPTY.startswith(piece)}

    def restore(self, state: dict[int, bytes]) -> None:
        """Take contents back. The CPUs' translations are theirs to drop."""
        for at in range(0, self.size_bytes, _PIECE_BYTES):
            old = self._mapping[at : at + _PIECE_BYTES]
            new = zlib.decompress(state[at]) if at in state else _EMPTY[: len(old)]
            if new != old:
                self.view[at : at + len(new)] = new
