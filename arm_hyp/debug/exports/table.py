"""A run as CSV: a row an event, the same columns in every file.

Read `explain/trace_lines.py` and `debug/exports/virtual_time.py` before this file; `docs/exports.md` describes the
columns. The first columns are for sorting and counting, `text` is for people, and `fields` has what is left, as JSON,
with the names and values of a JSON Lines trace; all but `controls`, which would be most of the file. A cell is empty
where an event has no such value.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Final, TextIO

import msgspec

from arm_hyp.arch.syndromes import ec_name
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.exports.virtual_time import Clock
from arm_hyp.events import Event, ExceptionTaken
from arm_hyp.explain.kvm_lines import EXCEPTION_CLASSES, exit_name
from arm_hyp.explain.trace_lines import words
from arm_hyp.kvm_events import KvmExit, VmEvent

COLUMNS: Final = ("n", "seq", "time_ns", "cpu", "vm", "vcpu", "el", "pc", "event", "class", "to_el", "text", "fields")
"""New columns are only ever added at the end."""

_NOT_IN_FIELDS: Final = frozenset({"n", "seq", "cpu", "el", "pc", "vm", "vcpu", "time_ns", "controls"})


class CsvSink:
    """Writes the heading, then a row for each event."""

    def __init__(self, file: TextIO, clock: Clock, symbols: Callable[[], SymbolTable] = SymbolTable) -> None:
        self._clock, self._symbols = clock, symbols
        self._write = csv.writer(file, lineterminator="\n").writerow
        self._write(COLUMNS)

    def emit(self, event: Event) -> None:
        """Write one row."""
        vm, vcpu = (event.vm, event.vcpu) if isinstance(event, VmEvent) else (None, None)
        said = words(event, self._symbols())
        text = " ".join(filter(None, (said.what, said.result, said.detail)))
        place = (event.n, event.seq, self._clock(event), event.cpu, vm, vcpu, event.el, f"{event.pc:#x}")
        self._write((*place, type(event).__struct_config__.tag, class_name(event), said.to, text, _fields(event)))

    def close(self) -> None:
        """Write what is held: nothing is."""


def class_name(event: Event) -> str:
    """Return what kind of exception or exit an event tells of, by the names of `perf kvm stat`; "" for others."""
    if isinstance(event, KvmExit):
        return exit_name(event)
    if not isinstance(event, ExceptionTaken):
        return ""
    if event.ec is None:
        return ("v" if event.virtual else "") + event.kind.upper()
    return EXCEPTION_CLASSES.get(event.ec) or ec_name(event.ec)


def _fields(event: Event) -> str:
    """Return what an event has that has no column, as a JSON object."""
    own = {key: value for key, value in msgspec.structs.asdict(event).items() if key not in _NOT_IN_FIELDS}
    return msgspec.json.encode(own).decode()
