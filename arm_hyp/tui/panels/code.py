"""The code around the PC, or around the instruction that trapped: labels, instructions, the lines they come from.

Read `panels/listing.py` and `panels/instruction.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

from rich.text import Text

from arm_hyp.arch import pstate
from arm_hyp.arch.syndromes import EC
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ExceptionRow, ExceptionsAnswer, MemoryAnswer, WalkAnswer
from arm_hyp.tui.frames import fitted
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing
from arm_hyp.tui.panels.instruction import instruction_text, styled, styled_cells
from arm_hyp.tui.panels.listing import Row, interleaved, place_name, remark, rows_of, window
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.places import Sought
from arm_hyp.tui.view import Subject, View, number, registers_of

_CALLS: Final = frozenset({EC.SVC64, EC.HVC64})
_KINDS: Final = ("synchronous", "IRQ", "FIQ", "SError")
_FROM: Final = ("this level, on SP_EL0", "this level", "a lower level", "a lower level in AArch32")
_INSTRUCTION_BYTES: Final = 4
_REMARKS_FROM_CELLS: Final = 64
_INSTRUCTION_CELLS: Final = 30
_GUTTER_CELLS: Final = 3


class Focus(NamedTuple):
    """What the listing is about: an address, and at which level it is translated; None is where the CPU is."""

    address: int
    el: int | None = None


class Marks(NamedTuple):
    """What is marked in the listing, by address. `traps` have the position to go to."""

    pc: int | None
    origin: int | None
    selected: int | None
    breakpoints: frozenset[int]
    traps: dict[int, tuple[int, int]]

    @property
    def addresses(self) -> frozenset[int | None]:
        """All addresses with a mark."""
        return frozenset({self.pc, self.origin, self.selected, *self.breakpoints, *self.traps})


class CodePanel(Panel):
    """Follows the PC. The user may select a line, look where an exception came from, and see whole lines of source."""

    name: ClassVar[str] = "code"
    title: ClassVar[str] = "code"
    keys: ClassVar[tuple[PanelKey, ...]] = (
        PanelKey("up", "up", "select the instruction above"),
        PanelKey("down", "down", "select the instruction below"),
        PanelKey("o", "toggle_origin", "at a trap: the vector that was entered, or what trapped"),
        PanelKey("s", "toggle_source", "lines of source between the instructions"),
    )

    def __init__(self) -> None:
        self.wants_origin, self.shows_source = True, False
        self.chosen_address: int | None = None
        """What a breakpoint would be set at: the line that is selected, or that of the PC."""
        self._selected: tuple[int, Focus] | None = None
        self._rows: tuple[object, tuple[Row, ...]] = (None, ())
        self._digits = 16
        self._drawn: tuple[tuple[Row, ...], object, tuple[Text, ...]] = ((), None, ())

    # --- what the user chooses ---------------------------------------------------------------------------------------

    def toggle_origin(self, view: View) -> None:
        """Change between the place where the CPU is and the one that the last exception came from."""
        self.wants_origin, self._selected = not self.wants_origin, None

    def toggle_source(self, view: View) -> None:
        """Show each line of source in a row of its own, or not."""
        self.shows_source = not self.shows_source

    def up(self, view: View) -> None:
        """Select the instruction above."""
        self._select(view, -_INSTRUCTION_BYTES)

    def down(self, view: View) -> None:
        """Select the instruction below."""
        self._select(view, _INSTRUCTION_BYTES)

    def _select(self, view: View, distance: int) -> None:
        focus = focus_of(view, wants_origin=self.wants_origin)
        if focus is not None:
            self._selected = (self.address(view) or 0) + distance & (1 << 64) - 1, focus
            self.chosen_address = self._selected[0]

    def address(self, view: View) -> int | None:
        """Return the address that is selected, or else that of the instruction that the listing is about."""
        focus = focus_of(view, wants_origin=self.wants_origin)
        if focus is None:
            return None
        return self._selected[0] if self._selected is not None and self._selected[1] == focus else focus.address

    def click(self, meta: dict[str, Any], view: View) -> bool:
        """Select the line whose address was clicked on."""
        focus = focus_of(view, wants_origin=self.wants_origin)
        if focus is None or "line" not in meta:
            return False
        self.chosen_address = int(meta["line"])
        self._selected = self.chosen_address, focus
        return True

    # --- what is read ------------------------------------------------------------------------------------------------

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Ask for the registers, then for memory around the PC; for a place in another regime, through a walk."""
        yield registers_of("general", view.whose)
        self.chosen_address = self.address(view)
        focus = focus_of(view, wants_origin=self.wants_origin)
        if focus is not None and focus.el is not None:
            yield from _walks_to(focus, view)
        yield from (message for _, message in self._readings(view, focus))

    def _readings(self, view: View, focus: Focus | None) -> list[tuple[int, ask.Memory]]:
        """Return stretches of the listing by virtual address, with the message that reads each."""
        address = self.address(view)
        if focus is None or address is None:
            return []
        stretches = window(address)
        if focus.el is None:
            return [(start, ask.Memory(start, size, "va", view.whose)) for start, size in stretches]
        walks = [view.get(message, WalkAnswer) for message in _walks_to(focus, view)]
        pa = next((pa for walk in walks if walk is not None and (pa := _pa_of(walk)) is not None), None)
        if pa is None:
            return []
        distance = pa - focus.address
        page = focus.address >> 12
        return [(start, ask.Memory(start + distance, size)) for start, size in stretches if start >> 12 == page]

    def _listing(self, view: View) -> tuple[Row, ...]:
        focus = focus_of(view, wants_origin=self.wants_origin)
        answers = [(start, view.get(message, MemoryAnswer)) for start, message in self._readings(view, focus)]
        pieces = tuple((start, answer.data) for start, answer in answers if answer is not None and answer.data)
        if not pieces and focus is not None and view.trap is not None and focus.address == view.trap.pc:
            word = view.trap.instruction  # what cannot be read any more was kept with the exception
            pieces = () if word is None else ((focus.address, word.to_bytes(4, "little")),)
        key = (pieces, self.shows_source)
        if self._rows[0] != (key, id(view.subject)):
            rows = rows_of(pieces, view.subject.symbols, view.subject.sources)
            self._rows = ((key, id(view.subject)), tuple(interleaved(rows)) if self.shows_source else rows)
        return self._rows[1]

    # --- what is drawn -----------------------------------------------------------------------------------------------

    def heading(self, view: View) -> str:
        """Say which place this is, and whether the CPU is there or was."""
        focus = focus_of(view, wants_origin=self.wants_origin)
        if focus is None or (is_python_here(view) and view.trap is None):
            return self.title
        place = place_name(view.subject.symbols, focus.address) or _address_text(focus.address)
        if has_origin(view, wants_origin=self.wants_origin):
            return f"code: {place}, what trapped"
        is_vector = view.is_at_trap and view.trap is not None and view.trap.vector == focus.address
        return f"code: {place}, {vector_words(focus.address)}" if is_vector else f"code: {place}"

    def anchor(self, view: View) -> int | None:
        """Return the row that is selected, or that of the PC."""
        wanted = self.address(view)
        return next(
            (i for i, row in enumerate(self._listing(view)) if row.address == wanted and row.word is not None), 0
        )

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the listing."""
        rows = self._listing(view)
        if not rows:
            return self._why_empty(view, width, look)
        drawn = self._unmarked(rows, view.subject, width, look)
        marks = self._marks(view)
        marked = marks.addresses
        lines = list(drawn)
        for index, row in enumerate(rows):
            if row.word is not None and row.address in marked:
                lines[index] = _marked(drawn[index], row, marks, self._end_of(row, view), width, look)
        return lines

    def _end_of(self, row: Row, view: View) -> int:
        """Return the column behind an instruction."""
        text = instruction_text(row.word or 0, row.address, view.subject.symbols)
        return _GUTTER_CELLS + self._digits + self._digits // 4 + 1 + styled_cells(text)

    def _unmarked(self, rows: tuple[Row, ...], subject: Subject, width: int, look: Look) -> tuple[Text, ...]:
        """Return the rows as lines without marks. They are kept: most stay as they are from step to step."""
        if self._drawn[0] is not rows or self._drawn[1] != (width, look):
            self._digits = 8 if rows[-1].address >> 32 == 0 else 16
            lines = tuple(_line(row, subject.symbols, width, self._digits, look) for row in rows)
            self._drawn = rows, (width, look), lines
        return self._drawn[2]

    def _marks(self, view: View) -> Marks:
        focus = focus_of(view, wants_origin=self.wants_origin)
        pc = view.registers("general").get("PC")
        origin = view.trap.pc if view.trap is not None and (view.is_at_trap or is_python_here(view)) else None
        selected = self.address(view)
        return Marks(
            pc=pc if isinstance(pc, int) and not is_python_here(view) else None,
            origin=origin,
            selected=None if focus is None or selected == focus.address else selected,
            breakpoints=breakpoints_of(view),
            traps=traps_of(view),
        )

    def _why_empty(self, view: View, width: int, look: Look) -> list[Text]:
        focus = focus_of(view, wants_origin=self.wants_origin)
        if focus is None:
            return failed(view, registers_of("general", view.whose), width, look) or nothing(
                "The PC is not known yet.", width, look
            )
        if is_python_here(view) and view.trap is None:
            return nothing("The hypervisor at EL2 is Python: it has no instructions to show.", width, look)
        for _, message in self._readings(view, focus):
            if view.failure(message) is not None:
                return failed(view, message, width, look)
        return nothing(
            f"No memory is mapped at {_address_text(focus.address)} here, so there is no code to show. "
            "o shows the other side of an exception; one step back leads to where the code came from.",
            width,
            look,
        )


# --- where to look ----------------------------------------------------------------------------------------------------


def is_python_here(view: View) -> bool:
    """Tell whether the CPU looked at is at EL2 with Python there: then there is no code of EL2 to show."""
    state = view.registers("general").get("PSTATE", 0)
    return bool(view.status.vms) and view.whose.vm is None and pstate.el_of(int(state)) == 2


def has_origin(view: View, *, wants_origin: bool) -> bool:
    """Tell whether the listing is about where the last exception came from, and not about where the CPU is."""
    return view.trap is not None and (is_python_here(view) or (wants_origin and view.is_at_trap))


def vector_words(address: int) -> str:
    """Say which exceptions come to an entry of a vector table. Ref: Arm ARM D1.3.2, exception vectors."""
    return f"{_KINDS[address >> 7 & 3]} from {_FROM[address >> 9 & 3]}"


def focus_of(view: View, *, wants_origin: bool) -> Focus | None:
    """Return what the listing is about: the PC, or where the last exception came from."""
    trap, pc = view.trap, view.registers("general").get("PC")
    if trap is not None and has_origin(view, wants_origin=wants_origin):
        is_same = view.whose.vm is not None or trap.from_el == trap.to_el
        return Focus(trap.pc, None if is_same else trap.from_el)
    return Focus(pc) if isinstance(pc, int) else None


def _walks_to(focus: Focus, view: View) -> Iterator[ask.Walk]:
    """Give the walks that lead to a place: as it is fetched, and where that fails as it is read."""
    fetched = ask.Walk(focus.address, "fetch", focus.el, view.whose)
    yield fetched
    found = view.get(fetched, WalkAnswer)
    if found is not None and _pa_of(found) is None:
        yield ask.Walk(focus.address, "read", focus.el, view.whose)


def _pa_of(walk: WalkAnswer) -> int | None:
    return walk.pa if walk.stage2 is None else walk.stage2.pa


def breakpoints_of(view: View) -> frozenset[int]:
    """Return the addresses of the user's breakpoints; conditions have none."""
    return _addresses(view.status.breakpoints, _Known(view))


