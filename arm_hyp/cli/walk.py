"""`arm-hyp walk VA FILE`: run a guest to a point, and tell how an address is translated there.

Read `explain/walks.py` and `runner/translation.py` before this file. All options of `arm-hyp run` say what runs; this
command takes its own out of the line, and has `run` read the rest.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Annotated, Final, NamedTuple

import typer
from typer.main import get_command

from arm_hyp.arch.translation import FETCH, READ, WRITE, Access, walk
from arm_hyp.cli import run as run_command
from arm_hyp.cli.explain import UNWRAPPED_COLUMNS
from arm_hyp.cli.settings import Settings
from arm_hyp.errors import UserError
from arm_hyp.explain.walks import WalkStory, explain_walk
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner, Type
from arm_hyp.runner.translation import View, view_of_cpu, view_of_vcpu

app = typer.Typer(add_completion=False)

_LEVELS: Final = {"EL0": 0, "EL1": 1, "EL2": 2, "0": 0, "1": 1, "2": 2}
_MAX: Final = (1 << 64) - 1


class Asked(NamedTuple):
    """What the command line asks, beside what runs."""

    va: int
    at: int | None
    access: Access
    n: int | None
    cpu_index: int | None
    vm: str | None
    vcpu: int | None
    everything: bool
    as_json: bool


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def walk_(
    ctx: typer.Context,
    va: Annotated[str, typer.Argument(metavar="VA FILE", help="The virtual address comes first, then what runs.")],
    at: Annotated[
        str | None, typer.Option(help="Exception level of the access: EL0, EL1 or EL2. [default: the present one]")
    ] = None,
    read: Annotated[bool, typer.Option("--read", help="The access reads: the default.")] = False,
    write: Annotated[bool, typer.Option("--write", help="The access writes.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="The access fetches an instruction.")] = False,
    n: Annotated[
        int | None,
        typer.Option("-n", help="Run so many instructions first; --until TEXT as for run.", min=0),
    ] = None,
    cpu_index: Annotated[int | None, typer.Option(help="Which CPU. [default: 0]", min=0)] = None,
    vm: Annotated[str | None, typer.Option(help="Which VM, with --hypervisor. [default: the first]")] = None,
    vcpu: Annotated[int | None, typer.Option(help="Which vCPU of it. [default: 0]", min=0)] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every nested walk and every field, also where all is well.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Run FILE to a point and show how a virtual address is translated there, step by step.

    What else is on the line is for `arm-hyp run`: FILE, and the options that say what machine it runs on. Give -n or
    --until to say when; an assembly guest runs to its end without. Exit status: 0, also where the walk ends in a fault.
    """
    if cpu_index is not None and (vm is not None or vcpu is not None):
        raise UserError("--cpu-index", "names a CPU, and --vm and --vcpu a virtual one", "leave one out")
    asked = Asked(
        va=parse_va(va),
        at=_level(at),
        access=_access(read, write, fetch),
        n=n,
        cpu_index=cpu_index,
        vm=vm,
        vcpu=vcpu,
        everything=everything,
        as_json=as_json,
    )
    name = ctx.command_path
    get_command(run_command.app).main(list(ctx.args), prog_name=name, standalone_mode=False, obj=partial(_walk, asked))


# --- the command line -------------------------------------------------------------------------------------------------


def parse_va(text: str) -> int:
    """Read an address. Raises: UserError."""
    try:
        value = int(text, 0)
    except ValueError:
        raise UserError(f"VA {text}", "this is not a number", "the address comes first: 0x40080000") from None
    if not 0 <= value <= _MAX:
        raise UserError(f"VA {text}", "does not fit in 64 bits", "give an address from 0 to 0xffffffffffffffff")
    return value


def _level(text: str | None) -> int | None:
    if text is None:
        return None
    if text.upper() not in _LEVELS:
        raise UserError(f"--at {text}", "there is no such exception level", "use EL0, EL1 or EL2")
    return _LEVELS[text.upper()]


def _access(read: bool, write: bool, fetch: bool) -> Access:
    if read + write + fetch > 1:
        raise UserError("--read, --write, --fetch", "an access is one of them", "give one")
    return WRITE if write else FETCH if fetch else READ


# --- the run and the walk ---------------------------------------------------------------------------------------------


def _walk(asked: Asked, configuration: Configuration, settings: Settings) -> int:
    """Run to the point, walk, print."""
    runner = Runner(configuration)
    _run_to_point(runner, asked, settings)
    view = _view(runner, asked)
    el = view.el if asked.at is None else asked.at
    if el == 2 and not view.has_el2:
        raise UserError("--at EL2", f"{view.name} is of a VM, which has no EL2", "use EL0 or EL1, or --cpu-index")
    # PSTATE.PAN is that of the level which the CPU is at: another level would have its own.
    access = asked.access._replace(pan=view.pan and el == view.el, is_privileged=el > 0)
    found = walk(asked.va, access, el, view.registers, view.read64)
    story = explain_walk(found, access, el, view.registers)
    _print(story, asked, view, runner.machine.retired)
    return 0


def _view(runner: Runner, asked: Asked) -> View:
    is_virtual = asked.vm is not None or asked.vcpu is not None
    if is_virtual or (runner.hypervisor is not None and asked.cpu_index is None):
        return view_of_vcpu(runner, asked.vm, asked.vcpu or 0)
    return view_of_cpu(runner, asked.cpu_index or 0)


def _run_to_point(runner: Runner, asked: Asked, settings: Settings) -> None:
    """Run so far as is asked for. Raises: UserError if the run never gets there."""
    limit = settings.limit if asked.n is None else asked.n
    if limit >= run_command.NO_LIMIT and not settings.until:
        raise UserError("arm-hyp walk", "it is not said when to walk", "give -n INSTRUCTIONS or --until TEXT")
    if settings.input_path not in (None, "-"):
        runner.send(Type(read_file(str(settings.input_path))))
    if limit == 0:
        return
    answer = runner.send(Run(limit, settings.until))
    if settings.until and answer["status"] != 0:
        raise UserError(f"--until {settings.until}", answer["text"], "give a text that the console will show")
    if answer["n"] < limit and asked.n is not None and not settings.until:
        print(f"the run ended before: {answer['text']}; {answer['n']:,} instructions", file=sys.stderr)


def _print(story: WalkStory, asked: Asked, view: View, n: int) -> None:
    where = {"of": view.name, "n": n, "pc": view.pc}
    if asked.as_json:
        from arm_hyp.explain.walk_rendering import to_plain

        print(json.dumps(where | to_plain(story), indent=2))
        return
    from rich.console import Console

    from arm_hyp.explain.walk_rendering import render

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNWRAPPED_COLUMNS
    place = f"{view.name} after {n:,} instructions, at PC {view.pc:#x}, EL{view.el}"
    console.print(place, style="dim", markup=False)
    console.print(render(story, asked.everything))
