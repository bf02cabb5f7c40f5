"""The forms of a trace: lines in words for people, and what other programs read.

Read `debug/exports/formats.py` and `explain/trace_lines.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.exports.formats import FORMATS, ExportSink, Source
from arm_hyp.events import ConsoleOutput, Event, ExceptionTaken

_INDENT: Final = " " * 12


class TextSink:
    """One readable line an event. What the guest prints is collected into whole lines.

    With `why`, a second line below each exception has its reason.
    """

    def __init__(
        self, file: TextIO, symbols: Callable[[], SymbolTable], why: Callable[[ExceptionTaken], str] | None = None
    ) -> None:
        self._file, self._symbols, self._why = file, symbols, why
        self._held: list[Event] = []

    def emit(self, event: Event) -> None:
        """Write one line, or hold an unfinished line of the console."""
        from arm_hyp.explain.trace_lines import is_console_traffic

        if is_console_traffic(event):
            return
        self._held.append(event)
        if not isinstance(event, ConsoleOutput) or event.text.endswith("\n"):
            self.close()

    def close(self) -> None:
        """Write what is held."""
        from arm_hyp.explain.trace_lines import line, merged

        for event in merged(self._held):
            self._file.write(line(event, self._symbols()) + "\n")
            if self._why is not None and isinstance(event, ExceptionTaken):
                self._file.write(f"{_INDENT}{self._why(event)}\n")
        self._held.clear()


def trace_sink(form: str, file: TextIO, source: Source) -> ExportSink:
    """Return the sink for one of `run_options.TRACE_FORMATS`. It is to be closed before its file."""
    if form == "text":
        return TextSink(file, source.symbols)
    if form == "why":
        from arm_hyp.explain.why import why_trapped

        return TextSink(file, source.symbols, lambda event: why_trapped(event, *source.machine))
    return FORMATS["ftrace" if form == "kvm" else form].make(file, source)
