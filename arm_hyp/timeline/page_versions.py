"""What each page of RAM held at each checkpoint: contents are kept where they changed.

Read `machine/dirty_pages.py` before this file, `timeline/checkpoints.py` after it. A checkpoint is named by how many
instructions have retired. Contents are shared between branches, and compressed when memory becomes scarce.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Final

from arm_hyp.machine.dirty_pages import PAGE_BYTES, Run

_EMPTY: Final = bytes(PAGE_BYTES)
_FASTEST: Final = 1
_BESIDE_BYTES: Final = 300
"""What Python's objects around a page's contents take."""


class Page:
    """The contents of a page. Several branches and checkpoints may hold the same one."""

    __slots__ = ("_data", "_is_packed", "_was_tried")

    def __init__(self, data: bytes) -> None:
        self._data, self._is_packed, self._was_tried = data, False, False

    @property
    def data(self) -> bytes:
        """The contents."""
        return zlib.decompress(self._data) if self._is_packed else self._data

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, with all that refers to it."""
        return len(self._data) + _BESIDE_BYTES

    def pack(self) -> int:
        """Compress it; return how many bytes that saves."""
        if self._was_tried:
            return 0
        self._was_tried = True
        packed = zlib.compress(self._data, _FASTEST)
        saved = len(self._data) - len(packed)
        if saved > 0:
            self._data, self._is_packed = packed, True
        return max(saved, 0)


_EMPTY_PAGE: Final = Page(_EMPTY)


class PageVersions:
    """The contents of RAM at checkpoints. `stored_bytes` is what they take."""

    def __init__(self) -> None:
        self._counts: dict[int, list[int]] = {}  # of each page: the checkpoints that it has contents for
        self._pages: dict[tuple[int, int], Page] = {}  # (page, checkpoint)
        self._of_checkpoint: dict[int, array[int]] = {}
        self.stored_bytes = 0

    def add(self, n: int, runs: Iterable[Run]) -> None:
        """Keep the pages that changed between the checkpoint before and this one."""
        changed = self._of_checkpoint.setdefault(n, array("I"))
        for offset, data in runs:
            first = offset // PAGE_BYTES
            for index in range(len(data) // PAGE_BYTES):
                content = data[index * PAGE_BYTES : (index + 1) * PAGE_BYTES]
                self._put(first + index, n, _EMPTY_PAGE if content == _EMPTY else Page(content))
                changed.append(first + index)

    def _put(self, page: int, n: int, content: Page) -> None:
        if (page, n) not in self._pages:
            insort(self._counts.setdefault(page, []), n)
            self.stored_bytes += content.size_bytes
        self._pages[page, n] = content

    def at(self, page: int, n: int) -> bytes:
        """Return the contents of a page at a checkpoint."""
        counts = self._counts.get(page, ())
        index = bisect_right(counts, n)
        return self._pages[page, counts[index - 1]].data if index else _EMPTY

    def has_changed(self, page: int, after: int, until: int) -> bool:
        """Tell whether a page may have changed behind one checkpoint, up to another."""
        counts = self._counts.get(page, ())
        return bisect_right(counts, after) < bisect_right(counts, until)

    @property
    def numbers(self) -> set[int]:
        """Every page that has contents at any checkpoint; the others are empty at all of them."""
        return set(self._counts)

    def changes(self, page: int) -> list[int]:
        """Return the checkpoints before which a page may have changed: since the one before each."""
        return list(self._counts.get(page, ()))

    def changed_between(self, first: int, last: int) -> set[int]:
        """Return the pages that may differ between two checkpoints, of which one may have been dropped."""
        low, high = min(first, last), max(first, last)
        high = min((n for n in self._of_checkpoint if n >= high), default=high)
        return {page for n, pages in self._of_checkpoint.items() if low < n <= high for page in pages}

    def forget(self, n: int, following: int) -> None:
        """Drop a checkpoint: what it alone holds belongs to the following one from now on."""
        moved = self._of_checkpoint.pop(n, array("I"))
        kept = self._of_checkpoint.setdefault(following, array("I"))
        for page in moved:
            content = self._pages.pop((page, n))
            counts = self._counts[page]
            del counts[bisect_left(counts, n)]
            self.stored_bytes -= content.size_bytes
            if (page, following) not in self._pages:
                self._put(page, following, content)
                kept.append(page)

    def pack(self, n: int) -> None:
        """Compress the pages of a checkpoint."""
        for page in self._of_checkpoint.get(n, ()):
            self.stored_bytes -= self._pages[page, n].pack()

    def until(self, n: int) -> PageVersions:
        """Return the contents up to a checkpoint, for another branch: they are shared."""
        made = PageVersions()
        for checkpoint in sorted(self._of_checkpoint):
            if checkpoint <= n:
                pages = made._of_checkpoint[checkpoint] = array("I", self._of_checkpoint[checkpoint])
                for page in pages:
                    made._put(page, checkpoint, self._pages[page, checkpoint])
        return made
