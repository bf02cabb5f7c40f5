"""The registers of the CPU looked at, and what the last step changed in them.

Read `timeline/process/registers.py` and `tui/view.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final, NamedTuple

from rich.text import Text

from arm_hyp.arch import pstate
from arm_hyp.arch.registers import Mode
from arm_hyp.arch.syndromes import ec_name
from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing, shortened
from arm_hyp.tui.panels.listing import place_name
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.view import Subject, View, number, registers_of

Values = Mapping[str, int | bytes]
_FLAGS: Final = {"N": pstate.PSTATE_N, "Z": pstate.PSTATE_Z, "C": pstate.PSTATE_C, "V": pstate.PSTATE_V}
_MASKS: Final = {"D": pstate.PSTATE_D, "A": pstate.PSTATE_A, "I": pstate.PSTATE_I, "F": pstate.PSTATE_F}
_RARE: Final = {"SS": pstate.PSTATE_SS, "IL": pstate.PSTATE_IL, "PAN": pstate.PSTATE_PAN, "UAO": pstate.PSTATE_UAO}
_COLUMN: Final = (*(f"X{index}" for index in range(31)), "SP")
_OF_EXCEPTION: Final = ("ELR", "SPSR", "ESR", "FAR", "HPFAR")
_NAME_CELLS: Final = 3
_GAP_CELLS: Final = 2
_SHORTEST_PLACE_CELLS: Final = 8
_SHORT_DIGITS, _LONG_DIGITS = 8, 16
_VECTOR_CELLS: Final = 44


class Cells(NamedTuple):
    """How registers are laid out: columns, their width in cells, digits of a value, and cells for its symbol."""

    columns: int
    width: int
    digits: int
    place: int


class RegistersPanel(Panel):
    """General registers on the first page, vector registers on the second."""

    name: ClassVar[str] = "registers"
    title: ClassVar[str] = "registers"
    keys: ClassVar[tuple[PanelKey, ...]] = (PanelKey("v", "toggle_vectors", "vector registers, or general ones"),)

    def __init__(self) -> None:
        self.shows_vectors = False

    def toggle_vectors(self, view: View) -> None:
        """Turn the page."""
        self.shows_vectors = not self.shows_vectors

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Ask for the general registers, then for those that an exception to the current level has written."""
        yield registers_of("general", view.whose)
        level = _level(view)
        if level:
            yield registers_of(f"el{level}", view.whose)
        if self.shows_vectors:
            yield registers_of("vector", view.whose)

    def heading(self, view: View) -> str:
        """Say whose registers these are."""
        page = "vector registers" if self.shows_vectors else self.title
        return f"{page}: {_owner(view)}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the page that the user has chosen."""
        group = "vector" if self.shows_vectors else "general"
        if not view.registers(group):
            message = registers_of(group, view.whose)
            return failed(view, message, width, look) or nothing("The registers are not known yet.", width, look)
        if self.shows_vectors:
            return _vectors(view, width, look)
        top = _state_lines(view, width, look)
        end = _exception_lines(view, width, look)
        return [*top, *_general(view, width, height - len(top) - len(end), look), *end]


def _owner(view: View) -> str:
    if view.whose.vm is None:
        return f"CPU {view.whose.index}"
    names = view.status.vms
    name = names[view.whose.vm] if view.whose.vm < len(names) else f"VM {view.whose.vm}"
    return f"{name} vCPU {view.whose.index}"


def _level(view: View) -> int:
    return pstate.el_of(int(view.registers("general").get("PSTATE", 0)))


def _has_changed(name: str, values: Values, before: Values) -> bool:
    return name in before and before[name] != values[name]


# --- where it is ------------------------------------------------------------------------------------------------------


def _state_lines(view: View, width: int, look: Look) -> list[Text]:
    """Return PC with its symbol and PSTATE part by part: in one line if there is room."""
    values, before = view.registers("general"), view.registers_before("general")
    pc, state = int(values["PC"]), int(values["PSTATE"])
    line = Text.assemble(("PC ", look.style("title", explain="PC")), _mark("PC", values, before, look))
    line.append(number(pc, _SHORT_DIGITS if pc >> 32 == 0 else _LONG_DIGITS), look.style("strong"))
    place = place_name(view.subject.symbols, pc)
    line.append(f"  {shortened(place, max(width - line.cell_len - 2, 0), look)}" if place else "", look.style("code"))
    flags = state_text(state, int(before.get("PSTATE", state)), look)
    if line.cell_len + _GAP_CELLS + flags.cell_len <= width:
        return [line.append("  ").append_text(flags)]
    return [line, flags]


def state_text(state: int, before: int, look: Look) -> Text:
    """Return PSTATE in words: a capital for each bit that is 1; what has changed is marked."""
    changed = state ^ before
    level = pstate.el_of(state)
    text = Text()
    is_moved = bool(changed & pstate.PSTATE_M)
    text.append(_mode(state), look.style("changed" if is_moved else f"el{level}", explain="PSTATE.M"))
    text.append(look.glyphs.changed if is_moved else " ", look.style("changed"))
    text.append_text(_bits(_FLAGS, state, changed, look)).append(" ")
    text.append_text(_bits(_MASKS, state, changed, look))
    for name, mask in _RARE.items():
        if state & mask:
            text.append(f" {name}", look.style("changed" if changed & mask else "on", explain=f"PSTATE.{name}"))
    return text


def _mode(state: int) -> str:
    try:
        return Mode(state & pstate.PSTATE_M).name
    except ValueError:
        return f"M={state & pstate.PSTATE_M:#x}"


