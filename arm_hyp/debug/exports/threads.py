"""What is drawn on a thread's track: slices for exception levels, for what a vCPU does, and for its exits.

Read `debug/exports/perfetto_file.py` before this file, `debug/exports/perfetto.py` after it.

An exception is a slice upon what it interrupted, and ends at the return to the level that it came from. Below all
exceptions of a thread lies a slice for the level that software began at, or dropped to. So the innermost slice always
names the level that runs:

    EL1 |--------------------------------        guest |------------------------------------------|
          EL1 SVC64 |-----------|                   EL1 |-----------------------------------------|
             EL2 WFx |---|                                  EL2 |-----|
                                                            WFx |-----|

On the left a machine with software at EL2, on the right a vCPU, whose EL2 is Python.

Simplified: kernels return by ERET to another thread than was interrupted. Then slices end that are not this thread's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from arm_hyp.debug.exports.perfetto_file import PerfettoFile, Value

_DEEPEST: Final = 32
"""So many exceptions upon each other are shown; software that never returns from them starts anew."""


class Slices:
    """The open slices of a track."""

    def __init__(self, file: PerfettoFile, track: int) -> None:
        self._file, self.track, self.depth = file, track, 0

    def begin(self, ns: int, name: str, notes: Mapping[str, Value] | None = None, flows: Sequence[int] = ()) -> None:
        """Begin a slice inside the open ones."""
        self._file.begin(self.track, ns, name, notes or {}, flows)
        self.depth += 1

    def end(self, ns: int, depth: int = 0) -> None:
        """End the innermost slices, so that `depth` are open."""
        while self.depth > depth:
            self._file.end(self.track, ns)
            self.depth -= 1


class _Taken(NamedTuple):
    """An exception that was not returned from."""

    name: str
    from_el: int
    to_el: int


class Levels:
    """The exception levels of a thread, upon `floor` slices of another kind."""

    def __init__(self, slices: Slices, floor: int) -> None:
        self._slices, self._floor = slices, floor
        self._lowest: int | None = None
        self._taken: list[_Taken] = []

    @property
    def depth(self) -> int:
        """How many slices are open up to the level that runs."""
        return self._floor + (self._lowest is not None) + len(self._taken)

    @property
    def el(self) -> int | None:
        """The level that runs; None before anything is known."""
        return self._taken[-1].to_el if self._taken else self._lowest

    def at(self, ns: int, el: int) -> None:
        """Learn which level runs."""
        if self.el != el:
            self._drop(ns, el)

    def take(
        self, ns: int, name: str, from_el: int, to_el: int, notes: Mapping[str, Value], flows: Sequence[int] = ()
    ) -> None:
        """Begin an exception."""
        if len(self._taken) >= _DEEPEST:
            self._drop(ns, from_el)
        self._taken.append(_Taken(name, from_el, to_el))
        self._slices.begin(ns, name, notes, flows)

    def leave(self, ns: int, to_el: int) -> None:
        """End the innermost exception that came from a level, and those upon it; or drop to that level."""
        for index in reversed(range(len(self._taken))):
            if self._taken[index].from_el == to_el:
                del self._taken[index:]
                self._slices.end(ns, self.depth)
                return
        self._drop(ns, to_el)

    def resume(self, ns: int) -> None:
        """Begin again what was open when all slices ended."""
        if self._lowest is not None:
            self._slices.begin(ns, f"EL{self._lowest}")
        for taken in self._taken:
            self._slices.begin(ns, taken.name)

    def _drop(self, ns: int, el: int) -> None:
        """End everything, and begin at a level."""
        self._slices.end(ns, self._floor)
        self._lowest = el
        self._taken.clear()
        self._slices.begin(ns, f"EL{el}")


class VcpuThread:
    """A vCPU: runs its guest, is in an exit, or waits. `flow` is that of its last exit, until its ERET."""

    def __init__(self, file: PerfettoFile, process: str, pid: int, name: str) -> None:
        self.process, self.track = process, file.thread(pid, name)
        self._slices = Slices(file, self.track)
        self.levels = Levels(self._slices, floor=1)
        self.flow: int | None = None
        self.is_running = False

    def run(self, ns: int, notes: Mapping[str, Value]) -> None:
        """Go on with the guest: the vCPU is on a CPU."""
        self.off(ns)
        self.is_running = True
        self._slices.begin(ns, "guest", notes)
        self.levels.resume(ns)

    def exit(self, ns: int, name: str, flow: int, notes: Mapping[str, Value]) -> None:
        """Be in EL2, and there in a handler."""
        self._slices.end(ns, self.levels.depth)
        self._slices.begin(ns, "EL2")
        self._slices.begin(ns, name, notes, (flow,))
        self.flow = flow

    def enter(self, ns: int) -> None:
        """Be done with the exit."""
        self._slices.end(ns, self.levels.depth)

    def wait(self, ns: int, name: str, notes: Mapping[str, Value]) -> None:
        """Be off the CPU, for a reason that is known."""
        self.off(ns)
        self._slices.begin(ns, name, notes)

    def off(self, ns: int) -> None:
        """Be off the CPU."""
        self._slices.end(ns)
        self.is_running = False


class CpuThread:
    """A CPU. With software of its own at EL2 it has levels; under a hypervisor in Python, the vCPU that it runs."""

    def __init__(self, file: PerfettoFile, process: str, pid: int, name: str) -> None:
        self.process, self.track = process, file.thread(pid, name)
        self._slices = Slices(file, self.track)
        self.levels = Levels(self._slices, floor=0)
        self.flow: int | None = None
        self._waits = False

    def wait(self, ns: int, name: str, notes: Mapping[str, Value]) -> None:
        """Wait for an interrupt or an event."""
        self.wake(ns)
        self._slices.begin(ns, name, notes)
        self._waits = True

    def wake(self, ns: int) -> None:
        """Do something again."""
        if self._waits:
            self._slices.end(ns, self._slices.depth - 1)
            self._waits = False

    def show(self, ns: int, name: str) -> None:
        """Show what the CPU is busy with, in place of what it was before."""
        self.off(ns)
        self._slices.begin(ns, name)

    def off(self, ns: int) -> None:
        """End all slices."""
        self._slices.end(ns)
        self._waits = False
