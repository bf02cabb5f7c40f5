"""All panels, in the order of their digits. Read `panel.py` before this file."""

from __future__ import annotations

from importlib import import_module
from typing import Final, NamedTuple

from arm_hyp.tui.panels.panel import Panel


class Row(NamedTuple):
    """A panel by name, where it is, its title, and what it shows in a few words."""

    name: str
    module: str
    class_name: str
    title: str
    words: str


ROWS: Final = (
    Row("ladder", "arm_hyp.tui.ladder.panel", "LadderPanel", "the ladder", "Exception levels over time."),
    Row("code", "arm_hyp.tui.panels.code", "CodePanel", "code", "Instructions around the PC."),
    Row(
        *("registers", "arm_hyp.tui.panels.registers", "RegistersPanel", "registers"),
        words="General registers, and what just changed.",
    ),
    Row("bits", "arm_hyp.tui.panels.bits", "BitsPanel", "bits", "System registers bit by bit: flip one."),
    Row("trap", "arm_hyp.tui.panels.trap", "TrapPanel", "why", "Why it trapped: sentence, syndrome, rules."),
    Row("walk", "arm_hyp.tui.panels.walk", "WalkPanel", "walk", "How an address is translated, as a picture."),
    Row("consoles", "arm_hyp.tui.panels.consoles", "ConsolesPanel", "console", "What the guests print; type to them."),
    Row("gic", "arm_hyp.tui.panels.gic", "GicPanel", "GIC", "Interrupts, and the list registers."),
    Row("vcpus", "arm_hyp.tui.panels.vcpus", "VcpusPanel", "vCPUs", "CPUs, vCPUs and the scheduler."),
    Row("memory", "arm_hyp.tui.panels.memory", "MemoryPanel", "memory", "Memory, byte by byte."),
    Row("stage2", "arm_hyp.tui.panels.stage2", "Stage2Panel", "stage 2", "What stage 2 of a VM maps."),
    Row("timers", "arm_hyp.tui.panels.timers", "TimersPanel", "timers", "Timers, and when they fire."),
    Row("exits", "arm_hyp.tui.panels.exits", "ExitsPanel", "exits", "Exits by class, so far."),
    Row("handler", "arm_hyp.tui.panels.handler", "HandlerPanel", "handler", "The handler that took this exit."),
    Row("page", "arm_hyp.tui.panels.page", "PagePanel", "text", "The text of the lesson or tour."),
)
NAMES: Final = tuple(row.name for row in ROWS)


_BY_NAME: Final = {row.name: row for row in ROWS}


class EarlyPanel(Panel):
    """What stands for a panel until there is a machine to look at: its title alone."""

    def __init__(self, row: Row) -> None:
        self.name, self.title = row.name, row.title  # type: ignore[misc]  # of the panel that it stands for


class Panels(dict[str, Panel]):
    """All panels by name. One is imported and made when it is asked for first: a first picture needs none."""

    def __missing__(self, name: str) -> Panel:
        row = _BY_NAME[name]
        made: Panel = getattr(import_module(row.module), row.class_name)()
        self[name] = made
        return made

    def early(self, name: str) -> Panel:
        """Return what stands for a panel that was not asked for yet."""
        return self.get(name) or EarlyPanel(_BY_NAME[name])


def make_panels() -> Panels:
    """Make every panel, by name."""
    panels = Panels()
    for name in NAMES:
        panels[name]
    return panels
