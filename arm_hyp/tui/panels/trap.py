"""Why it trapped: the sentence first, then what would make it pass, the rules that were asked, the syndrome.

Read `panels/trap_card.py` and `panels/trap_markdown.py` before this file. Where the cursor is not at an exception, the
card begins with what will become of the next instruction, and goes on with the last exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.arch.registers import HPFAR_EL2
from arm_hyp.arch.syndromes import SyndromeTree
from arm_hyp.explain.verdicts import Alternative, Condition, Step
from arm_hyp.explain.why_faults import NamedBit
from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui.frames import fitted
from arm_hyp.tui.keys import DIGITS
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.catalogue import NAMES
from arm_hyp.tui.panels.code import is_python_here
from arm_hyp.tui.panels.drawing import nothing
from arm_hyp.tui.panels.instruction import styled
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.trap_card import Ahead, Card, ahead_of, card_of, controls_wanted, nodes_of, word_at_pc
from arm_hyp.tui.panels.trap_markdown import markdown
from arm_hyp.tui.text import flowed
from arm_hyp.tui.view import View, number, registers_of, trap_of

__all__ = ["TrapPanel", "markdown"]

_SETTING: Final = re.compile(r"\b([A-Z][A-Z0-9]*_EL[0-3]|PSTATE)\.([A-Za-z]\w*)")
_RULE_CELLS: Final = 16
_PAGE_BITS: Final = 12
_ROOMY: Final = 12
_DEPTH_CELLS: Final = 3
_SMALL_BITS: Final = 6
"""A field of so many bits is written in binary, a longer one in hexadecimal."""


class TrapPanel(Panel):
    """The card of the exception at the cursor, or of the next instruction and the last exception."""

    name: ClassVar[str] = "trap"
    title: ClassVar[str] = "why"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Ask for the last exception; where the cursor is not at one, for the next instruction and its controls."""
        yield trap_of(view)
        yield registers_of("general", view.whose)
        if view.is_at_trap or is_python_here(view):
            return
        message = word_at_pc(view)
        if message is not None:
            yield message
            yield from controls_wanted(view)

    def heading(self, view: View) -> str:
        """Name the exception at the cursor, or say what comes next."""
        card = card_of(view) if view.is_at_trap else None
        return self.title if card is None else f"why: {card.name}, EL{card.event.from_el} to EL{card.event.to_el}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the card."""
        card = card_of(view)
        ahead = None if view.is_at_trap or is_python_here(view) else ahead_of(view)
        lines = [] if ahead is None else list(_ahead_lines(ahead, width, look))
        if card is None and not lines:
            return nothing("No exception has been taken so far. PgDn goes to the first one.", width, look)
        if card is not None:
            if lines:
                lines += [Text(), Text("the last exception", look.style("title"))]
            lines += _card_lines(card, width, look, is_roomy=height >= _ROOMY, is_here=view.is_at_trap)
        return lines


# --- what comes next --------------------------------------------------------------------------------------------------


def _ahead_lines(ahead: Ahead, width: int, look: Look) -> Iterator[Text]:
    where = f" at {ahead.place}" if ahead.place else ""
    head = Text.assemble(("next: ", look.style("dim"))).append_text(styled(ahead.text, look))
    yield fitted(head.append(where, look.style("dim")), width, look)
    if ahead.story is None:
        words = f"No trap rule is about this instruction at EL{ahead.el}: only its addresses could make it fault."
        yield from flowed(Text(words, look.style("dim")), width)
        return
    yield from flowed(highlighted(ahead.story.sentence, (), look), width)
    if ahead.caution:
        yield from flowed(Text(ahead.caution, look.style("dim")), width)
    yield from _alternative_lines(ahead.story.alternatives, width, look)
    if len(ahead.story.steps) > 1:
        yield from _chain_lines(ahead.story.steps, width, look)


# --- the exception ----------------------------------------------------------------------------------------------------


