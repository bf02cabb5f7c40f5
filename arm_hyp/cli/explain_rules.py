"""`arm-hyp explain bit REG.FIELD` and `arm-hyp explain insn INSTRUCTION`: the trap rules, looked up from both ends.

Read `explain/bits.py` and `cli/explain_trap.py` before this file.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from arm_hyp.cli.explain_input import (
    CpuOption,
    GicOption,
    InstructionArgument,
    JsonOption,
    check_machine,
    gic_for,
    read_instruction,
    who_has,
)
from arm_hyp.cli.explain_trap import print_json, show
from arm_hyp.explain.bits import BitStory, Caught, InstructionStory, explain_bit, explain_instruction
from arm_hyp.explain.examples import Example

DEFAULT_CPU: Final = "a72"
SHOWN_RULES: Final = 6
"""Bits like HCR_EL2.TGE stand in a hundred rules: those that are named after another bit are counted only."""


def bit(
    name: Annotated[str, typer.Argument(metavar="REG.FIELD", help="A field of a control register: HCR_EL2.TVM")],
    cpu: CpuOption = DEFAULT_CPU,
    gic: GicOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every rule that asks for it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a control bit catches: the registers and instructions, from where, and an example."""
    check_machine(cpu, gic)
    story = explain_bit(name, cpu, gic_for(gic, name))
    if as_json:
        print_json(story)
    else:
        show(Group(*_bit_parts(story, everything)))


def insn(
    instruction: InstructionArgument, cpu: CpuOption = DEFAULT_CPU, gic: GicOption = None, as_json: JsonOption = False
) -> None:
    """Say what an instruction is, and which rules can ever touch it, by exception level."""
    check_machine(cpu, gic)
    given = read_instruction(instruction)
    version = gic_for(gic, given.text)
    story = explain_instruction(given.word, given.text, cpu, version)
    if as_json:
        print_json(story)
    else:
        show(Group(*_instruction_parts(story, who_has(given.word, cpu, version))))


def _bit_parts(story: BitStory, everything: bool) -> list[RenderableType]:
    name = f"{story.register}.{story.field}"
    place = f"<{story.msb}>" if story.msb == story.lsb else f"<{story.msb}:{story.lsb}>"
    parts: list[RenderableType] = [Text(story.sentence, "bold"), Text(f"{name} {place}: {story.meaning}", "dim")]
    if story.missing:
        parts.append(Text(f"This machine does not have it: {story.missing}.", "red"))
    own = [one for one in story.caught if f"{one.rule}.".startswith(f"{name}.")]
    shown = story.caught if everything or len(story.caught) <= SHOWN_RULES else own
    for one in shown:
        parts += [Text(), *_rule(one)]
    if len(shown) < len(story.caught):
        parts += [
            Text(),
            Text(f"{len(story.caught) - len(shown)} more rules of other bits ask for it: --all shows them."),
        ]
    if story.example is not None:
        parts += [Text(), *_example(story.example)]
    return parts


def _rule(one: Caught) -> list[RenderableType]:
    levels = " and ".join(f"EL{el}" for el in sorted(one.levels, reverse=True))
    goes = {"trap": f"to EL{one.target_el}, EC {one.ec or 0:#04x} ({one.ec_name})", "undefined": "UNDEFINED"}
    head = Text(one.rule, "cyan").append(f"  {levels}, {goes.get(one.outcome, 'no effect')}", "default")
    lines: list[RenderableType] = [head, Text(f"  {one.text}"), Text(f"  Catches: {', '.join(one.names)}")]
    if one.conditions:
        lines.append(Text(f"  While: {'; '.join(one.conditions)}"))
    if one.feature:
        lines.append(Text(f"  Machines: {one.feature.replace('+', ' and ').replace('!', 'not ')}"))
    return [*lines, Text(f"  {one.ref}", "dim")]


def _example(example: Example) -> list[RenderableType]:
    cpu = [f"--cpu {example.model}"] if example.model != DEFAULT_CPU else []
    options = [f"--el {example.el}", *cpu, *(f"--set {one}" for one in example.settings)]
    options += [f"--feature {one}" for one in example.features]
    command = f"arm-hyp explain trap {shlex.quote(example.instruction)} {' '.join(options)}"
    return [Text(f"Example: {example.sentence}"), Text(f"  {command}", "green")]


def _instruction_parts(story: InstructionStory, missing: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(story.sentence, "bold"), Text(f"Its word is {story.word:#010x}.", "dim")]
    if missing:
        parts.append(Text(f"This machine does not have it: {missing}.", "red"))
    for el, rules in story.rules.items():
        if rules:
            parts += [Text(), Text(f"At EL{el}:", "bold"), *(_line(one) for one in rules)]
    return parts


def _line(one: Caught) -> Text:
    needs = f" ({one.feature.replace('+', ' and ').replace('!', 'not ')})" if one.feature else ""
    return Text("  ").append(one.rule, "cyan").append(f"{needs}  {one.text}")
