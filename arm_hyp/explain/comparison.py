"""Compare two runs of one guest that differ in a control bit: where they part, and the reason in one sentence.

Read `trace_lines.py` and `why.py` before this file, `cli/demo.py`, which prints the comparison, after it. All of
this is pure: lists of events in, frozen rows out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from arm_hyp.events import Ended, Event, ExceptionReturned, ExceptionTaken, NotWaited, RegisterAccess, Waited
from arm_hyp.explain.trace_lines import merged, words
from arm_hyp.explain.why import bits_that_let_pass, deciding_rule

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
