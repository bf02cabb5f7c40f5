"""The panel `stage2`: what the stage 2 of each VM maps, as a bar of its IPA space and as ranges; where it faulted.

Read `tui/panels/drawing.py` and `tui/panels/walk.py` (the abort at the cursor) before this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Stage2Answer, Stage2Range, VcpusAnswer, WalkAnswer
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing, shortened, size_text, visible
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.panels.vm_choice import NEXT_VM_KEYS, VmChoice
from arm_hyp.tui.panels.walk import fault_walk
from arm_hyp.tui.panels.walk_picture import address_text
from arm_hyp.tui.view import View, number, trap_of

_MEMORY: Final = {"MEM": "Normal", "MEM/NC": "Normal-NC", "DEV": "Device"}
_EXTRA: Final = ("CONT", "COW")
_VMID_LSB: Final = 48
_MOST_ROWS: Final = 400
_NO_VM: Final = (
    "No VM here: nothing in this machine is run by a Python hypervisor. Begin with --hypervisor or a file of VMs. "
    "A stage 2 that a guest made itself is in the panel walk."
)


class Stage2Panel(VmChoice, Panel):
    """The stage 2 of one VM."""

    name: ClassVar[str] = "stage2"
    title: ClassVar[str] = "stage 2"
    keys: ClassVar[tuple[PanelKey, ...]] = NEXT_VM_KEYS

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read the map of a VM, which VM runs, and the walk of the abort at the cursor."""
        if not view.status.vms:
            return
        yield ask.Stage2Map(self.vm_of(view))
        yield ask.Vcpus()
        yield trap_of(view)
        walk = fault_walk(view)
        if walk is not None:
            yield walk

    def heading(self, view: View) -> str:
        """Name the VM."""
        return f"stage 2 of {self.vm_name(view)}" if view.status.vms else self.title

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the registers, the bar, and a line for each range."""
        if not view.status.vms:
            return nothing(_NO_VM, width, look)
        message = ask.Stage2Map(self.vm_of(view))
        found = view.get(message, Stage2Answer)
        if found is None:
            return failed(view, message, width, look) or nothing("the map was not read", width, look)
        ipa = self._fault(view)
        lines = [_registers(found, width, look), *_fault_lines(found, ipa, width, look)]
        if not found.ranges:
            text = "Nothing is mapped yet: each first access will fault to EL2, which then maps it."
            return [*lines, *nothing(text, width, look)]
        return [*lines, *_bar(found.ranges, ipa, width, look), *_rows(found, ipa, width, look)]

    def _fault(self, view: View) -> int | None:
        """Return the IPA that stage 2 refused at the cursor, if it was this VM's."""
        message, vcpus = fault_walk(view), view.get(ask.Vcpus(), VcpusAnswer)
        walk = None if message is None else view.get(message, WalkAnswer)
        if walk is None or walk.fault is None or walk.fault[2] != 2 or vcpus is None:
            return None
        running = next((one.vm for one in vcpus.vcpus if one.cpu == view.cpu), None)
        failing = walk.stage2 or walk.steps[-1].stage2
        return failing.input_address if failing is not None and running == self.vm_of(view) else None


def _registers(found: Stage2Answer, width: int, look: Look) -> Text:
    line = Text.assemble(
        ("VMID ", look.style("dim")),
        (f"{found.vttbr >> _VMID_LSB}", look.style("strong", explain="VTTBR_EL2.VMID")),
    )
    registers = (("VTTBR_EL2", found.vttbr, 16), ("VTCR_EL2", found.vtcr, 8))
    for name, value, digits in registers:
        part = Text.assemble(
            (f"  {name} ", look.style("el2", explain=name)), (number(value, digits), look.style("text"))
        )
        if line.cell_len + part.cell_len <= width:
            line.append_text(part)
    return line


def _fault_lines(found: Stage2Answer, ipa: int | None, width: int, look: Look) -> list[Text]:
    if ipa is None:
        return []
    mapped = _range_of(found.ranges, ipa)
    said = "not mapped" if mapped is None else f"mapped {_rights(mapped.words)} only"
    text = f"{look.glyphs.fault} the abort at the cursor: IPA {address_text(ipa)} is {said}"
    short = f"{look.glyphs.fault} abort: IPA {address_text(ipa)} {said}"
    return [Text(shortened(text if len(text) <= width else short, width, look), look.style("bad"))]


