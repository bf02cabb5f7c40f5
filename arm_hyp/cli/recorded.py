"""What `run --record` and `replay` add to a run at the command line: a recording is written, or compared with.

Read `timeline/recordings/recorder.py` and `timeline/recordings/replay.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from arm_hyp.errors import UserError
from arm_hyp.events import EventSink
from arm_hyp.machine.machine import Outcome
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Output, Runner
from arm_hyp.timeline.recordings.container import check_writable
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import write_recording
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import open_timeline

if TYPE_CHECKING:
    from arm_hyp.cli.settings import Settings
    from arm_hyp.runner.configuration import Configuration

DIFFERS: Final = 3
"""The exit status of a replay that is not the run that was recorded."""


class RecordedRun(Protocol):
    """What a session calls: `runner` for the machine, `started` once it is made, `run`, `told` behind the summary."""

    def runner(self, sink: EventSink | None = None, output: Output | None = None) -> Runner:
        """Make the machine. Raises: UserError."""

    def started(self, runner: Runner) -> None:
        """Take the machine as it starts. Raises: UserError."""

    def run(self, runner: Runner) -> dict[str, Any]:
        """Run, and return what the runner answers."""

    def told(self, runner: Runner, answer: dict[str, Any]) -> int:
        """Say what came out, on standard error; return the exit status. Raises: UserError."""


class Recording:
    """Writes a run to the file of `--record`, however it ends. Raises: UserError, at once if it cannot be written."""

    def __init__(self, configuration: Configuration, settings: Settings) -> None:
        assert settings.record is not None
        self._path, self._limit, self._until = settings.record, settings.limit, settings.until
        check_writable(self._path, "--record")
        self._recorder, self._configuration = Recorder(configuration, settings.embed), configuration

    def runner(self, sink: EventSink | None = None, output: Output | None = None) -> Runner:
        """Make the machine."""
        return Runner(self._configuration, sink, output)

    def started(self, runner: Runner) -> None:
        """Take the files in."""
        self._recorder.started(runner)

    def run(self, runner: Runner) -> dict[str, Any]:
        """Run; if that is torn off, write what there is at once."""
        try:
            answer: dict[str, Any] = runner.send(Run(self._limit, self._until))
        except BaseException:
            self._write(runner, None)
            raise
        return answer

    def told(self, runner: Runner, answer: dict[str, Any]) -> int:
        """Write the recording, unless the run was torn off."""
        if answer["reason"] != "torn":
            self._write(runner, answer)
        return int(answer["status"])

    def _write(self, runner: Runner, answer: dict[str, Any] | None) -> None:
        write_recording(self._path, self._recorder.recording(runner, answer, self._limit, self._until))
        print(f"recorded in {self._path}", file=sys.stderr)


class Replayed:
    """Repeats a recorded run, and says whether it is the same."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.runner = replay.runner

    def started(self, runner: Runner) -> None:
        """Show files by their own names."""
        self._replay.name_files(runner)

    def run(self, runner: Runner) -> dict[str, Any]:
        """Run to the recorded end, or to the first difference."""
        return self._replay.run(runner)

    def told(self, runner: Runner, answer: dict[str, Any]) -> int:
        """Say how the replay differs; nothing if it does not."""
        difference = self._replay.difference(runner, answer)
        if difference:
            print(f"{self._replay.name}: the replay differs from the recording: {difference}", file=sys.stderr)
            return DIFFERS
        if self._replay.was_interrupted(answer):
            print(f"{self._replay.name}: the same as recorded up to here", file=sys.stderr)
        else:
            print(f"{self._replay.name}: the same as recorded ({self._replay.check.events:,} events)", file=sys.stderr)
        return int(answer["status"])


class ReplayedBranch:
    """Repeats a branch of a recorded run, from its start."""

    def __init__(self, replay: Replay, branch: str) -> None:
        self._replay, self._branch = replay, branch

    def runner(self, sink: EventSink | None = None, output: Output | None = None) -> Runner:
        """Make the machine. Raises: UserError if there is no such branch."""
        self._timeline = open_timeline(self._replay, sink=sink, output=output).timeline
        if self._branch not in self._timeline.branches:
            known = ", ".join(self._timeline.branches)
            raise UserError(f"{self._replay.name}: --branch {self._branch}", "is not there", f"there are {known}")
        return self._timeline.runner

    def started(self, runner: Runner) -> None:
        """Take the machine as it starts."""

    def run(self, runner: Runner) -> dict[str, Any]:
        """Run to the end of the branch."""
        timeline = self._timeline
        timeline.switch(self._branch)
        ended = timeline.outcome or Outcome("limit", 0, f"the branch {self._branch} ends here")
        runner.machine.tell_end(ended)
        answer = {"reason": ended.reason, "status": ended.status, "text": ended.text}
        return answer | {"n": runner.machine.retired, "time_ns": runner.machine.clock.now_ns}

    def told(self, runner: Runner, answer: dict[str, Any]) -> int:
        """Say where the branch left the one before it; return its status."""
        history = self._timeline.history
        if history.parent is not None:
            print(
                f"{self._replay.name}: {history.name} leaves {history.parent} at {history.begins_at}", file=sys.stderr
            )
        return int(answer["status"])
