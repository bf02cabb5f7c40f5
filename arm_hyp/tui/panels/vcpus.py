"""The panel `vcpus`: what each CPU and each vCPU does, its share of the time, and which vCPU is next.

Read `tui/panels/table.py` and `hypervisor/scheduler.py` (the rule of who is next) before this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.explain.diagnosis.timers import in_words
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import CpuState, VcpusAnswer, VcpuState
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import bar, failed, nothing, shortened, visible
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.table import Cell, Column, table
from arm_hyp.tui.view import View, number

_BAR_CELLS: Final = 12
_LONGEST_PLACE: Final = 28
_NO_VM: Final = "No vCPUs here: nothing is run by a Python hypervisor. Begin with --hypervisor or a file of VMs."
_STATES: Final = {
    "running": ("dot", "good"),
    "ready": ("ring", "strong"),
    "blocked": ("idle", "dim"),
    "off": ("quiet", "dim"),
}
"""Glyph and role of each state."""


class VcpusPanel(Panel):
    """CPUs, vCPUs and the scheduler's accounts."""

    name: ClassVar[str] = "vcpus"
    title: ClassVar[str] = "vCPUs"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read what the vCPUs do; what the CPUs do is in every view."""
        yield ask.Vcpus()

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw a line for each vCPU, then one for each CPU."""
        found = view.get(ask.Vcpus(), VcpusAnswer)
        if found is None:
            return failed(view, ask.Vcpus(), width, look) or nothing("the vCPUs were not read", width, look)
        cpus = [Text(), *(_cpu_line(cpu, found.vcpus, view, width, look) for cpu in view.status.cpus)]
        if not found.vcpus:
            return [*cpus[1:], Text(), *nothing(_NO_VM, width, look)]
        return [*_vcpu_table(found.vcpus, view, width, look), *cpus]


def place_text(address: int, view: View) -> str:
    """Return a symbol with an offset, or the address."""
    return visible(view.subject.symbols.describe(address)) or number(address)


def next_on(cpu: int, vcpus: Sequence[VcpuState]) -> VcpuState | None:
    """Return the vCPU that the scheduler takes next on a CPU: of those that are ready, that with the least runtime."""
    ready = [one for one in vcpus if one.state == "ready" and _may_run(one, cpu)]
    return min(ready, key=lambda one: one.runtime_ns, default=None)


def _may_run(one: VcpuState, cpu: int) -> bool:
    return one.cpu == cpu if one.cpu is not None else not one.pins or cpu in one.pins


# --- CPUs -------------------------------------------------------------------------------------------------------------


def _cpu_line(cpu: CpuState, vcpus: Sequence[VcpuState], view: View, width: int, look: Look) -> Text:
    """Say what a CPU does, with which vCPU, and who comes after it."""
    mark = look.glyphs.here if cpu.is_current and len(view.status.cpus) > 1 else ""
    line = Text.assemble((f"CPU {cpu.index}{mark} ", look.style("strong", look=(None, cpu.index))))
    if cpu.state == "runs":
        line.append(f"EL{cpu.el} ", look.style(f"el{cpu.el}"))
        is_python = cpu.el == 2 and bool(view.status.vms)
        place = "Python" if is_python else shortened(place_text(cpu.pc, view), max(width // 2, 12), look)
        line.append(place, look.style("code"))
    else:
        line.append("off" if cpu.state == "off" else f"waits in {cpu.state.upper()}", look.style("dim"))
    loaded = next((one for one in vcpus if one.cpu == cpu.index), None)
    after = next_on(cpu.index, vcpus)
    for text in (f" with {visible(loaded.name)}" if loaded else "", f", next {visible(after.name)}" if after else ""):
        if line.cell_len + len(text) <= width:
            line.append(text, look.style("dim"))
    return line


# --- vCPUs ------------------------------------------------------------------------------------------------------------


def _vcpu_table(vcpus: Sequence[VcpuState], view: View, width: int, look: Look) -> list[Text]:
    ran, weights = sum(one.ran_ns for one in vcpus), sum(one.weight for one in vcpus)
    shares = [one.ran_ns / ran if ran else 0.0 for one in vcpus]
    text, dim = look.style("text"), look.style("dim")
    return table(
        (
            Column("vCPU", [_name(one, view, look) for one in vcpus]),
            Column("state", [_state(one, view, vcpus, look) for one in vcpus]),
            Column("on", [Cell("-" if one.cpu is None else f"CPU {one.cpu}", text) for one in vcpus], 5),
            Column("PC", [_place(one, view, look) for one in vcpus], 6),
            Column("ran", [Cell(in_words(one.ran_ns), text) for one in vcpus], 4, is_right=True),
            Column("share", [Cell(f"{share:.0%}", look.style("strong")) for share in shares], 1, is_right=True),
            Column("", [Cell(bar(share, _BAR_CELLS, look), look.style("el1")) for share in shares], 7),
            Column("by weight", [Cell(f"{one.weight / weights:.0%}", dim) for one in vcpus], 8, is_right=True),
            Column("weight", [Cell(f"{one.weight:,}", text) for one in vcpus], 9, is_right=True),
            Column("stolen", [Cell(in_words(one.stolen_ns), dim) for one in vcpus], 3, is_right=True),
        ),
        width,
        look,
    )


def _name(one: VcpuState, view: View, look: Look) -> Cell:
    is_chosen = (view.whose.vm, view.whose.index) == (one.vm, one.index)
    style = look.style("selected" if is_chosen else "strong", look=(one.vm, one.index))
    return Cell(visible(one.name), style)


def _state(one: VcpuState, view: View, vcpus: Sequence[VcpuState], look: Look) -> Cell:
    glyph, role = _STATES.get(one.state, ("quiet", "dim"))
    is_next = any(next_on(cpu.index, vcpus) is one for cpu in view.status.cpus)
    return Cell(
        f"{getattr(look.glyphs, glyph)} {one.state}{', next' * is_next}", look.style("key" if is_next else role)
    )


def _place(one: VcpuState, view: View, look: Look) -> Cell:
    text = "" if one.state == "off" else shortened(place_text(one.pc, view), _LONGEST_PLACE, look)
    return Cell(text, look.style("code"))
