"""`arm-hyp run FILE`: run a guest, show what it prints, trace it, and count its exceptions.

Read `runner/runner.py` before this file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import msgspec
import typer

from arm_hyp.cli.limits import parse_size
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.events import SCHEMA_VERSION, ConsoleOutput, Event, EventSink, ExceptionTaken, FanOut, Started
from arm_hyp.runner.runner import Configuration, Run, Runner

app = typer.Typer(add_completion=False)

ASSEMBLY_LIMIT: Final = 10_000_000
NO_LIMIT: Final = 1 << 62


class ConsoleSink:
    """Prints what the guest prints, at once."""

    def emit(self, event: Event) -> None:
        """Print console output."""
        if isinstance(event, ConsoleOutput):
            sys.stdout.write(event.text)
            sys.stdout.flush()


class CountingSink:
    """Counts exceptions by level, kind and class."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, int, str, int | None], int] = {}

    def emit(self, event: Event) -> None:
        """Count an exception."""
        if isinstance(event, ExceptionTaken):
            key = (event.from_el, event.to_el, event.kind, event.ec)
            self.counts[key] = self.counts.get(key, 0) + 1


class JsonLinesSink:
    """One JSON object a line, as `docs/trace-format.md` says."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._encode = file, msgspec.json.Encoder().encode

    def emit(self, event: Event) -> None:
        """Write one line."""
        self._file.write(self._encode(event).decode() + "\n")


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


@app.command()
def run(
    file: Annotated[str, typer.Argument(help="Assembly (.s, .S), ELF or raw binary.")],
    el: Annotated[int, typer.Option(help="Exception level that software starts at: 2 or 1.", min=1, max=2)] = 2,
    cpu: Annotated[str, typer.Option(help="CPU model: a72 or max.")] = "a72",
    memory: Annotated[str, typer.Option(help="RAM, for example 64M or 1G.")] = "256M",
    load_address: Annotated[str | None, typer.Option(help="Where assembly or a raw binary is loaded.")] = None,
    max_instructions: Annotated[
        int | None, typer.Option(help="Stop after so many instructions (assembly: 10,000,000).", min=1)
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="REG[.FIELD]=VALUE, before the first instruction.")
    ] = None,
    trace: Annotated[str | None, typer.Option(help="Write a trace to this file; - is standard output.")] = None,
    trace_format: Annotated[str, typer.Option(help="text or jsonl.")] = "text",
) -> None:
    """Run a guest. Exit status: the guest's (0 after SYSTEM_OFF), 1 at the limit or if it dies, 2 on bad input."""
    if cpu not in ("a72", "max"):
        raise UserError(f"--cpu {cpu}", "there is no such CPU model", "use a72 or max")
    if trace_format not in ("text", "jsonl"):
        raise UserError(f"--trace-format {trace_format}", "there is no such format", "use text or jsonl")
    configuration = Configuration(
        image=file,
        el=el,
        cpu=cpu,
        memory_bytes=parse_size(memory),
        settings=tuple(set_ or ()),
        load_address=None if load_address is None else _address(load_address),
    )
    limit = max_instructions or (ASSEMBLY_LIMIT if file.lower().endswith(".s") else NO_LIMIT)
    raise typer.Exit(_run(configuration, limit, trace, trace_format))


def _address(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise UserError(f"--load-address {text}", "this is not a number", "write it as 0x40080000") from None


def _run(configuration: Configuration, limit: int, trace: str | None, trace_format: str) -> int:
    sinks = FanOut()
    runner = Runner(configuration, sinks)
    counts = CountingSink()
    trace_file = _open_trace(trace)
    sinks.sinks = tuple(_sinks(trace, trace_file, trace_format, counts, runner))
    if trace_file is not None and trace_format == "jsonl":
        JsonLinesSink(trace_file).emit(_started(runner))
    try:
        answer = runner.send(Run(limit))
    except KeyboardInterrupt:
        answer = {"status": 130, "text": "interrupted", "n": runner.machine.retired}
    finally:
        for sink in sinks.sinks:
            if isinstance(sink, TextSink):
                sink.flush()
        if trace_file not in (None, sys.stdout):
            trace_file.close()
    _summary(counts, answer)
    return int(answer["status"])


def _started(runner: Runner) -> Started:
    core, made = runner.machine.core, runner.configuration
    return Started(
        0, 0, 0, core.el, core.pc, schema=SCHEMA_VERSION, model=made.cpu, gic=made.gic, memory_bytes=made.memory_bytes
    )


def _open_trace(trace: str | None) -> TextIO | None:
    if trace is None or trace == "-":
        return sys.stdout if trace else None
    try:
        return Path(trace).open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(trace, f"the trace cannot be written: {error.strerror}", "name another file") from None


def _sinks(
    trace: str | None, trace_file: TextIO | None, trace_format: str, counts: CountingSink, runner: Runner
) -> list[EventSink]:
    sinks: list[EventSink] = [counts]
    if trace != "-":
        sinks.append(ConsoleSink())
    if trace_file is not None:
        text = trace_format == "text"
        sinks.append(TextSink(trace_file, lambda: runner.symbols) if text else JsonLinesSink(trace_file))
    return sinks


def _summary(counts: CountingSink, answer: dict[str, Any]) -> None:
    """Print the table of exceptions and how the run ended, on standard error: standard output is the guest's."""
    from rich.console import Console
    from rich.table import Table

    from arm_hyp.arch.syndromes import ec_name

    console = Console(stderr=True, highlight=False)
    table = Table(title="Exceptions", title_justify="left")
    for column in ("from", "to", "kind", "class"):
        table.add_column(column)
    table.add_column("count", justify="right")
    for (from_el, to_el, kind, ec), count in sorted(counts.counts.items(), key=lambda item: -item[1]):
        name = "" if ec is None else f"{ec:#04x} {ec_name(ec)}"
        table.add_row(f"EL{from_el}", f"EL{to_el}", kind, name, f"{count:,}")
    if counts.counts:
        console.print(table)
    console.print(f"{answer['text']}; {answer['n']:,} instructions", soft_wrap=True, markup=False)
