"""The exits of VMs and their cost, counted as `perf kvm stat` counts them, and the tables that it reports.

Read `kvm_events.py` and `explain/kvm_lines.py` (names of exits) before this file, `cli/statistics.py` after it.

An exit takes from its kvm_exit to the next kvm_entry of the same vCPU; an exit that no entry follows is in no row. Its
time is told twice: in host time, what it cost this computer; and in instructions that the machine retired meanwhile.
These were other vCPUs' and CPUs': a handler in Python retires none, so only exits that block or wait have any.

Ref: Linux 6.1, tools/perf/builtin-kvm.c (print_result), tools/perf/arch/arm64/util/kvm-stat.c.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arm_hyp.explain.kvm_lines import exit_name
from arm_hyp.kvm_events import KvmEntry, KvmExit

if TYPE_CHECKING:
    from rich.console import Console

_NS_PER_US: Final = 1000
_EXACT_BELOW_US: Final = 100_000
"""Times from here on have no decimals, so that a row fits into 80 columns."""


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
    """What exits of one name cost: in instructions, and in ns of host time."""

    instructions: Durations = field(default_factory=Durations)
    host_ns: Durations = field(default_factory=Durations)


class ExitStatistics:
    """Counts exits by VM and name. `host_ns` tells the host's time, which goes nowhere but into the tables."""

    def __init__(self, host_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self.vms: dict[str, dict[str, ExitCost]] = {}
        self._host_ns = host_ns
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


def print_exits(console: Console, statistics: ExitStatistics) -> None:
    """Print the tables of each VM, in the order of their first exits."""
    for vm, costs in statistics.vms.items():
        host = [(name, cost.host_ns) for name, cost in costs.items()]
        _print(console, f"Exits of {vm}, in us of host time", host, _microseconds, "us")
        retired = [(name, cost.instructions) for name, cost in costs.items()]
        _print(console, f"Exits of {vm}, in instructions retired meanwhile", retired, _count, " instructions")


def _print(
    console: Console, title: str, named: list[tuple[str, Durations]], shown: Callable[[float], str], unit: str
) -> None:
    """Print one table in the columns of `perf kvm stat report`, the most frequent exit first, and its totals."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, collapse_padding=True)
    table.add_column("VM-EXIT", no_wrap=True)
    for column in ("Samples", "Samples%", "Time%", "Min Time", "Max Time", "Avg time", ""):
        table.add_column(column, justify="right", overflow="fold")
    samples, total = sum(each.samples for _, each in named), sum(each.total for _, each in named)
    for name, each in sorted(named, key=lambda row: (-row[1].samples, row[0])):
        shares = _percent(each.samples, samples), _percent(each.total, total)
        times = map(shown, (each.shortest, each.longest, each.average))
        table.add_row(name, str(each.samples), *shares, *times, f"+-{each.deviation_percent:.2f}%")
    console.print(table)
    console.print(f"Total Samples:{samples}, Total events handled time:{shown(total)}{unit}.\n")


def _microseconds(ns: float) -> str:
    us = ns / _NS_PER_US
    return f"{us:.2f}" if us < _EXACT_BELOW_US else f"{us:.0f}"


def _count(number: float) -> str:
    return f"{number:.0f}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0:.2f}%"
