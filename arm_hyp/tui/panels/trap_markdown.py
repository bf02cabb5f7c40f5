"""The card of an exception as Markdown, for the clipboard. Read `panels/trap_card.py` before this file."""

from __future__ import annotations

from collections.abc import Iterator

from arm_hyp.arch.syndromes import SyndromeTree
from arm_hyp.explain.verdicts import Step
from arm_hyp.tui.panels.trap_card import Card, card_of, nodes_of
from arm_hyp.tui.view import View


def markdown(view: View) -> str:
    """Return the last exception as Markdown; empty where none was taken so far."""
    card = card_of(view)
    return "" if card is None else "\n".join(_parts(card)) + "\n"


def _parts(card: Card) -> Iterator[str]:
    event = card.event
    yield from (f"## {_safe(card.name)}: EL{event.from_el} to EL{event.to_el}", "", _safe(card.sentence), "")
    yield f"- position: {event.n:,}.{event.seq}, CPU {event.cpu}"
    place = f" in {_code(card.place)}" if card.place else ""
    source = f" ({_safe(card.source)})" if card.source else ""
    yield f"- address: {_code(f'{event.pc:#x}')}{place}{source}"
    yield from _registers(card)
    if card.story is not None:
        yield from (f"- {_safe(one.sentence)}" for one in card.story.alternatives)
        yield from _rules(card.story.steps)
    if card.syndrome is not None:
        yield from _syndrome(card.syndrome)


def _registers(card: Card) -> Iterator[str]:
    event, level = card.event, card.event.to_el
    known = (
        (f"ESR_EL{level}", event.esr),
        (f"FAR_EL{level}", event.far),
        ("HPFAR_EL2", event.hpfar),
        (f"ELR_EL{level}", event.elr),
        (f"SPSR_EL{level}", event.spsr),
    )
    yield "- " + ", ".join(f"{name} {_code(f'{value:#x}')}" for name, value in known if value is not None)


def _rules(steps: tuple[Step, ...]) -> Iterator[str]:
    if steps:
        yield from ("", "| rule | applies | conditions |", "|---|---|---|")
    for step in steps:
        conditions = "; ".join(map(str, step.conditions)) or "always"
        yield f"| {_code(step.rule)} | {'**yes**' if step.applies else 'no'} | {_safe(conditions)} |"


def _syndrome(tree: SyndromeTree) -> Iterator[str]:
    yield from ("", f"{tree.name} is {_code(f'{tree.value:#x}')}:", "")
    for path, node in nodes_of(tree):
        bits = f"<{node.msb}>" if node.msb == node.lsb else f"<{node.msb}:{node.lsb}>"
        yield f"{'  ' * (len(path) - 1)}- {_code(f'{node.name} {bits}')} = {node.value:#x}: {_safe(node.meaning)}"


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"


def _safe(text: str) -> str:
    """Return text in which nothing is markup: a guest's symbol may look like some."""
    return "".join(f"\\{one}" if one in "\\`*_[]<>|#" else one for one in text)
