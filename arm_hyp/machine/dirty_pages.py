"""Which pages of RAM have changed since somebody asked last, found without a hook on stores.

Read `machine/memory.py` before this file, `timeline/page_versions.py` after it. On Linux the RAM of a watched machine
is a private mapping of a file in memory: the kernel makes a page of its own with the first store to it, and tells which
those are (`/proc/self/pagemap`). Elsewhere all of RAM is compared with a copy, which is slow but the same.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

PAGE_BYTES: Final = 4096
_PAGEMAP: Final = "/proc/self/pagemap"
_ENTRY_BYTES: Final = 8
_PRESENT, _SWAPPED, _OF_FILE = 0x80, 0x40, 0x20
"""Bits 63, 62 and 61 of an entry of the page map, in its highest byte. Ref: Linux, admin-guide/mm/pagemap."""
_OWN: Final = bytes(b & (_PRESENT | _SWAPPED) != 0 and not b & _OF_FILE for b in range(256))
"""For each value of that byte: 1 if the page is the process's own, else 0."""
_MAP_FIXED: Final = 0x10
_COMPARED_BYTES: Final = 1 << 16
_LINE_BYTES: Final = 64


class Run(NamedTuple):
    """Whole pages in a row: where they begin in RAM, in bytes from its base, and their contents."""

    offset: int
    data: bytes


def differences(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Yield where two contents of a page differ, in lines of 64 bytes: (offset, size in bytes), neighbours as one."""
    start = None
    for at in range(0, len(old) if old != new else 0, _LINE_BYTES):
        if old[at : at + _LINE_BYTES] == new[at : at + _LINE_BYTES]:
            if start is not None:
                yield start, at - start
            start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, len(old) - start


class DirtyPages(Protocol):
    """The changes of a RAM since the last look: at the first one, since it was all zero."""

    def take(self) -> list[Run]:
        """Return every page that may have changed since the last call, ascending, and begin anew."""

    def look(self) -> list[range]:
        """Return which pages those are, by their numbers in rows, and change nothing."""

    def put_back(self, runs: Iterable[Run]) -> None:
        """Write pages, which count as unchanged from now on."""


class _Libc:
    """The one call that Python's mmap does not have: a mapping laid over another."""

    def __init__(self) -> None:
        self._mmap = ctypes.CDLL(None, use_errno=True).mmap
        self._mmap.restype = ctypes.c_void_p
        numbers = [ctypes.c_int] * 3
        self._mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *numbers, ctypes.c_long]

    def map_over(self, address: int, size_bytes: int, file: int) -> None:
        """Replace a mapping by a private one of a file. Raises: OSError."""
        flags = mmap.MAP_PRIVATE | _MAP_FIXED
        if self._mmap(address, size_bytes, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0) != address:
            raise OSError(ctypes.get_errno(), "mmap")


class KernelPages:
    """What the kernel knows. `address` is where `mapping` lies here. Raises: OSError where the kernel tells nothing."""

    def __init__(self, mapping: mmap.mmap, address: int) -> None:
        self._mapping, self._size_bytes = mapping, len(mapping)
        self._entries_at = address // PAGE_BYTES * _ENTRY_BYTES
        self._pagemap = os.open(_PAGEMAP, os.O_RDONLY | os.O_CLOEXEC)
        self._file = os.memfd_create("ram", os.MFD_CLOEXEC)
        os.ftruncate(self._file, self._size_bytes)
        contents = [Run(start, mapping[start:stop]) for start, stop in self._own_pages()]
        _Libc().map_over(address, self._size_bytes, self._file)
        for offset, data in contents:
            mapping[offset : offset + len(data)] = data

    def _own_pages(self) -> Iterator[tuple[int, int]]:
        """Yield the pages that are no longer the file's, as (start, stop) in bytes."""
        wanted = self._size_bytes // PAGE_BYTES * _ENTRY_BYTES
        entries = os.pread(self._pagemap, wanted, self._entries_at)
        if len(entries) != wanted:
            raise OSError(f"{_PAGEMAP} ends early")
        own, start = entries[_ENTRY_BYTES - 1 :: _ENTRY_BYTES].translate(_OWN) + b"\0", 0
        while (start := own.find(1, start)) >= 0:
            stop = own.find(0, start)
            yield start * PAGE_BYTES, stop * PAGE_BYTES
            start = stop

    def take(self) -> list[Run]:
        """Return every page that may have changed since the last call, ascending, and begin anew."""
        runs = [Run(start, self._mapping[start:stop]) for start, stop in self._own_pages()]
        self.put_back(runs)
        return runs

    def look(self) -> list[range]:
        """Return which pages those are, by their numbers in rows, and change nothing."""
        return [range(start // PAGE_BYTES, stop // PAGE_BYTES) for start, stop in self._own_pages()]

    def put_back(self, runs: Iterable[Run]) -> None:
        """Write pages, which count as unchanged from now on."""
        for offset, data in runs:
            os.pwrite(self._file, data, offset)
            self._mapping.madvise(mmap.MADV_DONTNEED, offset, len(data))

    def __del__(self) -> None:
        for descriptor in (getattr(self, "_pagemap", None), getattr(self, "_file", None)):
            if descriptor is not None:
                os.close(descriptor)


class ComparedPages:
    """A copy of all RAM, and what differs from it."""

    def __init__(self, mapping: mmap.mmap) -> None:
        self._mapping, self._copy = mapping, bytearray(len(mapping))

    def take(self) -> list[Run]:
        """Return every page that may have changed since the last call, ascending, and begin anew."""
        runs = self._all_changed()
        for offset, data in runs:
            self._copy[offset : offset + len(data)] = data
        return runs

    def look(self) -> list[range]:
        """Return which pages those are, by their numbers in rows, and change nothing."""
        return [range(run.offset // PAGE_BYTES, run.offset // PAGE_BYTES + 1) for run in self._all_changed()]

    def _all_changed(self) -> list[Run]:
        return [run for start in range(0, len(self._copy), _COMPARED_BYTES) for run in self._changed(start)]

    def _changed(self, start: int) -> list[Run]:
        """Return the changed pages of one part of RAM."""
        stop = min(start + _COMPARED_BYTES, len(self._copy))
        now, before = self._mapping[start:stop], self._copy[start:stop]
        if now == before:
            return []
        pages = range(0, stop - start, PAGE_BYTES)
        return [
            Run(start + at, now[at : at + PAGE_BYTES])
            for at in pages
            if now[at : at + PAGE_BYTES] != before[at : at + PAGE_BYTES]
        ]

    def put_back(self, runs: Iterable[Run]) -> None:
        """Write pages, which count as unchanged from now on."""
        for offset, data in runs:
            self._mapping[offset : offset + len(data)] = data
            self._copy[offset : offset + len(data)] = data


def dirty_pages(mapping: mmap.mmap, address: int) -> DirtyPages:
    """Return how to find the changes of a RAM on this host."""
    try:
        return KernelPages(mapping, address)
    except (OSError, AttributeError):
        return ComparedPages(mapping)
