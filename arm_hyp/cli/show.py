"""`arm-hyp show run.hyp --at POS`: the machine at any position of a run.

Read `timeline/place.py`, `timeline/search.py` and `cli/journey.py` before this file, `cli/show_parts.py` after it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, NamedTuple

import typer

from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.explain_trap import print_json
from arm_hyp.cli.journey import NOT_FOUND, RUN_CONTEXT, FileArgument, FilesOption, Journey, SymbolsOption, travel
from arm_hyp.cli.run_options import one_of
from arm_hyp.cli.show_parts import DUMPS, Parts
from arm_hyp.cli.statistics import plain, print_tables
from arm_hyp.timeline.search import KINDS
from arm_hyp.timeline.statistics import Statistics

app = typer.Typer(add_completion=False)


class Asked(NamedTuple):
    """What the command line asks."""

    at: str
    back: tuple[str, ...]
    on: tuple[str, ...]
    parts: Parts
    statistics: Statistics | None
    as_json: bool


@app.command(context_settings=RUN_CONTEXT)
def show(
    ctx: typer.Context,
    run: Annotated[str, FileArgument],
    at: Annotated[
        str, typer.Option(metavar="POS", help="N instructions, N.SEQ with SEQ events after them, start, end or a mark.")
    ] = "end",
    back: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help=f"Go back from there, to the last {', '.join(KINDS)}. Repeatable."),
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option("--next", metavar="KIND", help="Then go on, to the next one. Repeatable.")
    ] = None,
    cpu: Annotated[
        int | None, typer.Option("--cpu-index", help="Which CPU. [default: the one whose turn it is]", min=0)
    ] = None,
    registers: Annotated[bool, typer.Option("--registers", help="Print all system registers that are not 0.")] = False,
    walk: Annotated[str | None, typer.Option(metavar="VA", help="Show how an address is translated there.")] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Decode the syndrome of the last exception, field by field.")
    ] = False,
    dump: Annotated[str, typer.Option(metavar="NAMES", help=f"Print {', '.join(DUMPS)} (with commas).")] = "",
    stat: Annotated[
        bool,
        typer.Option("--stat", help="Print exceptions, devices, interrupts and exits of VMs, counted up to there."),
    ] = False,
    symbols: Annotated[list[str] | None, SymbolsOption] = None,
    files: Annotated[list[str] | None, FilesOption] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the machine at a position of a run: where it stands, its registers, its last exception and why that came.

    Of a guest instead of a recording, what else is on the line is for `arm-hyp run`.

    Exit status: 0, 1 if there is no such step, 2 on bad input, 3 if the run is not the recorded one.
    """
    steps_back, steps_on = _kinds("--back", back, KINDS), _kinds("--next", on, tuple(k for k in KINDS if k != "caller"))
    parts = Parts.parse(cpu, registers=registers, walk=walk, why=why, dump=dump)
    statistics = Statistics() if stat else None
    asked = Asked(at, steps_back, steps_on, parts, statistics, as_json)
    travel(ctx, run, files, symbols, partial(_show, asked), statistics)


def _kinds(option: str, kinds: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one_of(option, kind, known, "step") for kind in kinds or ())


def _show(asked: Asked, journey: Journey) -> int:
    journey.position(asked.at, "--at")
    asked.parts.check(journey.timeline)
    journey.go_to(asked.at, "--at")
    if journey.is_over or not _step(asked, journey) or journey.is_over:
        return NOT_FOUND
    told = asked.parts.tell(journey.timeline, journey.end_text)
    journey.clear()
    if asked.as_json:
        print_json(told.plain() | ({} if asked.statistics is None else {"statistics": plain(asked.statistics)}))
    else:
        told.print()
        if asked.statistics is not None:
            print_tables(asked.statistics)
    return 0


def _step(asked: Asked, journey: Journey) -> bool:
    """Go back, and on. Tell whether all steps were there."""
    steps = [("back", kind) for kind in asked.back] + [("next", kind) for kind in asked.on]
    for direction, kind in steps:
        search = journey.search
        there = search.previous(kind) if direction == "back" else search.next(kind, journey.last.n)
        if there is None:
            journey.clear()
            if not journey.is_over:
                where = "before" if direction == "back" else "after"
                print(f"there is no {kind} {where} {journey.timeline.position}", file=sys.stderr)
            return False
    return True
