"""The panel `timers`: the counters, and each timer: on or off, masked, when it fires, and its line.

Read `tui/panels/table.py` and `arch/registers/timers.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.explain.diagnosis.timers import in_words
from arm_hyp.machine.clock import NS_PER_TICK
from arm_hyp.machine.timers import TIMERS
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.gic_answers import TimersAnswer, TimerState
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing, visible
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.table import Cell, Column, table
from arm_hyp.tui.view import View

_SUFFIXES: Final = {row.name: row.suffix for row in TIMERS}
_OFF, _WAITS, _FIRES, _MASKED = "off", "waits", "fires", "masked"
_LOOKS: Final = {_OFF: (0, "dim"), _WAITS: (1, "strong"), _FIRES: (2, "irq"), _MASKED: (3, "changed")}
"""Glyph (of those of an interrupt's states) and role of each state."""


class TimersPanel(Panel):
    """The generic timers of a CPU or vCPU."""

    name: ClassVar[str] = "timers"
    title: ClassVar[str] = "timers"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read the timers of the CPU or vCPU looked at."""
        yield ask.Timers(view.whose)

    def heading(self, view: View) -> str:
        """Name the CPU or vCPU."""
        found = view.get(ask.Timers(view.whose), TimersAnswer)
        return self.title if found is None else f"timers of {visible(found.name)}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw a line for each timer, those that are on first, then the counters."""
        message = ask.Timers(view.whose)
        found = view.get(message, TimersAnswer)
        if found is None:
            return failed(view, message, width, look) or nothing("the timers were not read", width, look)
        return [*_timers(found.timers, width, look), *_counters(found, width, look)]


def state_of(timer: TimerState) -> str:
    """Return what a timer does in one word."""
    if not timer.enable:
        return _OFF
    if not timer.istatus:
        return _WAITS
    return _MASKED if timer.imask else _FIRES


def _timers(timers: Sequence[TimerState], width: int, look: Look) -> list[Text]:
    rows = sorted(timers, key=lambda timer: not timer.enable)
    columns = [
        Column("timer", [_name(one, look) for one in rows]),
        Column("state", [_state(one, look) for one in rows]),
        _column("fires", map(_when, rows), look, 1),
        Column("INTID", [Cell(f"{one.intid}", look.style("irq", explain="INTID")) for one in rows], 2, is_right=True),
        *(_bit(rows, name, look) for name in ("ENABLE", "IMASK", "ISTATUS")),
        Column("line", [_line_level(one, look) for one in rows], 4),
        _column("compare", (f"{one.cval:,}" if one.enable else "-" for one in rows), look, 5, is_right=True),
        _column("ticks left", (f"{one.left_ticks:,}" if one.enable else "-" for one in rows), look, 6, is_right=True),
        _column("where", (one.where for one in rows), look, 7),
        _column("what", (one.words for one in rows), look, 8),
    ]
    return table(columns, width, look)


def _column(title: str, texts: Iterable[str], look: Look, rank: int, *, is_right: bool = False) -> Column:
    return Column(title, [Cell(text, look.style("text")) for text in texts], rank, is_right)


def _line_level(one: TimerState, look: Look) -> Cell:
    return Cell("HIGH" if one.level else "low", look.style("strong" if one.level else "dim"))


def _name(one: TimerState, look: Look) -> Cell:
    return Cell(one.name, look.style("title", explain=f"{one.name}_CTL_{_SUFFIXES[one.name]}"))


def _state(one: TimerState, look: Look) -> Cell:
    state = state_of(one)
    glyph, role = _LOOKS[state]
    return Cell(f"{look.glyphs.states[glyph]} {state}", look.style(role))


def _when(one: TimerState) -> str:
    """Say when the condition is met, or since when it has been, in virtual time."""
    if not one.enable:
        return "-"
    if one.left_ticks > 0:
        return f"in {in_words(one.left_ticks * NS_PER_TICK)}"
    return f"since {in_words(-one.left_ticks * NS_PER_TICK)}" if one.left_ticks else "now"


def _bit(rows: Sequence[TimerState], name: str, look: Look) -> Column:
    """Return the column of a bit of CTL."""
    cells = []
    for one in rows:
        value = int(getattr(one, name.lower()))
        place = f"{one.name}_CTL_{_SUFFIXES[one.name]}.{name}"
        cells.append(Cell(f"{value}", look.style("on" if value else "off", explain=place)))
    return Column(name, cells, 3)


def _counters(found: TimersAnswer, width: int, look: Look) -> list[Text]:
    """Return the counters: in a row if they fit, else below each other."""
    names = (("CNTPCT_EL0", found.cntpct), ("CNTVCT_EL0", found.cntvct), ("CNTVOFF_EL2", found.cntvoff))
    parts = [
        Text.assemble((f"{name} ", look.style("el1", explain=name)), (f"{value:,}", look.style("strong")))
        for name, value in names
    ]
    row = Text("  ").join(parts)
    note = Text(f"a tick is {NS_PER_TICK} ns of virtual time", look.style("dim"))
    return [Text(), *([row] if row.cell_len <= width else parts), note]
