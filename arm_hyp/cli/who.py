"""`arm-hyp who run.hyp HCR_EL2.TWI`: who changed this last, and what it was before.

Read `timeline/search_changes.py`, `timeline/search_targets.py` and `cli/journey.py` before this file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

import typer

from arm_hyp.arch import sysregs
from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.explain_trap import print_json
from arm_hyp.cli.journey import NOT_FOUND, RUN_CONTEXT, FileArgument, FilesOption, Journey, SymbolsOption, travel
from arm_hyp.cli.lines import print_folded
from arm_hyp.timeline.change_fields import FieldChange, changed_fields, number, regime_of, syndrome_of
from arm_hyp.timeline.place import place_of, symbols_of
from arm_hyp.timeline.search_changes import Change, last_change
from arm_hyp.timeline.search_targets import parse_target

app = typer.Typer(add_completion=False)

_BY_ADDRESS: Final = re.compile(r"(cpu\d+:)?(\d|(va|ipa|pa|pte|s2pte):)", re.IGNORECASE)


class Asked(NamedTuple):
    """What the command line asks."""

    target: str
    at: str
    before: str | None
    how_many: int
    as_json: bool


@app.command(context_settings=RUN_CONTEXT)
def who(
    ctx: typer.Context,
    run: Annotated[str, FileArgument],
    target: Annotated[
        str,
        typer.Argument(
            help="X3, HCR_EL2, HCR_EL2.TWI, LR0, VA+SIZE, main+8, pa:PA+SIZE, ipa:IPA, pte:VA[@LEVEL], s2pte:IPA."
        ),
    ],
    at: Annotated[
        str, typer.Option(metavar="POS", help="Ask this of the machine that `arm-hyp show --at POS` shows.")
    ] = "end",
    before: Annotated[str | None, typer.Option(metavar="POS", help="Leave out what happens at POS and later.")] = None,
    count: Annotated[int, typer.Option(metavar="N", help="Show the last N changes.", min=1)] = 1,
    symbols: Annotated[list[str] | None, SymbolsOption] = None,
    files: Annotated[list[str] | None, FilesOption] = None,
    as_json: JsonOption = False,
) -> None:
    """Say who changed a register, a field, memory, a descriptor or a list register last: which instruction, where.

    Changes by exceptions, by the hypervisor in Python and by devices count like those by instructions. cpu1:X3 is of
    CPU 1. Of a guest instead of a recording, what else is on the line is for `arm-hyp run`.

    Exit status: 0, 1 if nobody changed it, 2 on bad input, 3 if the run is not the recorded one.
    """
    travel(ctx, run, files, symbols, partial(_who, Asked(target, at, before, count, as_json)))


def _who(asked: Asked, journey: Journey) -> int:
    before = None if asked.before is None else journey.position(asked.before, "--before")
    at = before or journey.position(asked.at, "--at")
    if not _is_address(asked.target, journey):
        parse_target(asked.target, journey.timeline)  # a mistake is told before the run begins
    if before is None and asked.at == "end":
        journey.go_to_end()
    else:
        journey.go(at)
    if before is not None and journey.timeline.position >= before:
        journey.timeline.step_back()
    changes = 0 if journey.is_over else _tell(asked, journey)
    if not changes and not journey.is_over:
        journey.clear()
        target = parse_target(asked.target, journey.timeline)
        print(f"nobody has changed {target.name} up to {journey.timeline.position}", file=sys.stderr)
    return 0 if changes else NOT_FOUND


def _is_address(target: str, journey: Journey) -> bool:
    """Tell whether a target is, or may be, an address: what that means is known only when the run has come there."""
    if _BY_ADDRESS.match(target) or journey.timeline.runner.symbols.address_of(target.split("+")[0]) is not None:
        return True
    name = target.rpartition(":")[2].partition(".")[0].upper()
    return journey.symbols.may_come and not any(row.name == name for row in sysregs.TABLE)


def _tell(asked: Asked, journey: Journey) -> int:
    """Print the last changes, the very last one first; return how many."""
    target, regime = parse_target(asked.target, journey.timeline), regime_of(journey.timeline)
    told: list[dict[str, Any]] = []
    count = 0
    while count < asked.how_many and not journey.is_over:
        change = last_change(journey.search, target)
        if change is None:
            break
        count += 1
        journey.clear()
        fields = changed_fields(change, regime)
        if asked.as_json:
            told.append(_plain(journey, change, fields))
        else:
            _print(change, fields)
        if count < asked.how_many:
            journey.timeline.step_back()
    if asked.as_json and told:
        print_json(told)
    return count


def _print(change: Change, fields: Sequence[FieldChange]) -> None:
    print_folded(str(change))
    for field in fields:
        print_folded(f"  {field}", " " * 20)
    syndrome = syndrome_of(change)
    if syndrome:
        print_folded(f"  {syndrome}", "    ")


def _plain(journey: Journey, change: Change, fields: Sequence[FieldChange]) -> dict[str, Any]:
    """Return a change as plain data. Memory of 1, 2, 4 or 8 bytes is a number, else text: lowest address first."""
    place = place_of(journey.timeline, change.cpu)
    symbols = symbols_of(journey.timeline.runner, change.cpu)
    plain = change._asdict() | {"position": f"{change.position.n}.{change.position.seq}", "vcpu": place.vcpu}
    plain |= {"old": number(change.old), "new": number(change.new), "fields": [field._asdict() for field in fields]}
    return plain | {"symbol": symbols.describe(change.pc), "syndrome": syndrome_of(change)}
