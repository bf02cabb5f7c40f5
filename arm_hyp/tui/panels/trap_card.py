"""What there is to tell about an exception, and about the instruction that comes next: as data, without a screen.

Read `explain/why.py` and `explain/verdicts.py` before this file, `panels/trap.py`, which draws it, after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from arm_hyp.arch import pstate, sysregs
from arm_hyp.arch.instructions import decode_system
from arm_hyp.arch.syndromes import EC, SyndromeTree, decode_esr, ec_name
from arm_hyp.arch.traps import Context
from arm_hyp.events import ExceptionTaken
from arm_hyp.explain.asked import after_reset, recorded_controls, request_of
from arm_hyp.explain.verdicts import TrapStory, explain_trap, in_sentence
from arm_hyp.explain.why_faults import NamedBit
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import MemoryAnswer
from arm_hyp.timeline.process.messages import Whose
from arm_hyp.tui.panels.instruction import instruction_text
from arm_hyp.tui.panels.listing import place_name, source_place
from arm_hyp.tui.view import View, registers_of

CONTROL_GROUPS: Final = ("el1", "el2", "timers", "debug", "pmu", "gic")
"""Where the registers are that trap rules ask for."""
_CALLS: Final = frozenset({EC.SVC64, EC.HVC64, EC.BRK})
_KINDS: Final = {"irq": "IRQ", "fiq": "FIQ", "serror": "SError"}


@dataclass(frozen=True, slots=True)
class Card:
    """One exception. `story` are the rules about its instruction, if they decided it; `syndrome` is ESR_ELx as a tree.

    `place` is the symbol of its address, `source` the line of a file; both are empty where they are not known.
    """

    event: ExceptionTaken
    name: str
    sentence: str
    bits: tuple[NamedBit, ...]
    place: str
    source: str
    story: TrapStory | None
    syndrome: SyndromeTree | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The instruction at the PC, and what would become of it. `story` is None where no trap rule is about it."""

    el: int
    text: str
    place: str
    story: TrapStory | None
    caution: str


# --- an exception that was taken --------------------------------------------------------------------------------------


def card_of(view: View) -> Card | None:
    """Return what there is to tell about the last exception; None where none was taken so far."""
    event, why = view.trap, view.why
    if event is None or why is None:
        return None
    text = _instruction(event, view)
    return Card(
        event,
        _name(event, text),
        _with_instruction(why.sentence, event.instruction, text),
        why.bits,
        place_name(view.subject.symbols, event.pc),
        source_place(view.subject.symbols, event.pc),
        _story(event, view, text),
        None if event.esr is None else _syndrome(event.esr, event.to_el),
    )


def _instruction(event: ExceptionTaken, view: View) -> str:
    return "" if event.instruction is None else instruction_text(event.instruction, event.pc, view.subject.symbols)


def _name(event: ExceptionTaken, text: str) -> str:
    if event.kind != "sync":
        return f"{'virtual ' if event.virtual else ''}{_KINDS[event.kind]}"
    return text.partition(" ")[0].upper() or ec_name(event.ec or 0)


def _with_instruction(sentence: str, word: int | None, text: str) -> str:
    """Return a sentence with the instruction in words, where it has but a number for it."""
    return sentence if word is None else sentence.replace(f"The instruction {word:#010x}", in_sentence(text))


def _story(event: ExceptionTaken, view: View, text: str) -> TrapStory | None:
    """Ask the rules again, with the controls that were recorded; None where they did not decide this exception."""
    if event.kind != "sync" or event.instruction is None:
        return None
    controls, fine_grained = recorded_controls(event.controls)
    base = _state(event.from_el, view.subject.model, view.subject.gic)
    context = replace(base, controls=controls, pstate=event.spsr, fine_grained=fine_grained)
    story = _explained(context, event.instruction, text)
    is_decided = story.esr is not None and story.esr >> 26 == event.ec
    return story if is_decided or event.ec in _CALLS else None


@lru_cache(maxsize=8)
def _state(el: int, model: str, gic: int) -> Context:
    return after_reset(el, model, gic)


@lru_cache(maxsize=256)
def _explained(context: Context, word: int, text: str) -> TrapStory:
    return explain_trap(context, word, "" if decode_system(word) is not None else text)


@lru_cache(maxsize=256)
def _syndrome(esr: int, el: int) -> SyndromeTree:
    return decode_esr(esr, el, sysregs.name_of)


def nodes_of(tree: SyndromeTree, last: tuple[bool, ...] = ()) -> Iterator[tuple[tuple[bool, ...], SyndromeTree]]:
    """Give the parts of a syndrome that say something, each with "is it the last one" of it and those above it."""
    shown = [node for node in tree.children if node.value or not _is_reserved(node)]
    for node in shown:
        path = (*last, node is shown[-1])
        yield path, node
        yield from nodes_of(node, path)


def _is_reserved(node: SyndromeTree) -> bool:
    return node.is_res0 or node.name == "ISS2"


# --- the instruction that comes next ----------------------------------------------------------------------------------


def word_at_pc(view: View) -> ask.Memory | None:
    """Return the message that reads the instruction at the PC; None while the PC is not known."""
    pc = view.registers("general").get("PC")
    return ask.Memory(pc, 4, "va", view.whose) if isinstance(pc, int) else None


def controls_wanted(view: View) -> Iterator[ask.OneReading]:
    """Give what must be read to say what will become of the instruction at the PC."""
    word = _word(view)
    if word is not None and request_of(word) is not None:
        for group in CONTROL_GROUPS:
            yield registers_of(group, Whose(view.cpu))
            yield registers_of(group, view.whose)


def _word(view: View) -> int | None:
    message = word_at_pc(view)
    answer = None if message is None else view.get(message, MemoryAnswer)
    return int.from_bytes(answer.data, "little") if answer is not None and len(answer.data) == 4 else None


def ahead_of(view: View) -> Ahead | None:
    """Return what will become of the instruction at the PC; None where it cannot be read."""
    word, general = _word(view), view.registers("general")
    if word is None:
        return None
    pc, state = int(general["PC"]), int(general["PSTATE"])
    text = instruction_text(word, pc, view.subject.symbols)
    place = place_name(view.subject.symbols, pc)
    if request_of(word) is None:
        return Ahead(pstate.el_of(state), text, place, None, "")
    story = _explained(_context_now(view, state), word, text)
    return Ahead(pstate.el_of(state), text, place, story, _CAUTIONS.get(text.partition(" ")[0], ""))


_CAUTIONS: Final = {
    "wfe": "If the Event Register is set, it goes on at once and cannot trap.",
    "wfet": "If the Event Register is set or its time is over, it goes on at once and cannot trap.",
    "wfit": "If its time is over, it goes on at once and cannot trap.",
}


def _context_now(view: View, state: int) -> Context:
    """Return the state of the CPU looked at, as the trap rules ask for it; what cannot be read is as after reset."""
    known = {
        name.lower(): int(value)
        for whose in (Whose(view.cpu), view.whose)
        for group in CONTROL_GROUPS
        for name, value in view.registers(group, whose).items()
    }
    base = _state(pstate.el_of(state), view.subject.model, view.subject.gic)
    controls, fine_grained = base.controls, base.fine_grained
    return replace(
        base,
        controls=controls._replace(**{name: known[name] for name in controls._fields if name in known}),
        fine_grained=fine_grained._replace(**{name: known[name] for name in fine_grained._fields if name in known}),
        pstate=state,
        interrupt_pending=known.get("isr_el1", 0) != 0,
    )
