"""All panels, in the order of their digits. Read `panel.py` before this file."""

from __future__ import annotations

from importlib import import_module
from typing import Final, NamedTuple

from arm_hyp.tui.panels.panel import Panel


class Row(NamedTuple):
    """A panel by name, where it is, and what it shows in a few words."""

    name: str
    module: str
    class_name: str
    words: str


ROWS: Final = (
    Row("ladder", "arm_hyp.tui.ladder.panel", "LadderPanel", "Exception levels over time."),
    Row("code", "arm_hyp.tui.panels.code", "CodePanel", "Instructions around the PC."),
    Row("registers", "arm_hyp.tui.panels.registers", "RegistersPanel", "General registers, and what just changed."),
    Row("bits", "arm_hyp.tui.panels.bits", "BitsPanel", "System registers bit by bit: flip one."),
    Row("trap", "arm_hyp.tui.panels.trap", "TrapPanel", "Why it trapped: sentence, syndrome, rules."),
    Row("walk", "arm_hyp.tui.panels.walk", "WalkPanel", "How an address is translated, as a picture."),
    Row("consoles", "arm_hyp.tui.panels.consoles", "ConsolesPanel", "What the guests print; type to them."),
    Row("gic", "arm_hyp.tui.panels.gic", "GicPanel", "Interrupts, and the list registers."),
    Row("vcpus", "arm_hyp.tui.panels.vcpus", "VcpusPanel", "CPUs, vCPUs and the scheduler."),
    Row("memory", "arm_hyp.tui.panels.memory", "MemoryPanel", "Memory, byte by byte."),
    Row("stage2", "arm_hyp.tui.panels.stage2", "Stage2Panel", "What stage 2 of a VM maps."),
    Row("timers", "arm_hyp.tui.panels.timers", "TimersPanel", "Timers, and when they fire."),
    Row("exits", "arm_hyp.tui.panels.exits", "ExitsPanel", "Exits by class, so far."),
    Row("handler", "arm_hyp.tui.panels.handler", "HandlerPanel", "The handler that took this exit."),
    Row("page", "arm_hyp.tui.panels.page", "PagePanel", "The text of the lesson or tour."),
)
NAMES: Final = tuple(row.name for row in ROWS)


def make_panels() -> dict[str, Panel]:
    """Make every panel, by name."""
    return {row.name: getattr(import_module(row.module), row.class_name)() for row in ROWS}
