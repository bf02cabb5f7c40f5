"""Each word of the panels of the machine's state that stands for an explanation has one."""

from __future__ import annotations

import pytest
from view_support import view_of
from vm_views import exceptions, machine_session, seek, vms_session

from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.exits import ExitsPanel
from arm_hyp.tui.panels.gic import GicPanel
from arm_hyp.tui.panels.memory import MemoryPanel
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.stage2 import Stage2Panel
from arm_hyp.tui.panels.timers import TimersPanel
from arm_hyp.tui.panels.walk import WalkPanel
from arm_hyp.tui.words import explain_word

PANELS: tuple[type[Panel], ...] = (ExitsPanel, GicPanel, MemoryPanel, Stage2Panel, TimersPanel, WalkPanel)


def last_trap_of_vm() -> Session:
    session = vms_session("25-demand-paging.s", 2)
    seek(session, *next(row for row in exceptions(session) if row.far == 0x8000_0000).position)
    return session


def list_registers_in_use() -> Session:
    session = machine_session("18-inject-gicv3.s", gic=3)
    seek(session, 160, 1)
    return session


def gicv2() -> Session:
    session = machine_session("18-inject-gicv2.s")
    seek(session, *exceptions(session)[-1].position)
    return session


@pytest.mark.parametrize("stand", [last_trap_of_vm, list_registers_in_use, gicv2])
@pytest.mark.parametrize("panel", PANELS)
def test_every_word_is_explained(panel: type[Panel], stand):  # type: ignore[no-untyped-def]
    shown = panel()
    view = view_of(stand(), [shown])
    metas = [
        span.style.meta
        for line in shown.lines(view, 130, 40, Look())
        for span in line.spans
        if not isinstance(span.style, str)
    ]
    words = {str(meta["explain"]) for meta in metas if "explain" in meta}
    unknown = {word for word in words if "Nobody here knows" in explain_word(word, view)[0].plain}
    assert not unknown
    assert words or panel in (ExitsPanel, Stage2Panel)  # without VMs these say how to get some
