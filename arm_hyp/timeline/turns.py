"""Whose turn it was: for each entry of the journal its vCPU, level and virtual time; and who ran between two entries.

Read `timeline/journal.py` and `hypervisor/host_cpu.py` before this file, `timeline/density.py` after it. It is noted
while a run is new, beside the journal, because the core tells neither the vCPU nor the time of an exception; 10 bytes
for each entry of the journal, and 10 for each time that something else began to run.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch.exceptions import Kind

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.cpu.position import Told
    from arm_hyp.hypervisor.host_cpu import HostCpu
    from arm_hyp.machine.machine import Machine

Who = tuple[int, int] | None
"""The index of a VM, and that of its vCPU."""
_RETURN: Final = -1
_TAKEN, _VIRTUAL, _LANE = 1 << 15, 1 << 14, (1 << 14) - 1
_FROM_EL1: Final = {0b00000: 0, 0b00100: 1, 0b00101: 1}
"""SPSR_EL1.M <4:0> of a legal return from EL1, and the level that it leads to: EL0t, EL1t, EL1h."""
_ROUTED: Final[dict[int, int]] = {Kind.IRQ: 1 << 4, Kind.FIQ: 1 << 3, Kind.SERROR: 1 << 5}
"""HCR_EL2.IMO <4>, FMO <3>, AMO <5>: where it is set, a physical interrupt of that kind does not go to EL1."""


class Lane(NamedTuple):
    """Where instructions run: a CPU at an exception level, with a vCPU on it, or none."""

    cpu: int
    el: int
    who: Who = None

    @property
    def vm(self) -> int | None:
        """The VM whose vCPU it is."""
        return None if self.who is None else self.who[0]


class Turn(NamedTuple):
    """What is known of an entry of the journal beside it.

    `lane` is what its CPU runs behind it. On the way to EL2 that has the vCPU that was left, from there the one that is
    entered. `is_virtual` tells an interrupt that was injected.
    """

    lane: Lane
    idle_ns: int
    is_virtual: bool


class Turns:
    """The turns of one branch. `lanes` are numbered by their places; `starts` are counts of retired instructions.

    From `starts[i]` on `lanes[running[i]]` runs, up to the next start.
    """

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.starts, self.running = array("Q"), array("H")
        self._numbers: dict[tuple[int, int, Who], int] = {}
        self._entries, self._idle_ns = array("H"), array("Q")
        self._who: dict[int, Who] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Turn:
        entry = self._entries[index]
        return Turn(self.lanes[entry & _LANE], self._idle_ns[index], bool(entry & _VIRTUAL))

    def idle_ns(self, index: int) -> int:
        """Return the virtual time that had passed without instructions at an entry of the journal, in ns."""
        return self._idle_ns[index]

    def taken(self, start: int, stop: int) -> list[int]:
        """Return for each exception among some entries of the journal the number of the lane that it led to."""
        return [entry & _LANE for entry in self._entries[start:stop] if entry & _TAKEN]

    def numbers(self, start: int, stop: int) -> list[int]:
        """Return for each of some entries of the journal the number of its lane."""
        return [entry & _LANE for entry in self._entries[start:stop]]

    # --- noting ------------------------------------------------------------------------------------------------------

    def noting(
        self, machine: Machine, hosts: Sequence[HostCpu], append: Callable[[Told], None]
    ) -> Callable[[Told], None]:
        """Return what the core is to tell each exception and return; it passes them on.

        It does not ask the core for more than it must: there are a million in the boot of a kernel.
        """
        clock, cores, who = machine.clock, machine.cpus.cores, self._who
        entered, note_idle, note_entry = self._entered, self._idle_ns.append, self._entries.append

        def note(told: Told) -> None:
            append(told)
            note_idle(clock.idle_ns)
            n, _, cpu, level, kind, _, _, spsr, _ = told
            if kind == _RETURN:
                if hosts and level == 2:
                    vcpu = hosts[cpu].vcpu
                    who[cpu] = None if vcpu is None else (vcpu.vm.index, vcpu.index)
                el = _FROM_EL1.get(spsr & 0x1F) if level == 1 else None
                note_entry(entered(n, (cpu, cores[cpu].el if el is None else el, who.get(cpu))))
                return
            bit = level == 1 and _ROUTED.get(kind)
            flags = _TAKEN | _VIRTUAL if bit and cores[cpu].controls.values.hcr_el2 & bit else _TAKEN
            note_entry(entered(n, (cpu, level, who.get(cpu))) | flags)

        return note

    def turned(self, core: Core, n: int) -> None:
        """Note that a CPU begins to run, or goes on: after a reset it is at another level."""
        self._entered(n, (core.index, core.el, self._who.get(core.index)))

    def _entered(self, n: int, lane: tuple[int, int, Who]) -> int:
        """Note that a lane runs from here on; return its number."""
        number = self._numbers.get(lane)
        if number is None:
            number = self._numbers[lane] = len(self.lanes)
            self.lanes.append(Lane(*lane))
        running = self.running
        if not running or running[-1] != number:
            running.append(number)
            self.starts.append(n)
        return number

    # --- branches ----------------------------------------------------------------------------------------------------

    def until(self, count: int, n: int) -> Turns:
        """Return those of a branch that begins behind `count` entries of the journal and `n` instructions."""
        made, kept = Turns(), bisect_left(self.starts, n)
        made.lanes, made._numbers = list(self.lanes), dict(self._numbers)
        made.starts, made.running = self.starts[:kept], self.running[:kept]
        made._entries, made._idle_ns = self._entries[:count], self._idle_ns[:count]
        made._who.update(made._last())
        return made

    def _last(self) -> dict[int, Who]:
        """Return the vCPU of each CPU's last entry."""
        missing, found = {lane.cpu for lane in self.lanes}, dict[int, Who]()
        for entry in reversed(self._entries):
            if not missing:
                break
            lane = self.lanes[entry & _LANE]
            if lane.cpu in missing:
                missing.remove(lane.cpu)
                found[lane.cpu] = lane.who
        return found
