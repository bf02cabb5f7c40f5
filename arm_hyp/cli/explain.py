"""`arm-hyp explain trap`, `bit`, `insn`, `esr`, `HYP012`: why it traps, what a bit catches, what a syndrome says.

Read `cli/explain_trap.py`, `cli/explain_rules.py`, `cli/explain_code.py` and `cli/explain_tree.py` before this file,
which joins them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import decode_esr
from arm_hyp.cli.explain_code import CodeGroup, code
from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.explain_rules import bit, insn
from arm_hyp.cli.explain_trap import print_json, show, trap
from arm_hyp.cli.explain_tree import UNWRAPPED_COLUMNS, render_tree
from arm_hyp.errors import UserError

__all__ = ["UNWRAPPED_COLUMNS", "app", "parse_value"]

app = typer.Typer(cls=CodeGroup, add_completion=False, no_args_is_help=True)
app.command()(trap)
app.command()(bit)
app.command()(insn)
app.command(hidden=True)(code)


@app.callback()
def explain() -> None:
    """Explain why an instruction traps or not, what a control bit catches, what a syndrome says, or a code (HYP012)."""


@app.command()
def esr(
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The register's value: 0x..., 0b... or decimal.")],
    el: Annotated[str, typer.Option("--el", help="The Exception level the exception was taken to: 1, 2 or 3.")] = "2",
    as_json: JsonOption = False,
) -> None:
    """Decode an ESR_ELx value into its fields, each with its meaning."""
    if el not in ("1", "2", "3"):
        raise UserError(f"--el {el}", "exceptions are taken to EL1, EL2 or EL3", "give --el 1, --el 2 or --el 3")
    tree = decode_esr(parse_value(value), int(el), sysregs.name_of)
    if as_json:
        print_json(tree)
    else:
        show(render_tree(tree))


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