class _Known:
    """A view by what breakpoints depend on: symbols, which never change in a run."""

    def __init__(self, view: View) -> None:
        self.view = view

    def __hash__(self) -> int:
        return id(self.view.subject)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.view.subject is self.view.subject


@lru_cache(maxsize=8)
def _addresses(texts: tuple[str, ...], known: _Known) -> frozenset[int]:
    found: set[int] = set()
    for text in texts:
        try:
            found.update(one.place for one in Sought.parse(text, known.view).breakpoints if isinstance(one.place, int))
        except UserError:
            continue
    return frozenset(found)


def traps_of(view: View) -> dict[int, tuple[int, int]]:
    """Return addresses at which synchronous exceptions were taken, as far as they were read, with their positions."""
    rows = [row for answer in view.answers.values() if isinstance(answer, ExceptionsAnswer) for row in answer.rows]
    return {
        _pc_of(row): (row.position.n, row.position.seq)
        for row in rows
        if row.kind == "sync" and row.position <= view.position
    }


def _pc_of(row: ExceptionRow) -> int:
    is_call = row.esr is not None and row.esr >> 26 in _CALLS
    return row.elr - _INSTRUCTION_BYTES * is_call


# --- lines ------------------------------------------------------------------------------------------------------------


def _address_text(address: int) -> str:
    return number(address, 8 if address >> 32 == 0 else 16)


