"""`arm-hyp whatif FILE --set HCR_EL2.TWI=1`: run a guest without and with a change, and show where the runs part.

Read `debug/whatif.py`, `explain/comparison.py` and `cli/journey.py` before this file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Final, NamedTuple

import typer
from msgspec import to_builtins
from rich.panel import Panel

from arm_hyp.cli.journey import (
    INTERRUPTED,
    NOT_FOUND,
    RUN_CONTEXT,
    FilesOption,
    Journey,
    SymbolsOption,
    is_recording,
    travel,
)
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.whatif import SHOWN, Changed, End, WhatIf, what_if
from arm_hyp.errors import UserError
from arm_hyp.explain import comparison
from arm_hyp.explain.comparison import Role
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.conditions import Condition, parse_condition
from arm_hyp.timeline.position import START
from arm_hyp.timeline.recordings.recording import write_recording
from arm_hyp.timeline.recordings.saved import with_branches

app = typer.Typer(add_completion=False)

WIDE_FROM_COLUMNS: Final = 100
"""From here on the two runs stand side by side."""
PIPED_COLUMNS: Final = 120
STYLES: Final[dict[Role, str]] = {"trap": "bold red", "return": "cyan", "wait": "bold green", "end": "dim", "plain": ""}


class Asked(NamedTuple):
    """What the command line asks, beside what runs."""

    changed: Changed
    at: str
    events: int
    keep: str | None
    as_json: bool


@app.command(context_settings=RUN_CONTEXT)
def whatif(
    ctx: typer.Context,
    set_: Annotated[list[str], typer.Option("--set", metavar="REG[.FIELD]=VALUE", help="The change. Repeatable.")],
    at: Annotated[
        str,
        typer.Option(
            metavar="POS",
            help="Where it is made: N, N.SEQ, start, a mark, or the first place of a condition: EC=HVC64.",
        ),
    ] = "start",
    both: Annotated[
        list[str] | None, typer.Option("--both", metavar="REG[.FIELD]=VALUE", help="Set in both runs. Repeatable.")
    ] = None,
    vm: Annotated[str, typer.Option(help="Whose vCPU --set and --both mean; the first VM's if not given.")] = "",
    cpu: Annotated[int, typer.Option("--cpu-index", help="Which CPU, or which vCPU of the VM.", min=0)] = 0,
    events: Annotated[int, typer.Option(help="So many events of each run are shown.", min=1, max=1000)] = SHOWN,
    keep: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep the run with the change in the recording, as this branch.")
    ] = None,
    symbols: Annotated[list[str] | None, SymbolsOption] = None,
    files: Annotated[list[str] | None, FilesOption] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Run FILE or run.hyp twice, without and with a change, and show where the two runs part, why, and how each ends.

    Of a guest, what else is on the line is for `arm-hyp run`: FILE, and the options that say what machine it runs on.
    With --hypervisor, or a FILE.toml, the change is one of a vCPU of a VM.

    Exit status: 0, whether or not they part; 1 if there is no such place, 2 on bad input, 3 if the run is not the
    recorded one.
    """
    asked = Asked(Changed(tuple(set_), tuple(both or ()), vm, cpu), at, events, keep, as_json)
    recording = next((word for word in ctx.args if is_recording(word)), None)
    if recording is not None:
        ctx.args.remove(recording)
    elif keep is not None:
        raise UserError(f"--keep {keep}", "only a recording keeps branches", "record the guest first: run --record")
    travel(ctx, recording, files, symbols, partial(_compare, asked))


def _compare(asked: Asked, journey: Journey) -> int:
    timeline = journey.timeline
    _check(asked, journey)
    if not _go(asked.at, journey):
        return NOT_FOUND
    result = what_if(
        timeline,
        asked.changed,
        journey.limit,
        asked.events,
        name=asked.keep,
        is_interrupted=lambda: journey.is_interrupted,
    )
    if journey.is_over:
        return INTERRUPTED
    if asked.keep is not None:
        _keep(journey, result)
    symbols, configuration = timeline.runner.symbols, timeline.configuration
    said = sentence(result, symbols, configuration)
    journey.clear()
    if asked.as_json:
        print(json.dumps({"sentence": said, "has_parted": result.has_parted} | to_builtins(result), indent=2))
    else:
        _print(result, symbols, said)
    return 0


def _check(asked: Asked, journey: Journey) -> None:
    """Raises: UserError for what cannot be asked, before anything runs."""
    if journey.until:
        raise UserError("--until", "two runs are compared to their ends", "leave it out; --max-instructions ends them")
    if journey.replay is not None and journey.replay.recording.handlers is not None:
        raise UserError(
            journey.name, "has what its handlers did, not their code", "name the guest and the handlers in its place"
        )
    if asked.keep is not None and not asked.keep.strip():
        raise UserError("--keep", "a branch needs a name", "--keep NAME")
    if asked.keep in journey.timeline.branches:
        raise UserError(f"--keep {asked.keep}", "is there already", "take another name")
    asked.changed.check(journey.timeline)


def _go(at: str, journey: Journey) -> bool:
    """Go where the change is made. Tell whether there is such a place. Raises: UserError."""
    condition = _condition(at, journey)
    if condition is None:
        journey.go_to(at, "--at")
        return not journey.is_over
    found = journey.search.forward_to([condition], journey.last.n)
    if found is None and not journey.is_over:
        journey.clear()
        print(f"{at}: never", file=sys.stderr)
    return found is not None and not journey.is_over


def _condition(at: str, journey: Journey) -> Condition | None:
    """Return the condition that `--at` gives, None where it gives a position. Raises: UserError."""
    if at in journey.timeline.marks or not any(sign in at for sign in "=<>~"):
        return None
    return parse_condition(at)


def _keep(journey: Journey, result: WhatIf) -> None:
    """Keep the branch with the change in the recording; the user's place in it stays. Raises: UserError."""
    assert journey.replay is not None
    timeline, recording = journey.timeline, journey.replay.recording
    del timeline.branches[result.without.branch]
    write_recording(journey.name, with_branches(recording, timeline))


def sentence(result: WhatIf, symbols: SymbolTable, configuration: Configuration) -> str:
    """Say what came out, in one sentence."""
    if result.has_parted:
        machine = configuration.cpu, configuration.gic
        return comparison.parting(*result.first, result.change, symbols, machine, result.vcpu)
    lost = result.overwritten
    if lost is None:
        since = "" if result.at == START else f" behind {result.at}"
        return f"Both runs do the same: {result.common:,} events{since}, and the same end."
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
    change = ", ".join(result.change) + ("" if result.at == START else f" at {result.at}")
    title = Text(change if is_changed else "without the change", f"bold {style}")
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
