"""What `arm-hyp explain trap`, `bit` and `insn` are given: an instruction, a machine, settings; all errors in one line.

Read `explain/asked.py` before this file, `cli/explain_trap.py` after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Final, NamedTuple

import typer

from arm_hyp.arch import id_policy
from arm_hyp.arch.traps import Context, FineGrained
from arm_hyp.errors import UserError
from arm_hyp.explain.asked import after_reset, with_field, with_register
from arm_hyp.explain.bits import find_layout, missing_reason

CpuOption = Annotated[str, typer.Option("--cpu", help="The CPU model: a72, max or max-fgt.")]
GicOption = Annotated[
    int | None, typer.Option("--gic", help="The GIC's version, 2 or 3. [default: 3 where asked of it]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
InstructionArgument = Annotated[
    list[str], typer.Argument(metavar="INSTRUCTION", help='As in assembly ("mrs x0, SCTLR_EL1"), or its word: 0x...')
]

_WORD: Final = re.compile(r"0x[0-9a-f_]{1,9}", re.IGNORECASE)
_WITHOUT_OPERAND: Final = {"svc", "hvc", "smc", "brk", "hlt"}
"""A shell takes `#0` for a comment: these may stand alone."""
_OF_FEATURES: Final = {"HCRX_EL2": "HCX"}
"""Fine-grained trap registers come with FGT, but for this one."""


class Instruction(NamedTuple):
    """An instruction as it was given, and its word."""

    text: str
    word: int


def read_instruction(words: Sequence[str]) -> Instruction:
    """Return the instruction of a command line. Raises: UserError with near names."""
    text = " ".join(" ".join(words).split())
    if _WORD.fullmatch(text):
        from arm_hyp.cpu.disassembler import disassemble  # here: it loads Capstone

        word = int(text, 16)
        if word >> 32:
            raise UserError(text, "does not fit in the 32 bits of an instruction", "give 0x0 to 0xffffffff")
        return Instruction(disassemble(word, 0), word)
    source = f"{text} #0" if text.lower() in _WITHOUT_OPERAND else text
    return Instruction(source, _assembled(source))


def _assembled(text: str) -> int:
    from arm_hyp.cpu.assembler import AssemblyError, assemble  # here: it starts a process

    try:
        code = assemble(text, filename="instruction", base=0).code
    except AssemblyError as error:
        raise UserError(f"instruction {text!r}", error.cause, error.way_out) from None
    if len(code) != 4:
        raise UserError(f"instruction {text!r}", f"makes {len(code)} bytes of code", "give one instruction, 4 bytes")
    return int.from_bytes(code, "little")


def check_machine(cpu: str, gic: int | None) -> None:
    """Check the options that name a machine. Raises: UserError."""
    try:
        id_policy.check_machine(cpu, 2 if gic is None else gic)
    except ValueError as error:
        raise UserError(f"--cpu {cpu}" if cpu not in id_policy.MODELS else f"--gic {gic}", str(error)) from None


def read_level(text: str) -> int:
    """Read `--el`: 0 to 3, with EL before it or not. Raises: UserError."""
    number = text.upper().removeprefix("EL")
    if number not in ("0", "1", "2", "3"):
        raise UserError(f"--el {text}", "there is no such exception level", "give 0, 1, 2 or 3")
    return int(number)


def gic_for(gic: int | None, *names: str) -> int:
    """Return the GIC's version: the one given, or 3 where its system registers are named."""
    is_asked = any(re.search(r"\bIC[CHV]_", name, re.IGNORECASE) for name in names)
    return gic if gic is not None else 3 if is_asked else 2


def read_state(el: int, cpu: str, gic: int, settings: Sequence[str], features: Sequence[str]) -> Context:
    """Make the state that is asked about: a machine after reset with these settings. Raises: UserError."""
    from arm_hyp.runner.settings import parse_setting  # here: it loads the core

    parsed = [parse_setting(text) for text in settings]
    more = {_feature(name) for name in features}
    more |= {_OF_FEATURES.get(one.register, "FGT") for one in parsed if one.register.lower() in FineGrained._fields}
    context = after_reset(el, cpu, gic, frozenset(more))
    for one in sorted(parsed, key=lambda each: each.field is not None):  # whole registers first
        context = _with_setting(context, one.text, one.register, one.field, one.value)
    return context


def _with_setting(context: Context, text: str, register: str, field: str | None, value: int) -> Context:
    thing = f"--set {text}"
    if field is None:
        find_layout(register, thing)
        return with_register(context, register, value)
    layout, place = find_layout(register, thing, field, context)
    try:
        return with_field(context, layout, place, value)
    except ValueError as error:
        raise UserError(thing, str(error)) from None


def _feature(name: str) -> str:
    known = {each.upper(): each for each in (*id_policy.RULES, "NoEL3")}
    found = known.get(name.upper().removeprefix("FEAT_"))
    if found is None:
        near = get_close_matches(name.upper(), [each for each in known if "-" not in each], n=3)
        way_out = f"near names: {', '.join(known[each] for each in near)}" if near else "e.g. VHE, EVT, FGT, HCX, NV"
        raise UserError(f"--feature {name}", "no trap rule asks for such a feature", way_out)
    return found


def who_has(word: int, cpu: str, gic: int) -> str:
    """Say why a machine lacks what an instruction names, and which machine has it; empty if nothing is missing."""
    reason = missing_reason(word, cpu, gic)
    if not reason:
        return ""
    machines = ((model, version) for model in id_policy.MODELS for version in id_policy.GIC_VERSIONS)
    other = next(((model, version) for model, version in machines if not missing_reason(word, model, version)), None)
    return reason if other is None else f"{reason}; --cpu {other[0]} --gic {other[1]} has it"
