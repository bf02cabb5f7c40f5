"""What a run was made of, counted while it runs: exceptions, device accesses, interrupts, and exits of VMs.

Read `events.py`, `kvm_events.py` and `explain/kvm_lines.py` (names of exits) before this file, `timeline/timeline.py`,
where the counts go back with the machine, and `cli/statistics.py`, which prints them, after it. Counting changes
nothing in the run.

Exits are counted as `perf kvm stat` counts them: one takes from its kvm_exit to the next kvm_entry of the same vCPU; an
exit that no entry follows is not in it. What it takes are instructions that the machine retired meanwhile, which were
other vCPUs' and CPUs': a handler in Python retires none, so only exits that block or wait have any. Of a run that is
only watched once, what it cost this computer is measured too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from arm_hyp.events import DeviceAccess, Event, ExceptionTaken, RegisterAccess
from arm_hyp.explain.kvm_lines import exit_name
from arm_hyp.kvm_events import KvmEntry, KvmExit

_ACKNOWLEDGE_FRAMES: Final = {"gicc": "", "gicv": "virtual"}
_ACKNOWLEDGE_OFFSETS: Final = (0x0C, 0x20)
"""GICC_IAR and GICC_AIAR, GICV_IAR and GICV_AIAR."""
_ACKNOWLEDGE_REGISTERS: Final = ("ICC_IAR0_EL1", "ICC_IAR1_EL1")
_COUNTERS: Final = ("exceptions", "devices", "interrupts")
_INTID_BITS: Final = 0x3FF
_SPECIAL_INTIDS: Final = range(1020, 1024)
HostClock = Callable[[], int]
"""Tells the host's time in ns."""


@dataclass(slots=True)
class Durations:
    """How often something happened, and how long it took: exact sums, in the unit of what is added."""

    samples: int = 0
    total: int = 0
    shortest: int = 0
    longest: int = 0
    _squares: int = 0

    def add(self, duration: int) -> None:
        """Count one."""
        self.shortest = duration if self.samples == 0 else min(self.shortest, duration)
        self.longest = max(self.longest, duration)
        self.samples, self.total, self._squares = self.samples + 1, self.total + duration, self._squares + duration**2

    @property
    def average(self) -> float:
        """The mean; there must be samples."""
        return self.total / self.samples

    @property
    def deviation_percent(self) -> float:
        """The standard deviation of the mean, in percent of the mean; 0 where there is none."""
        if self.samples < 2 or self.total == 0:
            return 0.0
        sum_of_squares = (self._squares * self.samples - self.total**2) / self.samples
        return 100 * math.sqrt(sum_of_squares / (self.samples - 1) / self.samples) / self.average


@dataclass(slots=True)
class ExitCost:
    """What exits of one name cost: in instructions, and in ns of host time where that is measured."""

    instructions: Durations = field(default_factory=Durations)
    host_ns: Durations = field(default_factory=Durations)


class ExitStatistics:
    """Counts exits by VM and name. The host's time, if it is measured, goes nowhere but into the tables."""

    def __init__(self, host_ns: HostClock | None = None) -> None:
        self.vms: dict[str, dict[str, ExitCost]] = {}
        self.has_host_time, self._host_ns = host_ns is not None, host_ns or (lambda: 0)
        self._open: dict[tuple[str, int | None], tuple[str, int, int]] = {}

    def exit(self, event: KvmExit) -> None:
        """Note that a vCPU left its guest."""
        self._open[event.vm, event.vcpu] = exit_name(event), event.n, self._host_ns()

    def entry(self, event: KvmEntry) -> None:
        """Count the exit that ends here. A vCPU's first entry ends none."""
        began = self._open.pop((event.vm, event.vcpu), None)
        if began is None:
            return
        name, n, host_ns = began
        cost = self.vms.setdefault(event.vm, {}).setdefault(name, ExitCost())
        cost.instructions.add(event.n - n)
        cost.host_ns.add(self._host_ns() - host_ns)

    def snapshot(self) -> dict[str, Any]:
        """Return the counts as plain data; host time is not among them."""
        counted = {
            vm: {name: astuple(cost.instructions) for name, cost in sorted(costs.items())}
            for vm, costs in self.vms.items()
        }
        return {"vms": counted, "open": {who: (name, n) for who, (name, n, _) in sorted(self._open.items())}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take counts back."""
        self.vms = {
            vm: {name: ExitCost(Durations(*counted)) for name, counted in costs.items()}
            for vm, costs in state["vms"].items()
        }
        self._open = {who: (name, n, self._host_ns()) for who, (name, n) in state["open"].items()}


class Statistics:
    """Counts events. Interrupts are counted when software acknowledges them. `host_ns` times the exits of VMs."""

    interests: Final = frozenset[type[Event]]({ExceptionTaken, DeviceAccess, RegisterAccess, KvmExit, KvmEntry})

    def __init__(self, host_ns: HostClock | None = None) -> None:
        self.exceptions: Counter[tuple[int, int, str, int | None]] = Counter()
        self.devices: Counter[tuple[str, bool]] = Counter()
        self.interrupts: Counter[tuple[int, int, str]] = Counter()
        self.exits = ExitStatistics(host_ns)

    @property
    def has_any(self) -> bool:
        """Whether there is anything to show a table of."""
        return bool(self.exceptions or self.devices or self.interrupts or self.exits.vms)

    def emit(self, event: Event) -> None:
        """Count an event."""
        count = _COUNT.get(type(event))
        if count is not None:
            count(self, event)

    def snapshot(self) -> dict[str, Any]:
        """Return the counts as plain data; host time is not among them."""
        counted = {name: dict(getattr(self, name)) for name in _COUNTERS}
        return counted | {"exits": self.exits.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take counts back."""
        for name in _COUNTERS:
            setattr(self, name, Counter(state[name]))
        self.exits.restore(state["exits"])

    def _exception(self, event: ExceptionTaken) -> None:
        self.exceptions[event.from_el, event.to_el, event.kind, event.ec] += 1

    def _device(self, event: DeviceAccess) -> None:
        self.devices[event.device, event.is_write] += 1
        if event.device in _ACKNOWLEDGE_FRAMES and event.offset in _ACKNOWLEDGE_OFFSETS and not event.is_write:
            self._acknowledged(event.value, event.el, _ACKNOWLEDGE_FRAMES[event.device])

    def _register(self, event: RegisterAccess) -> None:
        if event.is_read and event.register in _ACKNOWLEDGE_REGISTERS:
            self._acknowledged(event.value, event.el, "")

    def _exit(self, event: KvmExit) -> None:
        self.exits.exit(event)

    def _entry(self, event: KvmEntry) -> None:
        self.exits.entry(event)

    def _acknowledged(self, value: int, el: int, kind: str) -> None:
        intid = value & _INTID_BITS
        if intid not in _SPECIAL_INTIDS:
            self.interrupts[intid, el, kind] += 1


_COUNT: Final[dict[type[Event], Callable[[Statistics, Any], None]]] = {
    ExceptionTaken: Statistics._exception,
    DeviceAccess: Statistics._device,
    RegisterAccess: Statistics._register,
    KvmExit: Statistics._exit,
    KvmEntry: Statistics._entry,
}
