"""A recorded run again: from its files, with its input at the same places, compared with it event by event.

Read `timeline/recordings/recorder.py` before this file. Nobody's code is imported for it, and no host time passes:
where the user of the recorded run was waited for, the replay knows how long that took.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from arm_hyp import __version__
from arm_hyp.cpu.position import Told
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.events import EventSink
from arm_hyp.hypervisor.student.recorded import RecordedHandlers
from arm_hyp.machine.console_input import Arrival, ConsoleInput
from arm_hyp.machine.machine import Machine, Outcome
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Output, Runner
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.recordings.files import Placed
from arm_hyp.timeline.recordings.recorder import position, queues, registers_hash
from arm_hyp.timeline.recordings.recording import OPEN, Recording, read_recording
from arm_hyp.timeline.recordings.trace import TraceCheck, in_words

CACHE_VARIABLE: Final = "ARM_HYP_CACHE"
_DIFFERS: Final = "the replay differs from the recording"


def cache_folder() -> Path:
    """Return where fetched guests are kept: $ARM_HYP_CACHE, or arm-hyp in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get(CACHE_VARIABLE)
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arm-hyp"


class _Late(Exception):
    """Input of the recording could not enter where it did."""


class Replay:
    """A recording made ready to run. Close it, or use it in `with`: its files lie in a private directory."""

    def __init__(self, recording: Recording, name: str, folders: Sequence[Path] = ()) -> None:
        """Place the files; those that are not inside are looked for in `folders`. Raises: UserError."""
        self.recording, self.name = recording, name
        self._placed = Placed(name, recording.run.files, recording.contents, folders)
        self.configuration: Configuration = self._placed.configuration(recording.run.configuration)
        self.check = TraceCheck(recording.trace, self._event_differs)
        self._runner: Runner | None = None  # none before the run, and behind its end: whoever looks further may
        self._difference = ""

    @classmethod
    def open(cls, path: str, folders: Sequence[str] = ()) -> Replay:
        """Read a recording; files are looked for in `folders`, beside it, and in the cache. Raises: UserError."""
        recording = read_recording(path)
        for folder in folders:
            if not Path(folder).exists():
                raise UserError(f"--files {folder}", "does not exist", "check the path")
        beside = sorted(one for one in Path(path).resolve().parent.iterdir() if one.is_file())
        return cls(recording, path, (*map(Path, folders), *beside, cache_folder()))

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files that were put into a private directory."""
        self._placed.close()

    # --- the run -----------------------------------------------------------------------------------------------------

    def runner(self, sink: EventSink | None = None, output: Output | None = None) -> Runner:
        """Make the machine, with the recorded input in its queues, and compare what it does. Raises: UserError."""
        try:
            runner = Runner(self.configuration, sink, self.heard(output), self.handlers())
        except UserError as error:
            thing, cause = self._shown(error.thing), self._shown(error.cause)
            raise UserError(f"{self.name}: {thing}", cause, error.way_out) from None
        self.connect(runner)
        return runner

    def heard(self, output: Output | None) -> Output:
        """Return an output that compares what is printed, and passes it on."""
        printed = [0] * len(self.recording.consoles)

        def compare(vm: int, data: bytes) -> None:
            start, printed[vm] = printed[vm], printed[vm] + len(data)
            if self.recording.consoles[vm][start : printed[vm]] != data:
                self._came_otherwise(f"prints {data[:40]!r}, and {self._recorded_at(vm, start)}")
            if output is not None:
                output(vm, data)

        return compare

    def _recorded_at(self, vm: int, start: int) -> str:
        recorded = self.recording.consoles[vm][start : start + 40]
        return f"{recorded!r} was recorded" if recorded else "nothing more was recorded"

    def handlers(self) -> RecordedHandlers | None:
        """Return the user's handlers, without their code. Raises: UserError."""
        part = self.recording.handlers
        return None if part is None else RecordedHandlers.of(part.registrations, part.effects)

    def connect(self, runner: Runner) -> None:
        """Have a machine take the recorded input where it entered, and tell `check` what it does. Raises: UserError."""
        inputs, wanted = self.recording.inputs, queues(runner)
        if len(inputs) != len(wanted):
            cause = f"has input for {len(inputs)} consoles, and there are {len(wanted)}"
            raise UserError(self.name, cause, "have it recorded again")
        for queue, log in zip(wanted, inputs, strict=True):
            queue.replay(log)
        self._runner, runner.machine.cpus.where.journal = runner, self.check.note

    def name_files(self, runner: Runner) -> None:
        """Have the runner's lines name files as the recording does, without the directory where they are now."""
        runner.plans = tuple(replace(plan, symbols=self._renamed(plan.symbols)) for plan in runner.plans)

    def _renamed(self, table: SymbolTable) -> SymbolTable:
        return SymbolTable(table.symbols, tuple(replace(line, file=self._shown(line.file)) for line in table.lines))

    def _shown(self, text: str) -> str:
        start = f"{self._placed.directory}{os.sep}"
        head, found, rest = text.partition(start)
        return f"{head}{rest.partition(os.sep)[2]}" if found else text

    def run(self, runner: Runner) -> dict[str, Any]:
        """Run to the recorded end, or to the first difference; return what the runner answers."""
        end, machine = self.recording.end, runner.machine
        if any(self.recording.inputs) or end.reason in ("stopped", "idle"):  # else nobody was waited for
            machine.user = _Console(machine, self, [*zip(queues(runner), self.recording.inputs, strict=True)])
        is_open, is_cut = end.reason == OPEN, end.reason in (OPEN, "stopped")
        if is_cut and end.seq:
            machine.cpus.where.stop_at = (end.n, end.seq)
        if end.reason == "stopped":
            runner.advance = lambda limit: self._to_stop(machine, limit)
        limit = end.n if is_cut and not end.seq else min(self.recording.run.limit, end.n + 1)
        try:
            answer: dict[str, Any] = runner.send(Run(limit, self.recording.run.until))
        except _Late:
            answer = self._late(machine)
        finally:
            machine.cpus.where.stop_at, machine.cpus.where.journal, machine.user = None, None, None
            self._runner = None
        if is_open and answer["reason"] in ("limit", "position", "handler"):
            answer |= {"reason": OPEN, "status": 0, "text": end.text}
        elif answer["reason"] == "stopped" and self._is_at_stop(machine):
            answer |= {"status": end.status, "text": end.text}
        return answer

    def _to_stop(self, machine: Machine, limit: int) -> Outcome:
        """Run to where somebody stopped the recorded run, and stop there.

        A signal is heard at the end of some piece of a run, and pieces are no part of what repeats. So the position is
        looked for, and then the time: at one position it passes while Python is at EL2, or nobody runs.
        """
        end, where = self.recording.end, machine.cpus.where
        outcome = machine.advance(limit)
        if outcome.reason in ("limit", "position") and position(machine) == (end.n, end.seq):
            where.stop_at, where.is_reached = None, False
            outcome = machine.advance_to_time(end.time_ns, end.n + 1)
            if self._is_at_stop(machine):
                outcome = Outcome("stopped", end.status, end.text)
        machine.tell_end(outcome)
        return outcome

    def _is_at_stop(self, machine: Machine) -> bool:
        end = self.recording.end
        return not self._difference and (*position(machine), machine.clock.now_ns) == (end.n, end.seq, end.time_ns)

    def _late(self, machine: Machine) -> dict[str, Any]:
        """Return the answer of a run into which input came too late, and tell those who listen."""
        machine.tell_end(Outcome("stopped", 1, _DIFFERS))
        answer = {"reason": "stopped", "status": 1, "text": _DIFFERS}
        return answer | {"n": machine.retired, "time_ns": machine.clock.now_ns}

    # --- what differs ------------------------------------------------------------------------------------------------

    def _came_otherwise(self, what: str) -> None:
        """Note the first difference, and have the run end there."""
        if self._runner is not None and not self._difference:
            self._difference = f"at {Position(*position(self._runner.machine))} it {what}"
            self._runner.machine.request_stop(_DIFFERS, 1)

    def _event_differs(self, told: Told) -> None:
        assert self._runner is not None
        number, count = self.check.events, self.recording.trace.events
        recorded = "something else was recorded" if number <= count else "the recording has no more events"
        if not self._difference:
            what = in_words(told, self._runner.symbols)
            self._difference = f"event {number:,} of {count:,} at {self.check.last}: {recorded}; now {what}"
            self._runner.machine.request_stop(_DIFFERS, 1)

    def came_late(self, arrival: Arrival) -> None:
        """Note that input could not enter where it did. Raises: _Late."""
        self._came_otherwise(f"takes no input, where {arrival.data[:40]!r} was typed at {Position(arrival.n)}")
        raise _Late

    def difference(self, runner: Runner, answer: dict[str, Any]) -> str:
        """Say in one sentence how the replay differs from the recording; empty if it does not."""
        found = self._difference or ("" if self.was_interrupted(answer) else self._other_end(runner, answer))
        if found and self.recording.library_version != __version__:
            found += f" (recorded by arm-hyp {self.recording.library_version}, this is {__version__})"
        return found

    def was_interrupted(self, answer: dict[str, Any]) -> bool:
        """Tell whether somebody stopped the replay before its end."""
        is_ended = self._difference or answer["text"] == self.recording.end.text
        return answer["reason"] == "torn" or (answer["reason"] == "stopped" and not is_ended)

    def _other_end(self, runner: Runner, answer: dict[str, Any]) -> str:
        end, trace = self.recording.end, self.recording.trace
        if end.reason == OPEN:
            return ""
        if (answer["reason"], answer["n"]) != (end.reason, end.n):
            now = f"{answer['text']} at {answer['n']:,}"
            return f"the recorded run ends at {end.n:,}: {_clean(end.text)}; now: {now}"
        if self.check.events < trace.events:
            return f"event {self.check.events + 1:,} of {trace.events:,} of the recording does not come"
        found = {
            "an event": self.check.is_complete,
            "what was printed": tuple(map(bytes, runner.consoles)) == self.recording.consoles,
            "what was typed": all(
                len(q.log) == len(a) for q, a in zip(queues(runner), self.recording.inputs, strict=True)
            ),
            "the position at the end": position(runner.machine) == (end.n, end.seq),
            "the virtual time at the end": runner.machine.clock.now_ns == end.time_ns,
            "a register at the end": not end.registers or registers_hash(runner.machine) == end.registers,
        }
        return next((f"{what} differs" for what, is_same in found.items() if not is_same), "")


