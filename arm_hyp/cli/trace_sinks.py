"""The forms of a trace: JSON Lines for programs, lines in words for people, and KVM's events as Linux prints them.

Read `events.py`, `explain/trace_lines.py` and `explain/kvm_lines.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

import msgspec

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.events import ConsoleOutput, Event
from arm_hyp.kvm_events import VmEvent


class JsonLinesSink:
    """One JSON object a line, as `docs/trace-format.md` says."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._encode = file, msgspec.json.Encoder().encode

    def emit(self, event: Event) -> None:
        """Write one line."""
        self._file.write(self._encode(event).decode() + "\n")

    def flush(self) -> None:
        """Write what is held: nothing is."""


class TextSink:
    """One readable line an event. What the guest prints is collected into whole lines."""

    def __init__(self, file: TextIO, symbols: Callable[[], SymbolTable]) -> None:
        self._file, self._symbols = file, symbols
        self._held: list[Event] = []

    def emit(self, event: Event) -> None:
        """Write one line, or hold an unfinished line of the console."""
        from arm_hyp.explain.trace_lines import is_console_traffic

        if is_console_traffic(event):
            return
        self._held.append(event)
        if not isinstance(event, ConsoleOutput) or event.text.endswith("\n"):
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        from arm_hyp.explain.trace_lines import line, merged

        for event in merged(self._held):
            self._file.write(line(event, self._symbols()) + "\n")
        self._held.clear()


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

    def flush(self) -> None:
        """Write what is held: nothing is."""


TraceSink = JsonLinesSink | TextSink | KvmSink


def trace_sink(form: str, file: TextIO, symbols: Callable[[], SymbolTable]) -> TraceSink:
    """Return the sink for one of `run_options.TRACE_FORMATS`; `symbols` gives the names that lines in words use."""
    made: dict[str, Callable[[], TraceSink]] = {
        "text": lambda: TextSink(file, symbols),
        "jsonl": lambda: JsonLinesSink(file),
        "kvm": lambda: KvmSink(file),
    }
    return made[form]()
