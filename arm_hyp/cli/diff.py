"""`arm-hyp diff a.hyp b.hyp`: where two recorded runs part, or two branches of one.

Read `timeline/differences.py` and `timeline/recordings/saved.py` before this file.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any

import typer

from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.explain_trap import print_json
from arm_hyp.cli.lines import print_folded
from arm_hyp.errors import UserError
from arm_hyp.timeline.differences import Branch, Difference, first_difference
from arm_hyp.timeline.passage import MAIN
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import open_timeline
from arm_hyp.timeline.timeline import Timeline

app = typer.Typer(add_completion=False)

PARTED = 1


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="RUN.hyp", help="A recording.")],
    second: Annotated[
        str | None, typer.Argument(metavar="[OTHER.hyp]", help="Another; without it, --branch is of the first.")
    ] = None,
    branch: Annotated[str, typer.Option(metavar="NAME", help="Compare with this branch of the other run.")] = MAIN,
    files: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A file of a run that is not in its recording, or a directory. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say where two runs part: the first event that differs, the last place with the same state, and what differs then.

    Exit status, as that of diff: 0 if the runs are the same as far as both go, 1 if they part, 2 on bad input.
    """
    if second is None and branch == MAIN:
        raise UserError(first, "is compared with nothing", "name another recording, or a branch: --branch branch1")
    with ExitStack() as stack:
        one = _opened(stack, first, MAIN, files)
        other = _opened(stack, first if second is None else second, branch, files)
        _check_machines(one.timeline, other.timeline)
        found = first_difference(one, other)
        if as_json:
            print_json(None if found is None else _plain(found))
        else:
            for line in _words(found):
                print_folded(line, "    ")
    raise typer.Exit(0 if found is None else PARTED)


def _opened(stack: ExitStack, path: str, branch: str, files: list[str] | None) -> Branch:
    """Return a branch of a recording, run to its end. Raises: UserError."""
    timeline = open_timeline(stack.enter_context(Replay.open(path, files or ()))).timeline
    timeline.switch(branch)
    return Branch(timeline, branch)


def _check_machines(one: Timeline, other: Timeline) -> None:
    """Refuse to compare machines of which one has what the other has not. Raises: UserError."""
    pairs = zip(_machine(one), _machine(other), strict=True)
    for mine, others in pairs:
        if mine != others:
            raise UserError(
                "diff", f"these are different machines: {mine}, {others}", "compare two runs of one machine"
            )


def _machine(timeline: Timeline) -> tuple[str, ...]:
    """Return what the state of a machine is made of, in words."""
    made, runner = timeline.configuration, timeline.runner
    vms = () if runner.hypervisor is None else tuple(vm.name for vm in runner.hypervisor.vms)
    has_vms = f"VMs {', '.join(vms)}" if vms else "no hypervisor in Python"
    return f"CPU {made.cpu}", f"{made.cpus} CPU{'s' * (made.cpus != 1)}", f"GICv{made.gic}", has_vms


def _words(found: Difference | None) -> list[str]:
    return ["the runs are the same as far as both go"] if found is None else str(found).splitlines()


def _plain(found: Difference) -> dict[str, Any]:
    """Return a difference as plain data; positions as N.SEQ."""
    return {
        "events": found.events,
        "event_at": _written(found.event_at),
        "last_same": _written(found.last_same),
        "positions": [_written(place) for place in found.positions],
        "changed": [str(each) for each in found.changed],
    }


def _written(place: Position | None) -> str | None:
    return None if place is None else f"{place.n}.{place.seq}"
