"""The panel `gic`: list registers with their states as they move, and the interrupts with what holds each back.

Read `tui/panels/drawing.py` before this file. The CPU interface and the list registers are those of the physical CPU;
for a vCPU there is its VM's vGIC too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.arch.gic import IDLE_PRIORITY
from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_LR_EL2, ICH_VMCR_EL2
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.gic_answers import GicAnswer, InterruptState
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing, shortened, visible, wrapped
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import View, registers_of

_STATES: Final = ("invalid", "pending", "active", "pending+active")
_QUIET: Final = "inactive"
_REGISTERS: Final = {
    3: (("ICC_PMR_EL1", "ICC_PMR_EL1"), ("ICC_RPR_EL1", "ICC_RPR_EL1")),
    2: (("GICC_PMR", "PMR"), ("GICC_RPR", "GIC")),
}
"""Priority mask and running priority by version: the name, and the word that explains it."""
_NUMBER_IN_NAME: Final = re.compile(r",? ?\(?INTID \d+\)?")
_VGIC_ROW: Final = re.compile(r"\s+(?:SGI|PPI|SPI)\s+(\d+)\s+\d+\s+([01]{7})\s+(\d+)\s+\w+\s+\w+\s+(\d+)\s+-?\d+\s*")


class GicPanel(Panel):
    """The interrupt controller of a CPU."""

    name: ClassVar[str] = "gic"
    title: ClassVar[str] = "GIC"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read the GIC of the CPU, its registers, and the vGIC of the vCPU looked at."""
        yield _of_cpu(view)
        yield registers_of("gic", ask.Whose(view.cpu))
        if view.whose.vm is not None:
            yield ask.Gic(view.whose)

    def heading(self, view: View) -> str:
        """Name the CPU."""
        return f"GIC, CPU {view.cpu}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the CPU interface, the list registers, the interrupts."""
        found = view.get(_of_cpu(view), GicAnswer)
        if found is None:
            return failed(view, _of_cpu(view), width, look) or nothing("the GIC was not read", width, look)
        last = view.before.get(_of_cpu(view))
        before = last if isinstance(last, GicAnswer) else None
        lines = [_interface(found, width, look)]
        lines += _list_registers(found, before, width, look)
        lines += _virtual_interface(view, width, look)
        lines += _interrupts(found, before, width, look)
        return lines + self._vgic(view, width, look)

    def _vgic(self, view: View, width: int, look: Look) -> list[Text]:
        message = ask.Gic(view.whose)
        found = view.get(message, GicAnswer)
        if view.whose.vm is None:
            return []
        if found is None:
            return failed(view, message, width, look)
        return _vgic_lines(found.text, view.status.vms[view.whose.vm], width, look)


def _of_cpu(view: View) -> ask.Gic:
    return ask.Gic(ask.Whose(view.cpu))


def _interface(found: GicAnswer, width: int, look: Look) -> Text:
    mask, running = _REGISTERS[found.version]
    line = Text.assemble((f"GICv{found.version}", look.style("title")))
    idle = " idle" if found.running == IDLE_PRIORITY else ""
    parts = ((mask, f"{found.pmr:02x}", ""), (running, f"{found.running:02x}", idle))
    for (name, word), value, words in parts:
        short = name.split("_")[1]
        line.append(f"  {name if width >= 60 else short} ", look.style("el1", explain=word))
        line.append(value, look.style("strong")).append(words, look.style("dim"))
    return line


# --- list registers ---------------------------------------------------------------------------------------------------


def _list_registers(found: GicAnswer, before: GicAnswer | None, width: int, look: Look) -> list[Text]:
    """Return a line for each list register in use or just emptied, and one for all others."""
    last = before.list_registers if before is not None else found.list_registers
    lines, empty = [], []
    for number, value in enumerate(found.list_registers):
        was = last[number] if number < len(last) else value
        if ICH_LR_EL2(value).State or was != value:
            lines.append(_list_register(number, ICH_LR_EL2(value), ICH_LR_EL2(was), width, look))
        else:
            empty.append(number)
    if empty:
        text = f"LR {_ranges(empty)}  {look.glyphs.states[0]} invalid"
        lines.append(Text(shortened(text, width, look), look.style("dim", explain="LR")))
    return lines


def _list_register(number: int, value: ICH_LR_EL2, was: ICH_LR_EL2, width: int, look: Look) -> Text:
    moved = "changed" if was != value else "strong" if value.State else "dim"
    line = Text.assemble((f"LR{number:<2} ", look.style("el2", explain=f"ICH_LR{number}_EL2")))
    if was.State != value.State:
        line.append(f"{look.glyphs.states[was.State]}{look.glyphs.arrow}", look.style("dim"))
    line.append(f"{look.glyphs.states[value.State]} {_STATES[value.State]}", look.style(moved))
    line.append(look.glyphs.changed if was != value else " ", look.style("changed"))
    is_wide = width >= 60
    linked = f"HW {look.glyphs.arrow} pINTID {value.pINTID}" if is_wide else f"HW{look.glyphs.arrow}{value.pINTID}"
    link = linked if value.HW else "software" + ", EOI asked for" * (value.EOI and is_wide)
    parts = (f"vINTID {value.vINTID}", link, f"priority {value.Priority:02x}", f"group {value.Group}")
    for part in parts if value.State or was.State else ():
        if line.cell_len + len(part) + 2 <= width:
            line.append(f"  {part}", look.style("text"))
    return line


