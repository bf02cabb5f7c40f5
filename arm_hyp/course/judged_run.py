"""One run that is judged: what happened in it, and what a check may expect of it.

Read `timeline/timeline.py`, `timeline/place.py` and `course/verdict.py` before this file, `course/judge.py` after it.
A check asks for facts (`events`, `console`, `register`), or expects them (`expect_...`): what is not so becomes
feedback that names the place in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from arm_hyp.arch.iss_classes import EC
from arm_hyp.arch.translation import FETCH
from arm_hyp.course.verdict import Feedback
from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.events import (
    Barrier,
    ConsoleOutput,
    Event,
    ExceptionTaken,
    NotWaited,
    RecordingSink,
    TranslationWrite,
    Waited,
)
from arm_hyp.explain.checkers.model import Finding
from arm_hyp.explain.trace_lines import merged, words
from arm_hyp.explain.why import why_not, why_trapped
from arm_hyp.kvm_events import HandlerOutput
from arm_hyp.timeline.place import place_of
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process import reads
from arm_hyp.timeline.process.answers import Stage2Range
from arm_hyp.timeline.process.registers import GROUPS, read_registers
from arm_hyp.timeline.search_memory import VirtualMemory
from arm_hyp.timeline.timeline import Timeline

MAX_EVENTS: Final = 50_000
"""A guest that traps all the time gets no further in its check: two seconds."""
_SHOWN_TEXT: Final = 60
_LONGEST_TEXT: Final = 2000
"""Of how a run ends, which a handler may have said."""
_FOR_CHECKERS: Final = (Barrier, TranslationWrite)
"""Told only because the checkers of `course/remarks.py` ask for them."""
E_ = TypeVar("E_", bound=Event)


class CheckFailed(Exception):
    """A check is not passed; `run` is the one that shows it, if one does."""

    def __init__(self, feedback: Feedback, run: JudgedRun | None = None) -> None:
        super().__init__(feedback)
        self.feedback, self.run = feedback, run


class NotGraded(Exception):
    """Nothing can be said about the student's work; the text says why."""


class BoundedSink(RecordingSink):
    """Keeps events, up to a number; then it calls `full`."""

    def __init__(self) -> None:
        super().__init__()
        self.full: Callable[[], None] = lambda: None
        self.is_full = False

    def emit(self, event: Event) -> None:
        """Keep an event, if there is room."""
        if isinstance(event, _FOR_CHECKERS):
            return
        if len(self.events) < MAX_EVENTS:
            self.events.append(event)
        else:
            self.is_full = True
            self.full()


