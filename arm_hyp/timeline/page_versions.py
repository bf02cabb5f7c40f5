"""What each page of RAM held at each checkpoint: contents are kept where they changed.

Read `machine/dirty_pages.py` before this file, `timeline/checkpoints.py` after it. A checkpoint is named by its
position. Contents are shared between branches, and compressed when memory becomes scarce.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Final

from arm_hyp.machine.dirty_pages import PAGE_BYTES, Run
from arm_hyp.timeline.position import Position

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
        self._changes: dict[int, list[Position]] = {}  # of each page: the checkpoints that it has contents for
        self._pages: dict[tuple[int, Position], Page] = {}  # (page, checkpoint)
        self._of_checkpoint: dict[Position, array[int]] = {}
        self.stored_bytes = 0

    def add(self, checkpoint: Position, runs: Iterable[Run]) -> None:
        """Keep the pages that changed between the checkpoint before and this one."""
        changed = self._of_checkpoint.setdefault(checkpoint, array("I"))
        for offset, data in runs:
            first = offset // PAGE_BYTES
            for index in range(len(data) // PAGE_BYTES):
                content = data[index * PAGE_BYTES : (index + 1) * PAGE_BYTES]
                self._put(first + index, checkpoint, _EMPTY_PAGE if content == _EMPTY else Page(content))
                changed.append(first + index)

    def _put(self, page: int, checkpoint: Position, content: Page) -> None:
        if (page, checkpoint) not in self._pages:
            insort(self._changes.setdefault(page, []), checkpoint)
            self.stored_bytes += content.size_bytes
        self._pages[page, checkpoint] = content

    def at(self, page: int, checkpoint: Position) -> bytes:
        """Return the contents of a page at a checkpoint."""
        changes = self._changes.get(page, ())
        index = bisect_right(changes, checkpoint)
        return self._pages[page, changes[index - 1]].data if index else _EMPTY

    def has_changed(self, page: int, after: Position, until: Position) -> bool:
        """Tell whether a page may have changed behind one checkpoint, up to another."""
        changes = self._changes.get(page, ())
        return bisect_right(changes, after) < bisect_right(changes, until)

    @property
    def numbers(self) -> set[int]:
        """Every page that has contents at any checkpoint; the others are empty at all of them."""
        return set(self._changes)

    def changes(self, page: int) -> list[Position]:
        """Return the checkpoints before which a page may have changed: since the one before each."""
        return list(self._changes.get(page, ()))

    def changed_between(self, first: Position, last: Position) -> set[int]:
        """Return the pages that may differ between two checkpoints, of which one may have been dropped."""
        low, high = min(first, last), max(first, last)
        high = min((checkpoint for checkpoint in self._of_checkpoint if checkpoint >= high), default=high)
        return {page for at, pages in self._of_checkpoint.items() if low < at <= high for page in pages}

    def forget(self, checkpoint: Position, following: Position) -> None:
        """Drop a checkpoint: what it alone holds belongs to the following one from now on."""
        moved = self._of_checkpoint.pop(checkpoint, array("I"))
        kept = self._of_checkpoint.setdefault(following, array("I"))
        for page in moved:
            content = self._pages.pop((page, checkpoint))
            changes = self._changes[page]
            del changes[bisect_left(changes, checkpoint)]
            self.stored_bytes -= content.size_bytes
            if (page, following) not in self._pages:
                self._put(page, following, content)
                kept.append(page)

    def pack(self, checkpoint: Position) -> None:
        """Compress the pages of a checkpoint."""
        for page in self._of_checkpoint.get(checkpoint, ()):
            self.stored_bytes -= self._pages[page, checkpoint].pack()

    def until(self, last: Position) -> PageVersions:
        """Return the contents up to a checkpoint, for another branch: they are shared."""
        made = PageVersions()
        for checkpoint in sorted(self._of_checkpoint):
            if checkpoint <= last:
                pages = made._of_checkpoint[checkpoint] = array("I", self._of_checkpoint[checkpoint])
                for page in pages:
                    made._put(page, checkpoint, self._pages[page, checkpoint])
        return made
