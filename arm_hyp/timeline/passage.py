"""One machine driven along a branch: forward with its inputs and edits, and back to a checkpoint.

Read `timeline/history.py` and `timeline/states.py` before this file, `timeline/timeline.py` after it. Nothing here
decides where to go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from arm_hyp.errors import UserError
from arm_hyp.events import EventSink, FanOut, NullSink
from arm_hyp.machine.console_input import ConsoleInput
from arm_hyp.machine.machine import Outcome
from arm_hyp.machine.seams import BusError
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline.checkpoints import Checkpoint, Checkpoints, next_checkpoint
from arm_hyp.timeline.history import Edited, History, Intervention, Load, Tip
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.states import States

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.code import StudentCode
    from arm_hyp.timeline.statistics import Statistics

GOING_ON: Final = ("limit", "position")
"""The reasons of an end that is none: the run can go on."""
MAIN: Final = "main"
"""The branch that nobody has edited."""


def limit_reached(limit: int) -> Outcome:
    return Outcome("limit", 1, f"the limit of {limit:,} instructions was reached")


class _Clock:
    """Lets idle time pass up to the tip, where the user once stopped the run. Nobody types, though the guest waits."""

    can_type = True

    def __init__(self, left_ns: Callable[[], int]) -> None:
        self._left_ns = left_ns

    def poll(self) -> bytes:
        """Return nothing."""
        return b""

    def wait(self, duration_ns: int | None) -> int:
        """Return how much of the time passes."""
        left_ns = max(self._left_ns(), 0)
        return left_ns if duration_ns is None else min(duration_ns, left_ns)


class Passage:
    """A runner on its way along `history`. What happens `is_new` if it has never happened before.

    `statistics`, if they are kept, are what happened up to the cursor: they go back with it.
    """

    def __init__(self, runner: Runner, budget_bytes: int, statistics: Statistics | None = None) -> None:
        self.runner, self._machine, self._first_handlers = runner, runner.machine, runner.handlers
        self.statistics = statistics
        self._is_new, self._is_stopped = True, False
        self._typed_waits = True  # at the end: what the user has typed is in the queues, not in the history
        queues = self._queues
        self.history = History(MAIN, Checkpoints(budget_bytes), [[] for _ in queues], [b"" for _ in queues])
        self.history.effects = runner.effects
        self._states = States(runner, self.history.checkpoints, START, statistics)
        self._note(is_new=True)

    # --- where it is -------------------------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        """The cursor."""
        where = self._machine.cpus.where
        n = self._machine.retired
        return Position(n, where.seq if where.last_n == n else 0)

    @property
    def is_at_frontier(self) -> bool:
        """Tell whether nothing of this branch lies behind the cursor."""
        tip = self.history.tip
        return self.position == tip.position and self._machine.clock.now_ns >= tip.time_ns

    @property
    def is_at_end(self) -> bool:
        """Tell whether nothing is known of what lies behind the cursor."""
        return self.is_at_frontier and self.history.promised is None

    @property
    def end(self) -> Position:
        """How far this branch is known: behind the frontier only where a recording tells."""
        return (self.history.promised or self.history.tip).position

    def handlers_at(self, position: Position) -> StudentCode | None:
        """Return the user's handlers that took the exits before a position of this branch, if there were any."""
        return self.history.handlers_at(position) or self._first_handlers

    @property
    def _queues(self) -> list[ConsoleInput]:
        hypervisor = self.runner.hypervisor
        if hypervisor is not None:
            return hypervisor.inputs.queues
        assert isinstance(self._machine.input, ConsoleInput)
        return [self._machine.input]

    # --- forward and back --------------------------------------------------------------------------------------------

    def _pieces(self, target: Position, step: int) -> Outcome:
        """Run to a position, or to the end if that comes first; keep checkpoints on the way."""
        outcome = limit_reached(target.n)
        while outcome.reason in GOING_ON and self.position < target:
            before = self._machine.retired
            end = min(target.n, next_checkpoint(before, step))
            outcome = self._up_to(end if before < end else target.n + 1, target)
            if self._is_new:
                self.history.journal.settle()
            self._states.keep(self.history.checkpoints, self.position, has_advanced=before < end)
        return outcome

    def _up_to(self, end: int, target: Position) -> Outcome:
        """Run to a count of instructions, but not past the first numbered event at or behind the target.

        It may stop before that at an exit where a checkpoint can be kept. An instruction that completes with an
        exception, such as HVC, is both.
        """
        where = self._machine.cpus.where
        where.stop_at, where.stops_on_grid = target, True
        try:
            return self.runner.outcome_of(lambda: self._machine.advance(end))
        finally:
            where.stop_at, where.stops_on_grid, where.is_reached = None, False, False

    def _through_edits(self, target: Position, step: int) -> Outcome:
        """Run to a position; on the way, make the user's edits where they were made."""
        outcome = Outcome("position", 1, "the position was reached")
        while self.position < target and not self._is_stopped and outcome.reason in GOING_ON:
            here, edited = self.position, self.history.next_edit(self.position)
            stop = target if edited is None else min(target, edited.position)
            if here < stop:
                outcome = self._pieces(stop, step)
            if edited is not None and self.position == edited.position and edited.position < target:
                self._apply_again(edited)
            if outcome.reason == "handler" and here < self.position < self.end:  # the run went on there
                outcome = Outcome("position", 1, "the position was reached")
        return outcome

    def _apply_again(self, edited: Edited) -> None:
        """Make an edit again, behind what no event told there."""
        if self._machine.clock.now_ns < edited.time_ns:
            self._to_time(Tip(edited.position, edited.time_ns))
        self._apply(edited.what)

    def _apply(self, what: Intervention) -> None:
        """Make a change, which is a numbered event. Raises: UserError."""
        try:
            if isinstance(what, Load):
                self._load(what.code)
            else:
                self.runner.send(what)
        except (ValueError, BusError) as error:
            raise UserError(f"the edit at {self.position}", str(error)) from None
        self._machine.tell_edit()

    def _load(self, code: StudentCode) -> None:
        """Have other handlers take the exits, with the globals as they were loaded."""
        before, history = self.runner.handlers, self.history
        history.effects = code.log if history.effects is None else history.effects
        self._use(code)
        code.begin(0 if before is None else before.index)

    def _use(self, code: StudentCode | None) -> None:
        """Have handlers take the exits, or the default ones, and repeat and continue what was done on this branch."""
        self.runner.use_handlers(code)
        if self.history.effects is not None:
            self.runner.effects = self.history.effects

    def _to_time(self, tip: Tip) -> None:
        """Let virtual time pass at a position up to that of a tip."""
        machine = self._machine
        machine.user = _Clock(lambda: tip.time_ns - machine.clock.now_ns)
        self.runner.outcome_of(lambda: machine.advance_to_time(tip.time_ns, tip.position.n + 1))
        machine.user = None

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Put everything back as it was at a checkpoint."""
        if self.is_at_end and self._typed_waits:
            self.history.pending = [queue.typed for queue in self._queues]
        self._typed_waits = False
        self._use(self.handlers_at(checkpoint.position))
        self._states.put_back(self.history.checkpoints, checkpoint)
        self.repeat_inputs()

    def repeat_inputs(self) -> None:
        """Have enter what entered behind the cursor, as far as this branch knows."""
        for queue, log in zip(self._queues, self.history.inputs, strict=True):
            queue.repeat(log)

    def _connect(self, sink: EventSink, *, is_new: bool) -> None:
        """Have a sink listen. Only what is new goes into the journal and to the user's console."""
        self._is_new = is_new
        self._note(is_new=is_new)
        heard = self._heard(sink)
        for core in self._machine.cpus.cores:
            if core.sink is not heard:
                core.listen(heard)

    def _heard(self, sink: EventSink) -> EventSink:
        """Return what the machine is to tell: a sink, and the statistics."""
        if self.statistics is None:
            return sink
        return self.statistics if isinstance(sink, NullSink) else FanOut(self.statistics, sink)

    def _note(self, *, is_new: bool) -> None:
        """Have what is new noted: exceptions and returns, and whose turn it is."""
        where, turns, hypervisor = self._machine.cpus.where, self.history.turns, self.runner.hypervisor
        hosts = [] if hypervisor is None else hypervisor.cpus
        note = turns.noting(self._machine, hosts, self.history.journal.note)
        where.journal, where.turned = (note, turns.turned) if is_new else (None, None)
