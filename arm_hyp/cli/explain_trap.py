"""`arm-hyp explain trap INSTRUCTION`: what becomes of an instruction in a state, and why.

Read `explain/verdicts.py` and `cli/explain_input.py` before this file, `cli/explain_rules.py` after it. Nothing runs
here: the trap rules are asked, as the machine asks them.
"""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from arm_hyp.cli.explain_input import (
    CpuOption,
    GicOption,
    InstructionArgument,
    JsonOption,
    check_machine,
    gic_for,
    read_instruction,
    read_level,
    read_state,
    who_has,
)
from arm_hyp.cli.explain_tree import UNWRAPPED_COLUMNS, render_tree
from arm_hyp.explain.verdicts import Step, TrapStory, explain_trap


def trap(
    instruction: InstructionArgument,
    el: Annotated[str, typer.Option("--el", help="The exception level it is executed at.")] = "1",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="REG[.FIELD]=VALUE", help="Set a control register; also PSTATE.IL, PE.*. Repeat."
        ),
    ] = None,
    cpu: CpuOption = "a72",
    gic: GicOption = None,
    features: Annotated[
        list[str] | None, typer.Option("--feature", help="Ask as if the CPU had it: EVT, FGT, NV, ... Repeat.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether an instruction traps, why or why not, and the nearest change that would make the difference.

    The state is that of the machine after reset, as the firmware leaves it, with the settings given.
    """
    check_machine(cpu, gic)
    given = read_instruction(instruction)
    version = gic_for(gic, given.text, *(settings or ()))
    context = read_state(read_level(el), cpu, version, settings or (), features or ())
    story = explain_trap(context, given.word, given.text)
    if as_json:
        print_json(story)
        return
    state = f"EL{story.el}, {cpu}, GICv{version}, after reset{''.join(f', {one}' for one in settings or ())}"
    missing = "" if features or story.outcome != "undefined" else who_has(given.word, cpu, version)
    show(Group(*_parts(story, state, missing)))


def print_json(story: object) -> None:
    """Print a story as JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(story)).decode() + "\n")


def show(content: RenderableType) -> None:
    """Print to the terminal at its width, or unwrapped into a pipe or file."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNWRAPPED_COLUMNS
    console.print(content)


def _parts(story: TrapStory, state: str, missing: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(story.sentence, "bold")]
    if missing:
        parts.append(Text(f"Here: {missing}."))
    parts += [Text(one.sentence, "green") for one in story.alternatives]
    parts += [Text(), Text(f"State: {state}", "dim")]
    if story.steps:
        parts.append(_chain(story.steps))
    if story.syndrome is not None:
        parts += [Text(), render_tree(story.syndrome)]
    return parts


def _chain(steps: tuple[Step, ...]) -> Table:
    """Show the rules in the order in which they were asked."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        mark = Text("applies", "bold yellow") if step.applies else Text("no", "dim")
        conditions = "; ".join(map(str, step.conditions)) or "always"
        table.add_row(mark, Text(step.rule, "cyan"), Text(conditions))
    if steps[-1].applies:
        table.add_row("", "", Text(steps[-1].ref, "dim"))
    return table
