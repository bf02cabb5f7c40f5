"""`--gdb`: a run that waits for gdb, and does what it wants. The machine is in a process of its own.

Read `debug/gdb/server.py`, `debug/gdb/machine_debuggee.py` and `cli/gdb_report.py` before this file. Everything here is
one thread that waits: for gdb's packets, and while a packet is worked on for the machine, and for gdb beside it.
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.cli.gdb_report import Report
from arm_hyp.cli.session import BY_SIGNAL, QUIT_STATUS
from arm_hyp.cli.shown import STANDARD
from arm_hyp.cli.terminal import KEYS, EscapeKeys, LiveConsole, raw_mode, signals_end, standard_terminal
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.gdb.machine_debuggee import MachineDebuggee
from arm_hyp.debug.gdb.server import Server, parse_address
from arm_hyp.debug.gdb.stub import Ending
from arm_hyp.errors import UserError
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import Configuration, virtual_machines
from arm_hyp.runner.messages import Run, Type
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Done, Failed, Moved, Restarted, StatusAnswer
from arm_hyp.timeline.process.debug_answers import Words
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.timeline.recordings.container import check_writable

if TYPE_CHECKING:
    from arm_hyp.cli.settings import Settings
    from arm_hyp.timeline.recordings.recording import End

_KILLED_STATUS: Final = 137
"""That of a process which SIGKILL ended: 128 + 9."""
_OPEN_ENDS: Final = frozenset({"open", "limit", "stopped"})
_ELF: Final = b"\x7fELF"
_MAIN: Final = "main"
_PATIENCE_S: Final = 10.0


class GdbRun:
    """A run under gdb, new or of a recording, which has ended at `end`.

    Raises: UserError, for what cannot be listened on, read or written.
    """

    def __init__(
        self,
        configuration: Configuration,
        settings: Settings,
        recording: RecordingFile | None = None,
        end: End | None = None,
    ) -> None:
        assert settings.gdb is not None
        if settings.checks:
            way_out = "record the run, and replay it with --check"
            raise UserError("--check", "needs a run that only goes on, and gdb goes back", way_out)
        if settings.record is not None:
            check_writable(settings.record, "--record")
        self._configuration, self._settings, self._recording = configuration, settings, recording
        self._limit = end.n if end is not None and end.reason in _OPEN_ENDS else settings.limit
        path = settings.input_path
        self._typed_before = b"" if path is None or path == STANDARD else read_file(path)
        self._files = _symbols(configuration, settings.symbols)
        self._report = Report(configuration, settings)
        self._ended: tuple[str, int] | None = None
        self._user: LiveConsole | None = None
        self._source: int | None = None
        self._wakeup: int | None = None
        self._vm = 0
        address = parse_address(settings.gdb)
        self._server = Server(address, _say, self._others, lambda: self._ended is not None)
        if not address.is_loopback:
            _say(
                f"gdb: warning: whoever can reach {address.host} can read and change the guest, and watch what you type"
            )

    def run(self) -> int:
        """Wait for gdb, then serve it until it kills the run, or leaves it and the run ends by itself."""
        with ExitStack() as stack:
            stack.callback(self._server.close)
            self._process = stack.enter_context(self._started())  # until it stands, a signal ends this at once
            self._wakeup = stack.enter_context(signals_end(self._signalled))
            self._debuggee = MachineDebuggee(self._process, self._limit, self._files, _say)
            self._view = self._debuggee.view
            self._branches = len(self._status.branches)
            for warning in self._view.made.warnings:
                _say(f"warning: {warning}")
            start = time.monotonic()
            answer = self._connected()
            self._report.summary(self._view, answer, time.monotonic() - start)
        return int(answer["status"])

    def _started(self) -> MachineProcess:
        """Start the machine, which can go back. Raises: UserError."""
        return MachineProcess(
            self._recording or self._configuration,
            on_told=self._report.told,
            beside=self._server.beside,
            goes_to_cursor=False,
            embed=self._settings.embed,
        )

    def _connected(self) -> dict[str, Any]:
        """Run with the trace and the terminal connected; all are put back, whatever happens."""
        with ExitStack() as stack:
            self._report.connect(self._view, stack)
            self._view.get(self._report.wanted, Done)
            if self._typed_before:
                self._view.get(Type(self._typed_before), Done)
            self._connect_user(stack)
            self._invite()
            try:
                return self._served()
            except KeyboardInterrupt:
                self._interrupt()
                return self._where() | {"reason": "torn", "status": QUIT_STATUS, "text": "interrupted"}
            finally:
                self._keep()

    def _interrupt(self) -> None:
        """Have the machine stand, however long it takes to end it."""
        if self._process.is_busy:
            self._process.stop()
            self._process.answer(_PATIENCE_S)

    # --- gdb ---------------------------------------------------------------------------------------------------------

    def _served(self) -> dict[str, Any]:
        while True:
            ending = self._server.serve(self._debuggee, lambda: self._debuggee.exit_status)
            if ending is Ending.KILLED:
                return self._answer("killed by gdb", _KILLED_STATUS)
            if ending is Ending.DETACHED:
                _say("gdb: it has left; the run goes on")
            answer = self._run_alone() if self._ended is None else None
            if self._ended is not None:
                return self._answer(*self._ended)
            if answer is not None and not self._server.has_client:
                return self._where() | {name: getattr(answer, name) for name in ("reason", "status", "text")}

    def _run_alone(self) -> Moved | None:
        """Run on without gdb; None if another machine process had to take over, which stands where that was."""
        with self._server.attended(self._process.stop):
            answer = self._process.send(Run(self._limit, self._settings.until))
        self._debuggee.look_again()
        if isinstance(answer, Restarted):
            self._view.hear(answer)
            _say("gdb: the run stays there, and waits for the next one")
            return None
        if isinstance(answer, Failed):
            raise UserError(answer.thing, answer.cause, answer.way_out)
        assert isinstance(answer, Moved)
        return answer

    def _answer(self, text: str, status: int) -> dict[str, Any]:
        answer = self._where() | {"reason": "stopped", "status": status, "text": text}
        self._report.end(self._status, answer)
        return answer

    def _where(self) -> dict[str, Any]:
        status = self._status
        return {"n": status.position.n, "time_ns": status.time_ns}

    @property
    def _status(self) -> StatusAnswer:
        return self._view.get(ask.Status(), StatusAnswer)

    def _invite(self) -> None:
        """Say where gdb should come to, and which file it should read symbols from."""
        (host, port), image = self._server.address, self._configuration.image
        elf = f" {shlex.quote(image)}" if image is not None and _is_elf(image) else ""
        _say(f"gdb: waiting on {host}:{port}: gdb-multiarch -ex 'target remote :{port}'{elf}")

    def _keep(self) -> None:
        """Write what was recorded, and what gdb changed: each of these changes began a branch."""
        path, branches = self._settings.record, [branch.name for branch in self._status.branches]
        named = " and ".join(name for name in branches if name != _MAIN)
        with_branches = f", with {named}" if named else ""
        if self._recording is not None and len(branches) > self._branches:
            self._view.get(ask.Save(self._recording.path), Done)
            _say(f"kept in {self._recording.path}{with_branches}")
        elif path is not None:
            self._view.get(ask.Save(path, self._limit), Done)
            _say(f"recorded in {path}{with_branches}")

    # --- the user at the terminal ------------------------------------------------------------------------------------

    def _connect_user(self, stack: ExitStack) -> None:
        """Have the machine wait for who is at the terminal, or at standard input."""
        terminal, keys = standard_terminal() if self._settings.wants_terminal else None, None
        self._source = sys.stdin.fileno() if terminal is None and self._settings.input_path == STANDARD else terminal
        if terminal is not None:
            _say("Ctrl-A x ends the run, Ctrl-A h helps")
            stack.enter_context(raw_mode(terminal))
            keys = EscapeKeys(on_quit=self._quit, on_help=self._help, on_next=self._next, on_diagnose=self._diagnose)
        if self._source is not None or self._settings.is_realtime:
            self._user = LiveConsole(self._source, flush=self._report.consoles.flush, keys=keys)
            self._view.get(self._live, Done)

    @property
    def _live(self) -> ask.Live:
        can_type = self._source is not None
        return ask.Live(can_type=can_type, is_paced=can_type or self._settings.is_realtime)

    def _signalled(self, number: int) -> None:
        """Note that a signal has come. What waits learns it from the descriptor that signals make readable."""
        name = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        self._ended = name, BY_SIGNAL + number

    def _quit(self) -> None:
        self._ended = "ended by Ctrl-A x", QUIT_STATUS
        self._stop()

    def _stop(self) -> None:
        self._wakeup = None  # it stays readable
        if self._process.is_busy:
            self._process.stop()

    def _others(self) -> Mapping[int, Callable[[], None]]:
        """Show what was printed; return where something may come from beside gdb: signals, and keys."""
        self._report.consoles.flush()
        signals = {} if self._wakeup is None else {self._wakeup: self._stop}
        return signals | ({} if self._source is None else {self._source: self._typed})

    def _typed(self) -> None:
        """Take keys; those for the guest enter when it goes on, but not in the past."""
        data = b"" if self._user is None else self._user.poll()
        if self._user is not None and not self._user.can_type:
            self._source = None
            self._tell_live()
        self._type(data)

    def _type(self, data: bytes) -> None:
        if data and self._process.is_busy:
            self._process.type(data, self._vm)
        elif data:
            self._process.send(Type(data, self._vm))

    def _tell_live(self) -> None:
        if self._process.is_busy:
            self._process.live(self._live)
        else:
            self._process.send(self._live)

    def _next(self, before: bytes) -> None:
        """Have the user type to the next VM, once what was typed before has gone to this one."""
        self._type(before)
        vms = virtual_machines(self._configuration)
        if vms:
            self._vm = self._report.consoles.focus = (self._vm + 1) % len(vms)
            _say(f"\r\nyou type to {vms[self._vm].name} now")

    def _help(self) -> None:
        self._report.consoles.flush()
        sys.stderr.write(KEYS)
        sys.stderr.flush()

    def _diagnose(self) -> None:
        self._report.consoles.flush()
        lines: tuple[str, ...] = ("it runs: interrupt it in gdb first",)
        if not self._process.is_busy:
            lines = self._view.get(ask.Diagnose(), Words).lines
        sys.stderr.write("".join(f"\r\n{line}" for line in lines) + "\r\n")
        sys.stderr.flush()


def _symbols(configuration: Configuration, paths: tuple[str, ...]) -> SymbolTable:
    """Return the symbols of files beside the image. Raises: UserError."""
    if not paths:
        return SymbolTable()
    if len(virtual_machines(configuration)) > 1:
        raise UserError("--symbols", "each VM has an address space of its own", "run one VM alone")
    from arm_hyp.runner.symbol_files import read_symbols  # here: most runs need none

    return SymbolTable.merged(map(read_symbols, paths))


def _is_elf(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_ELF)) == _ELF


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
