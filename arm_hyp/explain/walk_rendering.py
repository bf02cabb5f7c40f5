"""An explained walk for the terminal and for machines.

Read `explain/walks.py` before this file, `cli/walk.py` after it.
"""

from __future__ import annotations

from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from arm_hyp.explain.walk_words import Node
from arm_hyp.explain.walks import WalkStory

_STYLES: Final = {"stage": "bold", "fault": "bold red", "result": "green", "both": "bold green", "field": "cyan"}


def render(story: WalkStory, everything: bool = False) -> RenderableType:
    """Return the sentence and the tree below it. Without `everything` nested walks that went well are one line."""
    sentence = Text(story.sentence, "bold red" if story.pa is None else "bold green")
    return Group(sentence, *(_tree(node, everything) for node in story.nodes))


def _tree(node: Node, everything: bool) -> Tree:
    tree = Tree(_label(node), guide_style="dim")
    _grow(tree, node, everything)
    return tree


def _grow(tree: Tree, node: Node, everything: bool) -> None:
    for child in node.children if everything or not node.is_folded else ():
        if everything or not child.is_quiet:
            _grow(tree.add(_label(child)), child, everything)


def _label(node: Node) -> Text:
    """Put a field's name in its colour, a line of another kind as a whole."""
    style = _STYLES.get(node.kind, "")
    if node.kind != "field":
        return Text(node.text, style)
    name, _, rest = node.text.partition(" ")
    return Text.assemble((name, style), " ", rest)


def to_plain(story: WalkStory) -> dict[str, Any]:
    """Return everything as plain data, for JSON. Numbers are integers of up to 64 bits."""
    registers = None if story.registers is None else story.registers._asdict()
    return {
        "sentence": story.sentence,
        "va": story.va,
        "el": story.el,
        "access": story.verb,
        "pa": story.pa,
        "registers": registers,
        "nodes": [_plain(node) for node in story.nodes],
    }


def _plain(node: Node) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "text": node.text,
        **{name: value for name, value in node.facts.items() if name not in ("kind", "text")},
        "children": [_plain(child) for child in node.children],
    }
