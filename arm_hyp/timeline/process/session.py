"""A timeline that is asked by messages and answers with plain data: what TUI, gdb, the course and scripts share.

Read `timeline/timeline.py`, `timeline/search.py`, `timeline/process/messages.py` and `timeline/process/answers.py`
before this file, `timeline/process/process.py` (the same in a process of its own) after it. What the user gets wrong is
an answer, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.cpu.watches import Breakpoint
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.machine.seams import BusError
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke, Run, Type
from arm_hyp.timeline.budget import DEFAULT_BUDGET_BYTES
from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.passage import MAIN
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import answers, debug_reads, reads
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.console import PrintedAt
from arm_hyp.timeline.process.description import describe
from arm_hyp.timeline.process.events import Batch, types_of
from arm_hyp.timeline.process.halting import MOTIONS, Halting
from arm_hyp.timeline.process.handler_reads import recorded_texts
from arm_hyp.timeline.process.journal_reads import Past
from arm_hyp.timeline.process.listeners import Listeners, LiveUser
from arm_hyp.timeline.process.printed import printed_by
from arm_hyp.timeline.process.registers import read_registers
from arm_hyp.timeline.process.saver import Saver
from arm_hyp.timeline.process.timers import read_timers
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import open_timeline
from arm_hyp.timeline.search import Search, Stop
from arm_hyp.timeline.search_changes import last_change
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.recorded import RecordedHandlers
    from arm_hyp.timeline.embedding import Embed

_KEPT_TRAPS: Final = 512


class Session:
    """One timeline. `send` answers every message; `stop` may be called meanwhile, from a signal handler."""

    def __init__(
        self,
        source: Configuration | Replay | Timeline,
        *,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        recorded: RecordedHandlers | None = None,
        embed: Embed = "small",
    ) -> None:
        """Make the machine of a configuration or a recording, or take a timeline that is there.

        `recorded` stand for the user's handlers. `embed` says which files a recording holds. Raises: UserError.
        """
        self._printed, heard = dict[str, PrintedAt](), self._note_output
        if isinstance(source, Replay):
            opened = open_timeline(source, output=heard, budget_bytes=budget_bytes)
            self.timeline, self.opened_at = opened.timeline, (opened.branch, opened.cursor)
        elif isinstance(source, Timeline):
            self.timeline, self.opened_at = source, (source.history.name, source.position)
        else:
            self.timeline = Timeline(source, output=heard, budget_bytes=budget_bytes, recorded=recorded)
            self.opened_at = MAIN, START
        self._saver = None if isinstance(source, Timeline) else Saver(source, self.timeline, embed)
        self._past = Past(self.timeline, recorded_texts(source) if isinstance(source, Replay) else None)
        self.search = Search(self.timeline, self._looked_at)
        self.looked_at: Position | None = None
        """How far a search has come."""
        self.halting = Halting(self.search, lambda: self.is_stopped)
        self.user: LiveUser | None = None
        """Who is at the console after `Live`."""
        self.listeners = Listeners(self.timeline)
        self._traps: dict[tuple[str, Position], dict[str, object] | None] = {}
        self.is_busy = self.is_stopped = False

    def send(self, message: ask.Message) -> answers.Answer:
        """Do what a message asks, and answer it. Raises nothing that the user can cause."""
        self.is_busy, self.is_stopped = True, False
        try:
            return self._answer(message)
        finally:
            self.is_busy, self.looked_at = False, None
            if self.is_stopped:
                self.timeline.runner.machine.forget_stop()  # if it came too late, it is not for what follows

    def _answer(self, message: ask.Message) -> answers.Answer:
        try:
            return _HANDLERS[type(message)](self, message)
        except UserError as error:
            return answers.Failed(error.thing, error.cause, error.way_out)
        except (BusError, KeyError, ValueError, IndexError) as error:
            return answers.Failed(type(message).__name__.lower(), str(error.args[0] if error.args else error))
        except HandlerFailure as failure:
            return answers.Failed("the handler", str(failure))

    def go_to_opened(self) -> Position:
        """Go where the user of a recording was."""
        branch, cursor = self.opened_at
        if branch != MAIN:
            self.timeline.switch(branch)
        return self.timeline.seek(cursor)

    def stop(self) -> None:
        """Have what is being done end soon."""
        if self.is_busy:
            self.is_stopped = True
            self.timeline.stop()

    def take_events(self) -> answers.Events:
        """Return the events that were subscribed to and came since the last call."""
        return self.listeners.take()

    # --- moving ------------------------------------------------------------------------------------------------------

    def _moved(self, ended: dict[str, Any] | None = None) -> answers.Moved:
        timeline = self.timeline
        time_ns, known = timeline.runner.machine.clock.now_ns, ended or {}
        told = {name: known[name] for name in ("reason", "status", "text") if name in known}
        return answers.Moved(timeline.position, timeline.frontier, timeline.history.name, time_ns, **told)

    def _run(self, message: Run) -> answers.Answer:
        return self._moved(self.timeline.run(message.limit, message.until))

    def _seek(self, message: ask.Seek) -> answers.Answer:
        self.timeline.seek(message.position)
        return self._moved()

    def _step(self, message: ask.Step) -> answers.Answer:
        return self._steps(message.count, self.timeline.step)

    def _step_back(self, message: ask.StepBack) -> answers.Answer:
        return self._steps(message.count, self.timeline.step_back)

    def _steps(self, count: int, step: Callable[[], Position]) -> answers.Answer:
        for _ in range(count):
            before = self.timeline.position
            if step() == before or self.is_stopped:
                break
        return self._moved()

    def _switch(self, message: ask.Switch) -> answers.Answer:
        self.timeline.switch(message.name)
        return self._moved()

    # --- searching ---------------------------------------------------------------------------------------------------

    def _looked_at(self, position: Position) -> None:
        self.looked_at = position

    def _found(self, words: str | None) -> answers.Found:
        return answers.Found(self.timeline.position, words)

    def _previous(self, message: ask.Previous) -> answers.Answer:
        return self._found(message.kind if self.search.previous(message.kind) is not None else None)

    def _next(self, message: ask.Next) -> answers.Answer:
        return self._found(message.kind if self.search.next(message.kind, message.limit) is not None else None)

    def _find(self, message: ask.Find) -> answers.Answer:
        stops: list[Stop] = [Breakpoint(self._address(one.place), one.cpu) for one in message.breakpoints]
        names = [f"breakpoint {one.place}" for one in message.breakpoints]
        stops += map(parse_condition, message.conditions)
        names += message.conditions
        if not stops:
            raise UserError("find", "there is nothing to look for", "give a breakpoint or a condition")
        search = self.search
        found = search.back_to(stops) if message.is_back else search.forward_to(stops, message.limit)
        return self._found(None if found is None else names[stops.index(found.stop)])

    def _address(self, place: int | str) -> int:
        if isinstance(place, int):
            return place
        found = (plan.symbols.address_of(place) for plan in self.timeline.runner.plans)  # of VMs the first that has it
        address = next((one for one in found if one is not None), None)
        if address is None:
            raise UserError(f"breakpoint {place}", "there is no such symbol", "give an address")
        return address

    def _last_change(self, message: ask.LastChange) -> answers.Answer:
        change = last_change(self.search, message.target)
        return self._found(None if change is None else str(change))

    # --- changing ----------------------------------------------------------------------------------------------------

    def _type(self, message: Type) -> answers.Answer:
        consoles = len(self.timeline.runner.consoles)
        if not 0 <= message.vm < consoles:
            raise UserError(f"console {message.vm}", "there is no such console", f"there are {consoles}")
        self.timeline.type(message.data, message.vm)
        return answers.Done()

    def _edit(self, message: Edit | Poke) -> answers.Answer:
        self.timeline.edit(message)
        return self._moved()

    def _write(self, message: ask.Write) -> answers.Answer:
        for poke in debug_reads.pokes(self.timeline.runner, message):
            self.timeline.edit(poke)
        return self._moved()

    def _branch(self, message: ask.Branch) -> answers.Answer:
        self.timeline.branch(message.name)
        return self._moved()

    def _load_handlers(self, message: ask.LoadHandlers) -> answers.Answer:
        self.timeline.load_handlers(message.path)
        return self._moved()

    def _save(self, message: ask.Save) -> answers.Answer:
        if self._saver is None:
            raise UserError("save", "this run is somebody else's", "save it there")
        self._saver.save(message.path, message.limit)
        return answers.Done()

    def _breakpoints(self, message: ask.Breakpoints) -> answers.Answer:
        self.timeline.breakpoints[:] = message.texts
        return answers.Done()

    def _mark(self, message: ask.Mark) -> answers.Answer:
        if message.position is not None:
            self.timeline.marks[message.name] = message.position
        elif self.timeline.marks.pop(message.name, None) is None:
            raise UserError(
                f"mark {message.name}", "is not there", f"there are {', '.join(self.timeline.marks) or 'none'}"
            )
        return answers.Marks(dict(self.timeline.marks))

    def _live(self, message: ask.Live) -> answers.Answer:
        if self.user is None:
            raise UserError("live", "nobody can type while this runs", "use a machine process")
        self.user.become(can_type=message.can_type, is_paced=message.is_paced)
        self.timeline.user = self.user if message.is_live else None
        return answers.Done()

    def _stop(self, _message: ask.Stop) -> answers.Answer:
        return answers.Done()

    # --- reading -----------------------------------------------------------------------------------------------------

    def _status(self, _message: ask.Status) -> answers.Answer:
        timeline, runner = self.timeline, self.timeline.runner
        return answers.StatusAnswer(
            position=timeline.position,
            frontier=timeline.frontier,
            branch=timeline.history.name,
            branches=tuple(map(reads.branch_state, timeline.branches.values())),
            time_ns=runner.machine.clock.now_ns,
            outcome="" if timeline.outcome is None else timeline.outcome.text,
            cpus=reads.cpu_states(runner),
            vms=() if runner.hypervisor is None else tuple(vm.name for vm in runner.hypervisor.vms),
            consoles=tuple(map(len, runner.consoles)),
            marks=dict(timeline.marks),
            breakpoints=tuple(timeline.breakpoints),
            difference=timeline.difference,
        )

    def _console(self, message: ask.Console) -> answers.Answer:
        consoles = self.timeline.runner.consoles
        if not 0 <= message.vm < len(consoles) or message.start < 0:
            raise UserError(f"console {message.vm}", "there is no such place", f"there are {len(consoles)} consoles")
        return answers.ConsoleAnswer(
            message.start, self._printed_at.chunks(message.vm, consoles[message.vm], message.start)
        )

    def _printed_by(self, message: ask.PrintedBy) -> answers.Answer:
        return printed_by(self.timeline, self._printed_at, message)

    @property
    def _printed_at(self) -> PrintedAt:
        """What was printed on the branch that this is on; taken over from its parent when it begins."""
        history = self.timeline.history
        if history.name not in self._printed:
            parent = self._printed.get(history.parent or "")
            consoles = self.timeline.runner.consoles
            self._printed[history.name] = (
                PrintedAt.empty(len(consoles)) if parent is None else parent.branch([*map(len, consoles)])
            )
        return self._printed[history.name]

    def _note_output(self, vm: int, data: bytes) -> None:
        consoles = self.timeline.runner.consoles
        self._printed_at.note(vm, len(consoles[vm]) - len(data), data, lambda: self.timeline.position)
        self.listeners.printed(vm, data)

    def _stretch(self, message: ask.Stretch) -> answers.Answer:
        here, at_most = self.timeline.position, max(0, min(message.at_most, ask.MOST_ROWS))
        batch = Batch(types_of(message.kinds), at_most, keeps_last=False)
        start = Position(max(message.start.n - 1, 0)) if message.start > START else START
        self.timeline.replay(start, message.end, sink=batch)
        self.timeline.seek(here)
        found = batch.take()
        kept = tuple(event for event in found.events if (event["n"], event["seq"]) >= tuple(message.start))
        return answers.Events(kept, found.dropped)

    def _trap(self, message: ask.Trap) -> answers.Answer:
        n, seq = self.timeline.position
        wanted = message.cpu
        entry = self.timeline.journal.before(
            Position(n, seq + 1), lambda one: one.what == "taken" and wanted in (None, one.cpu)
        )
        return answers.TrapAnswer(None if entry is None else self._event_at(entry.position))

    def _event_at(self, position: Position) -> dict[str, object] | None:
        """Return the exception at a position as an event, kept for those who ask again."""
        key = self.timeline.history.name, position
        if key not in self._traps:
            found = self._stretch(ask.Stretch(position, position, ("exception_taken",)))
            event = next(iter(found.events), None) if isinstance(found, answers.Events) else None
            while len(self._traps) >= _KEPT_TRAPS:
                self._traps.pop(next(iter(self._traps)))
            self._traps[key] = event
        return self._traps[key]

    def _description(self, _message: ask.Description) -> answers.Answer:
        return describe(self.timeline.runner, self.timeline.configuration)

    def _several(self, message: ask.Several) -> answers.Answer:
        found: list[answers.OneAnswer] = []
        for reading in message.readings:
            answer = self._answer(reading)
            assert not isinstance(answer, answers.SeveralAnswer)  # a Several holds none
            found.append(answer)
        return answers.SeveralAnswer(tuple(found))

    def _read(self, message: Any) -> answers.Answer:
        answer: answers.Answer = _READS[type(message)](self.timeline.runner, message)
        return answer

    def _read_past(self, message: Any) -> answers.Answer:
        answer: answers.Answer = _OF_THE_PAST[type(message)](self._past, message)
        return answer


_READS: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ask.Registers: read_registers,
    ask.Memory: reads.read_memory,
    ask.Walk: reads.read_walk,
    ask.Gic: reads.read_gic,
    ask.Timers: read_timers,
    ask.Stage2Map: reads.read_stage2,
    ask.Vcpus: reads.read_vcpus,
    ask.StateHash: lambda runner, asked: answers.Hash(reads.state_hash(runner)),
    ask.Locate: debug_reads.read_location,
    ask.WalkWords: debug_reads.read_walk_words,
    ask.Stage2Words: debug_reads.read_stage2_words,
    ask.KernelSymbols: debug_reads.read_kernel_symbols,
    ask.VmEnded: debug_reads.read_vm_ends,
    ask.Dumps: debug_reads.read_dumps,
}
_OF_THE_PAST: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ask.Exceptions: Past.exceptions,
    ask.Density: Past.density,
    ask.Exits: Past.exits,
    ask.HandlerAt: Past.handler,
}
_HANDLERS: Final[dict[type, Callable[[Session, Any], answers.Answer]]] = {
    **dict.fromkeys(_READS, Session._read),
    **dict.fromkeys(_OF_THE_PAST, Session._read_past),
    Run: Session._run,
    ask.Seek: Session._seek,
    ask.Step: Session._step,
    ask.StepBack: Session._step_back,
    ask.Switch: Session._switch,
    ask.Previous: Session._previous,
    ask.Next: Session._next,
    ask.Find: Session._find,
    ask.LastChange: Session._last_change,
    **dict.fromkeys(MOTIONS, lambda session, asked: session.halting.halted(asked)),
    Type: Session._type,
    Edit: Session._edit,
    Poke: Session._edit,
    ask.Write: Session._write,
    ask.Branch: Session._branch,
    ask.LoadHandlers: Session._load_handlers,
    ask.Mark: Session._mark,
    ask.Breakpoints: Session._breakpoints,
    ask.Save: Session._save,
    ask.Subscribe: lambda session, asked: session.listeners.subscribe(asked),
    ask.Tell: lambda session, asked: session.listeners.tell(asked),
    ask.Live: Session._live,
    ask.Stop: Session._stop,
    ask.Status: Session._status,
    ask.Console: Session._console,
    ask.PrintedBy: Session._printed_by,
    ask.Stretch: Session._stretch,
    ask.Trap: Session._trap,
    ask.Description: Session._description,
    ask.Several: Session._several,
    ask.ExceptionCounts: lambda session, asked: debug_reads.count_exceptions(session.timeline),
    ask.Diagnose: lambda session, asked: debug_reads.diagnosis(session.timeline.runner, session.listeners.recent),
}
