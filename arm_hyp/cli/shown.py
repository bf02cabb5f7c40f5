"""What a run shows at the command line, whoever drives it: consoles, a trace, tables, how it ended.

Read `cli/consoles.py`, `cli/trace_sinks.py` and `cli/statistics.py` before this file; `cli/session.py` and `cli/gdb.py`
after it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from arm_hyp.cli.consoles import Consoles, coloured
from arm_hyp.cli.settings import Settings
from arm_hyp.cli.statistics import print_all, print_exceptions, speed_lines
from arm_hyp.errors import UserError
from arm_hyp.events import Event
from arm_hyp.kvm_events import HandlerOutput
from arm_hyp.runner.configuration import Configuration, virtual_machines

if TYPE_CHECKING:
    from arm_hyp.timeline.statistics import Statistics

STANDARD: Final = "-"
"""The name of standard input and output."""


class HandlersPrints:
    """Shows what a user's handlers print on standard error, each line with its place: the console is the guest's."""

    interests: Final = frozenset[type[Event]]({HandlerOutput})

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush

    def emit(self, event: Event) -> None:
        """Show the text of a HandlerOutput."""
        if isinstance(event, HandlerOutput):
            self._flush()
            for line in event.text.splitlines():
                print(f"{Path(event.file).name}:{event.line}: {line}", file=sys.stderr)


def prefixes_of(configuration: Configuration, settings: Settings) -> list[bytes | None]:
    """Return what begins each line of each console; None for a console that is not shown."""
    vms = virtual_machines(configuration)
    if len(vms) > 1 or any(vm.prefix for vm in vms):
        texts = [f"[{vm.name}] " if vm.prefix is None else vm.prefix for vm in vms]
        prefixes = coloured(texts)
    else:
        prefixes = [b""]
    shown = [vm.console != "none" for vm in vms] or [configuration.console != "none"]
    is_ours = settings.trace == STANDARD  # the trace has standard output for itself
    return [prefix if is_shown and not is_ours else None for prefix, is_shown in zip(prefixes, shown, strict=True)]


def open_trace(trace: str | None, stack: ExitStack) -> TextIO | None:
    """Open a trace file; standard output is not closed. Raises: UserError."""
    if trace is None or trace == STANDARD:
        return sys.stdout if trace else None
    try:
        return stack.enter_context(Path(trace).open("w", encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--trace {trace}", f"cannot be written: {error.strerror}", "name another file") from None


def print_tables(
    consoles: Consoles, statistics: Statistics, settings: Settings, answer: dict[str, Any], host_s: float
) -> None:
    """Print what was counted, on standard error: standard output is the guest's."""
    if consoles.is_inside_line and sys.stdout.isatty():
        print(file=sys.stderr)
    if statistics.has_any:
        from rich.console import Console  # here: a run without tables ends sooner

        console = Console(stderr=True, highlight=False)
        show = print_all if settings.has_statistics else print_exceptions
        show(console, statistics)
    if settings.has_statistics:
        for line in speed_lines(answer["n"], answer["time_ns"], host_s):
            print(line, file=sys.stderr)


def print_end(answer: dict[str, Any]) -> None:
    """Print how a run ended, and where."""
    separator = "\n" if "\n" in answer["text"] else "; "  # what a failed handler says has several lines
    print(f"{answer['text']}{separator}{answer['n']:,} instructions", file=sys.stderr)
