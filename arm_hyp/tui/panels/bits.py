"""System registers bit by bit: the bit that decides the trap at the cursor glows, and the chosen one explains itself.

Read `arch/registers/` and `panels/bit_grid.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

from rich.text import Text

from arm_hyp.arch import id_policy
from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.control_bits import HCR_E2H
from arm_hyp.arch.registers import layout_of
from arm_hyp.cpu.controls import HCR_BITS, HCR_FEATURE_BITS
from arm_hyp.errors import UserError
from arm_hyp.explain.bits import summarize_bit
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.messages import Whose
from arm_hyp.tui.frames import fitted
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.bit_grid import Grid, Shown, layout, value_text
from arm_hyp.tui.panels.drawing import failed, nothing
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.text import flowed
from arm_hyp.tui.view import View, number, registers_of

GROUPS: Final = {
    "HCR_EL2": "el2", "SCTLR_EL1": "el1", "CPTR_EL2": "el2", "MDCR_EL2": "debug", "CNTHCTL_EL2": "timers",
    "VTCR_EL2": "el2", "VTTBR_EL2": "el2", "TCR_EL1": "el1", "ESR_EL2": "el2", "SPSR_EL2": "el2", "PSTATE": "general",
    "ESR_EL1": "el1", "SPSR_EL1": "el1", "CPACR_EL1": "el1", "CNTKCTL_EL1": "timers", "MDSCR_EL1": "debug",
    "PMUSERENR_EL0": "pmu", "HSTR_EL2": "el2", "SCTLR_EL2": "el2", "TCR_EL2": "el2", "HCRX_EL2": "el2",
    "HFGRTR_EL2": "el2", "HFGWTR_EL2": "el2", "HFGITR_EL2": "el2", "HDFGRTR_EL2": "el2", "HDFGWTR_EL2": "el2",
    "ICH_HCR_EL2": "gic", "ICC_SRE_EL2": "gic", "ICC_SRE_EL1": "gic",
}  # fmt: skip
"""The registers that can be shown, in the order of `[` and `]`, with the group that they are read with."""
_IMPORTANT: Final = {
    "HCR_EL2": frozenset(["VM", "IMO", "FMO", "AMO", "TWI", "TWE", "TSC", "TVM", "TGE", "E2H", "TID3", "TTLB", "RW"]),
    "SCTLR_EL1": frozenset(["M", "C", "I", "A", "WXN", "nTWI", "nTWE", "UCI", "UCT", "SPAN"]),
}
_FLAT: Final = 10
"""So many lines are few: one of them explains, not more."""
_ROOM_FOR_MEANINGS: Final = 3


class Reading(NamedTuple):
    """A register's value, its value in the last view where that is known, and its fields."""

    name: str
    value: int
    before: int
    fields: tuple[Field, ...]


