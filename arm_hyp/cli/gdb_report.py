"""What a run under gdb shows at the command line: the machine, in its own process, tells all that happens.

Read `timeline/process/telling.py` and `cli/shown.py` before this file, `cli/gdb.py` after it. What happens again, after
gdb went back, is not told again.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from arm_hyp.cli.consoles import Consoles
from arm_hyp.cli.diagnosis import is_unexpected, without_end
from arm_hyp.cli.settings import Settings
from arm_hyp.cli.shown import HandlersPrints, open_trace, prefixes_of, print_end, print_tables
from arm_hyp.cli.terminal import Printer
from arm_hyp.cli.trace_sinks import TextSink, trace_sink
from arm_hyp.debug.gdb.machine_view import MachineView
from arm_hyp.events import SCHEMA_VERSION, Ended, Event, EventSink, FanOut, Started
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.debug_answers import VmEnds, Words
from arm_hyp.timeline.process.telling import Told
from arm_hyp.timeline.statistics import Statistics

if TYPE_CHECKING:
    from arm_hyp.timeline.process.answers import StatusAnswer


class Report:
    """Hears what a machine tells, and says at the end how it went."""

    def __init__(self, configuration: Configuration, settings: Settings) -> None:
        self._configuration, self._settings = configuration, settings
        self.consoles = Consoles(Printer(sys.stdout.buffer), prefixes_of(configuration, settings))
        self._statistics, self._fan, self._idle_ns = Statistics(), FanOut(), 0
        self._counts = settings.has_statistics or settings.counts_exceptions
        listening: tuple[EventSink, ...] = (self._statistics,) if self._counts else ()
        if configuration.hypervisor:
            listening += (HandlersPrints(self.consoles.flush),)
        self._fan.sinks = listening

    @property
    def wanted(self) -> ask.Tell:
        """What the machine is to tell: all events, or what is printed alone, for events cost time."""
        return ask.Tell(("all",) if self._fan.sinks or self._settings.trace is not None else ())

    def told(self, told: Told) -> None:
        """Take what has happened."""
        for happened in told.events:
            self._idle_ns = happened.idle_ns
            self._fan.emit(happened.event)
        for printed in told.printed:
            self.consoles.put(printed.vm, printed.data)
        self.consoles.flush()

    def connect(self, view: MachineView, stack: ExitStack) -> None:
        """Open the trace and write its first line; it is closed with the stack. Raises: UserError."""
        stack.callback(self.consoles.close)
        file = open_trace(self._settings.trace, stack)
        if file is None:
            return
        from arm_hyp.debug.exports.formats import Source  # here: most runs are not traced

        has_vms, machine = self._configuration.hypervisor is not None, (view.made.model, view.made.gic)
        source = Source(self._time_ns, lambda: view.symbols, has_vms, machine)
        sink = trace_sink(self._settings.trace_format, file, source)
        if not isinstance(sink, TextSink):
            sink.emit(_started(view))
        stack.callback(sink.close)
        self._fan.sinks = (*self._fan.sinks, sink)

    def _time_ns(self, event: Event) -> int:
        return event.n + self._idle_ns

    def end(self, status: StatusAnswer, answer: dict[str, Any]) -> None:
        """Tell those who listen that the run has come to an end by the user's doing."""
        cpu = next(cpu for cpu in status.cpus if cpu.is_current)
        ending = {name: answer[name] for name in ("reason", "status", "text")}
        self._fan.emit(Ended(status.position.n, status.position.seq, cpu.index, cpu.el, cpu.pc, **ending))

    # --- at the end --------------------------------------------------------------------------------------------------

    def summary(self, view: MachineView, answer: dict[str, Any], host_s: float) -> None:
        """Print how the run ended, on standard error: standard output is the guest's."""
        print_tables(self.consoles, self._statistics, self._settings, answer, host_s)
        lines = list(view.get(ask.Dumps(self._settings.dumps), Words).lines) if self._settings.dumps else []
        ends = view.get(ask.VmEnded(), VmEnds).vms
        if len(ends) > 1:
            lines += [f"{vm.name}: {vm.text or 'it has not ended'}" for vm in ends]
        if self._settings.always_diagnoses or is_unexpected(answer, [vm.reason for vm in ends]):
            lines += without_end(view.get(ask.Diagnose(), Words).lines, answer)
        for line in lines:
            print(line, file=sys.stderr)
        print_end(answer)


def _started(view: MachineView) -> Started:
    """Return the first line of a trace, of a machine that has not run yet."""
    made, first = view.made, view.status.cpus[0]
    return Started(0, 0, 0, first.el, first.pc, SCHEMA_VERSION, made.model, made.gic, made.memory_bytes)
