"""The panels of the machine's state: in every size, with every reading failed or missing, and with hostile names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from view_support import LOOK, PLAIN, text_of, view_of
from vm_views import exceptions, machine_session, seek, vms_session

from arm_hyp.cpu.symbols import Symbol, SymbolTable
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.look import LIGHT, Look
from arm_hyp.tui.panels.consoles import ConsolesPanel
from arm_hyp.tui.panels.exits import ExitsPanel
from arm_hyp.tui.panels.gic import GicPanel
from arm_hyp.tui.panels.handler import HandlerPanel
from arm_hyp.tui.panels.memory import MemoryPanel
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.stage2 import Stage2Panel
from arm_hyp.tui.panels.timers import TimersPanel
from arm_hyp.tui.panels.vcpus import VcpusPanel
from arm_hyp.tui.panels.walk import WalkPanel

PANELS: tuple[type[Panel], ...] = (
    ConsolesPanel,
    ExitsPanel,
    GicPanel,
    HandlerPanel,
    MemoryPanel,
    Stage2Panel,
    TimersPanel,
    VcpusPanel,
    WalkPanel,
)
SIZES = tuple((width, height) for width in (38, 47, 60, 78, 99, 130) for height in (6, 14, 50))


def smp_vms() -> Session:
    session = vms_session("28-vm-smp.s", 2, vcpus=2, cpus=2)
    rows = [row for row in exceptions(session) if row.to_el == 2]
    seek(session, *rows[len(rows) // 2].position)
    return session


def faulting_vm() -> Session:
    session = vms_session("25-demand-paging.s", 2)
    seek(session, *next(row for row in exceptions(session) if row.far == 0x8000_0000).position)
    return session


def machine() -> Session:
    session = machine_session("18-inject-gicv3.s", gic=3)
    seek(session, 160, 1)
    return session


@pytest.mark.parametrize("stand", [smp_vms, faulting_vm])
@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("whose", [ask.CPU0, ask.Whose(0, vm=0)], ids=["cpu", "vcpu"])
def test_it_fits_in_every_size(panel: type[Panel], stand, whose: ask.Whose):  # type: ignore[no-untyped-def]
    shown = panel()
    view = view_of(stand(), [shown], whose)
    for size in SIZES:
        for look in (LOOK, PLAIN, Look(LIGHT)):
            assert text_of(shown, view, *size, look).strip()
        assert text_of(shown, view, *size, PLAIN).isascii()


@pytest.mark.parametrize("panel", PANELS)
def test_it_fits_without_vms(panel: type[Panel]):
    shown = panel()
    view = view_of(machine(), [shown])
    for size in SIZES:
        assert text_of(shown, view, *size, PLAIN).isascii()


@pytest.mark.parametrize("panel", PANELS)
def test_what_could_not_be_read_is_said_and_hides_its_control_characters(panel: type[Panel]):
    shown = panel()
    view = view_of(faulting_vm(), [shown])
    broken = replace(view, answers={})
    for _ in range(3):  # what is wanted depends on what was read
        broken = replace(
            view, answers={one: Failed("it", "went \x1b[31mwrong", "try\x07") for one in shown.wants(broken)}
        )
    missing = replace(view, answers={})
    for size in SIZES:
        said = " ".join(text_of(shown, broken, *size).split())
        assert "✗ it: went ^[[31mwrong (try^G)" in said
        assert "not read" in " ".join(text_of(shown, missing, *size).split())


@pytest.mark.parametrize("panel", [MemoryPanel, VcpusPanel, WalkPanel])
def test_a_symbol_with_an_escape_sequence_is_not_obeyed(panel: type[Panel]):
    shown = panel()
    view = view_of(machine(), [shown])
    pc = int(view.status.cpus[0].pc)
    symbols = SymbolTable((Symbol("\x1b[2J" + "evil" * 40, pc & -4096, 0),))
    view = replace(view, subject=replace(view.subject, symbols=symbols))
    for size in SIZES:
        text_of(shown, view, *size)
