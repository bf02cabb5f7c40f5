"""A syndrome as a tree on the screen, field by field. Read `arch/syndromes.py` before this file."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from arm_hyp.arch.syndromes import SyndromeTree

UNWRAPPED_COLUMNS = 400
"""Wide enough for every line: into a pipe or a file each node is one line."""


def render_tree(node: SyndromeTree) -> Tree:
    """Return a decoded syndrome as a tree to print."""
    tree = Tree(_label(node), guide_style="dim")
    for child in node.children:
        _add(tree, child)
    return tree


def _add(parent: Tree, node: SyndromeTree) -> None:
    branch = parent.add(_label(node))
    for child in node.children:
        _add(branch, child)


def _label(node: SyndromeTree) -> Text:
    bits = f"<{node.msb}>" if node.msb == node.lsb else f"<{node.msb}:{node.lsb}>"
    quiet = "dim" if node.is_res0 and not node.value else ""
    label = Text(style=quiet)
    label.append(node.name, "bold red" if node.is_res0 and node.value else quiet or "bold cyan")
    label.append(f" {bits} ", "dim")
    label.append(_number(node), quiet or "yellow")
    return label.append(f"  {node.meaning}")


def _number(node: SyndromeTree) -> str:
    width = node.msb - node.lsb + 1
    return f"0b{node.value:0{width}b}" if width <= 6 else f"0x{node.value:x}"