def _clean(text: str) -> str:
    """Return a text from a file as one line that a terminal shows as it is."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:400])


class _Console:
    """The user of the recorded run: types nothing (the log does), and waits as long as was waited."""

    def __init__(self, machine: Machine, replay: Replay, logs: list[tuple[ConsoleInput, tuple[Arrival, ...]]]) -> None:
        self._machine, self._replay, self._logs, self._end = machine, replay, logs, replay.recording.end

    @property
    def _is_at_end(self) -> bool:
        return position(self._machine) == (self._end.n, self._end.seq)

    @property
    def can_type(self) -> bool:
        """Tell whether the recorded run was waiting here when it ended."""
        return self._is_at_end and self._machine.clock.now_ns < self._end.time_ns

    def poll(self) -> bytes:
        """Type nothing. Raises: _Late."""
        now = self._machine.retired, self._machine.clock.now_ns
        for queue, log in self._logs:
            entered = len(queue.log)
            if entered < len(log) and (log[entered].n, log[entered].time_ns) < now:
                self._replay.came_late(log[entered])
        return b""

    def wait(self, duration_ns: int | None) -> int:
        """Let no time pass on the host; answer the ns that passed in the recorded run."""
        left = self._end.time_ns - self._machine.clock.now_ns
        if self._is_at_end and left > 0 and (duration_ns is None or left < duration_ns):
            return left
        return duration_ns or 0
