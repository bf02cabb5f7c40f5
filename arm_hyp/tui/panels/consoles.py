"""The panel `consoles`: what a guest has printed up to the cursor; a click leads to the instruction that printed.

Read `tui/panels/terminal_text.py` before this file. Only the end of a long output is read. Lines are kept as they were
drawn, because most of them are the same in the next view.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.style import Style
from rich.text import Span, Text

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ConsoleAnswer
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing, visible
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.panels.terminal_text import Cell, cells_of
from arm_hyp.tui.panels.vm_choice import NEXT_VM_KEYS, VmChoice
from arm_hyp.tui.view import View

_SHORT_BYTES: Final = 4 << 10
_LONG_BYTES: Final = 60 << 10
_STEP_BYTES: Final = 4 << 10
"""The beginning of what is read moves in such steps, so that it is mostly the same from view to view."""


_TOGETHER: Final = range(2, 5)
"""So many VMs are shown one above the other, where each has room for `_LEAST_SHARE` lines."""
_LEAST_SHARE: Final = 6


class ConsolesPanel(VmChoice, Panel):
    """The output of one guest, or of some."""

    name: ClassVar[str] = "consoles"
    title: ClassVar[str] = "console"
    keys: ClassVar[tuple[PanelKey, ...]] = (*NEXT_VM_KEYS, PanelKey("o", "show_older", "more of the older output"))

    def __init__(self) -> None:
        self._bytes = _SHORT_BYTES
        self._last_line: int | None = None

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read the end of what was printed; of several VMs that of each, if they are few."""
        yield self._message(view, self.vm_of(view))
        if len(view.status.vms) in _TOGETHER:
            yield from (self._message(view, vm) for vm in range(len(view.status.vms)))

    def heading(self, view: View) -> str:
        """Name the VM."""
        return f"{self.title} of {self.vm_name(view)}" if view.status.vms else self.title

    def show_older(self, view: View) -> None:
        """Read more of the output, or only its end again."""
        self._bytes = _LONG_BYTES if self._bytes == _SHORT_BYTES else _SHORT_BYTES

    def anchor(self, view: View) -> int | None:
        """Keep the last line in sight."""
        return self._last_line

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the output; lines that are too long go on in the next one. Few VMs share the room."""
        count = len(view.status.vms)
        if count in _TOGETHER and height // count >= _LEAST_SHARE:
            self._last_line = None
            return [
                line for vm in range(count) for line in self._shared(view, vm, width, height // count - (vm > 0), look)
            ]
        lines = self._lines_of(view, self.vm_of(view), width, look)
        self._last_line = max(len(lines) - 1, 0)
        return lines

    def _shared(self, view: View, vm: int, width: int, height: int, look: Look) -> Iterator[Text]:
        """Give the end of one VM's output under its name, `height` lines, and before it an empty one but for the first.

        The one that is chosen, which Enter types to, is marked.
        """
        if vm:
            yield Text()
        is_chosen = vm == self.vm_of(view)
        mark = f"{look.glyphs.live if is_chosen else ' '} {visible(view.status.vms[vm])}"
        yield Text(mark, look.style("focus" if is_chosen else "title"))
        lines = self._lines_of(view, vm, width, look)[-(height - 1) :]
        yield from (*lines, *[Text()] * (height - 1 - len(lines)))

    def _lines_of(self, view: View, vm: int, width: int, look: Look) -> list[Text]:
        message = self._message(view, vm)
        found = view.get(message, ConsoleAnswer)
        if found is None:
            return failed(view, message, width, look) or nothing("the console was not read", width, look)
        lines = list(_rows(found, vm, max(width, 4), look))
        if message.start:
            lines.insert(0, Text(f"{look.glyphs.more} {message.start:,} bytes before this", look.style("dim")))
        return lines or nothing(
            "Nothing was printed up to here. Go on with Space; Enter types to the guest.", width, look
        )

    def _message(self, view: View, vm: int) -> ask.Console:
        printed = view.status.consoles[vm] if vm < len(view.status.consoles) else 0
        before = max(printed - self._bytes, 0)
        return ask.Console(vm, before // _STEP_BYTES * _STEP_BYTES)


def _rows(found: ConsoleAnswer, vm: int, width: int, look: Look) -> Iterator[Text]:
    data = b"".join(chunk.data for chunk in found.chunks)
    cut = data.find(b"\n") + 1 if found.start else 0  # of a line that began before, the rest is left out
    data, offset = data[cut:], found.start + cut
    *whole, last = data.split(b"\n")
    for line in [*whole, last] if last else whole:
        yield from _drawn(line.removesuffix(b"\r"), offset, vm, width, look)
        offset += len(line) + 1


@lru_cache(maxsize=4096)
def _drawn(line: bytes, offset: int, vm: int, width: int, look: Look) -> tuple[Text, ...]:
    """Return the rows of one line of output."""
    rows, row, used = [], list[Cell](), 0
    for cell in cells_of(line, offset):
        cells = cell_len(cell.text)
        if used + cells > width:
            rows.append(row)
            row, used = [], 0
        row.append(cell)
        used += cells
    return tuple(_row(each, vm, look) for each in (*rows, row))


def _row(cells: list[Cell], vm: int, look: Look) -> Text:
    dim, spans, end = look.style("dim"), list[Span](), 0
    for cell in cells:
        begin, end = end, end + len(cell.text)
        spans.append(Span(begin, end, Style.from_meta({"printed": (vm, cell.offset)})))
        if cell.is_stand_in:
            spans.append(Span(begin, end, dim))
    return Text("".join(cell.text for cell in cells), look.style("text"), end="", spans=spans)
