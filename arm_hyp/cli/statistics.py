"""What a run was made of, counted while it runs: exceptions, device accesses, interrupts, exits of VMs; and the tables.

Read `events.py` and `cli/exit_statistics.py` before this file, `cli/run.py` after it. Counting changes nothing in the
run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.cli.exit_statistics import ExitStatistics
from arm_hyp.events import DeviceAccess, Event, ExceptionTaken, RegisterAccess
from arm_hyp.kvm_events import KvmEntry, KvmExit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_ACKNOWLEDGE_FRAMES: Final = {"gicc": "", "gicv": "virtual"}
_ACKNOWLEDGE_OFFSETS: Final = (0x0C, 0x20)
"""GICC_IAR and GICC_AIAR, GICV_IAR and GICV_AIAR."""
_ACKNOWLEDGE_REGISTERS: Final = ("ICC_IAR0_EL1", "ICC_IAR1_EL1")
_INTID_BITS: Final = 0x3FF
_SPECIAL_INTIDS: Final = range(1020, 1024)


class Statistics:
    """Counts events. Interrupts are counted when software acknowledges them."""

    interests: Final = frozenset[type[Event]]({ExceptionTaken, DeviceAccess, RegisterAccess, KvmExit, KvmEntry})

    def __init__(self) -> None:
        self.exceptions: Counter[tuple[int, int, str, int | None]] = Counter()
        self.devices: Counter[tuple[str, bool]] = Counter()
        self.interrupts: Counter[tuple[int, int, str]] = Counter()
        self.exits = ExitStatistics()

    @property
    def has_any(self) -> bool:
        """Whether there is anything to show a table of."""
        return bool(self.exceptions or self.devices or self.interrupts or self.exits.vms)

    def emit(self, event: Event) -> None:
        """Count an event."""
        count = _COUNT.get(type(event))
        if count is not None:
            count(self, event)

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


def speed_lines(instructions: int, time_ns: int, host_s: float) -> tuple[str, ...]:
    """Say how long the run took, in virtual and in host time (seconds), and how fast it was."""
    mips = instructions / host_s / 1e6 if host_s > 0 else 0.0
    return (
        f"{instructions:,} instructions, {time_ns / 1e9:,.6f} s of virtual time",
        f"{host_s:.2f} s of host time: {mips:,.1f} million instructions a second",
    )


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