def _line(row: Row, symbols: SymbolTable, width: int, digits: int, look: Look) -> Text:
    if row.word is None:
        return fitted_cut(_heading_line(row, look), width, look)
    text = instruction_text(row.word, row.address, symbols)
    line = Text(" " * _GUTTER_CELLS)
    line.append(number(row.address, digits), look.style("dim", line=row.address)).append("  ")
    column = line.cell_len + _INSTRUCTION_CELLS
    line.append_text(styled(text, look))
    told = remark(row, text) if width >= _REMARKS_FROM_CELLS and row.source else ""
    if told:
        line.append(" " * max(column - line.cell_len, 3)).append(told, look.style("comment"))
    return fitted_cut(line, width, look)


def _heading_line(row: Row, look: Look) -> Text:
    if not row.place:
        return Text(f"{row.text}:", look.style("title"))
    return Text.assemble("      ", (row.text, look.style("comment")), ("  " + row.place, look.style("faint")))


def _marked(line: Text, row: Row, marks: Marks, end: int, width: int, look: Look) -> Text:
    """Return a line with the marks in its gutter; that of the PC is tinted, with an arrow behind the instruction."""
    line = Text.assemble(_gutter(row.address, marks, look), line[_GUTTER_CELLS:])
    if row.address == marks.pc:
        end = min(end, width - 2)
        line = Text.assemble(line[:end], (f" {look.glyphs.here}", look.style("key")), line[end + 2 :])
        line = fitted(line, width, look)
        line.stylize(look.style("cursor"))
    return line


def _gutter(address: int, marks: Marks, look: Look) -> Text:
    glyphs = look.glyphs
    line = Text()
    line.append(glyphs.arrow if address == marks.selected else " ", look.style("key"))
    line.append(glyphs.dot if address in marks.breakpoints else " ", look.style("bad"))
    return line.append_text(_trap_mark(address, marks, look))


def _trap_mark(address: int, marks: Marks, look: Look) -> Text:
    if address == marks.origin:
        return Text(look.glyphs.up, look.style("trap"))
    if address in marks.traps:
        return Text(look.glyphs.up, look.style("dim", go=marks.traps[address]))
    return Text(" ")


def fitted_cut(line: Text, width: int, look: Look) -> Text:
    """Return a line cut to `width` cells, with a mark where it was cut; a shorter one as it is."""
    return fitted(line, width, look) if line.cell_len > width else line
