"""The panel `memory`: bytes from an address on, by virtual address, IPA or physical address; what changed is marked.

Read `tui/panels/memory_rows.py` and `tui/panels/addresses.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Literal

from rich.text import Text

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import MemoryAnswer
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.addresses import guest_of, name_of, parse_address
from arm_hyp.tui.panels.drawing import failed, nothing, visible
from arm_hyp.tui.panels.memory_rows import Window, row_of, shape_for
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.view import View, number, registers_of

Space = Literal["va", "ipa", "pa"]
_SPACES: Final[tuple[Space, ...]] = ("va", "ipa", "pa")
_NAMES: Final = {"va": "VA", "ipa": "IPA", "pa": "PA"}
_READ_BYTES: Final = 1024
_ALIGNMENT: Final = 16
_M64: Final = (1 << 64) - 1


class MemoryPanel(Panel):
    """A piece of memory, from where its user wants it; at first from the stack pointer on."""

    name: ClassVar[str] = "memory"
    title: ClassVar[str] = "memory"
    keys: ClassVar[tuple[PanelKey, ...]] = (
        PanelKey("a", "ask", "another address"),
        PanelKey("m", "next_space", "VA, IPA, PA"),
        PanelKey("up", "row_up", "a line up"),
        PanelKey("down", "row_down", "a line down"),
        PanelKey("[", "page_up", "a page up"),
        PanelKey("]", "page_down", "a page down"),
    )
    question: ClassVar[str] = "show memory from (address or symbol)"

    def __init__(self) -> None:
        self._space: Space = "va"
        self._selected: int | None = None
        self._top = 0
        self._row_bytes, self._page_bytes = _ALIGNMENT, 8 * _ALIGNMENT

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read the stack pointer, which vCPU a CPU runs, then the memory."""
        if view.status.vms:
            yield ask.Vcpus()
        yield registers_of("general", guest_of(view))
        yield self._message(view)

    def heading(self, view: View) -> str:
        """Name the kind of address, and whose it is."""
        whose = "" if self._space == "pa" else f" of {name_of(self._whose(view), view)}"
        return f"memory by {_NAMES[self._space]}{whose}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw what is chosen, then rows from the top on."""
        message = self._message(view)
        found = view.get(message, MemoryAnswer)
        if found is None:
            return failed(view, message, width, look) or nothing("the memory was not read", width, look)
        selected = self._chosen(view)
        window = Window(found.address, found.data, _changes(view, message, found), selected)
        shape = shape_for(window, width)
        head = _values(window, self._space, view, width, look)
        rows = max(height - len(head), 1)
        self._row_bytes, self._page_bytes = shape.row_bytes, shape.row_bytes * rows
        shown = range(0, min(len(found.data), self._page_bytes), shape.row_bytes)
        lines = [*head, *(row_of(window, offset, shape, look) for offset in shown)]
        if len(found.data) < min(self._page_bytes, _READ_BYTES):
            end = number(found.address + len(found.data) & _M64)
            lines += nothing(f"nothing can be read from {end} on", width, look)
        return lines

    def answer(self, text: str, view: View) -> None:
        """Take an address from the user. Raises: UserError."""
        self._go(parse_address(text, view))
        self._top = (self._selected or 0) & -_ALIGNMENT

    def next_space(self, view: View) -> None:
        """Take the address for another kind: VA, IPA where there are VMs, PA."""
        known = [one for one in _SPACES if one != "ipa" or view.status.vms]
        self._space = known[(known.index(self._space) + 1) % len(known)] if self._space in known else "va"

    def row_up(self, view: View) -> None:
        """Choose the byte a line above."""
        self._go(self._chosen(view) - self._row_bytes)

    def row_down(self, view: View) -> None:
        """Choose the byte a line below."""
        self._go(self._chosen(view) + self._row_bytes)

    def page_up(self, view: View) -> None:
        """Choose the byte a page above."""
        self._go(self._chosen(view) - self._page_bytes)

    def page_down(self, view: View) -> None:
        """Choose the byte a page below."""
        self._go(self._chosen(view) + self._page_bytes)

    def click(self, meta: dict[str, Any], view: View) -> bool:
        """Choose a byte."""
        if "at" in meta:
            self._go(int(meta["at"]))
        return "at" in meta

    def _go(self, address: int) -> None:
        """Choose a byte, and bring it into sight."""
        self._selected = min(max(address, 0), _M64)
        if not self._top <= self._selected < self._top + self._page_bytes:
            is_above = self._selected < self._top
            top = self._selected if is_above else self._selected - self._page_bytes + self._row_bytes
            self._top = max(top, 0) & -_ALIGNMENT

    def _chosen(self, view: View) -> int:
        """Return the chosen byte; until there is one, SP, or PC where SP is 0."""
        if self._selected is None:
            registers = view.registers("general", guest_of(view))
            address = int(registers.get("SP", 0)) or int(registers.get("PC", 0))
            self._top = address & -_ALIGNMENT
            return address
        return self._selected

    def _message(self, view: View) -> ask.Memory:
        self._chosen(view)
        size_bytes = min(_READ_BYTES, (1 << 64) - self._top)
        return ask.Memory(self._top, size_bytes, self._space, self._whose(view))

    def _whose(self, view: View) -> ask.Whose:
        """Return whose addresses they are."""
        return ask.CPU0 if self._space == "pa" else guest_of(view)


def _changes(view: View, message: ask.Memory, found: MemoryAnswer) -> frozenset[int]:
    """Return the addresses of bytes that are other ones than in the last view."""
    last = view.before.get(message)
    if not isinstance(last, MemoryAnswer) or last.data == found.data:
        return frozenset()
    pairs = enumerate(zip(last.data, found.data, strict=False))
    return frozenset(found.address + offset for offset, (old, new) in pairs if old != new)


def _values(window: Window, space: Space, view: View, width: int, look: Look) -> list[Text]:
    """Return what lies at the chosen address: its name, and the word and doubleword that it is in."""
    symbols = view.subject.symbols
    line = Text.assemble(
        (f"{_NAMES[space]} ", look.style("title", explain=_NAMES[space])),
        (number(window.selected), look.style("strong")),
    )
    symbol = visible(symbols.describe(window.selected)) if space == "va" else ""
    if symbol and line.cell_len + len(symbol) + 1 <= width:
        line.append(f" {symbol}", look.style("code"))
    parts = [
        (f"{name} {number(value, 2 * size)}", value)
        for name, size in (("word", 4), ("doubleword", 8))
        if (value := _value(window, size)) is not None
    ]
    text = "  ".join(part for part, _ in parts)
    fitting = text if len(text) <= width else parts[-1][0]
    if not parts or len(fitting) > width:
        return [line]
    values = Text.assemble((fitting, look.style("text")))
    target = visible(symbols.describe(parts[-1][1])) if space == "va" else ""
    if target and values.cell_len + len(target) + 3 <= width:
        values.append(f" {look.glyphs.arrow} {target}", look.style("code"))
    return [line, values]


def _value(window: Window, size_bytes: int) -> int | None:
    """Return the aligned little-endian value that the chosen byte is in, if all of it was read."""
    offset = (window.selected & -size_bytes) - window.address
    piece = window.data[offset : offset + size_bytes] if offset >= 0 else b""
    return int.from_bytes(piece, "little") if len(piece) == size_bytes else None
