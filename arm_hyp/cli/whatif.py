"""`arm-hyp whatif FILE --set HCR_EL2.TWI=1`: run a guest without and with a change, and show where the runs part.

Read `explain/whatif.py` and `explain/comparison.py` before this file. All options of `arm-hyp run` say what runs; this
command takes its own out of the line, and has `run` read the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Final, NamedTuple

import typer
from msgspec import to_builtins
from rich.panel import Panel
from typer.main import get_command

from arm_hyp.cli import run as run_command
from arm_hyp.cli.settings import Settings
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.explain import comparison
from arm_hyp.explain.comparison import Role
from arm_hyp.explain.whatif import SHOWN, End, WhatIf, what_if
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import Configuration

app = typer.Typer(add_completion=False)

WIDE_FROM_COLUMNS: Final = 100
"""From here on the two runs stand side by side."""
PIPED_COLUMNS: Final = 120
STYLES: Final[dict[Role, str]] = {"trap": "bold red", "return": "cyan", "wait": "bold green", "end": "dim", "plain": ""}


class Asked(NamedTuple):
    """What the command line asks, beside what runs."""

    change: tuple[str, ...]
    both: tuple[str, ...]
    vm: str
    events: int
    as_json: bool


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def whatif(
    ctx: typer.Context,
    set_: Annotated[
        list[str], typer.Option("--set", help="The change: REG[.FIELD]=VALUE before the first instruction. Repeatable.")
    ],
    both: Annotated[
        list[str] | None, typer.Option("--both", metavar="REG[.FIELD]=VALUE", help="Set in both runs. Repeatable.")
    ] = None,
    vm: Annotated[str, typer.Option(help="Whose vCPU 0 --set and --both mean; the first VM's if not given.")] = "",
    events: Annotated[int, typer.Option(help="So many events of each run are shown.", min=1, max=1000)] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Run FILE twice, without and with a change, and show where the two runs part, why, and how each ends.

    What else is on the line is for `arm-hyp run`: FILE, and the options that say what machine it runs on. With
    --hypervisor, or a FILE.toml, the change is one of vCPU 0 of a VM. Exit status: 0, whether or not they part.
    """
    asked = Asked(tuple(set_), tuple(both or ()), vm, events, as_json)
    name = ctx.command_path
    get_command(run_command.app).main(ctx.args, prog_name=name, standalone_mode=False, obj=partial(_compare, asked))


def _compare(asked: Asked, configuration: Configuration, settings: Settings) -> int:
    refused: Final = {"--until": settings.until, "--trace": settings.trace, "--realtime": settings.is_realtime}
    for option, value in refused.items():
        if value:
            raise UserError(option, "two runs are compared to their ends", "leave it out; --max-instructions ends them")
    path = settings.input_path
    typed = b"" if path in (None, "-") else read_file(str(path))
    result, symbols = what_if(
        configuration, asked.change, settings.limit, typed, asked.events, both=asked.both, vm=asked.vm
    )
    said = sentence(result, symbols, configuration)
    if asked.as_json:
        print(json.dumps({"sentence": said, "has_parted": result.has_parted} | to_builtins(result), indent=2))
    else:
        _print(result, symbols, said)
    return 0


def sentence(result: WhatIf, symbols: SymbolTable, configuration: Configuration) -> str:
    """Say what came out, in one sentence."""
    if result.has_parted:
        machine = configuration.cpu, configuration.gic
        return comparison.parting(*result.first, result.change, symbols, machine, result.vcpu)
    lost = result.overwritten
    if lost is None:
        return f"Both runs do the same: {result.common:,} events, and the same end."
    return (
        f"Both runs do the same, because the guest takes back what was set: after {lost.n:,} instructions, at "
        f"{lost.pc:#x}, it writes {lost.value:#x} to {lost.register}."
    )


# --- on the screen ----------------------------------------------------------------------------------------------------


def _print(result: WhatIf, symbols: SymbolTable, said: str) -> None:
    from rich.console import Console, Group  # here: --json needs none of it
    from rich.table import Table

    console = Console(highlight=False)
    is_piped = not console.is_terminal and "COLUMNS" not in os.environ
    if is_piped:
        console.width = PIPED_COLUMNS
    console.print(said, markup=False, soft_wrap=is_piped)
    console.print()
    parts = [_part(result, is_changed, symbols) for is_changed in (False, True)]
    if console.width >= WIDE_FROM_COLUMNS:
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(*parts)
        console.print(table)
    else:
        console.print(Group(*parts))
    for line in _consoles(result):
        console.print(line, markup=False)


def _part(result: WhatIf, is_changed: bool, symbols: SymbolTable) -> Panel:
    """Return one run as a panel: the last event that both have, its own, and its end."""
    from rich.table import Table
    from rich.text import Text

    sides = (result.without, result.changed)
    side, other = sides[is_changed], sides[not is_changed]
    common = result.last_common[-1:]
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for row in comparison.rows((*common, *side.events), (*common, *other.events), symbols):
        text = Text(row.headline, STYLES[row.role] if row.differs else "dim")
        more = "\n".join(row.more)
        table.add_row(row.position, f"EL{row.el}", Text.assemble(text, "\n", (more, "dim")) if more else text)
    table.add_row("", "", Text(f"the end: {_end(side.end)}"))
    style = "red" if is_changed else "green"
    title = Text(", ".join(result.change) if is_changed else "without the change", f"bold {style}")
    return Panel(table, title=title, border_style=style, padding=(0, 1))


def _end(end: End) -> str:
    return f"{end.text} (status {end.status}), {end.n:,} instructions"


def _consoles(result: WhatIf) -> Iterator[str]:
    """Say how what was printed differs."""
    pairs = [*zip(result.without.end.consoles, result.changed.end.consoles, strict=True)]
    for number, (one, two) in enumerate(pairs):
        name = f"console of {result.vms[number]}" if len(pairs) > 1 else "console"
        difference = comparison.console_difference(one, two)
        yield f"The {name} differs {difference}" if difference else f"The {name} is the same."