def _card_lines(card: Card, width: int, look: Look, *, is_roomy: bool, is_here: bool) -> list[Text]:
    gap = [Text()] if is_roomy else []
    lines = flowed(highlighted(card.sentence, card.bits, look), width)
    lines += flowed(_place(card, look), width)
    if card.story is not None:
        lines += _alternative_lines(card.story.alternatives, width, look, has_key=is_here)
    if is_here and card.event.kind in ("irq", "fiq"):
        lines += flowed(_which(look), width, 2)
    lines += _fault_lines(card, width, look)
    if card.story is not None and card.story.steps:
        lines += [*gap, *_chain_lines(card.story.steps, width, look)]
    if card.syndrome is not None:
        lines += [*gap, *_tree_lines(card.syndrome, width, look)]
    return lines


def _which(look: Look) -> Text:
    """Say where it is seen which interrupt it is: the CPU does not tell with the exception."""
    digit = DIGITS[NAMES.index("gic")]
    key = (digit, look.style("key", press=f"panel_{digit}"))
    return Text.assemble((f"{look.glyphs.arrow} ", look.style("good")), "The GIC knows which one it is: ", key)


def highlighted(sentence: str, bits: Iterable[NamedBit], look: Look) -> Text:
    """Return a sentence in which the deciding bits glow, and each control bit can be asked about and flipped."""
    deciding = {f"{register}.{name}" for register, names, _ in bits for name in names.split(",")}
    text = Text(end="")
    text.append(sentence, look.style("text"))
    for found in _SETTING.finditer(sentence):
        role = "deciding" if found[0] in deciding else "strong"
        text.stylize(look.style(role, explain=found[0], flip=found[0]), found.start(), found.end())
    return text


def _place(card: Card, look: Look) -> Text:
    event = card.event
    position = f"{event.n:,}.{event.seq}"
    text = Text.assemble((position, look.style("strong", go=(event.n, event.seq))), "  ")
    text.append(f"EL{event.from_el}", look.style(f"el{event.from_el}")).append(f" {look.glyphs.arrow} ")
    text.append(f"EL{event.to_el}", look.style(f"el{event.to_el}"))
    text.append(" (Python)" if event.python else "", look.style("dim"))
    text.append("  at ", look.style("dim"))
    text.append(card.place or number(event.pc), look.style("code"))
    return text.append(f" ({card.source})" if card.source else "", look.style("dim"))


def _alternative_lines(
    alternatives: Iterable[Alternative], width: int, look: Look, *, has_key: bool = False
) -> list[Text]:
    """Show the nearest changes that make the difference; `has_key`: a key tries the first one."""
    lines = []
    for index, one in enumerate(alternatives):
        text = Text().append(f"{look.glyphs.arrow} ", look.style("good"))
        text.append_text(highlighted(one.sentence, (), look))
        if has_key and not index:
            text.append("  ").append("w", look.style("key", press="whatif")).append(" tries it", look.style("dim"))
        lines += flowed(text, width, 2)
    return lines


def _fault_lines(card: Card, width: int, look: Look) -> list[Text]:
    """Say which address faulted: FAR_ELx, and HPFAR_EL2 as the IPA that it holds."""
    event = card.event
    text = Text()
    if event.far is not None:
        name = f"FAR_EL{event.to_el}"
        text.append(f"{name} ", look.style("title", explain=name)).append(number(event.far), look.style("text"))
    if event.hpfar is not None:
        ipa = HPFAR_EL2(event.hpfar).FIPA << _PAGE_BITS
        text.append("  HPFAR_EL2 ", look.style("title", explain="HPFAR_EL2"))
        text.append(f"IPA {number(ipa, 8 if ipa >> 32 == 0 else 12)}", look.style("text"))
    return flowed(text, width) if text else []


# --- the rules --------------------------------------------------------------------------------------------------------


