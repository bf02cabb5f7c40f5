"""A machine in a process of its own, from the outside: asked by messages, stopped, killed, and started again.

Read `timeline/process/session.py` (the same without a process) and `timeline/process/child.py` (the inside) before this
file; ADR 10 says why. Whatever becomes of the child, a handler that never returns, a crash, no memory left: the next
one takes up what the box holds, stands where the run was, and this says so.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import msgspec

import arm_hyp
from arm_hyp.errors import UserError
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Type
from arm_hyp.timeline.budget import DEFAULT_BUDGET_BYTES
from arm_hyp.timeline.embedding import Embed
from arm_hyp.timeline.process.answers import Answer, Events, Failed, HandlerCall, Moved, Restarted
from arm_hyp.timeline.process.box import Box
from arm_hyp.timeline.process.messages import Live, Message, Stop, Subscribe, Tell
from arm_hyp.timeline.process.pipe import (
    LONGEST_ANSWER_BYTES,
    Asked,
    Begin,
    Closed,
    Pipe,
    Progress,
    RecordingFile,
    TooLong,
    replies,
)
from arm_hyp.timeline.process.telling import Told

SILENCE_S: Final = 10.0
"""A child that works says something ten times a second."""
_START_S: Final = 120.0
"""Reading images and starting takes a while, and is silent."""
_DYING_S: Final = 2.0
_CAPTURED_BYTES: Final = 64 << 10
_MOST_EVENTS: Final = 10_000
_STANDING: Final = (Subscribe, Tell, Live)
"""What a machine process that is new has to be told again."""
_FRAME: Final = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)


class MachineProcess:
    """One machine, of a configuration or a recording. `send` answers every message; or `ask`, then `answer` or `poll`.

    It does one message at a time.

    `progress` is the last that was heard of what is being done; `on_progress` hears all of it, `on_told` what `Tell`
    asked for. `beside` gives descriptors to look at as well while it waits for an answer, each with what is to be done
    when it becomes readable. `clock` is monotonic, in seconds. Of a recording, `goes_to_cursor`: it stands where its
    user was, and not at the start. `embed` says which files go into a recording that is saved.
    """

    def __init__(
        self,
        source: Configuration | RecordingFile,
        *,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        silence_s: float = SILENCE_S,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_told: Callable[[Told], None] = lambda told: None,
        beside: Callable[[], Mapping[int, Callable[[], None]]] = dict,
        clock: Callable[[], float] = time.monotonic,
        goes_to_cursor: bool = True,
        embed: Embed = "small",
    ) -> None:
        """Start it. Raises: UserError, as making the machine does."""
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        if isinstance(source, RecordingFile):
            self._directory = tempfile.TemporaryDirectory(prefix="arm-hyp-")
            self._begin = Begin(None, source, budget_bytes, goes_to_cursor, embed)
        else:
            self._begin = Begin(source, None, budget_bytes, goes_to_cursor, embed)
        self._silence_s, self._clock, self._on_progress = silence_s, clock, on_progress
        self._on_told, self._beside = on_told, beside
        self.progress: Progress | None = None
        self._number, self._asked = 0, False
        self._standing: dict[type, Message] = {}
        self._events: list[dict[str, object]] = []
        self._dropped = 0
        self._box = Box.new()
        self._captured: IO[bytes] = tempfile.TemporaryFile(prefix="arm-hyp-")  # noqa: SIM115
        self._child: subprocess.Popen[bytes]
        self._pipe: Pipe
        self._lifeline = -1
        self._is_closed, self._closed = False, Failed("the machine process", "is closed")
        self._start()
        first = self._wait_for(0, None, _START_S)
        if isinstance(first, Failed):
            self.close()
            raise UserError(first.thing, first.cause, first.way_out)
        if not isinstance(first, Moved):
            printed = self.captured.strip()[-400:]
            self.close()
            raise UserError("the machine process", "does not start", printed)

    def __enter__(self) -> MachineProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The child's process ID. It changes with every restart."""
        return self._child.pid

    @property
    def is_busy(self) -> bool:
        """Whether a message is being worked on."""
        return self._asked

    @property
    def captured(self) -> str:
        """What the process wrote to standard output and error: what a user's file printed as it was loaded, mostly."""
        size = os.fstat(self._captured.fileno()).st_size
        start = max(0, size - _CAPTURED_BYTES)
        return os.pread(self._captured.fileno(), _CAPTURED_BYTES, start).decode("utf-8", "replace")

    def fileno(self) -> int:
        """Return the descriptor that can be read when `poll` has something to do. It changes with every restart."""
        return self._pipe.fileno()

    # --- asking ------------------------------------------------------------------------------------------------------

    def send(self, message: Message, deadline_s: float | None = None) -> Answer:
        """Ask, and wait for the answer; as `answer` does."""
        refused = self.ask(message)
        return self.answer(deadline_s) if refused is None else refused

    def ask(self, message: Message) -> Answer | None:
        """Ask, and do not wait. The answer is here already if there is no asking."""
        if self._is_closed:
            return self._closed
        if self._asked:
            return Failed("the machine process", "is busy", "stop it, or wait")
        self._number += 1
        self._asked, self.progress = True, None
        if isinstance(message, _STANDING):
            self._standing[type(message)] = message
        with suppress(Closed):  # the answer says why
            self._put(Asked(self._number, message))
        return None

    def answer(self, deadline_s: float | None = None) -> Answer:
        """Wait for the answer. A child that dies, is silent, or is not done by a deadline is replaced: `Restarted`."""
        return self._wait_for(self._number, deadline_s, self._silence_s)

    def poll(self) -> Answer | None:
        """Take in what has come. Returns the answer if it is among it."""
        try:
            return self._take_in(self._number)
        except Closed:
            return self._restart(self._how_it_ended())
        except (TooLong, msgspec.MsgspecError, UnicodeDecodeError) as error:
            return self._restart(f"it sent what it should not: {error}")

    def stop(self) -> None:
        """Have what is being done end soon; its answer says how far it came."""
        self._put_quietly(Stop())

    def type(self, data: bytes, vm: int = 0) -> None:
        """Type on a console while the machine runs."""
        self._put_quietly(Type(data, vm))

    def live(self, message: Live) -> None:
        """Have who watches be somebody else, while the machine runs."""
        self._standing[Live] = message
        self._put_quietly(message)

    def kill(self, reason: str = "it was killed") -> Restarted | Failed:
        """End the process at once, and start another one that stands where this one was."""
        return self._restart(reason)

    def take_events(self) -> Events:
        """Return the events that were subscribed to and came since the last call."""
        events, self._events = Events(tuple(self._events), self._dropped), []
        self._dropped = 0
        return events

    def close(self) -> None:
        """End the process for good."""
        if not self._is_closed:
            self._is_closed = True
            self._end(signal.SIGKILL)
            self._box.close()
            self._captured.close()
            if self._directory is not None:
                self._directory.cleanup()

    # --- the pipe ----------------------------------------------------------------------------------------------------

    def _put(self, frame: Any) -> None:
        self._pipe.put(frame)
        self._pipe.flush()

    def _put_quietly(self, message: Message) -> None:
        with suppress(Closed):  # whoever waits for an answer learns why
            self._put(Asked(0, message))

    def _wait_for(self, number: int, deadline_s: float | None, silence_s: float) -> Answer:
        begin = heard = self._clock()
        while True:
            now = self._clock()
            left_s = silence_s - (now - heard)
            if deadline_s is not None:
                left_s = min(left_s, deadline_s - (now - begin))
            if not self._attend(max(left_s, 0.0), self._beside() if number else {}):
                text = f"it was silent for {silence_s:g} s"
                if deadline_s is not None and now - begin >= deadline_s:
                    text = f"it was not done after {deadline_s:g} s"
                if left_s <= 0:
                    return self._restart(text) if number else Failed("the machine process", text)
                continue
            answer = self.poll() if number else self._first()
            if answer is not None:
                return answer
            if number:
                heard = self._clock()

    def _attend(self, timeout_s: float, beside: Mapping[int, Callable[[], None]]) -> bool:
        """Wait until something comes, and do what is to be done about what is beside. Tells if the pipe has some."""
        end = self._pipe.fileno()
        readable, _, _ = select.select([end, *beside], [], [], timeout_s)
        for one in readable:
            if one != end:
                beside[one]()
        return end in readable

    def _first(self) -> Answer | None:
        try:
            return self._take_in(0)
        except (Closed, TooLong, msgspec.MsgspecError, UnicodeDecodeError):
            return Failed("the machine process", self._how_it_ended())

    def _take_in(self, number: int) -> Answer | None:
        self._pipe.take_in()
        for frame in self._pipe.frames():
            reply = replies.decode(frame)
            if isinstance(reply, Told):
                self._on_told(reply)
                continue
            self._keep(reply.events)
            if isinstance(reply, Progress):
                self.progress = reply
                self._on_progress(reply)
            elif reply.number == number:
                self._asked = False
                answer: Answer = reply.answer
                return answer
        return None

    def _keep(self, events: Events) -> None:
        self._events += events.events
        too_many = max(len(self._events) - _MOST_EVENTS, 0)
        del self._events[:too_many]
        self._dropped += events.dropped + too_many

    # --- the child ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start a child that knows what is in the box."""
        ours, its = socket.socketpair()
        ends, self._lifeline = os.pipe()
        passed = its.fileno(), self._box.descriptor, ends
        self._captured.truncate(0)
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "arm_hyp.timeline.process.child", *map(str, passed)],
            stdin=subprocess.DEVNULL,
            stdout=self._captured,
            stderr=self._captured,
            pass_fds=passed,
            env=_environment() | ({} if self._directory is None else {"TMPDIR": self._directory.name}),
            process_group=0,
        )
        its.close()
        os.close(ends)
        self._pipe = Pipe(ours, LONGEST_ANSWER_BYTES)
        with suppress(Closed):
            self._put(self._begin)

    def _end(self, with_signal: signal.Signals) -> None:
        """End the child, and wait until it is gone."""
        self._child.send_signal(with_signal)
        try:
            self._child.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._pipe.close()
        os.close(self._lifeline)

    def _how_it_ended(self) -> str:
        try:
            status = self._child.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            return "it has closed its pipe"
        if status < 0:
            return f"it was ended by {signal.Signals(-status).name}"
        last = self.captured.strip().splitlines()[-1:] or [""]
        return f"it ended with status {status}" + (f": {last[0][:400]}" if last[0] else "")

    def _restart(self, reason: str) -> Restarted | Failed:
        """Replace the child. With SIGABRT it writes down where its Python code is, whatever it is doing."""
        if self._is_closed:  # in another thread, while this one waited
            return self._closed
        self._end(signal.SIGABRT)
        call, trace = self._box.call, self.captured
        self._asked = False
        self._start()
        first = self._wait_for(0, None, _START_S)
        if not isinstance(first, Moved):
            cause = f"{first.thing} {first.cause}" if isinstance(first, Failed) else "it does not start"
            self.close()
            self._closed = Failed("the machine process", f"{reason}; another one cannot go on: {cause}")
            return self._closed  # whoever asks again hears the same
        for message in self._standing.values():
            self._put_quietly(message)
        return Restarted(reason, first.position, None if call is None else _with_line(call, trace))


def _with_line(call: HandlerCall, trace: str) -> HandlerCall:
    """Return a call with the line of the user's file that ran, as `faulthandler` tells it."""
    file = call.place.rpartition(":")[0]
    folder = os.path.dirname(file)
    for frame in _FRAME.finditer(trace):
        if frame["file"] == file or (folder and os.path.dirname(frame["file"]) == folder):
            at = f"{frame['file']}:{frame['line']}, in {frame['function']}"
            return msgspec.structs.replace(call, at=at)
    return call


def _environment() -> dict[str, str]:
    """Let the child find this package, wherever it came from."""
    root = str(Path(arm_hyp.__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