class JudgedRun:
    """A run that has come to its end. `events` are all of it, `reason` and `text` say how it ended, at `end`.

    `findings` are what the checkers have found in it.
    """

    def __init__(
        self,
        timeline: Timeline,
        sink: BoundedSink,
        answer: dict[str, Any],
        shown: Callable[[str], str],
        findings: tuple[Finding, ...] = (),
    ) -> None:
        self.findings = findings
        self.timeline, self.events = timeline, tuple(sink.events)
        self.reason: str = answer["reason"]
        self.text: str = _TOO_MUCH if sink.is_full else shown(answer["text"])[:_LONGEST_TEXT]
        self.end, self.time_ns = timeline.frontier, int(answer["time_ns"])
        self._shown = shown
        self.symbols = timeline.runner.symbols

    # --- facts --------------------------------------------------------------------------------------------------------

    def console(self, vm: int = 0) -> str:
        """Return what was printed to the end, one character a byte: by the guest, or by a VM."""
        self.timeline.seek(self.end)
        return bytes(self.timeline.runner.consoles[vm]).decode("latin-1")

    def handlers_output(self) -> Iterator[str]:
        """Give the lines that the student's handlers printed, each with its place."""
        for event in self.of_type(HandlerOutput):
            yield from (
                self._shown(f"{Path(event.file).name}:{event.line}: {line}") for line in event.text.splitlines()
            )

    def of_type(self, kind: type[E_]) -> Iterator[E_]:
        """Give the events of a type."""
        return (event for event in self.events if isinstance(event, kind))

    def traps(self, ec: EC | None = None, at: str | int | None = None, to_el: int | None = 2) -> list[ExceptionTaken]:
        """Return the exceptions of a class, taken from an address or symbol, to a level; None is for any."""
        pc = None if at is None else self.address(at)
        return [
            event
            for event in self.of_type(ExceptionTaken)
            if (ec is None or event.ec == ec) and (pc is None or event.pc == pc) and to_el in (None, event.to_el)
        ]

    def address(self, place: str | int) -> int:
        """Return the address of a symbol. Raises: KeyError: a mistake in the check."""
        found = self.symbols.address_of(place) if isinstance(place, str) else place
        if found is None:
            raise KeyError(f"the guest has no symbol {place!r}")
        return found

    def register(self, name: str, at: Position | None = None, *, vcpu: int | None = None, cpu: int = 0) -> int:
        """Return a register, at the end or at a position: of a CPU, or of a vCPU of the first VM."""
        self.timeline.seek(self.end if at is None else at)
        whose = ask.Whose(cpu) if vcpu is None else ask.Whose(vcpu, 0)
        groups = read_registers(self.timeline.runner, ask.Registers(whose, GROUPS)).groups
        value = next(group.values[name] for group in groups if name in group.values)
        return value if isinstance(value, int) else int.from_bytes(value, "little")

    def memory(self, address: int, size_bytes: int, at: Position | None = None, *, ipa: bool = False) -> bytes:
        """Return memory, at the end or at a position: by physical address, or by IPA of the first VM."""
        self.timeline.seek(self.end if at is None else at)
        asked = ask.Memory(address, size_bytes, "ipa" if ipa else "pa", ask.Whose(0, 0) if ipa else ask.CPU0)
        return reads.read_memory(self.timeline.runner, asked).data

    def stage2(self, vm: int = 0, at: Position | None = None) -> tuple[Stage2Range, ...]:
        """Return what the stage 2 of a VM maps, at the end or at a position."""
        self.timeline.seek(self.end if at is None else at)
        return reads.read_stage2(self.timeline.runner, ask.Stage2Map(vm)).ranges

    # --- places -------------------------------------------------------------------------------------------------------

    def place(self, at: Position) -> str:
        """Return where the machine stands at a position, in words."""
        self.timeline.seek(at)
        found = place_of(self.timeline)
        return self._shown(f"{found.where}, EL{found.el}: {found.words}" + _source(found.source))

    def event_place(self, event: Event) -> str:
        """Return where an event happened, with the instruction."""
        return self._told(event.pc, event.el, words(event, self.symbols).what)

    def code_place(self, cpu: int, el: int, pc: int, at: Position) -> str:
        """Return an address with the instruction that a CPU has there at a position, at an exception level."""
        self.timeline.seek(at)
        data = VirtualMemory.of_cpu(self.timeline.runner, cpu).read(pc, 4, FETCH, el)
        if data is None:
            return self._told(pc, el, "no instruction can be fetched here")
        return self._told(pc, el, disassemble(int.from_bytes(data, "little"), pc, self.symbols))

    def _told(self, pc: int, el: int, what: str) -> str:
        name, line = self.symbols.describe(pc), self.symbols.line_at(pc)
        where = f"{pc:#010x}" + (f" <{name}>" if name else "")
        return self._shown(f"{where}, EL{el}: {what}" + _source("" if line is None else f"{line[0]}:{line[1]}"))

    def fail(
        self, got: str, expected: str, why: str = "", *, event: Event | None = None, at: Position | None = None
    ) -> NoReturn:
        """Fail the check: at an event, at a position, or at the end of the run. Raises: CheckFailed."""
        if event is not None:
            at, place = Position(event.n, event.seq), self.event_place(event)
        elif at is not None:
            place = self.place(at)
        else:
            at, place = self.end, f"the run ends at {self.place(self.end)}"
        raise CheckFailed(Feedback(got=got, expected=expected, why=why, at=at, place=place), self)

    # --- what is expected ---------------------------------------------------------------------------------------------

    def expect_end(self, reason: str = "guest", *, why: str = "") -> None:
        """Expect that the guest ends by itself ("guest"), or how else. Raises: CheckFailed."""
        if self.reason != reason:
            self.fail(self.text, _ENDS.get(reason, reason), why)

    def expect_trap(
        self, ec: EC, at: str | int | None = None, *, count: int | None = None, to_el: int = 2, why: str = ""
    ) -> list[ExceptionTaken]:
        """Expect exceptions of a class: at least one, or exactly `count`. Returns them. Raises: CheckFailed."""
        found = self.traps(ec, at, to_el)
        if (found and count is None) or len(found) == count:
            return found
        where = "" if at is None else f" at {at if isinstance(at, str) else hex(at)}"
        wanted = f"{_number_of(count)} to EL{to_el} of class {ec.name}{where}"
        if count is not None and len(found) > count:
            extra = found[count]
            self.fail(f"there are {len(found)}: {why_trapped(extra, *self._model)}", wanted, why, event=extra)
        self._fail_without_trap(ec, at, len(found), wanted, why)

    def _fail_without_trap(self, ec: EC, at: str | int | None, found: int, wanted: str, why: str) -> NoReturn:
        waits = [event for event in self.events if isinstance(event, Waited | NotWaited)] if ec == EC.WFX else []
        if waits and not found:
            self.timeline.seek(Position(waits[0].n, waits[0].seq))
            controls = self.timeline.runner.machine.core.controls.snapshot()
            self.fail(why_not(waits[0], controls, *self._model), wanted, why, event=waits[0])
        told = f"there {'is' if found == 1 else 'are'} {found}" if found else "there is none"
        self.fail(f"{told}; the run ends: {self.text}", wanted, why)

    def expect_no_trap(self, ec: EC, at: str | int | None = None, *, to_el: int = 2, why: str = "") -> None:
        """Expect that no exception of a class is taken to a level. Raises: CheckFailed."""
        found = self.traps(ec, at, to_el)
        if found:
            self.fail(why_trapped(found[0], *self._model), "it runs without a trap", why, event=found[0])

    def expect_console(self, text: str, *, vm: int = 0, why: str = "") -> None:
        """Expect that exactly this was printed. Raises: CheckFailed, at the first character that differs."""
        printed = self.console(vm)
        if printed != text:
            same = next((i for i, (a, b) in enumerate(zip(printed, text, strict=False)) if a != b), None)
            at = min(len(printed), len(text)) if same is None else same
            self.fail(
                f"the console shows {_quoted(printed)}" + ("" if printed else f"; the run ends: {self.text}"),
                f"it shows {_quoted(text)}",
                why,
                event=self._printed_at(at) if len(self.timeline.runner.consoles) == 1 else None,
            )

    def expect_register(
        self, name: str, value: int, at: Position | None = None, *, why: str = "", **whose: Any
    ) -> None:
        """Expect a value in a register, at the end or at a position. Raises: CheckFailed."""
        found = self.register(name, at, **whose)
        if found != value:
            self.fail(f"{name} is {found:#x}", f"{name} is {value:#x}", why, at=at)

    def expect(self, is_so: bool, got: str, expected: str, why: str = "", **where: Any) -> None:
        """Expect whatever the check has found out. `where` is as for `fail`. Raises: CheckFailed."""
        if not is_so:
            self.fail(got, expected, why, **where)

    @property
    def _model(self) -> tuple[str, int]:
        made = self.timeline.configuration
        return made.cpu, made.gic

    def _printed_at(self, index: int) -> Event | None:
        """Return the event that printed a character; None if it was not printed."""
        for event in self.of_type(ConsoleOutput):
            index -= len(event.text)
            if index < 0:
                return event
        return None

    def trace(self) -> tuple[str, ...]:
        """Return the events in lines, console output joined."""
        from arm_hyp.explain.trace_lines import line

        return tuple(self._shown(line(event, self.symbols)) for event in merged(self.events))


_TOO_MUCH: Final = f"it was ended after {MAX_EVENTS:,} events: the guest does not get to its end"
_ENDS: Final = {
    "guest": "the guest powers off by itself",
    "idle": "the guest waits for ever",
    "limit": "the guest goes on to the limit",
}


def _source(source: str) -> str:
    return f" ({source})" if source else ""


def _number_of(count: int | None) -> str:
    return "a trap" if count is None else f"{count} exception{'s' * (count != 1)}"


def _quoted(text: str) -> str:
    if not text:
        return "nothing"
    shown = ascii(text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 3] + "...")
    return f'"{shown[1:-1]}"'
