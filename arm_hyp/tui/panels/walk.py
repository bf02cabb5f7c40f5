"""The panel `walk`: how an address is translated, as a picture of tables and indices, and where it fails.

Read `tui/panels/walk_picture.py` and `tui/panels/addresses.py` before this file. The address is that of the abort at
the cursor, or the PC; or what its user asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final, NamedTuple

from rich.text import Text

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.translation import MemoryAttributes, Permissions
from arm_hyp.explain.walk_words import memory_text, permissions_text
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import WalkAnswer
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.addresses import guest_of, name_of, parse_address
from arm_hyp.tui.panels.drawing import failed, nothing, shortened, size_text, visible, wrapped
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.panels.walk_picture import address_text, picture
from arm_hyp.tui.view import View, number, registers_of, trap_of

_FETCHES: Final = frozenset({EC.INSTRUCTION_ABORT_LOWER, EC.INSTRUCTION_ABORT_SAME})
_DATA: Final = frozenset({EC.DATA_ABORT_LOWER, EC.DATA_ABORT_SAME})
_WNR: Final = 1 << 6
_PSTATE_EL: Final = 2


class Address(NamedTuple):
    """An address to translate: what it is, and for which access at which exception level (None: the present one)."""

    name: str
    va: int
    access: str = "read"
    el: int | None = None


class WalkPanel(Panel):
    """Stage 1 and stage 2 of one address."""

    name: ClassVar[str] = "walk"
    title: ClassVar[str] = "walk"
    keys: ClassVar[tuple[PanelKey, ...]] = (
        PanelKey("a", "ask", "another address"),
        PanelKey("u", "next_address", "fault address, PC, SP"),
    )
    question: ClassVar[str] = "virtual address or symbol to translate"

    def __init__(self) -> None:
        self._chosen: str | None = None
        self._asked: Address | None = None

    def heading(self, view: View) -> str:
        """Say whose tables are walked."""
        return f"{self.title}, {name_of(guest_of(view), view)}"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read where PC and SP are, the trap, and the walk."""
        yield trap_of(view)
        if view.status.vms:
            yield ask.Vcpus()
        yield registers_of("general", guest_of(view))
        address = self._address(view)
        if address is not None:
            yield _walk_of(address, view)

    def answer(self, text: str, view: View) -> None:
        """Take an address from the user. Raises: UserError."""
        self._asked = Address(text.strip(), parse_address(text, view))
        self._chosen = self._asked.name

    def next_address(self, view: View) -> None:
        """Go from the fault address to PC, SP, the address that was asked for, and around."""
        found, shown = self._addresses(view), self._address(view)
        if shown is not None:
            self._chosen = found[(found.index(shown) + 1) % len(found)].name

    def _addresses(self, view: View) -> list[Address]:
        registers, fault = view.registers("general", guest_of(view)), _fault_address(view)
        found = [] if fault is None else [fault]
        found += [Address("PC", int(registers["PC"]), "fetch")] if "PC" in registers else []
        found += [Address("SP", int(registers["SP"]))] if "SP" in registers else []
        return found + ([] if self._asked is None else [self._asked])

    def _address(self, view: View) -> Address | None:
        found = self._addresses(view)
        return next((one for one in found if one.name == self._chosen), found[0] if found else None)

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw what was asked and what it led to first, then each stage."""
        address = self._address(view)
        if address is None:
            said = failed(view, registers_of("general", guest_of(view)), width, look)
            return said or nothing("no address yet: the registers were not read", width, look)
        message = _walk_of(address, view)
        walk = view.get(message, WalkAnswer)
        if walk is None:
            return failed(view, message, width, look) or nothing("the walk was not read", width, look)
        head = [_headline(address, view, width, look), *_outcome(walk, width, look)]
        drawn = [[*head, *_stages(walk, width, is_short, look)] for is_short in _shortest_last(walk)]
        return next((lines for lines in drawn if len(lines) <= height), drawn[-1])


def _fault_address(view: View) -> Address | None:
    """Return the address of the abort at the cursor, as it was accessed; None if there is none."""
    trap = view.trap
    if not view.is_at_trap or trap is None or trap.far is None or trap.ec not in _FETCHES | _DATA:
        return None
    is_write = trap.ec in _DATA and bool((trap.esr or 0) & _WNR)
    access = "fetch" if trap.ec in _FETCHES else "write" if is_write else "read"
    return Address(f"FAR_EL{trap.to_el}", trap.far, access, trap.from_el)


def fault_walk(view: View) -> ask.Walk | None:
    """Return the message that walks the address of the abort at the cursor again; None if there is no abort."""
    address = _fault_address(view)
    return None if address is None else _walk_of(address, view)


def _walk_of(address: Address, view: View) -> ask.Walk:
    return ask.Walk(address.va, address.access, address.el, guest_of(view))  # type: ignore[arg-type]  # one of three words


# --- what was asked, and what it led to -------------------------------------------------------------------------------


def _headline(address: Address, view: View, width: int, look: Look) -> Text:
    el = (
        int(view.registers("general", guest_of(view)).get("PSTATE", 0)) >> _PSTATE_EL & 3
        if address.el is None
        else address.el
    )
    word = address.name if address.name in ("PC", "SP") or address.name.startswith("FAR_EL") else "VA"
    line = Text.assemble(
        (f"{visible(address.name)} ", look.style("title", explain=word)), (number(address.va), look.style("strong"))
    )
    line.append(f" {address.access}, ", look.style("dim"))
    line.append(f"EL{el}", look.style(f"el{el}"))
    symbol = visible(view.subject.symbols.describe(address.va))
    if symbol and line.cell_len + 5 < width:
        line.append(" " + shortened(symbol, width - line.cell_len - 1, look), look.style("code"))
    return line


def _outcome(walk: WalkAnswer, width: int, look: Look) -> list[Text]:
    """Say in one sentence where it leads, or what fault it is and why."""
    if walk.fault is not None:
        kind, level, stage = walk.fault
        text = f"{FaultKind[kind].value}, level {level} of stage {stage}: {walk.reason}"
        return wrapped(f"{look.glyphs.fault} {text}", width, look.style("bad"), "  ")
    size = f", {size_text(walk.block_bytes)}" if walk.block_bytes else ""
    text = f"{look.glyphs.fine} PA {address_text(walk.pa or 0)}{size}: {rights_text(walk)}"
    return wrapped(text, width, look.style("good"), "  ")


def rights_text(walk: WalkAnswer) -> str:
    """Say what memory it leads to, and who may do what there; empty where it leads nowhere."""
    if walk.attributes is None:
        return ""
    permissions = Permissions(*(letter != "-" for letter in walk.permissions))
    is_el2 = walk.base_register.endswith("EL2") and walk.stage == 1
    allowed = permissions_text(permissions, 2 if is_el2 else 1, not is_el2 or any(permissions[3:]))
    return f"{memory_text(MemoryAttributes(*walk.attributes))}; {allowed}"


# --- stages -----------------------------------------------------------------------------------------------------------


def _shortest_last(walk: WalkAnswer) -> tuple[tuple[bool, bool], ...]:
    """Return which stages to draw short, best first: where there is little room the stage that failed keeps boxes."""
    first_is_short = walk.fault is not None and walk.fault[2] == 2
    return (False, False), (first_is_short, not first_is_short), (True, True)


def _stages(walk: WalkAnswer, width: int, is_short: tuple[bool, bool], look: Look) -> list[Text]:
    lines = [*_stage(walk, "Stage 1", width, is_short[0], look), *_nested(walk, width, is_short[1], look)]
    return lines + ([] if walk.stage2 is None else _stage(walk.stage2, "Stage 2", width, is_short[1], look))


def _stage(walk: WalkAnswer, name: str, width: int, is_short: bool, look: Look) -> list[Text]:
    """Draw one stage: which tables, then their picture."""
    space = "VA" if walk.stage == 1 else "IPA"
    if not walk.base_register:
        return nothing(f"{name} is off: the address stays as it is", width, look)
    head = Text.assemble((f"{name} ", look.style("title", explain=f"STAGE{walk.stage}")))
    head.append(f"{space} ", look.style("strong", explain=space))
    head.append(f"{address_text(walk.input_address)} ", look.style("strong"))
    about = Text.assemble(
        (walk.base_register, look.style("el1" if walk.stage == 1 else "el2", explain=walk.base_register)),
        (f", {walk.input_bits} bits", look.style("dim")),
    )
    lines = [head.append_text(about)] if head.cell_len + about.cell_len <= width else [head]
    if not walk.steps:
        return [*lines, *nothing("refused before any table was read", width, look)]
    return [*lines, *picture(walk, width, is_short, look)]


def _nested(walk: WalkAnswer, width: int, is_short: bool, look: Look) -> list[Text]:
    """Say in a line each where stage 2 found the tables of stage 1."""
    lines: list[Text] = []
    for step in walk.steps:
        if step.stage2 is not None:
            ipa, pa = step.stage2.input_address, step.stage2.pa
            end = f"{look.glyphs.fault} fault" if pa is None else f"PA {address_text(pa)}"
            text = f"L{step.level} entry IPA {address_text(ipa)} {look.glyphs.arrow} {end}"
            line = Text(shortened(text, width, look), look.style("bad" if pa is None else "dim"))
            lines.append(line)
            lines += [] if pa is not None else _stage(step.stage2, "Stage 2", width, is_short, look)
    return lines
