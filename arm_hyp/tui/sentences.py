"""A view in plain sentences, without columns, frames or signs: for those who listen, and for those who read a log.

Read `tui/view.py`, `panels/trap_card.py` and `panels/terminal_text.py` before this file, `tui/plain.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ExceptionRow, ExceptionsAnswer, StatusAnswer, WalkAnswer
from arm_hyp.tui.panels.code import is_python_here
from arm_hyp.tui.panels.drawing import size_text, visible
from arm_hyp.tui.panels.listing import place_name
from arm_hyp.tui.panels.terminal_text import cells_of
from arm_hyp.tui.panels.trap_card import ahead_of, card_of, nodes_of
from arm_hyp.tui.panels.walk import rights_text
from arm_hyp.tui.view import View

_MOST_CHANGES: Final = 4
_STATE: Final = ("PC", "PSTATE")


# --- what happened ----------------------------------------------------------------------------------------------------


def events_here(view: View) -> ask.Exceptions:
    """Return the message that reads what happened right at the cursor."""
    n, seq = view.position
    return ask.Exceptions(view.position, Position(n, seq + 1), at_most=1)


def happened(view: View, *, is_step: bool = False) -> Iterator[str]:
    """Say what happened at the cursor, where that is, what comes next, and after a step what it changed."""
    row = _row_here(view)
    if view.is_at_trap and (card := card_of(view)) is not None:
        yield card.sentence
    elif row is not None and row.what != "taken":
        yield f"ERET from EL{row.from_el} to EL{row.to_el}."
    yield place(view)
    if is_step:
        yield from _changes(view)


def _row_here(view: View) -> ExceptionRow | None:
    found = view.get(events_here(view), ExceptionsAnswer)
    return found.rows[0] if found is not None and found.rows else None


def place(view: View) -> str:
    """Say where the cursor is: position, level, symbol, and the next instruction."""
    parts = [f"Position {view.position}"]
    if view.status.branch != "main":
        parts.append(f"branch {view.status.branch}")
    if len(view.status.cpus) > 1:
        parts.append(f"CPU {view.cpu}")
    cpu = next(one for one in view.status.cpus if one.index == view.cpu)
    parts.append(f"EL{cpu.el}")
    if is_python_here(view):
        return f"{', '.join(parts)}: the hypervisor in Python runs.{_ending(view.status)}"
    parts.append(f"at {place_name(view.subject.symbols, cpu.pc) or hex(cpu.pc)}")
    return f"{', '.join(parts)}.{_ending(view.status) or _next(view)}"


def difference(status: StatusAnswer) -> str:
    """Say how the run is not the recorded one; nothing if it is."""
    return f"This is not the recorded run: {visible(status.difference)}" if status.difference else ""


def title(view: View) -> str:
    """Name what happened at the cursor, in a few words."""
    card = card_of(view) if view.is_at_trap else None
    if card is not None:
        return f"{view.position}  {card.name}: EL{card.event.from_el} to EL{card.event.to_el}"
    if view.status.outcome and view.position == view.status.frontier:
        return f"{view.position}  the end: {visible(view.status.outcome)}"
    ahead = None if is_python_here(view) else ahead_of(view)
    return f"{view.position}  {'start' if view.position == START else '' if ahead is None else ahead.text}".rstrip()


def _ending(status: StatusAnswer) -> str:
    if status.position != status.frontier or not status.outcome:
        return ""
    return f" The run has ended: {visible(status.outcome)}."


def _next(view: View) -> str:
    ahead = ahead_of(view)
    return "" if ahead is None else f" Next: {ahead.text}."


def _changes(view: View) -> Iterator[str]:
    """Say which registers have changed since the last view, if they are few: a step changes one or two."""
    before, values = view.registers_before("general"), view.registers("general")
    changed = [name for name in values if name not in _STATE and name in before and values[name] != before[name]]
    if 0 < len(changed) <= _MOST_CHANGES:
        yield " ".join(f"{name} is now {int(values[name]):#x}." for name in changed)


def printed(data: bytes, start: int = 0) -> list[str]:
    """Return what a guest printed as harmless lines."""
    lines = data.split(b"\n")
    lines = lines if lines[-1] else lines[:-1]
    return ["".join(cell.text for cell in cells_of(line, start)) for line in lines]


# --- answers to questions ---------------------------------------------------------------------------------------------


def why(view: View) -> Iterator[str]:
    """Say why it trapped at the cursor, or what will become of the next instruction."""
    ahead = None if view.is_at_trap or is_python_here(view) else ahead_of(view)
    if ahead is not None:
        yield f"Next: {ahead.text}."
        if ahead.story is None:
            yield f"No trap rule is about this instruction at EL{ahead.el}: only its addresses could make it fault."
        else:
            yield from (ahead.story.sentence, *(one.sentence for one in ahead.story.alternatives))
            yield from filter(None, [ahead.caution])
    yield from _last_trap(view)


def _last_trap(view: View) -> Iterator[str]:
    card = card_of(view)
    if card is None:
        yield "No exception has been taken so far."
        return
    event = card.event
    if not view.is_at_trap:
        yield f"The last exception was at {event.n:,}.{event.seq}."
    yield card.sentence
    if card.story is not None:
        yield from (one.sentence for one in card.story.alternatives)
    if event.far is not None:
        yield f"FAR_EL{event.to_el} is {event.far:#x}."
    for step in card.story.steps if card.story is not None else ():
        conditions = "; ".join(map(str, step.conditions)) or "always"
        yield f"Rule {step.rule} {'applies' if step.applies else 'does not apply'}: {conditions}."
    if card.syndrome is not None:
        yield f"{card.syndrome.name} is {card.syndrome.value:#x}."
        yield from (f"{node.name} is {node.value:#x}: {node.meaning}" for _, node in nodes_of(card.syndrome))


def registers(view: View) -> Iterator[str]:
    """Tell the general registers that are not zero."""
    values = view.registers("general")
    zero = [name for name, value in values.items() if not value and name not in _STATE]
    yield " ".join(f"{name} {int(values[name]):#x}." for name in values if name not in zero)
    if zero:
        yield f"The other {len(zero)} are zero."


def walk(found: WalkAnswer, access: str) -> Iterator[str]:
    """Tell where an address leads, and each descriptor on the way."""
    if found.fault is not None:
        kind, level, stage = found.fault
        said = f"faults: {FaultKind[kind].value}, level {level} of stage {stage}: {found.reason}."
    else:
        size = f", {size_text(found.block_bytes)}" if found.block_bytes else ""
        rights = rights_text(found)
        said = f"leads to PA {found.pa or 0:#x}{size}{f': {rights}' if rights else ''}."
    yield f"{found.input_address:#x}, {access}, {said}"
    for one in (found, *([] if found.stage2 is None else [found.stage2])):
        if not one.base_register:
            yield f"Stage {one.stage} is off: the address stays as it is."
        for step in one.steps:
            value = "cannot be read" if step.descriptor is None else f"is {step.descriptor:#x}"
            yield (
                f"Stage {one.stage}, level {step.level}: entry {step.table_index} of the table at "
                f"{step.table_address:#x} {value}, a {step.kind}."
            )


def marks(view: View) -> Iterator[str]:
    """Tell the marks and breakpoints."""
    known = view.status.marks
    yield from (f"{visible(name)}: {position}." for name, position in sorted(known.items(), key=lambda one: one[1]))
    if not known:
        yield "There are no marks. The command: mark NAME."
    if view.status.breakpoints:
        yield f"Breakpoints: {', '.join(map(visible, view.status.breakpoints))}."


def branches(view: View) -> Iterator[str]:
    """Tell the branches."""
    for one in view.status.branches:
        here = ", where you are" if one.name == view.status.branch else ""
        begin = f", from {one.parent} at {one.begins_at}" if one.parent else ""
        end = f"; {visible(one.outcome)}" if one.outcome else ""
        yield f"{one.name}{here}{begin}, up to {one.frontier}{end}."
