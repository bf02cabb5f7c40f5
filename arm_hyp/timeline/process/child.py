"""The machine process from the inside: reads messages, has a session answer them, and looks up while it works.

Read `timeline/process/session.py`, `timeline/process/pipe.py` and `timeline/process/keeper.py` before this file,
`timeline/process/process.py`, which starts it, after it. There are no threads. While a message is worked on a timer's
signal interrupts ten times a second: then this looks for `Stop` and input, says how far it is, and keeps what came. It
is crash-only: whatever goes wrong here that is not the user's doing ends the process, and the next one goes on.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final

import msgspec

from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.recorded import RecordedHandlers
from arm_hyp.runner.messages import Run, Type
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Answer, Events, Failed
from arm_hyp.timeline.process.box import Box, Kept
from arm_hyp.timeline.process.keeper import Keeper, take_up
from arm_hyp.timeline.process.pipe import (
    LONGEST_ANSWER_BYTES,
    LONGEST_REQUEST_BYTES,
    Answered,
    Asked,
    Begin,
    Closed,
    Pipe,
    Progress,
    TooLong,
    encode,
    requests,
)
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.recorder import queues
from arm_hyp.timeline.recordings.replay import Replay

TICK_S: Final = 0.1
_FAILED: Final = 70
_CAPTURED_BYTES: Final = 4 << 20
_RUNS: Final = (Run, ask.Seek, ask.Next, ask.GoToPoint, ask.StepOne)
"""What is new while these are worked on is kept at once, and the cursor goes along."""
_NO_EVENTS: Final = Events(())


class User:
    """The user at the other end of a pipe, as a `HostConsole`."""

    def __init__(self, pipe: Pipe, feed: Callable[[], bool]) -> None:
        """Take a function that feeds what was typed, and tells whether there is any, or the user wants it to stop."""
        self._pipe, self._feed = pipe, feed
        self.can_type = self._is_paced = True

    def become(self, *, can_type: bool, is_paced: bool) -> None:
        """Be somebody who can type, or cannot any more, and for whom idle time takes its time, or takes none."""
        self.can_type, self._is_paced = can_type, is_paced

    @property
    def _waits(self) -> bool:
        return self.can_type or self._is_paced

    def poll(self) -> bytes:
        """Return nothing: what was typed is fed to its console."""
        self._feed()
        return b""

    def wait(self, duration_ns: int | None) -> int:
        """Let host time pass until something is typed or stopped. Returns the ns that passed."""
        if not self._waits:
            return duration_ns or 0
        begin, left_ns = time.monotonic_ns(), duration_ns
        while not self._feed() and self._waits and (left_ns is None or left_ns > 0):
            self._pipe.wait(TICK_S if left_ns is None else min(left_ns / 1e9, TICK_S))
            left_ns = None if duration_ns is None else duration_ns - (time.monotonic_ns() - begin)
        passed_ns = time.monotonic_ns() - begin
        return passed_ns if duration_ns is None else min(passed_ns, duration_ns)


class Child:
    """One machine process: one session, one pipe, one box."""

    def __init__(self, pipe: Pipe, box: Box) -> None:
        self._pipe, self._box = pipe, box
        self._inbox: deque[Asked] = deque()
        self._session: Session
        self._keeper: Keeper
        self._doing: type = Begin
        self._is_taking = self._stops = False

    def serve(self, begin: Begin) -> None:
        """Answer until the other end is gone. Raises: Closed."""
        kept = self._box.read()
        with ExitStack() as opened:
            try:
                self._session = _session(begin, kept, opened)
            except UserError as error:
                self._answer(0, Failed(error.thing, error.cause, error.way_out))
                return
            self._take_up(begin, kept)
            while True:
                self._do(self._next())

    def _take_up(self, begin: Begin, kept: Kept) -> None:
        session = self._session
        session.user = User(self._pipe, self._feed)
        self._keeper = Keeper(session.timeline, self._box)
        with self._ticking():
            if kept.branch:
                take_up(session.timeline, kept)
            elif begin.goes_to_cursor:
                session.go_to_opened()
        self._keeper.keep()
        self._answer(0, session.send(ask.Seek(session.timeline.position)))

    # --- messages ----------------------------------------------------------------------------------------------------

    def _next(self) -> Asked:
        while not self._inbox:
            self._pipe.wait()
            self._take_in()
        return self._inbox.popleft()

    def _do(self, asked: Asked) -> None:
        session, self._doing = self._session, type(asked.message)
        if session.timeline.runner.handlers is not None:
            session.timeline.runner.handlers.on_call = self._keeper.calls
        with self._ticking():
            answer = session.send(asked.message)
        self._keeper.keep()
        if session.listeners.teller is not None:
            session.listeners.teller.on_full = self._tell_now
        if asked.number:
            self._stops = False
            self._answer(asked.number, answer)

    def _answer(self, number: int, answer: Answer) -> None:
        events = self._session.take_events() if hasattr(self, "_session") else _NO_EVENTS
        data = encode(Answered(number, answer, events))
        if len(data) > LONGEST_ANSWER_BYTES:
            failed = Failed("the answer", "is too long", "ask for less at once")
            data = encode(Answered(number, failed, _NO_EVENTS))
        self._put_told()
        self._pipe.put_encoded(data)
        self._pipe.flush()

    def _put_told(self) -> None:
        teller = self._session.listeners.teller if hasattr(self, "_session") else None
        told = None if teller is None else teller.take()
        if told is not None:
            self._pipe.put(told)

    def _tell_now(self) -> None:
        """Tell what is held, and wait until the other end has taken it in. The machine runs."""
        self._is_taking = True  # a tick would write into the middle of this
        try:
            self._put_told()
            self._pipe.flush()
        except Closed:
            os._exit(0)
        self._is_taking = False

    def _take_in(self) -> None:
        """Take messages in; `Stop` holds for what is being done. Raises: Closed."""
        self._is_taking = True
        self._pipe.take_in()
        self._take_frames()
        self._is_taking = False

    def _take_frames(self) -> None:
        frames = self._pipe.frames()
        while True:
            try:
                frame = next(frames, None)
                if frame is None:
                    return
                asked = requests.decode(frame)
            except (TooLong, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                frames = self._pipe.frames()
                self._refuse(str(error))
                continue
            if isinstance(asked, Asked):
                self._take(asked)

    def _refuse(self, cause: str) -> None:
        self._pipe.put(Answered(0, Failed("message", " ".join(cause.split())), _NO_EVENTS))

    def _take(self, asked: Asked) -> None:
        message, user = asked.message, self._session.user if self._session.is_busy else None
        if isinstance(message, ask.Stop):
            self._stops = bool(self._inbox) and not self._session.is_busy  # it came with what it is to stop
            self._session.stop()
        elif isinstance(message, ask.Live) and not asked.number and user is not None:
            user.become(can_type=message.can_type, is_paced=message.is_paced)
        else:
            self._inbox.append(asked)

    def _feed(self) -> bool:
        self._take_in()
        self._type()
        runner = self._session.timeline.runner
        return self._session.is_stopped or any(queue.typed for queue in queues(runner))

    def _type(self) -> None:
        """Give what was typed to a run that is new; it enters where the guest decides."""
        while self._inbox and isinstance(typed := self._inbox[0].message, Type) and not self._inbox[0].number:
            self._inbox.popleft()
            self._session.timeline.runner.send(typed)

    # --- while it works ----------------------------------------------------------------------------------------------

    @property
    def _is_new(self) -> bool:
        """Whether what happens now is new, as part of a run."""
        timeline = self._session.timeline
        return self._doing in _RUNS and timeline.history.promised is None and timeline.position > timeline.frontier

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def tick(self, _signal: int, _frame: FrameType | None) -> None:
        """Look up. A user's code that runs is left alone: it is being watched, and is over soon."""
        if sys.gettrace() is not None or self._is_taking:
            return
        try:
            self._take_in()
            if self._stops and self._session.is_busy:
                self._session.stop()
            if self._is_new:
                self._type()
                self._keeper.keep_running()
            self._tell()
        except Closed:
            os._exit(0)
        if os.fstat(2).st_size > _CAPTURED_BYTES:
            os.ftruncate(2, 0)

    def _tell(self) -> None:
        """Say how far this is, unless nobody has read the last of it."""
        if self._pipe.is_full:
            self._pipe.push()
            return
        self._put_told()
        session = self._session
        timeline = session.timeline
        self._pipe.put(Progress(timeline.position, timeline.frontier, session.looked_at, session.take_events()))


