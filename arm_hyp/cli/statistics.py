"""The tables of what a run was made of: exceptions, device accesses, interrupts, exits of VMs.

Read `timeline/statistics.py` and `cli/exit_statistics.py` before this file, `cli/session.py` and `cli/show.py` after
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.cli.exit_statistics import print_exits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from arm_hyp.timeline.statistics import Statistics

_PIPED_COLUMNS: Final = 100


def print_exceptions(console: Console, statistics: Statistics) -> None:
    """Print the table of exceptions, the most frequent first."""
    from arm_hyp.arch.syndromes import ec_name

    rows = []
    for (from_el, to_el, kind, ec), count in _by_count(statistics.exceptions):
        name = "" if ec is None else f"{ec:#04x} {ec_name(ec)}"
        rows.append((f"EL{from_el}", f"EL{to_el}", kind, name, f"{count:,}"))
    _print(console, "Exceptions", ("from", "to", "kind", "class"), rows)


def print_devices(console: Console, statistics: Statistics) -> None:
    """Print the tables of device accesses and of interrupts."""
    rows = [(name, f"{reads:,}", f"{writes:,}") for name, reads, writes in device_rows(statistics)]
    _print(console, "Device accesses", ("device",), rows, ("reads", "writes"))
    interrupts = [
        (str(intid), f"EL{el}", kind, f"{count:,}") for (intid, el, kind), count in _by_count(statistics.interrupts)
    ]
    _print(console, "Interrupts acknowledged", ("INTID", "at", "kind"), interrupts)


def print_all(console: Console, statistics: Statistics) -> None:
    """Print every table."""
    print_exceptions(console, statistics)
    print_devices(console, statistics)
    print_exits(console, statistics.exits)


def speed_lines(instructions: int, time_ns: int, host_s: float) -> tuple[str, ...]:
    """Say how long the run took, in virtual and in host time (seconds), and how fast it was."""
    mips = instructions / host_s / 1e6 if host_s > 0 else 0.0
    return (
        f"{instructions:,} instructions, {time_ns / 1e9:,.6f} s of virtual time",
        f"{host_s:.2f} s of host time: {mips:,.1f} million instructions a second",
    )


def print_tables(statistics: Statistics) -> None:
    """Print every table on standard output, at a terminal in its width."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_COLUMNS
    console.print()
    print_all(console, statistics)


def plain(statistics: Statistics) -> dict[str, Any]:
    """Return all counts as plain data, the most frequent first."""
    exits = [
        {"vm": vm, "name": name, "count": cost.instructions.samples, "instructions": cost.instructions.total}
        for vm, costs in statistics.exits.vms.items()
        for name, cost in sorted(costs.items(), key=lambda row: (-row[1].instructions.samples, row[0]))
    ]
    return {
        "exceptions": _rows(statistics.exceptions, ("from_el", "to_el", "kind", "ec")),
        "device_accesses": _rows(statistics.devices, ("device", "is_write")),
        "interrupts": _rows(statistics.interrupts, ("intid", "el", "kind")),
        "exits": exits,
    }


def _rows(counter: Counter[Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [dict(zip(names, key, strict=True)) | {"count": count} for key, count in _by_count(counter)]


def device_rows(statistics: Statistics) -> list[tuple[str, int, int]]:
    """Return devices with their reads and writes, the most accessed first.

    Devices of one kind with equal counts (the empty slots that a driver looks at) share a row, which says how many they
    are; the counts are then of each.
    """
    counts = statistics.devices
    alike: dict[tuple[str, int, int], list[str]] = {}
    for name in sorted({name for name, _ in counts}):
        kind = name.rstrip("0123456789").rstrip("-")
        alike.setdefault((kind, counts[name, False], counts[name, True]), []).append(name)
    rows = [
        (names[0] if len(names) == 1 else f"each of {len(names)} {kind}", reads, writes)
        for (kind, reads, writes), names in alike.items()
    ]
    return sorted(rows, key=lambda row: (-row[1] - row[2], row[0]))


def _by_count(counter: Counter[Any]) -> list[tuple[Any, int]]:
    """Return what was counted, the most frequent first; equals in the order of their keys as text."""
    return sorted(counter.items(), key=lambda item: (-item[1], str(item[0])))


def _print(
    console: Console,
    title: str,
    columns: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    numbers: tuple[str, ...] = ("count",),
) -> None:
    """Print a table, unless it is empty."""
    from rich.table import Table

    table: Table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        console.print(table)