class BitsPanel(Panel):
    """One register at a time: that of the deciding bit at a trap, or the one that the user chose."""

    name: ClassVar[str] = "bits"
    title: ClassVar[str] = "bits"
    keys: ClassVar[tuple[PanelKey, ...]] = (
        PanelKey("[", "previous_register", "the register before"),
        PanelKey("]", "next_register", "the register behind"),
        PanelKey("up", "up", "choose the field before"),
        PanelKey("down", "down", "choose the field behind"),
    )

    def __init__(self) -> None:
        self.chosen_bit: str | None = None
        """What `w` flips: a register and field, as HCR_EL2.TWI."""
        self._register = "HCR_EL2"
        self._chosen_at: Position | None = None
        self._fields: dict[str, str] = {}
        self._grid = Grid((), 1, 1, 0)

    @property
    def chosen_word(self) -> str | None:
        """Return what to explain: the chosen bit."""
        return self.chosen_bit

    # --- what the user chooses ---------------------------------------------------------------------------------------

    def previous_register(self, view: View) -> None:
        """Show the register before."""
        self._turn(view, -1)

    def next_register(self, view: View) -> None:
        """Show the register behind."""
        self._turn(view, 1)

    def _turn(self, view: View, distance: int) -> None:
        names = list(GROUPS)
        self._register = names[(names.index(self.register(view)) + distance) % len(names)]
        self._chosen_at = view.position

    def up(self, view: View) -> None:
        """Choose the field before."""
        self._move(view, -1)

    def down(self, view: View) -> None:
        """Choose the field behind."""
        self._move(view, 1)

    def click(self, meta: dict[str, Any], view: View) -> bool:
        """Choose the field that was clicked on: `w` flips it then."""
        register, _, field = str(meta.get("flip", "")).partition(".")
        if register not in GROUPS or not field:
            return False
        self._choose(view, register, field)
        return True

    def choose(self, view: View, bit: str) -> None:
        """Choose a field by its name, as HCR_EL2.TWI; one of a register that is not shown here is left."""
        register, _, field = bit.partition(".")
        if register in GROUPS:
            self._choose(view, register, field)

    def _move(self, view: View, distance: int) -> None:
        found = self._reading(view)
        if found is not None:
            names = [field.name for field in found.fields]
            self._choose(view, found.name, names[(names.index(self.field(view, found)) + distance) % len(names)])

    def _choose(self, view: View, register: str, field: str) -> None:
        self._register, self._chosen_at = register, view.position
        self._fields[register] = field
        self.chosen_bit = f"{register}.{field}"

    def register(self, view: View) -> str:
        """Return the register to show: at a trap the one that decides, unless the user has chosen another there."""
        if self._chosen_at == view.position:
            return self._register
        deciding = [name for name in GROUPS if any(register == name for register, _ in view.deciding)]
        return deciding[0] if deciding else self._register

    def field(self, view: View, found: Reading) -> str:
        """Return the field that is chosen: by the user, or because it decides, has changed, or is set."""
        own = self._fields.get(found.name)
        deciding = [field.name for field in found.fields if (found.name, field.name) in view.deciding]
        if own is not None and (self._chosen_at == view.position or not deciding):
            return own
        changed = [field.name for field in found.fields if (found.value ^ found.before) & field.mask]
        is_set = [field.name for field in reversed(found.fields) if found.value & field.mask]
        return (*deciding, *changed, *is_set, found.fields[-1].name)[0]

    # --- what is read ------------------------------------------------------------------------------------------------

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Ask for the register's group, and for HCR_EL2, whose E2H changes layouts."""
        yield registers_of("el2", holder("HCR_EL2", view))
        name = self.register(view)
        yield registers_of(GROUPS[name], holder(name, view))
        found = self._reading(view)
        self.chosen_bit = None if found is None else f"{found.name}.{self.field(view, found)}"

    def _reading(self, view: View) -> Reading | None:
        name = self.register(view)
        value = _value(name, view)
        form = layout_of(name, e2h=bool((_value("HCR_EL2", view) or 0) & HCR_E2H))
        if value is None or form is None:
            return None
        before = view.registers_before(GROUPS[name], holder(name, view)).get(name, value)
        own = implemented_hcr(view.subject.model, view.subject.gic) if name == "HCR_EL2" else (1 << 64) - 1
        fields = tuple(field for field in form.FIELDS if field.mask & (own | value))
        return Reading(name, value, int(before), fields) if fields else None

    # --- what is drawn -----------------------------------------------------------------------------------------------

    def heading(self, view: View) -> str:
        """Name the register, and say where among all of them it is."""
        name = self.register(view)
        return f"bits: {name}, {list(GROUPS).index(name) + 1} of {len(GROUPS)}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the register's value, its fields, and what the chosen one does."""
        found = self._reading(view)
        if found is None:
            return self._why_empty(view, width, look)
        chosen = self.field(view, found)
        story = _story(found, chosen, width, height, look)
        fields = [_shown(field, found, chosen, view) for field in found.fields]
        self._grid = layout(fields, width, height - 1 - len(story))
        rows = [_row(row, found.name, self._grid, look) for row in self._grid.rows]
        drawn = [_head(found, self._grid.hidden, width, look), *rows, *story]
        return [*drawn, *_meanings(fields, found.name, width, height - len(drawn), look)]

    def _why_empty(self, view: View, width: int, look: Look) -> list[Text]:
        name = self.register(view)
        message = registers_of(GROUPS[name], holder(name, view))
        return failed(view, message, width, look) or nothing(
            f"{name} is not there: this machine's CPU or GIC does not have it. ] shows the next register.", width, look
        )


@lru_cache(maxsize=4)
def implemented_hcr(model: str, gic: int) -> int:
    """Return the bits of HCR_EL2 that a machine has."""
    features = id_policy.features(model, gic)
    return HCR_BITS | sum(bits for name, bits in HCR_FEATURE_BITS.items() if name in features)


def holder(name: str, view: View) -> Whose:
    """Return who has a register: a vCPU those of EL1 and EL0, its HCR_EL2 and CPTR_EL2; its CPU all others."""
    is_of_vcpu = not name.endswith("_EL2") or name in ("HCR_EL2", "CPTR_EL2")
    return view.whose if is_of_vcpu and not name.startswith("IC") else Whose(view.cpu)


def _value(name: str, view: View) -> int | None:
    """Return a register as it is, or as it was recorded with the trap at the cursor."""
    value = view.registers(GROUPS[name], holder(name, view)).get(name)
    if value is None and view.is_at_trap and view.trap is not None:
        value = view.trap.controls.get(name.lower())
    return None if value is None else int(value)


