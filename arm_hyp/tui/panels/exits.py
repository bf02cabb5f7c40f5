"""The panel `exits`: how often guests came to EL2 up to the cursor, by reason, and what that took.

Read `tui/panels/table.py` before this file. The reasons have the names that `perf kvm stat` gives them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.explain.diagnosis.timers import in_words
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import VcpusAnswer
from arm_hyp.timeline.process.exit_answers import ExitCost, ExitsAnswer
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import bar, failed, nothing, shortened, visible
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.table import Cell, Column, table
from arm_hyp.tui.view import View, trap_of

_NARROW_BAR: Final = 8
_WIDE_BAR: Final = 24
_NONE: Final = "No exits up to here: nothing has come to EL2 yet. PgDn goes on to the next exception."


class ExitsPanel(Panel):
    """Counts of exits from the start of the run up to the cursor."""

    name: ClassVar[str] = "exits"
    title: ClassVar[str] = "exits"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read the counts, and what the exit at the cursor is."""
        yield _message(view)
        yield trap_of(view)
        if view.status.vms:
            yield ask.Vcpus()

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the sum, and for each VM a line for each reason, the most frequent first."""
        found = view.get(_message(view), ExitsAnswer)
        if found is None:
            return failed(view, _message(view), width, look) or nothing("the exits were not read", width, look)
        if not found.exits:
            return nothing(_NONE, width, look)
        titles, *rows = _table(found.exits, view, width, look)
        lines, has_vms = [_sum(found.exits, width, look), titles], len(view.status.vms) > 1
        for vm, pairs in groupby(zip(found.exits, rows, strict=True), lambda pair: pair[0].vm):
            lines += [_vm_line(vm, view, width, look)] * has_vms + [row for _, row in pairs]
        return lines


def _message(view: View) -> ask.Exits:
    n, seq = view.position
    return ask.Exits(end=Position(n, seq + 1))


def _sum(exits: Sequence[ExitCost], width: int, look: Look) -> Text:
    total, time_ns = sum(one.count for one in exits), sum(one.time_ns for one in exits)
    line = Text.assemble(
        (f"{total:,}", look.style("strong")), (f" exit{'s' * (total != 1)} up to here", look.style("dim"))
    )
    took = f", {in_words(time_ns)} of virtual time in them"
    return line.append(took, look.style("dim")) if line.cell_len + len(took) <= width else line


def _vm_line(vm: int | None, view: View, width: int, look: Look) -> Text:
    name = "no VM" if vm is None else f"VM {visible(view.status.vms[vm])}"
    return Text(shortened(name, width, look), look.style("title"))


def _table(rows: Sequence[ExitCost], view: View, width: int, look: Look) -> list[Text]:
    """Return the titles and a line for each reason; the share is that of its VM's exits."""
    totals = Counter[int | None]()
    for one in rows:
        totals[one.vm] += one.count
    shares = [one.count / totals[one.vm] for one in rows]
    text, cells = look.style("text"), _WIDE_BAR if width >= 90 else _NARROW_BAR
    bars = [Cell(bar(share, cells, look), look.style(_role(one))) for one, share in zip(rows, shares, strict=True)]
    columns = (
        Column("exit", [_name(one, view, look) for one in rows]),
        Column("count", [Cell(f"{one.count:,}", look.style("strong")) for one in rows], is_right=True),
        Column("share", [Cell(_percent(share), text) for share in shares], 1, is_right=True),
        Column("", bars, 2),
        Column("each", [Cell(_each(one), text) for one in rows], 3, is_right=True),
        Column("in all", [Cell(in_words(one.time_ns), text) for one in rows], 4, is_right=True),
        Column("instructions", [Cell(f"{one.instructions:,}", look.style("dim")) for one in rows], 5, is_right=True),
    )
    return table(columns, width, look)


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _role(one: ExitCost) -> str:
    return "irq" if one.ec is None else "trap"


def _name(one: ExitCost, view: View, look: Look) -> Cell:
    is_here = _is_at_cursor(one, view)
    role = "changed" if is_here else _role(one)
    word = f"EC 0x{one.ec:02x}" if one.ec is not None else "IRQ"
    return Cell(one.name + (f" {look.glyphs.here}" if is_here else ""), look.style(role, explain=word))


def _is_at_cursor(one: ExitCost, view: View) -> bool:
    """Tell whether the exit at the cursor is of this kind, and of this VM."""
    trap, vcpus = view.trap, view.get(ask.Vcpus(), VcpusAnswer)
    if not view.is_at_trap or trap is None or trap.to_el != 2 or trap.from_el == 2:
        return False
    loaded = None if vcpus is None else next((each.vm for each in vcpus.vcpus if each.cpu == view.cpu), None)
    same = trap.kind.lower() == one.kind and (trap.ec if one.ec is not None else None) == one.ec
    return same and loaded == one.vm


def _each(one: ExitCost) -> str:
    return in_words(one.time_ns // one.ended) if one.ended else "-"
