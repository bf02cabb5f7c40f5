"""Who changed this? The last change of a register, field, memory range, descriptor or list register, and who made it.

Read `timeline/search.py` and `timeline/search_targets.py` before this file. Every change is found, also one that was
undone since. Registers are looked at before every instruction of a stretch; for memory the checkpoints know between
which of them a page was touched, and only these stretches are repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.translation import FETCH
from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.cpu.watched import Value
from arm_hyp.cpu.watches import BETWEEN, INSTRUCTION, Hit
from arm_hyp.machine.dirty_pages import PAGE_BYTES
from arm_hyp.timeline.journal import Entry
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.search_memory import VirtualMemory
from arm_hyp.timeline.search_targets import Target, parse_target
from arm_hyp.timeline.timeline import Timeline

_RETURN_BEHIND: Final = frozenset({EC.SVC64, EC.HVC64})
"""The preferred return address of these exceptions is the next instruction. Ref: Arm ARM D1.3.1."""
_INSTRUCTION_BYTES: Final = 4


class Change(NamedTuple):
    """A change: the first position that shows it, and who made it. `instruction` is the word at `pc`, if known."""

    position: Position
    target: str
    cpu: int
    pc: int
    instruction: int | None
    old: Value
    new: Value
    who: str

    def __str__(self) -> str:
        return f"{self.target}: {_text(self.old)} -> {_text(self.new)} at position {self.position}, by {self.who}"


def _text(value: Value) -> str:
    if isinstance(value, int):
        return f"{value:#x}"
    return f"{int.from_bytes(value, 'little'):#x}" if len(value) in (1, 2, 4, 8) else value.hex(" ")


def last_change(search: Search, what: str | Target) -> Change | None:
    """Find the last change at or before the cursor, and go right behind it. None if there was none: the cursor stays.

    Raises: UserError for what cannot change.
    """
    timeline = search.timeline
    target = parse_target(what, timeline) if isinstance(what, str) else what
    here = timeline.position
    for start, end in _stretches(search, target, here):
        watch = target.watch()
        timeline.replay(start, end, watches=[watch])
        hits = [hit for hit in watch.hits if hit.old != hit.new]
        if hits:
            timeline.seek(Position(*hits[-1][:2]))
            return _change(timeline, target, hits[-1])
        search.progress(start)
        if timeline.position < end:
            break  # stopped
    timeline.seek(here)
    return None


def _stretches(search: Search, target: Target, here: Position) -> Iterator[tuple[Position, Position]]:
    if target.range is None:
        return search.backwards(here)
    return _touched(search.timeline, *target.range, here)


def _touched(timeline: Timeline, pa: int, size_bytes: int, here: Position) -> Iterator[tuple[Position, Position]]:
    """Yield the stretches in which the pages of a range were touched, last first; several at once if they are many."""
    checkpoints = [place for place in timeline.checkpoints() if place <= here] or [START]
    if checkpoints[-1] < here:
        yield checkpoints[-1], here
    pages = range(pa & -PAGE_BYTES, pa + size_bytes, PAGE_BYTES)
    pairs = list(pairwise(checkpoints))
    touched = [pair for pair in pairs if any(timeline.page_changed(page, *pair) for page in pages)]
    at_once = 1
    while touched:
        start, end = touched.pop()
        for _ in range(at_once - 1):
            if touched and touched[-1][1] == start:
                start = touched.pop()[0]
        yield start, end
        at_once *= 2


# --- who --------------------------------------------------------------------------------------------------------------


def _change(timeline: Timeline, target: Target, hit: Hit) -> Change:
    """Tell a hit, with the cursor right behind it."""
    position = Position(*hit[:2])
    entry = _event_at(timeline, position)
    if entry is not None and entry.kind is Kind.SYNC:
        hit = hit._replace(pc=entry.elr - _INSTRUCTION_BYTES * (entry.ec in _RETURN_BEHIND))
    assert hit.old is not None
    assert hit.new is not None
    word = _word(timeline, hit, entry)
    who = _who(timeline, hit, entry, word)
    return Change(position, target.name, hit.cpu, hit.pc, word, hit.old, hit.new, who)


def _event_at(timeline: Timeline, position: Position) -> Entry | None:
    """Return the exception or return that is the event of a position."""
    journal = timeline.journal
    index = journal.index_at(position)
    found = journal[index] if position.seq and index < len(journal) else None
    return found if found is not None and found.position == position else None


def _word(timeline: Timeline, hit: Hit, entry: Entry | None) -> int | None:
    memory = VirtualMemory.of_cpu(timeline.runner, hit.cpu)
    el = None if entry is None else entry.from_el if entry.what == "taken" else entry.level
    data = memory.read(hit.pc, 4, FETCH, el)
    return None if data is None else int.from_bytes(data, "little")


def _who(timeline: Timeline, hit: Hit, entry: Entry | None, word: int | None) -> str:
    symbols = timeline.runner.symbols
    name = symbols.describe(hit.pc)
    place = f"{hit.pc:#x}" + (f" <{name}>" if name else "")
    instruction = f"`{disassemble(word, hit.pc, symbols)}` at {place}" if word is not None else f"the code at {place}"
    if hit.by == INSTRUCTION:
        return f"{instruction} on CPU {hit.cpu}"
    if entry is not None and entry.what == "taken":
        return f"{_exception(entry)}, of {instruction} on CPU {hit.cpu}"
    if entry is not None and entry.level == 2 and timeline.runner.hypervisor is not None:
        return f"the hypervisor{_handling(timeline, entry)} on CPU {hit.cpu}"
    if hit.by == BETWEEN:
        hypervisor = "the hypervisor, " if timeline.runner.hypervisor is not None else ""
        return f"{hypervisor}a device, the clock or the user, between two instructions"
    return f"{instruction} on CPU {hit.cpu}"


def _exception(entry: Entry) -> str:
    kind = entry.kind.name if entry.kind is not None else ""
    named = kind if entry.ec is None else EC(entry.ec).name if entry.ec in list(EC) else f"EC {entry.ec:#x}"
    return f"the exception to EL{entry.to_el} ({named})"


def _handling(timeline: Timeline, back: Entry) -> str:
    """Say which exit the Python at EL2 handled before a return."""
    taken = timeline.journal.before(
        back.position, lambda entry: entry.what == "taken" and entry.level == 2 and entry.cpu == back.cpu
    )
    return "" if taken is None else f", which handled {_exception(taken)} from {taken.elr:#x}"
