"""`arm-hyp explain HYP012`: the page of a rule that `arm-hyp run --check` watches for.

Read `explain/checkers/code_pages.py` before this file, `cli/explain.py` after it.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.explain_trap import print_json, show


class CodeGroup(TyperGroup):
    """Takes a code in place of a command: `explain HYP012` is `explain code HYP012`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the words name."""
        is_code = bool(args) and args[0].upper().startswith("HYP") and args[0][3:].isdecimal()
        return super().resolve_command(ctx, ["code", *args] if is_code else args)


def code(
    code: Annotated[str, typer.Argument(metavar="HYPnnn", help="The code, as `arm-hyp run --check` prints it.")],
    as_json: JsonOption = False,
) -> None:
    """Explain a mistake that `arm-hyp run --check` has found: `arm-hyp explain HYP012`."""
    from arm_hyp.explain.checkers.code_pages import code_as_data, explain_code

    if as_json:
        print_json(code_as_data(code))
    else:
        show(explain_code(code))
