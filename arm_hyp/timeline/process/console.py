"""What was printed, and where in the run: for each line the position at which it began.

Read `runner/runner.py` before this file, `timeline/process/session.py` after it. Consoles come back with the run; what
is kept here beside them, for each branch, is told once, when it is new.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process.answers import Chunk

_LONGEST_CHUNK: Final = 4096
LONGEST_BYTES: Final = 1 << 20


class Begin(NamedTuple):
    """A chunk begins at an offset into the console, and was printed at a position and behind it."""

    offset: int
    position: Position


class PrintedAt:
    """Where the chunks of each console begin, on one branch."""

    def __init__(self, begins: Sequence[Sequence[Begin]]) -> None:
        self._begins = [list(each) for each in begins]
        self._is_open = [False] * len(self._begins)

    @classmethod
    def empty(cls, consoles: int) -> PrintedAt:
        """Return one for consoles on which nothing was printed."""
        return cls([[] for _ in range(consoles)])

    def branch(self, printed: Sequence[int]) -> PrintedAt:
        """Return one for a branch where so many bytes were printed on each console."""
        pairs = zip(self._begins, printed, strict=True)
        return PrintedAt([[begin for begin in begins if begin.offset < end] for begins, end in pairs])

    def note(self, vm: int, offset: int, data: bytes, position: Callable[[], Position]) -> None:
        """Note that something is printed at an offset. In a long line a chunk ends anywhere."""
        begins = self._begins[vm]
        if not self._is_open[vm] or not begins or offset - begins[-1].offset >= _LONGEST_CHUNK:
            begins.append(Begin(offset, position()))
        self._is_open[vm] = not data.endswith(b"\n")

    def chunks(self, vm: int, console: bytearray, start: int) -> tuple[Chunk, ...]:
        """Return a console from an offset on, by chunks; at most LONGEST_BYTES."""
        end = min(len(console), start + LONGEST_BYTES)
        begins = [begin for begin in self._begins[vm] if begin.offset < end]
        edges = [*(begin.offset for begin in begins), end][1:]
        places = [(max(begin.offset, start), edge, begin.position) for begin, edge in zip(begins, edges, strict=True)]
        found = tuple(Chunk(position, bytes(console[at:edge])) for at, edge, position in places if edge > at)
        return found or ((Chunk(START, bytes(console[start:end])),) if end > start else ())

    def around(self, vm: int, offset: int) -> tuple[Position, Position | None]:
        """Return where the chunk with an offset begins to be printed, and the next one, if there is any."""
        begins = self._begins[vm]
        index = bisect_right(begins, offset, key=lambda begin: begin.offset)
        first = begins[index - 1].position if index else START
        return first, begins[index].position if index < len(begins) else None
