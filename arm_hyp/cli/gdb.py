"""`--gdb`: a run that waits for gdb, and does what it wants.

Read `debug/gdb/server.py` and `debug/gdb/timeline_debuggee.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arm_hyp.debug.gdb.server import Server, parse_address
from arm_hyp.debug.gdb.stub import Ending
from arm_hyp.debug.gdb.timeline_debuggee import TimelineDebuggee
from arm_hyp.events import EventSink
from arm_hyp.machine.console_input import HostConsole
from arm_hyp.machine.machine import Outcome
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Output, Runner
from arm_hyp.timeline.passage import MAIN
from arm_hyp.timeline.recordings.container import check_writable
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import write_recording
from arm_hyp.timeline.recordings.saved import open_timeline, record, with_timeline
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from arm_hyp.cli.settings import Settings
    from arm_hyp.timeline.recordings.replay import Replay

_KILLED_STATUS: Final = 137
"""That of a process which SIGKILL ended: 128 + 9."""
_OPEN_ENDS: Final = frozenset({"open", "limit", "stopped"})
_ELF: Final = b"\x7fELF"


class Terminal(NamedTuple):
    """The user at the terminal: descriptors of the keys and of signals that have come, and how output is shown."""

    user: HostConsole | None
    source: int | None
    wakeup: int | None
    flush: Callable[[], None]


class GdbRun:
    """A run under gdb, new or of a recording. Make it before the machine.

    Raises: UserError, for an address that cannot be listened on.
    """

    def __init__(self, configuration: Configuration, settings: Settings, replay: Replay | None = None) -> None:
        assert settings.gdb is not None
        self._recorder: Recorder | None = None
        if settings.record is not None:
            check_writable(settings.record, "--record")
            self._recorder = Recorder(configuration, settings.embed)
        self._configuration, self._settings, self._replay = configuration, settings, replay
        self._ended: Outcome | None = None
        self._terminal = Terminal(None, None, None, lambda: None)
        address = parse_address(settings.gdb)
        self._server = Server(address, _say, self._others, lambda: self._ended is not None)
        if not address.is_loopback:
            _say(
                f"gdb: warning: whoever can reach {address.host} can read and change the guest, and watch what you type"
            )

    def runner(self, sink: EventSink | None = None, output: Output | None = None) -> Runner:
        """Make the machine, which can go back."""
        if self._replay is None:
            self._timeline = Timeline(self._configuration, sink=sink, output=output)
        else:
            self._timeline = open_timeline(self._replay, sink=sink, output=output).timeline
        if self._recorder is not None:
            self._recorder.collect(self._timeline.runner)
        self._branches = len(self._timeline.branches)
        self._debuggee = TimelineDebuggee(self._timeline, self._limit)
        return self._timeline.runner

    @property
    def _limit(self) -> int:
        """Where the run ends at the latest, in instructions: a recording that was stopped, where it was."""
        end = None if self._replay is None else self._replay.recording.end
        return end.n if end is not None and end.reason in _OPEN_ENDS else self._settings.limit

    def run(
        self, user: HostConsole | None, source: int | None, wakeup: int | None, flush: Callable[[], None]
    ) -> dict[str, Any]:
        """Wait for gdb, then serve it until it kills the run, or leaves it and the run ends by itself."""
        self._terminal, self._timeline.user = Terminal(user, source, wakeup, flush), user
        host, port = self._server.address
        elf = self._elf()
        _say(f"gdb: waiting on {host}:{port}: gdb-multiarch -ex 'target remote :{port}'{f' {elf}' if elf else ''}")
        try:
            return self._served()
        finally:
            self._server.close()
            self._keep()

    def _keep(self) -> None:
        """Write what was recorded, and what gdb changed: each of these changes began a branch."""
        timeline, path = self._timeline, self._settings.record
        if self._recorder is not None and path is not None:
            write_recording(path, record(timeline, self._recorder, self._limit))
            _say(f"recorded in {path}{_of_branches(timeline)}")
        elif self._replay is not None and len(timeline.branches) > self._branches:
            write_recording(self._replay.name, with_timeline(self._replay.recording, timeline))
            _say(f"kept in {self._replay.name}{_of_branches(timeline)}")

    def _served(self) -> dict[str, Any]:
        limit, until = self._limit, self._settings.until
        while True:
            ending = self._server.serve(self._debuggee, lambda: self._status)
            if ending is Ending.KILLED:
                return self._answer(Outcome("stopped", _KILLED_STATUS, "killed by gdb"))
            if ending is Ending.DETACHED:
                _say("gdb: it has left; the run goes on")
            if self._ended is None:
                with self._server.attended(self._timeline.stop):
                    answer: dict[str, Any] = self._timeline.run(limit, until)
                if not self._server.has_client:
                    return answer
            if self._ended is not None:
                return self._answer(self._ended)

    def _answer(self, outcome: Outcome) -> dict[str, Any]:
        machine = self._timeline.runner.machine
        machine.tell_end(outcome)
        return {
            "reason": outcome.reason,
            "status": outcome.status,
            "text": outcome.text,
            "n": machine.retired,
            "time_ns": machine.clock.now_ns,
        }

    @property
    def _status(self) -> int:
        outcome = self._timeline.outcome
        return 1 if outcome is None else outcome.status

    def _elf(self) -> str:
        """Return the file that gdb should read symbols from, as a shell wants it."""
        image = self._configuration.image
        if image is None:
            return ""
        with open(image, "rb") as file:
            return shlex.quote(image) if file.read(len(_ELF)) == _ELF else ""

    # --- the user at the terminal ------------------------------------------------------------------------------------

    def end(self, text: str, status: int) -> None:
        """End the run: the user wants it. May be called from a signal handler."""
        self._ended = Outcome("stopped", status, text)
        self._debuggee.stop()

    def _others(self) -> Mapping[int, Callable[[], None]]:
        """Show what was printed; return where something may come from while the machine stands: signals, and keys."""
        user, source, wakeup, flush = self._terminal
        flush()
        signals: dict[int, Callable[[], None]] = {} if wakeup is None else {wakeup: lambda: None}
        keys = {source: self._typed} if user is not None and user.can_type and source is not None else {}
        return signals | keys

    def _typed(self) -> None:
        """Take keys; those for the guest enter when it goes on, but not in the past."""
        data = b"" if self._terminal.user is None else self._terminal.user.poll()
        if data and self._timeline.is_at_frontier:
            self._timeline.type(data)


def _of_branches(timeline: Timeline) -> str:
    """Name the branches of a timeline, if it has any."""
    names = [name for name in timeline.branches if name != MAIN]
    return f", with {' and '.join(names)}" if names else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
