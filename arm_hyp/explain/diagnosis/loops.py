"""A CPU that runs and gets nowhere: the loop that it is in, what it reads there, and what could end it.

Read `explain/diagnosis/observation.py` and `explain/diagnosis/gates.py` before this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch.syndromes import EC
from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.events import ConsoleOutput, ExceptionTaken, NotWaited
from arm_hyp.explain.asked import instruction_name
from arm_hyp.explain.diagnosis.model import Finding, Kind
from arm_hyp.explain.diagnosis.observation import Load, Place, Step, Watched, places_of
from arm_hyp.explain.diagnosis.others import Other, holders, in_words
from arm_hyp.explain.why import why_trapped

if TYPE_CHECKING:
    from arm_hyp.cpu.symbols import SymbolTable

TIGHT: Final = 32
"""A loop of no more instructions is tight."""
_SHOWN: Final = 8
_ADVICE: Final = {"pl011+0x18": "type something, at a terminal or with --input: UARTFR<4> says that no byte has come"}
_CALLS: Final = frozenset({EC.SVC64, EC.HVC64, EC.SMC64})
_COUNTERS: Final = frozenset({"CNTVCT_EL0", "CNTPCT_EL0", "CNTVCTSS_EL0", "CNTPCTSS_EL0", "PMCCNTR_EL0"})
_REGISTERS: Final = ("PC", "PSTATE", "SP", *(f"X{number}" for number in range(31)))


class Surroundings(NamedTuple):
    """What else matters to a loop.

    `who` is in the loop. `held` tells of an interrupt that is held back, `coming` of one that is not.
    """

    who: str
    symbols: SymbolTable
    machine: tuple[str, int]
    held: str
    held_advice: str
    others: Sequence[Other]
    handler_of: str
    coming: str


class Loop(NamedTuple):
    """The steps of a loop. `period` is its length in instructions if it repeats exactly, else 0."""

    steps: Sequence[Step]
    places: list[Place]
    period: int

    @property
    def changing(self) -> list[str]:
        """The registers that are not the same each time at the first instruction that was seen.

        A vector's first instruction is not: it runs in the same step as the exception.
        """
        first = min(step.place for step in self.steps)
        states = [step.state for step in self.steps if step.place == first]
        return [name for name, values in zip(_REGISTERS, zip(*states, strict=True), strict=True) if len({*values}) > 1]


def find_loop(watched: Watched) -> Loop | None:
    """Find the loop that a CPU is in: one that repeats exactly, or a tight one that it has not left."""
    period = _period(watched.steps)
    steps = watched.steps[-3 * period :] if period else watched.steps[len(watched.steps) // 2 :]
    places = sorted(places_of(list(steps)))
    if not steps or not watched.stays or not (period or len(places) <= TIGHT):
        return None
    return Loop(steps, places, period)


def _period(steps: Sequence[Step]) -> int:
    """Return after how many instructions all registers, and all that is read, are the same again; 0 for never.

    That must hold for the later half of the steps: the loop may have begun in between.
    """
    keys = [(step.state, step.loads) for step in steps]
    last = len(keys) - 1
    for start in range(last - 1, last // 2, -1):
        length = last - start
        if keys[start] == keys[last] and all(keys[at] == keys[at - length] for at in range(last, last // 2, -1)):
            return length
    return 0


# --- in words ---------------------------------------------------------------------------------------------------------


def describe_loop(loop: Loop, around: Surroundings) -> Finding:
    """Say what a loop waits for."""
    text, advice = _what(loop, around)
    kind: Kind = "progress" if not loop.period else "loop" if _lock(loop) is None else "lock"
    where = "for ever" if loop.period else "and has not left them"
    if around.coming:
        kind, where = "idle", f"until an interrupt comes: {around.coming}"
    count = len(loop.places)
    size = "one instruction" if count == 1 else f"{count} instructions"
    shown = f"repeats {size} at EL{loop.places[0].el} {where} ({_place(loop.places[0].pc, around.symbols)})"
    facts = [fact for fact in _facts(loop, around) if fact not in text]
    return Finding(kind, around.who, f"{shown}: {text}", (*_listing(loop, around.symbols), *facts), advice)


def _place(address: int, symbols: SymbolTable) -> str:
    name = symbols.describe(address)
    return f"{address:#x} <{name}>" if name else f"{address:#x}"


def _listing(loop: Loop, symbols: SymbolTable) -> list[str]:
    lines = [f"{place.pc:#x}  {disassemble(place.word, place.pc, symbols)}" for place in loop.places[:_SHOWN]]
    more = len(loop.places) - _SHOWN
    return [*lines, f"and {more} more instructions"] if more > 0 else lines


def _facts(loop: Loop, around: Surroundings) -> list[str]:
    reads = [f"reads {_source(load, around.symbols)}, {_values(loads)}" for load, loads in _reads(loop)]
    changing = ", ".join(loop.changing)
    changes = [f"changes {changing} each time"] if changing else []
    trap = _trap(loop)
    why = [] if trap is None else [why_trapped(trap, *around.machine)]
    return [*reads, *changes, *why, *filter(None, (around.held, around.handler_of))]


def _reads(loop: Loop) -> list[tuple[Load, list[Load]]]:
    """Return what is read, each source once, with all that was read there."""

    def key(load: Load) -> tuple[int, str]:
        return load.pc, str(load.source)

    loads = sorted((load for step in loop.steps for load in step.loads), key=key)
    groups = [list(group) for _, group in groupby(loads, key)]
    return [(group[0], group) for group in groups]


def _values(loads: list[Load]) -> str:
    values = {load.value for load in loads}
    return f"which stays {loads[0].value:#x}" if len(values) == 1 else "which changes"


def _source(load: Load, symbols: SymbolTable) -> str:
    if isinstance(load.source, str):
        return load.source
    name = {1: "byte", 2: "halfword", 4: "word", 8: "doubleword"}.get(load.size_bytes, "data")
    return f"the {name} at {_place(load.source, symbols)}"


def _lock(loop: Loop) -> Load | None:
    """Return the load of a lock whose value never changes."""
    return next((one for one, all_ in _reads(loop) if one.is_lock and len({x.value for x in all_}) == 1), None)


def _steady(loop: Loop) -> Load | None:
    """Return what a loop polls: what it reads last of what stays the same."""
    steady = [one for one, all_ in _reads(loop) if len({load.value for load in all_}) == 1]
    return steady[-1] if steady else None


def _what(loop: Loop, around: Surroundings) -> tuple[str, str]:
    """Return why a loop goes on, and what to do."""
    for explain in (_trapped_again, _falls_through, _printed, _on_lock, _counts, _polls):
        found = explain(loop, around)
        if found is not None:
            return found
    return _nothing(loop, around)


Told = tuple[str, str]


def _trap(loop: Loop) -> ExceptionTaken | None:
    """Return the exception that the instructions of a loop raise, but for calls and those that Python handles."""
    taken = [event for step in loop.steps for event in step.events if isinstance(event, ExceptionTaken)]
    return next((one for one in taken if one.kind == "sync" and one.ec not in _CALLS and not one.python), None)


def _trapped_again(loop: Loop, around: Surroundings) -> Told | None:
    """The handler returns to what trapped, without having changed anything."""
    trap = _trap(loop)
    if trap is None or not loop.period:
        return None
    name, to = instruction_name(trap.instruction), trap.to_el
    what = f"traps to EL{to}" if trap.from_el < to else f"raises an exception to EL{to}"
    text = f"{name} at {_place(trap.pc, around.symbols)} {what}, and the handler leads to it again"
    return text, f"have the handler add 4 to ELR_EL{to}, or remove what raises it"


def _falls_through(loop: Loop, around: Surroundings) -> Told | None:
    """A WFI that never waits, because of an interrupt that is never taken."""
    waits = [event for step in loop.steps for event in step.events if isinstance(event, NotWaited)]
    if not waits or not around.held or waits[0].instruction != "wfi":
        return None
    return f"its WFI never waits, because {around.held}", around.held_advice


def _printed(loop: Loop, around: Surroundings) -> Told | None:
    text = "".join(event.text for step in loop.steps for event in step.events if isinstance(event, ConsoleOutput))
    return ("it prints, and nothing else", "") if text else None


def _on_lock(loop: Loop, around: Surroundings) -> Told | None:
    lock = _lock(loop)
    if lock is None:
        return None
    text, advice = holders(around.who, around.others)
    return f"it wants the lock in {_source(lock, around.symbols)}, {_values([lock])}; {text}", advice


def _counts(loop: Loop, around: Surroundings) -> Told | None:
    """A loop whose registers change may end by itself."""
    if loop.period:
        return None
    counter = next((one for one, _ in _reads(loop) if one.source in _COUNTERS), None)
    if counter is not None:
        return f"it waits for {counter.source} to reach a value", ""
    return f"{' and '.join(loop.changing[:3]) or 'memory'} changes each time, so it may end", ""


def _polls(loop: Loop, around: Surroundings) -> Told | None:
    polled = _steady(loop)
    if polled is None:
        return None
    text = f"it polls {_source(polled, around.symbols)}, {_values([polled])}"
    if around.held:
        return f"{text}, and {around.held}", around.held_advice
    if isinstance(polled.source, str):
        return text, _ADVICE.get(polled.source, "see what would change that register")
    return f"{text}, and {in_words(around.others)}", "have an interrupt handler or another CPU store there"


def _nothing(loop: Loop, around: Surroundings) -> Told:
    what = "it branches to itself" if len(loop.places) == 1 else "nothing that it reads can change"
    if around.handler_of:
        return f"{what}, {around.handler_of}", "see what caused that exception, and handle it"
    if around.held:
        return f"{what}, and {around.held}", around.held_advice
    return f"{what}, and no interrupt is pending", ""
