"""What the user can do with a run, without a screen: each action asks the machine, and ends in a new view.

Read `tui/gather.py` and `tui/places.py` before this file; after it `tui/app.py` (keys and screen), `tui/plain.py` (the
same at a prompt) and the exports, which all do what they do through this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from arm_hyp.errors import UserError
from arm_hyp.runner.messages import Edit, Run, Type
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import (
    Answer,
    Done,
    ExceptionRow,
    ExceptionsAnswer,
    Failed,
    Found,
    Marks,
    Moved,
    PrintedAnswer,
    RegistersAnswer,
    Restarted,
    StatusAnswer,
)
from arm_hyp.timeline.process.messages import CPU0, Motion, Whose
from arm_hyp.tui.gather import NotAnswered, gather, read_subject
from arm_hyp.tui.link import Link
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.places import Relative, Sought, end_of, field_named, field_of, known_end, parse_place
from arm_hyp.tui.view import Subject, View, registers_of

_EXCEPTION: Final = "event==exception_taken"
FAR: Final = 1 << 62
"""So many instructions mean: to the end."""
AHEAD: Final = (0.4, 200_000)
"""A short guest runs on for so many seconds and instructions before it is looked at."""
Panels = Callable[[], Iterable[Panel]]


class Driver:
    """One user at one run. Actions return what there is to say, in a line; empty if the view says it.

    Raises, of every action: UserError for what the user got wrong, or what cannot be done.
    """

    def __init__(
        self, link: Link, panels: Panels, *, is_recording: bool = False, ahead: tuple[float, int] | None = None
    ) -> None:
        """Take a link that will be started by `open`; `panels` tells which panels are seen now.

        A short guest runs `ahead` of the user, at most so many seconds and instructions.
        """
        self._ahead = ahead
        self.link, self._panels, self._is_recording = link, panels, is_recording
        self.subject: Subject | None = None
        self.view: View | None = None
        self.whose: Whose = CPU0
        self.sought: Sought | None = None
        """What was searched for last."""
        self._is_after_restart = False
        self._returns: list[tuple[str, Position]] = []
        """Where to go when a branch is undone: its parent, and the cursor there."""

    async def open(self, at: Position | None = None) -> View:
        """Start the machine and look at it. Raises: UserError."""
        await self.link.start()
        self.subject = await read_subject(self.ask, is_recording=self._is_recording)
        await self._look_ahead()
        if at is not None:
            await self._move(ask.Seek(at))
        return await self.look()

    async def _look_ahead(self) -> None:
        """At the frontier of a short guest, run on for a moment and come back: then what follows can be seen."""
        if self._ahead is None:
            return
        status = await self.ask(ask.Status())
        if not isinstance(status, StatusAnswer) or status.position != status.frontier or status.outcome:
            return
        seconds, count = self._ahead
        handle = asyncio.get_running_loop().call_later(seconds, self.link.stop)
        try:
            await self._move(Run(min(status.position.n + count, self._recorded_end(status))))
        finally:
            handle.cancel()
        await self._move(ask.Seek(status.position))

    def _recorded_end(self, status: StatusAnswer) -> int:
        """Return how many instructions a recording has; behind its end anything may come."""
        return known_end(status).n if self._is_recording else FAR

    async def ask(self, message: ask.Message) -> Answer:
        """Ask the machine. Raises: UserError for what failed."""
        answer = await self.link.ask(message)
        if isinstance(answer, Failed):
            raise UserError(answer.thing, answer.cause, answer.way_out)
        if isinstance(answer, Restarted):
            await self._after_restart()
            raise UserError("the machine process", *_of_restart(answer))
        return answer

    async def _after_restart(self) -> None:
        if self.subject is None or self._is_after_restart:  # one that ends again and again is not asked for ever
            return
        self._is_after_restart = True
        try:
            with suppress(UserError, NotAnswered):
                await self.look()
        finally:
            self._is_after_restart = False

    async def look(self, *, is_running: bool = False) -> View:
        """Read everything that is seen."""
        assert self.subject is not None, "open it first"
        last = self.view
        self.view = await gather(
            self.ask, self.subject, self._panels(), whose=self.whose, last=last, is_running=is_running
        )
        return self.view

    # --- moving ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> View:
        """The view; only after `open`."""
        assert self.view is not None, "open it first"
        return self.view

    async def _move(self, message: Motion) -> Moved | Found:
        answer = await self.ask(message)
        if isinstance(answer, Moved | Found):
            return answer
        raise NotAnswered(answer)

    async def _moved(self, message: Motion, where_not: str) -> str:
        """Move, look, and say `where_not` if nothing moved."""
        before = self.now.position, self.now.status.branch
        found = await self._move(message)
        await self.look()
        if (self.now.position, self.now.status.branch) == before:
            return self.now.status.outcome if where_not == AT_END and self.now.status.outcome else where_not
        return found.words or where_not if isinstance(found, Found) and found.words is None else ""

    async def step(self, count: int = 1) -> str:
        """Step."""
        return await self._moved(ask.Step(count), AT_END)

    async def back(self, count: int = 1) -> str:
        """Step back."""
        return await self._moved(ask.StepBack(count), AT_START)

    async def next_trap(self) -> str:
        """Go on to the next exception."""
        note = await self._moved(ask.Next("exception"), "no exception follows")
        return f"{note}: {self._ending()}" if note and self._ending() else note

    async def next_trap_or_breakpoint(self) -> str:
        """Go on to the next exception, or to a breakpoint before it: then say so."""
        breakpoints = tuple(map(_breakpoint, self.now.status.breakpoints))
        if not breakpoints:
            return await self.next_trap()
        found = await self._move(ask.Find(breakpoints, (_EXCEPTION,), is_back=False, limit=FAR))
        await self.look()
        words = found.words if isinstance(found, Found) else None
        return "" if words == _EXCEPTION else words or self._ending() or "no exception follows"

    async def previous_trap(self) -> str:
        """Go back to the last exception before here."""
        return await self._moved(ask.Previous("exception"), "there is no exception before this")

    async def home(self) -> str:
        """Go to the start."""
        return await self._moved(ask.Seek(START), AT_START)

    async def end(self) -> str:
        """Go as far as this branch has come."""
        return await self._moved(ask.Seek(end_of(self.now)), "this is as far as the run has come")

    async def run(self, limit: int = FAR, *, is_running: bool = False) -> str:
        """Run on: to a breakpoint, the end, `limit` instructions in all, or until somebody stops it."""
        recorded = self._recorded_end(self.now.status)
        if self.now.position.n < recorded:  # behind the end of a recording only who stands there goes on
            limit = min(limit, recorded)
        breakpoints = tuple(map(_breakpoint, self.now.status.breakpoints))
        if breakpoints:
            found = await self._move(ask.Find(breakpoints, is_back=False, limit=limit))
            await self.look(is_running=is_running)
            return (isinstance(found, Found) and found.words) or self._ending()
        answer = await self._move(Run(limit))
        await self.look(is_running=is_running)
        return answer.text if isinstance(answer, Moved) and answer.reason not in ("", "limit", "stopped") else ""

    def _ending(self) -> str:
        """Return how the run ended, if the cursor is there."""
        status = self.now.status
        return status.outcome if status.position == status.frontier else ""

    async def type(self, data: bytes, vm: int = 0) -> str:
        """Type on a console."""
        await self.ask(Type(data, vm))
        return "typed: it enters as the run goes on (Space)"

    async def run_back(self) -> str:
        """Run back: to the last breakpoint before here, or the start."""
        breakpoints = tuple(map(_breakpoint, self.now.status.breakpoints))
        if not breakpoints:
            return await self.home()
        return await self._moved(ask.Find(breakpoints), "no breakpoint was hit before this")

    async def go(self, position: Position) -> str:
        """Go to a position."""
        return await self._moved(ask.Seek(position), "")

    async def goto(self, text: str) -> str:
        """Go where a text says: a position, +N or -N instructions, N%, a mark, or a symbol or address ahead."""
        place = parse_place(text, self.now)
        if isinstance(place, Position):
            return await self.go(place)
        if isinstance(place, Relative):
            return await self._moved(ask.Step(place.count) if place.count > 0 else ask.StepBack(-place.count), AT_END)
        return await self._seek(place, is_back=False)

    # --- searching ---------------------------------------------------------------------------------------------------

    async def search(self, text: str) -> str:
        """Search on for a condition, an address or a symbol."""
        self.sought = Sought.parse(text, self.now)
        return await self._seek(self.sought, is_back=False)

    async def search_again(self, *, is_back: bool = False) -> str:
        """Search for the same again, on or back."""
        if self.sought is None:
            raise UserError("search", "nothing was searched for yet", "press / and say what")
        return await self._seek(self.sought, is_back=is_back)

    async def _seek(self, sought: Sought, *, is_back: bool) -> str:
        limit = end_of(self.now).n if self.now.status.outcome or self._is_recording else FAR
        message = ask.Find(sought.breakpoints, sought.conditions, is_back=is_back, limit=limit)
        found = await self._move(message)
        await self.look()
        if isinstance(found, Found) and found.words is None:
            return f"{sought.text}: not found {'before' if is_back else 'after'} this"
        return f"found: {sought.text}"

    async def last_change(self, target: str) -> str:
        """Go right behind the last change of a register, field, or memory."""
        found = await self._move(ask.LastChange(target))
        await self.look()
        words = found.words if isinstance(found, Found) else None
        return words or f"{target} was not changed before this"

    # --- changing ----------------------------------------------------------------------------------------------------

    async def flip(self, bit: str) -> str:
        """Change a bit on a branch: right before the trap that it decides, if the cursor is at one, and do it again."""
        register, name = field_named(bit)
        view, here, parent = self.now, self.now.position, self.now.status.branch
        is_at_trap = view.is_at_trap and (register, name) in view.deciding
        if is_at_trap:
            await self._move(ask.StepBack())
        value = await self._value(register)
        field = field_of(register, name)
        new = 1 - (value >> field.lsb & 1) if field.width_bits == 1 else (value >> field.lsb) + 1 & field.max
        await self.set(f"{register}.{name}={new}", returns=(parent, here))
        if is_at_trap:
            await self._move(ask.Step())
            await self._look_ahead()
        await self.look()
        return f"branch {self.now.status.branch}: {register}.{name} is {new} here; Backspace goes back to {parent}"

    async def _value(self, register: str) -> int:
        from arm_hyp.tui.panels.bits import GROUPS, holder  # here: a first picture needs none of the rules

        answer = await self.ask(registers_of(GROUPS.get(register, "el1"), holder(register, self.now)))
        values = answer.groups[0].values if isinstance(answer, RegistersAnswer) else {}
        value = values.get(register)
        if not isinstance(value, int):
            raise UserError(register, "cannot be changed here", "look at a CPU that has it")
        return value

    async def set(self, setting: str, returns: tuple[str, Position] | None = None) -> str:
        """Set a register or a field, `REG[.FIELD]=VALUE`, on a branch."""
        before = returns or (self.now.status.branch, self.now.position)
        whose = self.whose
        await self.ask(Edit((setting,), whose.vm or 0, whose.index))
        self._returns.append(before)
        await self._look_ahead()
        await self.look()
        return f"branch {self.now.status.branch}: {setting}"

    async def load_handlers(self, path: str) -> str:
        """Load a file of handlers anew at the cursor, on a branch."""
        before = self.now.status.branch, self.now.position
        await self.ask(ask.LoadHandlers(path))
        self._returns.append(before)
        await self._look_ahead()
        await self.look()
        return f"branch {self.now.status.branch}: the handlers are loaded anew"

    async def undo(self) -> str:
        """Leave the branch for where it began."""
        if not self._returns:
            return "nothing was changed: every step back is the left arrow"
        branch, position = self._returns.pop()
        await self._move(ask.Switch(branch))
        await self._move(ask.Seek(position))
        await self.look()
        return f"back on {branch}"

    async def switch(self, branch: str) -> str:
        """Go to another branch's tip."""
        return await self._moved(ask.Switch(branch), f"this is {branch}")

    async def mark(self, name: str) -> str:
        """Give the cursor's position a name."""
        answer = await self.ask(ask.Mark(name, self.now.position))
        await self.look()
        return f"mark {name}: {self.now.position}" if isinstance(answer, Marks) else ""

    async def toggle_breakpoint(self, place: str) -> str:
        """Set a breakpoint at an address or a symbol, or take it away."""
        _breakpoint(place)
        known = self.now.status.breakpoints
        texts = tuple(one for one in known if one != place) if place in known else (*known, place)
        answer = await self.ask(ask.Breakpoints(texts))
        await self.look()
        assert isinstance(answer, Done)
        return f"breakpoint {place} {'set' if place in texts else 'taken away'}"

    async def save(self, path: str) -> str:
        """Write the run as a recording, with branches, marks and breakpoints."""
        await self.ask(ask.Save(path))
        count = len(self.now.status.branches)
        return f"{path}: written, with {count} branch{'es' * (count > 1)}; arm-hyp tui {path} opens it"

    async def printed_by(self, vm: int, offset: int) -> str:
        """Go to what prints the character at an offset of a console."""
        found = await self.ask(ask.PrintedBy(offset, vm))
        if not isinstance(found, PrintedAnswer) or found.position is None:
            return "it was not found what printed this"
        await self.go(found.position)
        return "the next instruction prints this character"

    async def look_at(self, whose: Whose) -> str:
        """Look at another CPU or vCPU."""
        self.whose = whose
        await self.look()
        return ""

    async def next_subject(self) -> str:
        """Look at the next CPU, then the vCPUs, around."""
        choices: Sequence[Whose] = [Whose(cpu.index) for cpu in self.now.status.cpus]
        choices = [*choices, *(Whose(0, vm) for vm in range(len(self.now.status.vms)))]
        if len(choices) == 1:
            return "there is one CPU, and no VM"
        index = choices.index(self.whose) if self.whose in choices else -1
        return await self.look_at(choices[(index + 1) % len(choices)])

    async def traps(self, at_most: int = 1000) -> tuple[ExceptionRow, ...]:
        """Return the last exceptions and returns up to the frontier."""
        answer = await self.ask(ask.Exceptions(at_most=at_most, is_from_end=True))
        return answer.rows if isinstance(answer, ExceptionsAnswer) else ()


AT_END: Final = "this is the end of the run"
AT_START: Final = "this is the start"


def _breakpoint(text: str) -> ask.Break:
    """Return a breakpoint as it was written. Raises: UserError."""
    if text[:1].isdigit():
        try:
            return ask.Break(int(text, 0))
        except ValueError:
            raise UserError(f"breakpoint {text}", "is neither an address nor a symbol", "write 0x40080000") from None
    return ask.Break(text)


def _of_restart(answer: Restarted) -> tuple[str, str]:
    call = answer.handler
    where = "" if call is None else f" in {call.decorator}, {(call.at or call.place).rpartition('/')[2]}"
    return f"{answer.reason}{where}", f"another one stands at {answer.position} now"
