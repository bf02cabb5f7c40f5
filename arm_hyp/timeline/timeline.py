"""A run that can go back: a Runner, its checkpoints, and the cursor.

Read `timeline/passage.py` before this file, `timeline/search.py` after it.

Going back is going forward from a checkpoint. Up to the tip of a branch the run is repeated: silently, with the inputs
that came then and the effects that handlers had. Behind the tip it is new: sinks and console hear it, handlers run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.syndromes import EC
from arm_hyp.cpu.watches import Watch
from arm_hyp.cpu.watching import Watches
from arm_hyp.errors import UserError
from arm_hyp.events import EventSink, FanOut, NullSink
from arm_hyp.machine.dirty_pages import PAGE_BYTES
from arm_hyp.machine.machine import EARLY_GRID, RAM_BASE, TLB_GRID, Outcome
from arm_hyp.runner import messages
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Output, Runner
from arm_hyp.timeline.budget import DEFAULT_BUDGET_BYTES
from arm_hyp.timeline.checkpoints import FORWARD_STEP
from arm_hyp.timeline.history import Edited, History, Intervention, Load, Tip
from arm_hyp.timeline.passage import GOING_ON, MAIN, Passage, limit_reached
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.states import memory_at

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.recorded import RecordedHandlers
    from arm_hyp.machine.console_input import HostConsole
    from arm_hyp.timeline.journal import Journal
    from arm_hyp.timeline.statistics import Statistics

_CALLS: Final = (EC.SVC64, EC.HVC64)
_NO_END: Final = (*GOING_ON, "stopped")
"""A run that came back for one of these can go on."""
_NEAR: Final = EARLY_GRID // 8
"""A checkpoint this much closer than the cursor is not worth going to."""


class Timeline(Passage):
    """A run and its past. `sink` and `output` hear what happens for the first time, as those of a Runner do.

    `user` is the user at the console, or paces idle time, while the run is new. Reading `runner` leaves no mark.
    `marks` and `breakpoints` are the user's, to be kept with it. `statistics` count all that happens up to the cursor.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        sink: EventSink | None = None,
        output: Output | None = None,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        recorded: RecordedHandlers | None = None,
        statistics: Statistics | None = None,
    ) -> None:
        self._sink, self._output, self._budget_bytes = sink or NullSink(), output, budget_bytes
        self.configuration = configuration
        super().__init__(Runner(configuration, self._sink, self._print, recorded), budget_bytes, statistics)
        self.runner.advance = self._advance
        self.user: HostConsole | None = None
        self.marks: dict[str, Position] = {}
        self.breakpoints: list[str] = []
        self.difference = ""  # between this run and the recording that it repeats, in words
        self.branches = {MAIN: self.history}

    # --- where it is -------------------------------------------------------------------------------------------------

    @property
    def frontier(self) -> Position:
        """The furthest that this branch has come."""
        return self.history.tip.position

    @property
    def outcome(self) -> Outcome | None:
        """How this branch ended, if it has."""
        return self.history.tip.outcome

    @property
    def has_ended(self) -> bool:
        """Whether the cursor is where this branch ended. A handler that failed there would be called anew behind it."""
        return self.outcome is not None and self.position == self.frontier

    @property
    def journal(self) -> Journal:
        """Every exception and return of this branch up to the frontier."""
        self.history.journal.settle()
        return self.history.journal

    def checkpoints(self) -> list[Position]:
        """Return where the checkpoints of this branch are, ascending."""
        return self.history.checkpoints.positions

    def memory_at(self, checkpoint: Position, pa: int, size_bytes: int) -> bytes:
        """Return RAM as it was at a checkpoint. The cursor stays. Raises: ValueError outside RAM."""
        self._machine.read_memory(pa, size_bytes)
        return memory_at(self.history.checkpoints, checkpoint, pa, size_bytes)

    def page_changed(self, pa: int, after: Position, until: Position) -> bool:
        """Tell whether the page at `pa` may have changed behind one checkpoint, up to another."""
        return self.history.checkpoints.pages.has_changed((pa - RAM_BASE) // PAGE_BYTES, after, until)

    # --- forward -----------------------------------------------------------------------------------------------------

    def run(self, limit: int, until: str = "") -> dict[str, Any]:
        """Run to `limit` instructions in all, the end, or until the console shows a text. Returns what `Run` answers.

        What lies before the frontier is repeated.
        """
        answer: dict[str, Any] = self.runner.send(messages.Run(limit, until))
        return answer

    def listen(self, sink: EventSink) -> None:
        """Have another sink hear what happens for the first time, from now on."""
        self._sink = sink

    def stop(self) -> None:
        """Have `run` or `seek` come back soon: from a signal, or between two messages."""
        self._is_stopped = True
        self._machine.request_stop("stopped", 1, at_once=False)

    def _advance(self, limit: int) -> Outcome:
        """Do what `Machine.run` does, from wherever the cursor is."""
        target = Position(limit)
        if not self.is_at_frontier:
            outcome = self._repeat(min(target, self.frontier))
            if not self.is_at_frontier:
                return limit_reached(limit) if outcome.reason in GOING_ON else outcome
        outcome = self._go_on(target)
        if outcome.reason == "position":
            outcome = limit_reached(limit)
        self._machine.tell_end(outcome)
        return outcome

    def _go_on(self, target: Position) -> Outcome:
        """Run on behind the frontier: what happens now is new."""
        if self.history.promised is not None:
            outcome = self._as_promised(self.history.promised, target)
            if self.history.promised is not None or self.position >= target or outcome.reason not in GOING_ON:
                return outcome
        self._machine.user = self.user
        return self._anew(lambda: self._pieces(target, FORWARD_STEP))

    def _anew(self, advance: Callable[[], Outcome]) -> Outcome:
        """Let happen what has never happened before, and remember how far it came."""
        self._connect(self._sink, is_new=True)
        ended = None
        try:
            outcome = advance()
            ended = None if outcome.reason in _NO_END else outcome
            return outcome
        finally:
            self._note_tip(ended)

    def _as_promised(self, promised: Tip, target: Position) -> Outcome:
        """Run on with the inputs and edits of a recording, up to its end."""
        self._machine.user = None
        outcome = self._anew(lambda: self._through_edits(min(target, promised.position), FORWARD_STEP))
        if self.position >= promised.position or outcome.reason not in _NO_END:
            self._to_time(promised)
            self._note_tip(self.history.tip.outcome or promised.outcome)
            self.history.promised = None
            self._have_typed_wait()
        return outcome

    def _note_tip(self, outcome: Outcome | None) -> None:
        """Remember how far the run has come."""
        history = self.history
        history.journal.settle()
        logs = [list(queue.log) for queue in self._queues]
        history.inputs = [max(known, log, key=len) for known, log in zip(history.inputs, logs, strict=True)]
        history.tip = Tip(self.position, self._machine.clock.now_ns, outcome)

    # --- back --------------------------------------------------------------------------------------------------------

    def seek(self, position: Position) -> Position:
        """Go to the first place at or behind a position where a machine can stand; to the end if it lies beyond.

        Behind the frontier the run goes on, and what happens is new. Returns where the cursor is.
        """
        self._is_stopped = False
        if position > self.frontier:
            self._repeat(self.frontier)
            if self.is_at_frontier and not self._is_stopped:
                self._go_on(position)
        else:
            self._repeat(position)
        return self.position

    def step(self, count: int = 1) -> Position:
        """Go to the next place where the machine can stand, `count` times: an instruction, or an exception, further."""
        for _ in range(count):
            n, seq = self.position
            self.seek(Position(n, seq + 1))
        return self.position

    def step_back(self, count: int = 1) -> Position:
        """Go to the last place before the cursor where the machine can stand, `count` times."""
        for _ in range(count):
            self._step_back()
        return self.position

    def _step_back(self) -> None:
        here = self.position
        if here.seq and not self._came_with_instruction(here) and self.seek(self._last_event(here, here.n)) < here:
            return
        if here.n == 0:
            return
        at = self.seek(self._last_event(here, here.n - 1))
        if any(arrival.n == at.n for log in self.history.inputs for arrival in log):  # these have no place in a journal
            while (following := self.step()) < here:
                at = following
            self.seek(at)

    def _came_with_instruction(self, here: Position) -> bool:
        """Tell whether the event here is an instruction's own: a call, or an ERET. Nothing lies between the two.

        False where that is not known: Python's ERET is no instruction, and HFGITR_EL2 traps SVC by a call's class.
        """
        entry = self.journal.after(Position(here.n))
        if entry is None or entry.position != here or here.seq != 1 or self.configuration.cpu == "max-fgt":
            return False
        if entry.what == "returned":
            return self.runner.hypervisor is None or entry.level < 2
        return entry.ec in _CALLS

    def _last_event(self, here: Position, n: int) -> Position:
        """Return the last event that is known between the instruction `n` and the cursor; without one, its end."""
        entry = self.journal.before(here)
        known = [entry.position] if entry is not None else []
        known += [Position(edited.position.n, edited.position.seq + 1) for edited in self.history.edits]
        return max((place for place in known if place.n == n and place < here), default=Position(n))

    def replay(
        self, start: Position, end: Position, *, sink: EventSink | None = None, watches: Sequence[Watch] = ()
    ) -> Position:
        """Go to `start`, then every step on to `end`, with a sink and watches connected. Returns where the cursor is.

        Neither lies behind the frontier. A watch that stops ends it early.
        """
        self._is_stopped = False
        self._repeat(min(start, self.frontier))
        end, machine = min(end, self.frontier), self._machine
        with Watches(machine.cpus.cores, watches, machine.ram_device.observers, self.stop):
            if self.position < end:
                self._forward(end, sink)
            self._come_to_tip(sink)
        return self.position

    def go_on(
        self,
        limit: int,
        *,
        sink: EventSink | None = None,
        watches: Sequence[Watch] = (),
        begin: Position | None = None,
    ) -> Outcome:
        """Go on behind the frontier to `limit` instructions in all, with one more sink and watches connected.

        A breakpoint where the search `begin`s (None: at the frontier) does not count.
        """
        self._is_stopped = False
        self._repeat(self.frontier)
        before, machine = self._sink, self._machine
        self._sink = before if sink is None else FanOut(before, sink)
        try:
            with Watches(machine.cpus.cores, watches, machine.ram_device.observers, self.stop, begin or self.position):
                return self._go_on(Position(limit))
        finally:
            self._sink = before

    def _repeat(self, target: Position, sink: EventSink | None = None) -> Outcome:
        """Go to a position that this branch has been at. Returns why it ended, if somebody stopped it."""
        outcome = Outcome("position", 1, "the position was reached")
        checkpoint = self.history.checkpoints.at_or_before(target)
        if target < self.position or checkpoint.n > self.position.n + _NEAR:
            self._restore(checkpoint)
        if self.position < target:
            outcome = self._forward(target, sink)
        self._come_to_tip(sink)
        return outcome

    def _forward(self, target: Position, sink: EventSink | None) -> Outcome:
        """Repeat the run up to a position, the user's edits with it."""
        self._machine.user = None
        self._connect(sink or NullSink(), is_new=False)
        return self._through_edits(target, TLB_GRID)

    def _come_to_tip(self, sink: EventSink | None) -> None:
        """At the position of the tip, let happen what no event told: a handler's last act, or idle time, up to a stop.

        Python at EL2 takes time, so the clock tells how far that went.
        """
        tip = self.history.tip
        if self.position == tip.position and self._machine.clock.now_ns < tip.time_ns and not self._is_stopped:
            self._connect(sink or NullSink(), is_new=False)
            self._to_time(tip)
        self._have_typed_wait()

    def _have_typed_wait(self) -> None:
        """At the end, have what the user has typed there wait again."""
        if self.is_at_end and not self._typed_waits:
            for queue, pending in zip(self._queues, self.history.pending, strict=True):
                queue.go_on_with(pending)
            self._typed_waits = True

    def _print(self, vm: int, data: bytes) -> None:
        if self._is_new and self._output is not None:
            self._output(vm, data)

    # --- what the user does ------------------------------------------------------------------------------------------

    def type(self, data: bytes, vm: int = 0) -> None:
        """Type on a console. Raises: UserError in the past."""
        if not self.is_at_end:
            raise UserError("console input", f"at {self.position} the run has gone on already", "make a branch first")
        self.runner.send(messages.Type(data, vm))

    def edit(self, what: Intervention) -> None:
        """Change registers or memory at the cursor: in the past, and on `main`, on a new branch. Raises: UserError."""
        if not self.is_at_end or self.history.name == MAIN or isinstance(what, Load):
            self.branch()
        position, time_ns = self.position, self._machine.clock.now_ns
        self._connect(self._sink, is_new=True)
        self._apply(what)
        self.history.edits.append(Edited(position, what, time_ns))
        self._note_tip(None)

    def load_handlers(self, path: str) -> History:
        """Load a file of handlers anew at the cursor; on a new branch they take the exits. Raises: UserError.

        With an error in the file nothing has happened. An exit whose handler failed here is theirs to handle.
        """
        self.edit(Load(self.runner.load_handlers(path)))
        return self.history

    def branch(self, name: str | None = None, *, types_again: bool = False) -> History:
        """Begin a branch at the cursor, and be on it. Raises: UserError if the name is taken.

        What was typed behind the cursor is not typed there, unless it `types_again`: all of it at once, at the cursor.
        """
        was_at_end = self.is_at_end
        later = self._typed_later() if types_again else [b"" for _ in self._queues]
        name = name or next(text for i in range(1, 1 << 30) if (text := f"branch{i}") not in self.branches)
        if name in self.branches:
            raise UserError(f"branch {name}", "is there already", f"there are {', '.join(self.branches)}")
        logged = [len(queue.log) for queue in self._queues]
        if was_at_end:
            self.history.pending = [queue.typed for queue in self._queues]
        handlers = self.runner.handlers
        effects = 0 if handlers is None else handlers.index
        made = self.history.branch(name, self.position, self._machine.clock.now_ns, logged, effects)
        self.branches[name] = made
        for history in self.branches.values():
            history.checkpoints.keep_to(self._budget_bytes // len(self.branches), made.begins_at.n)
        self.history = made
        self._use(self.runner.handlers)
        if not was_at_end:
            for queue, typed in zip(self._queues, later, strict=True):
                queue.go_on_with(typed)
        self._typed_waits = True
        return made

    def _typed_later(self) -> list[bytes]:
        """Return what was typed on each console of this branch, and had not entered at the cursor."""
        history = self.history
        return [
            b"".join(arrival.data for arrival in log[len(queue.log) :]) + pending
            for queue, log, pending in zip(self._queues, history.inputs, history.pending, strict=True)
        ]

    def switch(self, name: str, position: Position | None = None) -> Position:
        """Go to a position of another branch (None: its end). Raises: UserError if there is none of that name."""
        if name not in self.branches:
            raise UserError(f"branch {name}", "is not there", f"there are {', '.join(self.branches)}")
        if name != self.history.name:
            self._restore(self.history.checkpoints.at_or_before(START))
            self.history = self.branches[name]
            self._restore(self.history.checkpoints.at_or_before(START))
        return self.seek(self.end if position is None else position)
