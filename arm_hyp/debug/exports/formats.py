"""The formats that a run can be written in for other tools: one table.

Read `debug/exports/lines.py`, `table.py` and `perfetto.py` before this file, `debug/exports/exporter.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol, TextIO

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.exports.lines import JsonLinesSink, KvmSink
from arm_hyp.debug.exports.virtual_time import Clock, clock_of
from arm_hyp.events import EventSink
from arm_hyp.runner.runner import Runner


class ExportSink(EventSink, Protocol):
    """A sink that writes a file as events come. It is complete after `close`, whenever that is."""

    def close(self) -> None:
        """Write what is held. The file stays open."""


class Source(NamedTuple):
    """What a sink may ask about the run, beside its events. `machine`: CPU model and version of the GIC."""

    clock: Clock
    symbols: Callable[[], SymbolTable] = SymbolTable
    has_vms: bool = False
    machine: tuple[str, int] = ("a72", 2)


def source_of(runner: Runner) -> Source:
    """Return what sinks may ask about a runner."""
    machine = runner.configuration.cpu, runner.configuration.gic
    return Source(clock_of(lambda: runner), lambda: runner.symbols, runner.hypervisor is not None, machine)


class Format(NamedTuple):
    """One format: how its files' names end, what it is, and its sink, for a text file over a binary one."""

    suffix: str
    summary: str
    make: Callable[[TextIO, Source], ExportSink]
    needs_vms: bool = False


def _csv(file: TextIO, source: Source) -> ExportSink:
    from arm_hyp.debug.exports.table import CsvSink  # here, as below: most runs need neither

    return CsvSink(file, source.clock, source.symbols)


def _perfetto(file: TextIO, source: Source) -> ExportSink:
    from arm_hyp.debug.exports.perfetto import PerfettoSink

    return PerfettoSink(file.buffer, source.clock, source.symbols, has_vms=source.has_vms)


FORMATS: Final[Mapping[str, Format]] = {
    "perfetto": Format(".pftrace", "Perfetto's own format, for ui.perfetto.dev", _perfetto),
    "ftrace": Format(
        ".ftrace", "the text of ftrace, with KVM's events as Linux prints them", lambda file, _: KvmSink(file), True
    ),
    "jsonl": Format(".jsonl", "one JSON object an event", lambda file, _: JsonLinesSink(file)),
    "csv": Format(".csv", "one row an event", _csv),
}