def _session(begin: Begin, kept: Kept, opened: ExitStack) -> Session:
    """Make the session; without the user's file, if that cannot be loaded again. Raises: UserError."""
    if begin.recording is not None:
        replay = opened.enter_context(Replay.open(begin.recording.path, begin.recording.folders))
        return Session(replay, budget_bytes=begin.budget_bytes, embed=begin.embed)
    assert begin.configuration is not None
    try:
        return Session(begin.configuration, budget_bytes=begin.budget_bytes, embed=begin.embed)
    except UserError:
        if kept.handlers is None:
            raise
        recorded = RecordedHandlers.of(kept.handlers.registrations, [])
        return Session(begin.configuration, budget_bytes=begin.budget_bytes, recorded=recorded, embed=begin.embed)


def _prepare(lifeline: int) -> None:
    """Leave signals of the terminal to the parent, leave no core dumps, and end when the parent does.

    A lifeline is a pipe of which the parent has the other end: when that is closed the kernel sends SIGIO, which ends
    this process also inside a call that never returns.
    """
    for ignored in (signal.SIGINT, signal.SIGTSTP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)  # the parent was gone before


def _first(pipe: Pipe) -> Begin:
    while True:
        pipe.wait()
        pipe.take_in()
        for frame in pipe.frames():
            begin = requests.decode(frame)
            assert isinstance(begin, Begin)
            return begin


def main() -> None:
    """Serve the pipe whose descriptor is the first argument; then come the box and the lifeline."""
    end, box, lifeline = map(int, sys.argv[1:4])
    _prepare(lifeline)
    pipe = Pipe(socket.socket(fileno=end), LONGEST_REQUEST_BYTES)
    try:
        child = Child(pipe, Box(box))
        begin = _first(pipe)
        signal.signal(signal.SIGALRM, child.tick)
        child.serve(begin)
    except Closed:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(_FAILED)


if __name__ == "__main__":
    import faulthandler

    faulthandler.enable(all_threads=False)
    main()
