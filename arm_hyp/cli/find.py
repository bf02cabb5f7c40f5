"""`arm-hyp find run.hyp 'EC=0x24 and ipa==0x9000018'`: where in a run something happened.

Read `timeline/conditions.py`, `timeline/search_all.py` and `cli/journey.py` before this file.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated, NamedTuple

import msgspec
import typer

from arm_hyp.cli.journey import NOT_FOUND, RUN_CONTEXT, FileArgument, FilesOption, Journey, SymbolsOption, travel
from arm_hyp.cli.lines import print_line
from arm_hyp.errors import UserError
from arm_hyp.timeline.conditions import Condition, parse_condition
from arm_hyp.timeline.place import Place, place_of_event
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.search import Found
from arm_hyp.timeline.search_all import find_all

app = typer.Typer(add_completion=False)


class Asked(NamedTuple):
    """What the command line asks. `how_many` None: all."""

    condition: Condition
    how_many: int | None
    is_last: bool
    after: str | None
    before: str | None
    as_json: bool


@app.command(context_settings=RUN_CONTEXT)
def find(
    ctx: typer.Context,
    run: Annotated[str, FileArgument],
    condition: Annotated[str, typer.Argument(metavar="CONDITION", help="For example 'EC=0x24 and ipa==0x9000018'.")],
    last: Annotated[bool, typer.Option("--last", help="Begin at the end: the last one, or the last N.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Print all.")] = False,
    count: Annotated[int | None, typer.Option(metavar="N", help="Print so many. [default: 1]", min=1)] = None,
    after: Annotated[str | None, typer.Option(metavar="POS", help="Look behind this position or mark.")] = None,
    before: Annotated[str | None, typer.Option(metavar="POS", help="Look before this position or mark.")] = None,
    symbols: Annotated[list[str] | None, SymbolsOption] = None,
    files: Annotated[list[str] | None, FilesOption] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, with the whole event.")] = False,
) -> None:
    """Print where in a run a condition holds: position, CPU or vCPU, level, address, and what happened.

    A condition asks events: EC=0x24, ipa==0x9000018, kind==irq, event==console_output, text~"panic", HCR_EL2.TWI==1,
    with and, or, not. Of a guest instead of a recording, what else is on the line is for `arm-hyp run`.

    Exit status: 0, 1 if it never happened, 2 on bad input, 3 if the run is not the recorded one.
    """
    if everything and (last or count is not None):
        raise UserError("--all", "means from the first to the last", "leave out --last and --count")
    wanted = None if everything else count or 1
    asked = Asked(parse_condition(condition), wanted, last, after, before, as_json)
    travel(ctx, run, files, symbols, partial(_find, asked))


def _find(asked: Asked, journey: Journey) -> int:
    after = None if asked.after is None else journey.position(asked.after, "--after")
    before = None if asked.before is None else journey.position(asked.before, "--before")
    found = _last(asked, journey, after, before) if asked.is_last else _first(asked, journey, after, before)
    if not found and not journey.is_over:
        journey.clear()
        print(f"{asked.condition}: never{_between(asked)}", file=sys.stderr)
    return 0 if found else NOT_FOUND


def _between(asked: Asked) -> str:
    return (f" after {asked.after}" if asked.after else "") + (f" before {asked.before}" if asked.before else "")


def _first(asked: Asked, journey: Journey, after: Position | None, before: Position | None) -> int:
    """Print the first ones, as they come; return how many."""
    found = 0

    def tell(one: Found, place: Place) -> bool:
        nonlocal found
        if before is not None and one.position >= before:
            return False
        found += 1
        _print(asked, journey, one, place)
        return found != asked.how_many and not journey.is_interrupted

    journey.go(after or START)
    find_all(journey.search, asked.condition, after, before or journey.last, tell)
    return found


def _last(asked: Asked, journey: Journey, after: Position | None, before: Position | None) -> int:
    """Print the last ones, the very last one first; return how many."""
    if before is None:
        journey.go_to_end()
    else:
        journey.go(before)
    for number in range(asked.how_many or 1):
        one = None if journey.is_over else journey.search.back_to([asked.condition])
        if one is None or (after is not None and one.position <= after):
            return number
        assert one.event is not None
        _print(asked, journey, one, place_of_event(journey.timeline.runner, one.event))
    return asked.how_many or 1


def _print(asked: Asked, journey: Journey, found: Found, place: Place) -> None:
    journey.clear()
    if asked.as_json:
        plain = place._asdict() | {"position": str(place.position).replace(",", ""), "event": found.event}
        print(msgspec.json.encode(plain).decode(), flush=True)
    else:
        print_line(place)