def _chain_lines(steps: tuple[Step, ...], width: int, look: Look) -> list[Text]:
    """Show the rules in the order in which they were asked, each with the values that it met."""
    lines = flowed(Text("rules, in the order in which they are asked", look.style("title")), width)
    for step in steps:
        text = Text().append(look.glyphs.dot if step.applies else look.glyphs.ring, look.style(_role(step)))
        text.append(f" {step.rule.ljust(_RULE_CELLS)} ", look.style("strong" if step.applies else "dim"))
        lines += flowed(text.append_text(_conditions(step, look)), width, 4)
    if steps and steps[-1].applies:
        lines += flowed(Text(f"    {steps[-1].ref}", look.style("dim")), width, 4)
    return lines


def _role(step: Step) -> str:
    return "trap" if step.applies else "off"


def _conditions(step: Step, look: Look) -> Text:
    if not step.conditions:
        return Text("always", look.style("dim"))
    text = Text()
    for index, one in enumerate(step.conditions):
        text.append("; " if index else "", look.style("dim"))
        text.append_text(_condition(one, step, look))
    return text


def _condition(one: Condition, step: Step, look: Look) -> Text:
    """Draw one condition; the last one of the rule that applies is what decides."""
    is_deciding = step.applies and one is step.conditions[-1]
    word = f"{one.register}.{one.fields.partition(',')[0]}"
    role = "deciding" if is_deciding else "text" if one.holds else "dim"
    meta = {"explain": word} | ({} if "," in one.fields or one.width_bits > 1 else {"flip": word})
    text = Text().append(one.name, look.style(role, **meta))
    return text.append(str(one).removeprefix(one.name), look.style("text" if one.holds else "dim"))


# --- the syndrome -----------------------------------------------------------------------------------------------------


def _tree_lines(tree: SyndromeTree, width: int, look: Look) -> list[Text]:
    head = Text().append(tree.name, look.style("title", explain=tree.name))
    head.append(f" {number(tree.value, 8 if tree.value >> 32 == 0 else 16)}", look.style("text"))
    nodes = list(nodes_of(tree))
    name_cells = max((_DEPTH_CELLS * len(path) + len(_label(node)) for path, node in nodes), default=0)
    value_cells = max((len(bits_text(node)) for _, node in nodes), default=0)
    lines = flowed(head, width)
    for path, node in nodes:
        text = _branch(path, look).append_text(_name_text(node, tree, look))
        text.append(" " * (name_cells - text.cell_len + 1))
        text.append(bits_text(node).ljust(value_cells), look.style("on" if node.value else "off"))
        lines += flowed(text.append(f"  {node.meaning}", look.style("text")), width, _DEPTH_CELLS * len(path) + 2)
    return lines


def _branch(path: tuple[bool, ...], look: Look) -> Text:
    branch, end, upright = look.glyphs.tree
    lead = "".join(" " * len(upright) if is_last else upright for is_last in path[:-1])
    return Text().append(lead + (end if path[-1] else branch), look.style("faint"))


def _label(node: SyndromeTree) -> str:
    return f"{node.name} <{node.msb}>" if node.msb == node.lsb else f"{node.name} <{node.msb}:{node.lsb}>"


def _name_text(node: SyndromeTree, tree: SyndromeTree, look: Look) -> Text:
    text = Text().append(node.name, look.style("bad" if node.is_res0 else "strong", explain=_word(node, tree)))
    return text.append(_label(node).removeprefix(node.name), look.style("dim"))


def bits_text(node: SyndromeTree) -> str:
    """Write the value of a part of a syndrome: a few bits in binary, more of them in hexadecimal."""
    width_bits = node.msb - node.lsb + 1
    return f"0b{node.value:0{width_bits}b}" if width_bits <= _SMALL_BITS else f"{node.value:#x}"


def _word(node: SyndromeTree, tree: SyndromeTree) -> str:
    if node.name == "EC":
        return f"EC {node.value:#04x}"
    return f"{tree.name}.{node.name}" if node.name in ("IL", "ISS", "ISS2") else f"ISS.{node.name}"
