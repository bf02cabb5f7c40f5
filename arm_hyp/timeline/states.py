"""The state of a run taken, and put back: registers and devices whole, RAM by the pages that differ.

Read `machine/memory.py` and `timeline/checkpoints.py` before this file, `timeline/timeline.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arm_hyp.machine.dirty_pages import PAGE_BYTES, Run
from arm_hyp.machine.machine import RAM_BASE, is_on_grid
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline.checkpoints import Checkpoint, Checkpoints
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.statistics import Statistics


class States:
    """The states of one runner, and its statistics. It is where its RAM counts as unchanged since some checkpoint."""

    def __init__(
        self, runner: Runner, checkpoints: Checkpoints, start: Position, statistics: Statistics | None = None
    ) -> None:
        self._runner, self._ram, self._statistics = runner, runner.machine.ram_device, statistics
        self._base = start
        checkpoints.add(self._checkpoint(start), self._ram.take_changes())

    def _checkpoint(self, position: Position) -> Checkpoint:
        counted = None if self._statistics is None else self._statistics.snapshot()
        return Checkpoint.of(position, self._runner.snapshot(with_ram=False), counted)

    def keep(self, checkpoints: Checkpoints, position: Position, *, has_advanced: bool) -> None:
        """Keep a checkpoint here, if this is a place for one and there is none. Call it on arrival, before all else.

        `has_advanced` tells that this is the first stop since the instruction before has retired.
        """
        is_at_count = has_advanced and is_on_grid(position.n) and not checkpoints.has_count(position.n)
        if not is_at_count and (not self._is_at_exit or checkpoints.has(position)):
            return
        changed = self._ram.take_changes()
        base, self._base = self._base, position
        before = checkpoints.at_or_before(position).position
        if base > before:  # the base was dropped: what changed before it belongs here too
            known = {run.offset // PAGE_BYTES + i for run in changed for i in range(len(run.data) // PAGE_BYTES)}
            earlier = checkpoints.pages.changed_between(before, base) - known
            changed += [self._page(page) for page in sorted(earlier)]
        checkpoints.add(self._checkpoint(position), changed)

    @property
    def _is_at_exit(self) -> bool:
        """Whether the hypervisor has emptied the TLBs at an exit right here."""
        return self._runner.hypervisor is not None and self._runner.hypervisor.is_on_grid

    def _page(self, page: int) -> Run:
        offset = page * PAGE_BYTES
        return Run(offset, self._ram.read(RAM_BASE + offset, PAGE_BYTES))

    def put_back(self, checkpoints: Checkpoints, checkpoint: Checkpoint) -> None:
        """Put everything back as it was at a checkpoint of the branch that the run is on."""
        pages = checkpoints.pages
        changed = {page for row in self._ram.changed_pages() for page in row}
        changed |= pages.changed_between(self._base, checkpoint.position)
        self._ram.put_back(_in_rows(sorted(changed), lambda page: pages.at(page, checkpoint.position)))
        self._base = checkpoint.position
        self._runner.restore(checkpoint.state())
        if self._statistics is not None:
            self._statistics.restore(checkpoint.counts())


def memory_at(checkpoints: Checkpoints, position: Position, pa: int, size_bytes: int) -> bytes:
    """Return RAM as it was at a checkpoint; the range lies in RAM."""
    offset = pa - RAM_BASE
    first, last = offset // PAGE_BYTES, (offset + size_bytes - 1) // PAGE_BYTES
    data = b"".join(checkpoints.pages.at(page, position) for page in range(first, last + 1))
    return data[offset - first * PAGE_BYTES :][:size_bytes]


def _in_rows(pages: Sequence[int], content: Callable[[int], bytes]) -> list[Run]:
    """Return pages as runs: those that lie side by side together."""
    runs: list[tuple[int, list[bytes]]] = []
    last = -2
    for page in pages:
        if page != last + 1:
            runs.append((page * PAGE_BYTES, []))
        runs[-1][1].append(content(page))
        last = page
    return [Run(offset, b"".join(contents)) for offset, contents in runs]
