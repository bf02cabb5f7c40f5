"""`arm-hyp explain esr VALUE`: show a syndrome register as a tree, field by field.

Read `arch/syndromes.py` before this file: everything that is printed comes from there.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import SyndromeTree, decode_esr
from arm_hyp.errors import UserError

UNWRAPPED_COLUMNS = 400
"""Wide enough for every line: into a pipe or a file each node is one line."""

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def explain() -> None:
    """Explain a syndrome register's value, field by field."""


@app.command()
def esr(
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The register's value: 0x..., 0b... or decimal.")],
    el: Annotated[str, typer.Option("--el", help="The Exception level the exception was taken to: 1, 2 or 3.")] = "2",
) -> None:
    """Decode an ESR_ELx value into its fields, each with its meaning."""
    if el not in ("1", "2", "3"):
        raise UserError(f"--el {el}", "exceptions are taken to EL1, EL2 or EL3", "give --el 1, --el 2 or --el 3")
    tree = _render(decode_esr(parse_value(value), int(el), sysregs.name_of))
    console = Console()
    if not console.is_terminal:
        console.width = UNWRAPPED_COLUMNS
    console.print(tree)


def parse_value(text: str) -> int:
    """Read a 64-bit number: 0x..., 0b..., 0o... or decimal, `_` between digits allowed. Raises: UserError."""
    way_out = "write it as 0x96000045, 0b1001 or in decimal"
    try:
        number = int(text, 10) if text.isdecimal() else int(text, 0)
    except ValueError:
        if text and all(digit in "0123456789abcdefABCDEF" for digit in text):
            way_out = f"write hexadecimal with 0x: 0x{text}"
        raise UserError(f"ESR value {text!r}", "not a number", way_out) from None
    if not 0 <= number < 1 << 64:
        raise UserError(f"ESR value {text!r}", "does not fit in 64 bits", "ESR_ELx holds 0 to 0xffffffffffffffff")
    return number


def _render(node: SyndromeTree) -> Tree:
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
