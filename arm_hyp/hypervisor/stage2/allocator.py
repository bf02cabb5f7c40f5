"""Pages of machine RAM: for tables and for guests, with a count for those that several share.

Read `hypervisor/stage2/seams.py` before this file and `hypervisor/stage2/mapper.py` after it. First fit by address, so
that a run repeats. Linux: `alloc_pages`, `get_page`, `put_page`.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

PAGE_BYTES: Final = 0x1000


class OutOfPhysicalMemory(Exception):
    """Raised when no free range of RAM is as large and as aligned as was asked for."""


class PhysicalAllocator:
    """Allocates a range of PAs in pages of 4 KiB."""

    def __init__(self, base: int, size_bytes: int) -> None:
        self._free: list[tuple[int, int]] = [(base, base + size_bytes)]  # sorted [start, end), never adjacent
        self._shared: dict[int, int] = {}  # page -> references beyond the first
        self.base, self.end = base, base + size_bytes

    @property
    def free_bytes(self) -> int:
        """How much is free."""
        return sum(end - start for start, end in self._free)

    def allocate(self, size_bytes: int, alignment: int = PAGE_BYTES) -> int:
        """Return the PA of free memory; its contents are whatever they were. Raises: OutOfPhysicalMemory."""
        for index, (start, end) in enumerate(self._free):
            address = -(-start // alignment) * alignment
            if address + size_bytes <= end:
                rest = (start, address), (address + size_bytes, end)
                self._free[index : index + 1] = [piece for piece in rest if piece[0] < piece[1]]
                return address
        raise OutOfPhysicalMemory(f"no {size_bytes:#x} bytes aligned to {alignment:#x}; {self.free_bytes:#x} are free")

    def share(self, address: int, size_bytes: int = PAGE_BYTES) -> None:
        """Count one more user of each page of a range."""
        for page in range(address, address + size_bytes, PAGE_BYTES):
            self._shared[page] = self._shared.get(page, 0) + 1

    def references(self, address: int, size_bytes: int = PAGE_BYTES) -> int:
        """Return the count of users of the most used page of a range of allocated memory."""
        if not self._shared:
            return 1
        return 1 + max(self._shared.get(page, 0) for page in range(address, address + size_bytes, PAGE_BYTES))

    def free(self, address: int, size_bytes: int) -> None:
        """Give up one reference to each page of a range; those without any are free.

        Raises: ValueError for what is free already, or was never ours: a fault of the hypervisor, never the guest's.
        """
        if not self._shared:
            return self._insert(address, address + size_bytes)
        for page in range(address, address + size_bytes, PAGE_BYTES):
            if page not in self._shared:
                self._insert(page, page + PAGE_BYTES)
            elif self._shared[page] > 1:
                self._shared[page] -= 1
            else:
                del self._shared[page]
        return None

    def _insert(self, start: int, end: int) -> None:
        if not self.base <= start < end <= self.end:
            raise ValueError(f"{start:#x}..{end:#x} is not this allocator's")
        index = bisect_right(self._free, (start, start))
        before = self._free[index - 1] if index else (self.base, self.base)
        after = self._free[index] if index < len(self._free) else (self.end, self.end)
        if before[1] > start or after[0] < end:
            raise ValueError(f"{start:#x}..{end:#x} is free already")
        first, last = index, index
        if index and before[1] == start:
            first, start = index - 1, before[0]
        if index < len(self._free) and after[0] == end:
            last, end = index + 1, after[1]
        self._free[first:last] = [(start, end)]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"free": [list(piece) for piece in self._free], "shared": sorted(self._shared.items())}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._free = [(start, end) for start, end in state["free"]]
        self._shared = dict(state["shared"])