def _range_of(ranges: Sequence[Stage2Range], ipa: int) -> Stage2Range | None:
    return next((one for one in ranges if one.ipa <= ipa < one.ipa + one.size_bytes), None)


# --- the bar ----------------------------------------------------------------------------------------------------------


def _bar(ranges: Sequence[Stage2Range], ipa: int | None, width: int, look: Look) -> list[Text]:
    """Return the IPA space as cells, each as high as the share of it that is mapped, and its ends below."""
    low, high = _bounds(ranges, ipa)
    cells = max(width, 8)
    step = (high - low) / cells
    at = None if ipa is None else min(int((ipa - low) / step), cells - 1)
    line = Text()
    for cell, height in enumerate(_heights(ranges, low, step, cells)):
        glyph, role = (look.glyphs.blocks[height], "el1") if height else (look.glyphs.quiet, "faint")
        line.append(*((look.glyphs.fault, look.style("bad")) if cell == at else (glyph, look.style(role))))
    left, right = address_text(low), address_text(high - 1)
    return [line, Text(left.ljust(cells - len(right)) + right, look.style("dim"))]


def _bounds(ranges: Sequence[Stage2Range], ipa: int | None) -> tuple[int, int]:
    """Return the smallest block with the size of a power of two that holds all."""
    first = min([ranges[0].ipa, *([] if ipa is None else [ipa])])
    last = max([ranges[-1].ipa + ranges[-1].size_bytes - 1, *([] if ipa is None else [ipa])])
    bits = (first ^ last).bit_length()
    return first >> bits << bits, (last >> bits) + 1 << bits


def _heights(ranges: Sequence[Stage2Range], low: int, step: float, cells: int) -> list[int]:
    """Return how much of each cell is mapped, in eighths; what is not nothing is at least one."""
    mapped = [0.0] * cells
    for one in ranges:
        start, end = one.ipa - low, one.ipa + one.size_bytes - low
        for cell in range(int(start / step), min(int((end - 1) / step), cells - 1) + 1):
            mapped[cell] += min(end, (cell + 1) * step) - max(start, cell * step)
    return [min(max(round(8 * one / step), 1), 8) if one > 0 else 0 for one in mapped]


# --- the ranges -------------------------------------------------------------------------------------------------------


def _rows(found: Stage2Answer, ipa: int | None, width: int, look: Look) -> list[Text]:
    """Return a line for each range; of very many those around the fault, or the first ones."""
    at = next((n for n, one in enumerate(found.ranges) if ipa is not None and one.ipa + one.size_bytes > ipa), 0)
    first = max(at - _MOST_ROWS // 2, 0)
    shown = found.ranges[first : first + _MOST_ROWS]
    addresses = max(len(address_text(one.ipa + one.size_bytes - 1)) for one in shown)
    lines = [_row(one, ipa, addresses, width, look) for one in shown]
    left_out = len(found.ranges) - len(shown)
    if left_out or not found.is_whole:
        more = "" if found.is_whole else " at least"
        lines.append(Text(f"{look.glyphs.more}{more} {left_out:,} more ranges", look.style("dim")))
    return lines


def _row(one: Stage2Range, ipa: int | None, addresses: int, width: int, look: Look) -> Text:
    is_hit = ipa is not None and one.ipa <= ipa < one.ipa + one.size_bytes
    mark = look.glyphs.fault if is_hit else " "
    start, end = address_text(one.ipa), address_text(one.ipa + one.size_bytes - 1)
    is_wide = width >= 3 * addresses + 44
    span = f"{start:>{addresses}}-{end:<{addresses}}" if is_wide else f"{start:>{addresses}}"
    line = Text.assemble((mark, look.style("bad")), (span, look.style("bad" if is_hit else "strong")))
    line.append(f" {look.glyphs.arrow} ", look.style("dim")).append(
        f"{address_text(one.pa):<{addresses}}", look.style("text")
    )
    words = one.words.split()
    size, level = size_text(one.size_bytes), f"L{one.level}"
    columns = ((f"{_rights(one.words)}", "el1"), (f"{size:>9}", "text"), (_MEMORY.get(words[-1], words[-1]), "dim"))
    extra = ((level, "dim"), *((word, "dim") for word in _EXTRA if word in words))
    for text, role in (*columns, *extra):
        if line.cell_len + len(text) + 1 <= width:
            line.append(f" {visible(text)}", look.style(role))
    return line


def _rights(words: str) -> str:
    """Return RWX with a dash for each right that is not given."""
    given = words.split()
    return "".join(letter if letter in given else "-" for letter in "RWX")
