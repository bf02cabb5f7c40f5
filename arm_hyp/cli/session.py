"""One run at the command line: the runner between its console, its sinks and its user.

Read `runner/runner.py`, `cli/settings.py`, `cli/terminal.py`, `cli/trace_sinks.py` and `cli/statistics.py` before this
file, `cli/run.py` after it.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.cli.consoles import Consoles
from arm_hyp.cli.diagnosis import Diagnoses
from arm_hyp.cli.settings import Settings
from arm_hyp.cli.shown import STANDARD, HandlersPrints, open_trace, prefixes_of, print_end, print_tables
from arm_hyp.cli.terminal import KEYS, EscapeKeys, LiveConsole, Printer, raw_mode, signals_end, standard_terminal
from arm_hyp.cli.trace_sinks import TextSink, trace_sink
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.exports.formats import source_of
from arm_hyp.debug.exports.lines import started
from arm_hyp.errors import UserError
from arm_hyp.events import EventSink, FanOut
from arm_hyp.hypervisor.dumps import dumps_of
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner, Type
from arm_hyp.timeline.statistics import Statistics

if TYPE_CHECKING:
    from arm_hyp.cli.checks import Checks
    from arm_hyp.cli.recorded import RecordedRun
    from arm_hyp.timeline.recordings.replay import Replay

BY_SIGNAL: Final = 128
QUIT_STATUS: Final = 130


class Session:
    """A run from its start to the exit status; of a recording, where there is a `replay`.

    Raises: UserError, for files that are not there.
    """

    def __init__(self, configuration: Configuration, settings: Settings, replay: Replay | None = None) -> None:
        self._settings, self._statistics, self._fan = settings, Statistics(time.perf_counter_ns), FanOut()
        self._recorded = _recorded(configuration, settings, replay)
        path = settings.input_path
        typed = b"" if path is None or path == STANDARD else read_file(path)
        counts = settings.has_statistics or settings.counts_exceptions
        has_handlers = bool(configuration.hypervisor)
        listens = (
            counts or has_handlers or settings.trace is not None or bool(settings.checks)
        )  # a machine that nobody listens to makes no events
        self._consoles = Consoles(Printer(sys.stdout.buffer), prefixes_of(configuration, settings))
        make = partial(Runner, configuration) if self._recorded is None else self._recorded.runner
        self._runner = make(self._fan if listens else None, self._consoles.put)
        _add_symbols(self._runner, settings.symbols)
        if self._recorded is not None:
            self._recorded.started(self._runner)
        self._runner.send(Type(typed))
        self._diagnoses = Diagnoses(self._runner, always=settings.always_diagnoses)
        self._listening: tuple[EventSink, ...] = (self._statistics, self._diagnoses.recent) if counts else ()
        if has_handlers:
            self._listening += (HandlersPrints(self._consoles.flush),)
        self._checks: Checks | None = None
        if settings.checks:
            from arm_hyp.cli.checks import Checks  # here: a run that nobody checks starts sooner

            self._checks = Checks(self._runner, settings.checks, self._consoles.flush)
            self._listening += (self._checks.watch,)

    def run(self) -> int:
        """Run to the end, print what is to be told on standard error, and return the exit status."""
        for warning in self._runner.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        start = time.monotonic()
        try:
            answer = self._run_connected()
        except OSError as error:
            trace = self._settings.trace
            error.filename = error.filename or ("standard output" if trace in (None, STANDARD) else f"--trace {trace}")
            raise
        self._summary(answer, time.monotonic() - start)
        return int(answer["status"]) if self._recorded is None else self._recorded.told(self._runner, answer)

    def _run_connected(self) -> dict[str, Any]:
        """Run with the trace, the signals and the terminal connected; all are put back, whatever happens."""
        machine = self._runner.machine
        with ExitStack() as stack:
            stack.callback(self._consoles.close)
            self._connect_trace(stack)
            wakeup = stack.enter_context(signals_end(self._signalled))
            source, keys = self._source(stack)
            if source is not None or self._settings.is_realtime:
                machine.user = LiveConsole(
                    source, flush=self._consoles.flush, keys=keys, wakeup=wakeup, is_paced=self._settings.is_realtime
                )
            try:
                answer = self._sent()
            except KeyboardInterrupt:
                answer = {"status": QUIT_STATUS, "reason": "torn", "text": "interrupted", "n": machine.retired}
                answer["time_ns"] = machine.clock.now_ns
        return answer

    def _sent(self) -> dict[str, Any]:
        """Run; what is recorded is written whatever happens."""
        if self._recorded is not None:
            return self._recorded.run(self._runner)
        answer: dict[str, Any] = self._runner.send(Run(self._settings.limit, self._settings.until))
        return answer

    # --- the user ----------------------------------------------------------------------------------------------------

    def _source(self, stack: ExitStack) -> tuple[int | None, EscapeKeys | None]:
        """Return where keys come from, and what becomes of them on the way; puts a terminal into raw mode."""
        terminal = standard_terminal() if self._settings.wants_terminal else None
        if terminal is None:
            return (sys.stdin.fileno() if self._settings.input_path == STANDARD else None), None
        print("Ctrl-A x ends the run, Ctrl-A h helps", file=sys.stderr)
        stack.enter_context(raw_mode(terminal))
        return terminal, EscapeKeys(
            on_quit=self._quit, on_help=self._help, on_next=self._next, on_diagnose=self._diagnose
        )

    def _quit(self) -> None:
        self._runner.machine.request_stop("ended by Ctrl-A x", QUIT_STATUS)

    def _next(self, before: bytes) -> None:
        """Have the user type to the next VM, once what was typed before has gone to this one."""
        hypervisor = self._runner.hypervisor
        if hypervisor is not None:
            hypervisor.inputs.feed(before)
            self._consoles.focus = hypervisor.inputs.select_next()
            print(f"\r\nyou type to {hypervisor.vms[self._consoles.focus].name} now", file=sys.stderr)

    def _help(self) -> None:
        self._consoles.flush()
        sys.stderr.write(KEYS)
        sys.stderr.flush()

    def _diagnose(self) -> None:
        self._consoles.flush()
        sys.stderr.write("".join(f"\r\n{line}" for line in self._diagnoses.now()) + "\r\n")
        sys.stderr.flush()

    def _signalled(self, number: int) -> None:
        name = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        self._runner.machine.request_stop(name, BY_SIGNAL + number, at_once=False)

    # --- the trace ---------------------------------------------------------------------------------------------------

    def _connect_trace(self, stack: ExitStack) -> None:
        """Open the trace, write its first line, and have everybody listen."""
        file = open_trace(self._settings.trace, stack)
        if file is None:
            self._fan.sinks = self._listening
            return
        sink = trace_sink(self._settings.trace_format, file, source_of(self._runner))
        if not isinstance(sink, TextSink):
            sink.emit(started(self._runner))
        stack.callback(sink.close)
        self._fan.sinks = (*self._listening, sink)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _summary(self, answer: dict[str, Any], host_s: float) -> None:
        """Print how the run ended, on standard error: standard output is the guest's."""
        print_tables(self._consoles, self._statistics, self._settings, answer, host_s)
        if self._settings.dumps and self._runner.hypervisor is not None:
            for text in dumps_of(self._runner.hypervisor, self._settings.dumps):
                print(text, file=sys.stderr)
        checked = self._checks.summary() if self._checks is not None else ()
        for line in (*self._ends(), *checked, *self._diagnoses.at_end(answer)):
            print(line, file=sys.stderr)
        print_end(answer)

    def _ends(self) -> list[str]:
        """Say how each VM ended, where there are several."""
        vms = [] if self._runner.hypervisor is None else self._runner.hypervisor.vms
        ends = [f"{vm.name}: {'it has not ended' if vm.end is None else vm.end.text}" for vm in vms]
        return ends if len(ends) > 1 else []


def _recorded(configuration: Configuration, settings: Settings, replay: Replay | None) -> RecordedRun | None:
    """Return what a recording has to do with the run, if anything. Raises: UserError."""
    if replay is None and settings.record is None:
        return None
    from arm_hyp.cli import recorded  # here: most runs are not

    if replay is not None and settings.branch is not None:
        return recorded.ReplayedBranch(replay, settings.branch)
    if replay is not None:
        return recorded.Replayed(replay)
    return recorded.Recording(configuration, settings)


def _add_symbols(runner: Runner, paths: tuple[str, ...]) -> None:
    """Have addresses named by symbols from other files, too. Raises: UserError."""
    if not paths:
        return
    if len(runner.plans) > 1:
        raise UserError("--symbols", "each VM has an address space of its own", "run one VM alone")
    from arm_hyp.runner.symbol_files import read_symbols  # here: most runs need none

    plan = runner.plans[0]
    runner.plans = (replace(plan, symbols=SymbolTable.merged((plan.symbols, *map(read_symbols, paths)))),)