def _shown(field: Field, found: Reading, chosen: str, view: View) -> Shown:
    return Shown(
        field,
        found.value >> field.lsb & field.max,
        is_deciding=(found.name, field.name) in view.deciding,
        is_chosen=field.name == chosen,
        has_changed=bool((found.value ^ found.before) & field.mask),
        is_important=field.name in _IMPORTANT.get(found.name, ()),
    )


def _head(found: Reading, hidden: int, width: int, look: Look) -> Text:
    has_changed = found.value != found.before
    line = Text.assemble((found.name, look.style("title", explain=found.name)))
    line.append(look.glyphs.changed if has_changed else " ", look.style("changed"))
    line.append(number(found.value), look.style("changed" if has_changed else "strong"))
    left_out = (f"  {hidden} more are not shown", f"  +{hidden}", "") if hidden else ("",)
    line.append(next(text for text in left_out if line.cell_len + len(text) <= width or not text), look.style("dim"))
    line.truncate(width)
    return line


def _row(row: tuple[Shown, ...], register: str, grid: Grid, look: Look) -> Text:
    line = Text()
    for shown in row:
        cell = _cell(shown, register, look)
        room = grid.cells_of(shown) * grid.cell
        cell.truncate(room)
        line.append_text(cell).append(" " * (room - cell.cell_len))
    line.rstrip()
    return line


def _cell(shown: Shown, register: str, look: Look) -> Text:
    """Draw one field: brackets around the one that decides, a mark at one that has changed."""
    name = f"{register}.{shown.field.name}"
    meta = {"explain": name} | ({"flip": name} if shown.field.width_bits == 1 else {})
    style = look.style(_role(shown), **meta)
    if shown.is_chosen and not shown.is_deciding:  # which glows
        style += look.style("selected")
    glyph = look.glyphs.dot if shown.value else look.glyphs.ring
    lead = "[" if shown.is_deciding else look.glyphs.changed if shown.has_changed else " "
    mark = look.style("deciding" if shown.is_deciding else "changed")
    return Text.assemble((lead, mark), (f"{glyph}{shown.text}", style), ("]" if shown.is_deciding else " ", mark))


def _role(shown: Shown) -> str:
    if shown.is_deciding:
        return "deciding"
    return "changed" if shown.has_changed else "on" if shown.value else "off"


def _story(found: Reading, chosen: str, width: int, height: int, look: Look) -> list[Text]:
    """Say what the chosen field is, has, and does: in two lines, or a few more where there is room."""
    field = next(field for field in found.fields if field.name == chosen)
    value = found.value >> field.lsb & field.max
    bits = f"<{field.msb}>" if field.width_bits == 1 else f"<{field.msb}:{field.lsb}>"
    name = f"{found.name}.{chosen}"
    first = Text.assemble((name, look.style("strong", explain=name)), (f" {bits} is ", look.style("dim")))
    first.append(value_text(field, value), look.style("strong"))
    hint = "   w flips it"
    if field.width_bits == 1 and first.cell_len + len(hint) <= width:
        first.append("   ").append("w", look.style("key", press="whatif")).append(" flips it", look.style("dim"))
    first.truncate(width)
    text = Text().append(field_words(field, value), look.style("text")).append(f" {caught_by(name)}", look.style("dim"))
    most = 1 if height < _FLAT else 2
    told = flowed(text, width)
    if len(told) > most:
        told[most - 1] = fitted(told[most - 1].append(" " + told[most].plain), width, look)
    return [first, *told[:most]]


def _meanings(fields: list[Shown], register: str, width: int, room: int, look: Look) -> list[Text]:
    """Say what fields mean, as many as there is room for, those that are set before the others."""
    if room < _ROOM_FOR_MEANINGS:
        return []
    told = {id(one) for one in sorted(fields, key=lambda one: one.rank)[: room - 1]}
    shown = [one for one in fields if id(one) in told]
    name_cells = max(len(one.text) for one in shown)
    return [Text(), *(_meaning(one, register, name_cells, width, look) for one in shown)]


def _meaning(shown: Shown, register: str, name_cells: int, width: int, look: Look) -> Text:
    line = _cell(shown, register, look)
    line.append(" " * (name_cells - len(shown.text) + 1))
    line.append(field_words(shown.field, shown.value), look.style("text" if shown.value else "dim"))
    return fitted(line, width, look)


def field_words(field: Field, value: int) -> str:
    """Say what a field means, and what this value of it does where the manual gives values a meaning."""
    told, meaning = field.text(value), field.meaning
    words = f"{meaning}: {told}" if meaning and told and told != meaning else told or meaning
    return f"{words[:1].upper()}{words[1:]}."


@lru_cache(maxsize=256)
def caught_by(name: str) -> str:
    """Say which instructions a control bit decides about; empty for what no trap rule asks for."""
    try:
        return summarize_bit(name)
    except UserError:
        return ""