def _virtual_interface(view: View, width: int, look: Look) -> list[Text]:
    """Say what the guest sees of its interface: in use, mask, groups. Only GICv3 has these registers."""
    registers = view.registers("gic", ask.Whose(view.cpu))
    if "ICH_HCR_EL2" not in registers or "ICH_VMCR_EL2" not in registers or width < 60:
        return []
    control, guest = ICH_HCR_EL2(int(registers["ICH_HCR_EL2"])), ICH_VMCR_EL2(int(registers["ICH_VMCR_EL2"]))
    line = Text.assemble(("guest's interface ", look.style("dim")))
    parts = (
        ("ICH_HCR_EL2.En", f"{control.En}"),
        ("ICH_VMCR_EL2.VPMR", f"{guest.VPMR:02x}"),
        ("ICH_VMCR_EL2.VENG1", f"{guest.VENG1}"),
    )
    for name, value in parts:
        shown = name.split(".")[1] if width < 80 else name
        line.append(f" {shown} ", look.style("el2", explain=name)).append(value, look.style("strong"))
    return [line]


def _ranges(numbers: Sequence[int]) -> str:
    """Write numbers in order, those in a row as 1-3."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] + 1 == number:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


# --- interrupts -------------------------------------------------------------------------------------------------------


def _interrupts(found: GicAnswer, before: GicAnswer | None, width: int, look: Look) -> list[Text]:
    """Return those that are pending, active or just changed, each with what holds it back; then the quiet ones."""
    last = {one.intid: one for one in before.interrupts} if before is not None else {}
    loud = [one for one in found.interrupts if _state(one) or _state(last.get(one.intid, one))]
    quiet = [one.intid for one in found.interrupts if one not in loud]
    lines = []
    for one in sorted(loud, key=lambda one: (one.priority, one.intid)):
        lines += _interrupt(one, last.get(one.intid, one), width, look)
    if not loud:
        lines.append(Text("no interrupt is pending or active", look.style("dim")))
    return lines + (wrapped(f"enabled and quiet: {_ranges(quiet)}", width, look.style("dim"), "  ") if quiet else [])


def _state(one: InterruptState) -> int:
    return one.pending + 2 * one.active


def _interrupt(one: InterruptState, was: InterruptState, width: int, look: Look) -> list[Text]:
    state = _state(one)
    has_moved = state != _state(was)
    word = _STATES[state] if state else _QUIET
    line = Text.assemble((f"{one.intid:>4} ", look.style("irq", explain="INTID")))
    if has_moved:
        line.append(f"{look.glyphs.states[_state(was)]}{look.glyphs.arrow}", look.style("dim"))
    line.append(f"{look.glyphs.states[state]} {word}", look.style("changed" if has_moved else "strong"))
    line.append(look.glyphs.changed if has_moved else " ", look.style("changed"))
    parts = (_NUMBER_IN_NAME.sub("", one.name), f"priority {one.priority:02x}", f"group {one.group}")
    for part in (*parts, *(() if one.enabled else ("disabled",))):
        if part and line.cell_len + len(part) + 2 <= width:
            line.append(f"  {part}", look.style("text"))
    held = wrapped(f"     held back: it {one.held}", width, look.style("bad"), "     ") if one.held else []
    return [line, *held]


def _vgic_lines(text: str, vm: str, width: int, look: Look) -> list[Text]:
    """Return the interrupts of a VM's vGIC that wait or are active, out of its text."""
    lines = [Text(shortened(f"vGIC of {visible(vm)}", width, look), look.style("title"))]
    for match in filter(None, map(_VGIC_ROW.fullmatch, text.splitlines())):
        intid, flags, hwid, priority = match.groups()
        latch, level, active, is_enabled, is_linked = (flag == "1" for flag in flags[:5])
        state = (latch or level) + 2 * active
        if state:
            words = f"{look.glyphs.states[state]} {_STATES[state]}  priority {int(priority):02x}"
            more = f"  HW {look.glyphs.arrow} {hwid}" * is_linked + "  disabled" * (not is_enabled)
            lines.append(Text(shortened(f"{intid:>4} {words}{more}", width, look), look.style("text")))
    text = "nothing waits in it; what a loaded vCPU has waits in list registers"
    return lines if len(lines) > 1 else [*lines, *nothing(text, width, look)]