def _bits(names: Mapping[str, int], state: int, changed: int, look: Look) -> Text:
    text = Text()
    for name, mask in names.items():
        role = "changed" if changed & mask else "on" if state & mask else "off"
        text.append(name if state & mask else name.lower(), look.style(role, explain=f"PSTATE.{name}"))
    has_changed = any(changed & mask for mask in names.values())
    return text.append(look.glyphs.changed if has_changed else " ", look.style("changed"))


def _mark(name: str, values: Values, before: Values, look: Look) -> Text:
    return Text(look.glyphs.changed, look.style("changed")) if _has_changed(name, values, before) else Text(" ")


# --- general registers ------------------------------------------------------------------------------------------------


def _general(view: View, width: int, height: int, look: Look) -> list[Text]:
    """Return X0 to X30 and SP in columns, from top to bottom."""
    values, before = view.registers("general"), view.registers_before("general")
    cells = _layout([int(values[name]) for name in _COLUMN], width, height)
    rows = -(-len(_COLUMN) // cells.columns)
    lines = []
    for row in range(rows):
        line = Text()
        for name in _COLUMN[row::rows]:
            cell = _register(name, values, before, view.subject, cells, look)
            line.append_text(cell).append(" " * (cells.width - cell.cell_len))
        line.rstrip()
        lines.append(line)
    return lines


def _layout(values: list[int], width: int, height: int) -> Cells:
    """Choose as few columns as show all registers at once, so that symbols have room; else as many as there can be."""
    digits = _SHORT_DIGITS if max(values) >> 32 == 0 else _LONG_DIGITS
    least = _NAME_CELLS + 1 + digits + digits // 4 - 1
    most = max((width + _GAP_CELLS) // (least + _GAP_CELLS), 1)
    needed = -(-len(values) // max(height, 1))
    columns = min(max(needed, 1), most)
    each = (width + _GAP_CELLS) // columns
    place = each - least - 1 - _GAP_CELLS
    return Cells(columns, each, digits, place if place >= _SHORTEST_PLACE_CELLS else 0)


def _register(name: str, values: Values, before: Values, subject: Subject, cells: Cells, look: Look) -> Text:
    value = int(values[name])
    role = "changed" if _has_changed(name, values, before) else "text" if value else "off"
    text = Text.assemble(
        (name.ljust(_NAME_CELLS), look.style("title", explain=name)), _mark(name, values, before, look)
    )
    written = number(value, cells.digits)
    text.append(written if value else "0".rjust(len(written)), look.style(role))
    place = place_name(subject.symbols, value) if cells.place and value else ""
    return text.append(f" {shortened(place, cells.place, look)}", look.style("dim")) if place else text


# --- what an exception has written ------------------------------------------------------------------------------------


def _exception_lines(view: View, width: int, look: Look) -> list[Text]:
    """Return what an exception to the current level writes, in as many lines as it takes."""
    level = _level(view)
    values, before = (view.registers(f"el{level}"), view.registers_before(f"el{level}")) if level else ({}, {})
    lines: list[Text] = []
    for name in (f"{stem}_EL{level}" for stem in _OF_EXCEPTION if f"{stem}_EL{level}" in values):
        item = _exception_item(name, values, before, view.subject, look)
        if lines and lines[-1].cell_len + _GAP_CELLS + item.cell_len <= width:
            lines[-1].append(" " * _GAP_CELLS).append_text(item)
        else:
            item.truncate(width)
            lines.append(item)
    return lines


def _exception_item(name: str, values: Values, before: Values, subject: Subject, look: Look) -> Text:
    value = int(values[name])
    role = "changed" if _has_changed(name, values, before) else "text" if value else "off"
    text = Text.assemble((f"{name} ", look.style("title", explain=name)), _mark(name, values, before, look))
    text.append(number(value, _SHORT_DIGITS if value >> 32 == 0 else _LONG_DIGITS), look.style(role))
    words = _exception_words(name, value, subject)
    return text.append(f" {words}", look.style("dim")) if words else text


def _exception_words(name: str, value: int, subject: Subject) -> str:
    if name.startswith("ESR"):
        return ec_name(value >> 26 & 0x3F) if value else ""
    if name.startswith("SPSR"):
        return _mode(value)
    return place_name(subject.symbols, value) if name.startswith("ELR") and value else ""


# --- vector registers -------------------------------------------------------------------------------------------------


def _vectors(view: View, width: int, look: Look) -> list[Text]:
    values, before = view.registers("vector"), view.registers_before("vector")
    return list(_vector_lines(values, before, width, look))


def _vector_lines(values: Values, before: Values, width: int, look: Look) -> Iterator[Text]:
    status = Text()
    for name in ("FPCR", "FPSR"):
        if name in values:
            status.append(f"{name} ", look.style("title", explain=name)).append_text(_mark(name, values, before, look))
            status.append(number(int(values[name]), _SHORT_DIGITS), look.style("text")).append("  ")
    status.rstrip()
    yield status
    for name, value in values.items():
        if isinstance(value, bytes):
            yield _vector(name, value, _mark(name, values, before, look), width, look)


def _vector(name: str, value: bytes, mark: Text, width: int, look: Look) -> Text:
    whole = int.from_bytes(value, "little")
    digits = number(whole, 32) if width >= _VECTOR_CELLS else f"{whole:032x}"
    digits = digits if whole else "0".rjust(len(digits))
    role = "changed" if mark.plain.strip() else "text" if whole else "off"
    return Text.assemble((name.ljust(_NAME_CELLS), look.style("title", explain=name)), mark, (digits, look.style(role)))
