"""A run as lines of text for programs: JSON Lines, and the `trace` file of ftrace.

Read `events.py` and `explain/kvm_lines.py` before this file, `debug/exports/formats.py` after it.
"""

from __future__ import annotations

from typing import Final, TextIO

import msgspec

from arm_hyp.events import SCHEMA_VERSION, Event, Started
from arm_hyp.kvm_events import VmEvent
from arm_hyp.runner.runner import Runner


def started(runner: Runner) -> Started:
    """Return the first line of a trace, of a machine that has not run yet."""
    core, made = runner.machine.core, runner.configuration
    machine = {"model": made.cpu, "gic": made.gic, "memory_bytes": runner.machine.memory_bytes}
    return Started(n=0, seq=0, cpu=0, el=core.el, pc=core.pc, schema=SCHEMA_VERSION, **machine)  # type: ignore[arg-type]


class JsonLinesSink:
    """One JSON object a line, as `docs/trace-format.md` says and `docs/trace-schema.json` describes."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._encode = file, msgspec.json.Encoder().encode

    def emit(self, event: Event) -> None:
        """Write one line."""
        self._file.write(self._encode(event).decode() + "\n")

    def close(self) -> None:
        """Write what is held: nothing is."""


class KvmSink:
    """The text of ftrace's `trace` file; only the events that KVM has."""

    def __init__(self, file: TextIO) -> None:
        from arm_hyp.explain.kvm_lines import HEADER, TRACEPOINTS, KvmLines

        self._file, self._lines = file, KvmLines()
        self.interests: Final = frozenset[type[Event]](TRACEPOINTS)
        file.write(HEADER)

    def emit(self, event: Event) -> None:
        """Write one line, if KVM has this event."""
        if type(event) in self.interests and isinstance(event, VmEvent):
            self._file.write(self._lines.line(event) + "\n")

    def close(self) -> None:
        """Write what is held: nothing is."""
