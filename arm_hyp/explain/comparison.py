"""Compare two runs of one guest that differ in a control bit: where they part, and the reason in one sentence.

Read `trace_lines.py` and `why.py` before this file, `cli/demo.py`, which prints the comparison, after it. All of
this is pure: lists of events in, frozen rows out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from arm_hyp.events import Ended, Event, ExceptionReturned, ExceptionTaken, NotWaited, RegisterAccess, Waited
from arm_hyp.explain.trace_lines import ascii_text, merged, words
from arm_hyp.explain.why import bits_that_let_pass, deciding_rule, why_trapped

if TYPE_CHECKING:
    from arm_hyp.cpu.symbols import SymbolTable

Role = Literal["trap", "return", "wait", "end", "plain"]

ONE_LINE_COLUMNS: Final = 24
"""What is no longer than this together stands on one line of a column that half of 80 columns have room for."""

_ROLES: Final[dict[type[Event], Role]] = {
    ExceptionTaken: "trap",
    ExceptionReturned: "return",
    Waited: "wait",
    NotWaited: "wait",
    Ended: "end",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One event for a narrow column: position, level, address, a headline and lines that tell more.

    `role` says what kind of event it is (how it is coloured); `differs` marks the rows from where the runs part on.
    """

    position: str
    el: int
    address: str
    headline: str
    more: tuple[str, ...]
    role: Role
    differs: bool


def rows(events: Sequence[Event], other: Sequence[Event], symbols: SymbolTable | None = None) -> tuple[Row, ...]:
    """Return the rows of one run, marked from where it parts from the other run on."""
    shown = _shown(events)
    same = _common(shown, _shown(other))
    return tuple(_row(event, index >= same, symbols) for index, event in enumerate(shown))


def _shown(events: Sequence[Event]) -> tuple[Event, ...]:
    """Leave out reads of registers, and what only repeats how the run was set up."""
    return tuple(one for one in merged(events) if not (isinstance(one, RegisterAccess) and one.is_read))


def _common(first: Sequence[Event], second: Sequence[Event]) -> int:
    pairs = zip(first, second, strict=False)
    return next((at for at, (one, two) in enumerate(pairs) if _kind(one) != _kind(two)), min(len(first), len(second)))


def _kind(event: Event) -> tuple[object, ...]:
    """Return what makes two events the same step of two runs: type, place and name, but not a register's value."""
    name = event.register if isinstance(event, RegisterAccess) else ""
    return type(event), event.n, event.pc, event.el, name


def _row(event: Event, differs: bool, symbols: SymbolTable | None) -> Row:
    said = words(event, symbols)
    arrow = f" -> EL{said.to}" if said.to is not None else ""
    more = tuple(filter(None, (said.result, *said.detail.split("  "))))
    headline = f"{said.what}{arrow}"
    if not arrow and len(more) == 1 and len(headline) + len(more[0]) <= ONE_LINE_COLUMNS:
        headline, more = f"{headline}  {more[0]}", ()
    address = f"{event.pc:#010x}" if said.has_address else ""
    return Row(f"{event.n}.{event.seq}", event.el, address, headline, more, _ROLES.get(type(event), "plain"), differs)


def reason(
    without: Sequence[Event], controls: Mapping[str, int], with_trap: Sequence[Event], model: str = "a72", gic: int = 2
) -> str:
    """Say in one sentence why a WFI or WFE did not trap in the first run (under `controls`), and did in the second."""
    wait = next((one for one in without if isinstance(one, Waited | NotWaited)), None)
    trap = next((one for one in with_trap if wait and isinstance(one, ExceptionTaken) and one.pc == wait.pc), None)
    if wait is None or trap is None:
        return "Both runs do the same: no WFI or WFE runs in one and traps in the other."
    clear, (bits, text) = bits_that_let_pass(wait, controls, model, gic), deciding_rule(trap, model, gic)
    name = wait.instruction.upper()
    passed = f"goes on at once ({wait.reason})" if isinstance(wait, NotWaited) else "waits in the CPU itself"
    return f"{name} at EL{wait.el} {passed} while {clear}, and traps to EL{trap.to_el} when {bits}: {text}."


def parting(
    without: Event | None,
    changed: Event | None,
    change: Sequence[str],
    symbols: SymbolTable | None = None,
    machine: tuple[str, int] = ("a72", 2),
    vcpu: str = "",
) -> str:
    """Say in one sentence where two runs part, and what each does there. None stands for a run that has ended.

    `change` is how the second differs from the first; `machine` is the CPU model and the version of the GIC; `vcpu`
    runs there, if one does.
    """
    first = min((one for one in (without, changed) if one is not None), key=lambda one: (one.n, one.seq))
    name = symbols.describe(first.pc) if symbols is not None else ""
    place = f"{first.pc:#x}{f' <{name}>' if name else ''}, EL{first.el}{f' of {vcpu}' if vcpu else ''}"
    told = [_told(one, first, symbols, machine) for one in (without, changed)]
    count = f"{first.n:,} instruction{'s' * (first.n != 1)}"
    sides = f"without the change {told[0]}; with {', '.join(change)} {told[1]}"
    return f"The runs part after {count}, at {place}: {sides}."


def _told(event: Event | None, first: Event, symbols: SymbolTable | None, machine: tuple[str, int]) -> str:
    """Say what a run does where the two part; one whose next event comes later goes on."""
    if event is None:
        return "the run has ended"
    is_there = (event.n, event.seq) == (first.n, first.seq) or (event.pc == first.pc and event.n - first.n <= 1)
    if not is_there:  # the same instruction may retire in one run, and not in the other
        return "it goes on"
    if isinstance(event, ExceptionTaken) and event.kind == "sync":
        told = why_trapped(event, *machine).rstrip(".")
        return told if told[1].isupper() else told[0].lower() + told[1:]  # "WFI at EL1", but "an instruction that"
    said = words(event, symbols)
    arrow = f" -> EL{said.to}" if said.to is not None else ""
    return f"{said.what}{arrow}{f': {said.result}' if said.result else ''}"


def console_difference(first: str, second: str) -> str:
    """Say where what two runs printed differs; empty if it does not."""
    if first == second:
        return ""
    at = next((n for n, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), None)
    start = min(len(first), len(second)) if at is None else at
    line = first.count("\n", 0, start)
    lines = [_line(text, line) for text in (first, second)]
    return f"from line {line + 1} on: {lines[0]} | {lines[1]}"


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return (
        ascii_text(lines[number]) if number < len(lines) and (lines[number] or number + 1 < len(lines)) else "nothing"
    )
