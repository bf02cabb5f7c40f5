"""The tables of exits of VMs and their cost, as `perf kvm stat` reports them.

Read `timeline/statistics.py`, which counts, before this file, `cli/statistics.py` after it. The time of an exit is told
in instructions that the machine retired meanwhile; and where it was measured in host time, what it cost this computer.

Ref: Linux 6.1, tools/perf/builtin-kvm.c (print_result), tools/perf/arch/arm64/util/kvm-stat.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

    from arm_hyp.timeline.statistics import Durations, ExitStatistics

_NS_PER_US: Final = 1000
_EXACT_BELOW_US: Final = 100_000
"""Times from here on have no decimals, so that a row fits into 80 columns."""


def print_exits(console: Console, statistics: ExitStatistics) -> None:
    """Print the tables of each VM, in the order of their first exits."""
    for vm, costs in statistics.vms.items():
        if statistics.has_host_time:
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
