"""The assembler: a source text to an image with symbols and lines, and errors that say where and what to do.

Read `cpu/assembler_source.py` after this file and then down the line: source (text to statements), expressions,
include, macros, operands, words (what Keystone lacks), layout, child, process. Keystone (LLVM 3.8) encodes single
instructions only, in a process of its own: its labels, data and literal pools have errors that go unnoticed (`adrp`,
`ldr x0, =label` after a constant, `.inst`, `.octa`), and many inputs end, crash or hang it.

Simplified: one flat image. Sections are laid out one after the other, .text first; there is no linker, so every
symbol must be defined.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from arm_hyp.arch import sysregs
from arm_hyp.cpu import assembler_process
from arm_hyp.cpu.assembler_child import INSTRUCTION_BYTES, NOT_ENCODED
from arm_hyp.cpu.assembler_include import origin_of
from arm_hyp.cpu.assembler_layout import Layout, Pending
from arm_hyp.cpu.assembler_macros import Expander
from arm_hyp.cpu.assembler_operands import Instruction, unknown_names
from arm_hyp.cpu.assembler_source import AssemblyError, read_statements
from arm_hyp.cpu.symbols import Line, Symbol

__all__ = ["Assembled", "AssemblyError", "Line", "Symbol", "assemble"]

CPU_SECONDS = 2
MEMORY_BYTES = 1 << 30
ANSWERS_KEPT = 32
"""For how many programs a process remembers the encoded instructions: a lesson's guests are assembled at each check."""

_INVALID_OPERAND, _MISSING_FEATURE, _UNKNOWN_MNEMONIC = 512, 513, 514
_WAY_OUT_WORD = "write its encoding as `.inst 0x...` if it is newer than the assembler"
_CAUSES = {
    _INVALID_OPERAND: ("an operand does not fit this instruction", ""),
    _MISSING_FEATURE: ("this instruction needs an extension that the assembler does not know", _WAY_OUT_WORD),
    _UNKNOWN_MNEMONIC: ("`{mnemonic}` is not an instruction or macro", _WAY_OUT_WORD),
    NOT_ENCODED: ("the assembler cannot encode this line", _WAY_OUT_WORD),
}


@dataclass(frozen=True, slots=True)
class Assembled:
    """An assembled program: bytes from `base` on, labels and lines by address, and the first instruction's address.

    `included` has the files that its text includes, relative to the folder of the program.
    """

    base: int
    code: bytes
    symbols: tuple[Symbol, ...]
    lines: tuple[Line, ...]
    entry: int
    included: tuple[str, ...] = ()


def assemble(source: str, *, filename: str, base: int, path: str | os.PathLike[str] | None = None) -> Assembled:
    """Assemble a source text for the address `base`. Raises: AssemblyError naming file, line and column.

    `filename` is how errors name the source; `path` is the file it is from, without which it can include no other.
    """
    if base % INSTRUCTION_BYTES or not 0 <= base < 1 << 48:
        raise AssemblyError(filename, 1, 1, f"code cannot start at {base:#x}", "use a multiple of 4 below 1 << 48")
    layout = Layout(base)
    try:
        statements = read_statements(source, filename, None if path is None else origin_of(path, filename))
        expander = Expander(statements, layout.constant, layout.is_defined)
        for statement in expander:
            layout.add(statement)
        image, pending = layout.finish()
    except RecursionError:
        raise AssemblyError(filename, 1, 1, "expressions or macros are nested too deeply", "nest less") from None
    _encode(image, pending, layout)
    included = tuple(dict.fromkeys(expander.included))
    return Assembled(base, bytes(image), layout.symbols(), layout.lines(), layout.entry(), included)


def _encode(image: bytearray, pending: list[Pending], layout: Layout) -> None:
    if not pending:
        return
    try:
        answer = _answer(tuple(item.text for item in pending))
    except _Crash as crash:
        culprit = pending[max(crash.dots, 1) - 1].instruction
        raise culprit.place.error("this line crashes the assembler", f"rewrite `{culprit.text}`") from None
    if "failed" in answer:
        raise _failure(pending[answer["failed"]], answer["error"], layout)
    code = bytes.fromhex(answer["code"])
    for index, item in enumerate(pending):
        image[item.offset : item.offset + 4] = code[4 * index : 4 * index + 4]


class _Crash(Exception):
    """Keystone gave no answer; `dots` is how many instructions it got to."""

    def __init__(self, dots: int) -> None:
        super().__init__(dots)
        self.dots = dots


@lru_cache(maxsize=ANSWERS_KEPT)
def _answer(texts: tuple[str, ...]) -> Mapping[str, Any]:
    """Return what Keystone makes of instructions: the same for the same texts, so it is kept. Raises: _Crash.

    A crash is not kept: it may come from a limit that a busy computer ran into.
    """
    for together in (True, False):
        answer, dots = _ask_child(list(texts), together)
        if answer is not None:
            return answer
    raise _Crash(dots)


def _failure(item: Pending, number: int, layout: Layout) -> AssemblyError:
    instruction = item.instruction
    mnemonic, place = instruction.mnemonic, instruction.place
    unknown = [operand for operand in unknown_names(instruction, layout.is_defined) if not _is_word_of_arm(operand.raw)]
    if mnemonic in ("mrs", "msr") and number != _UNKNOWN_MNEMONIC:
        return place.error(*_wrong_system_register(instruction))
    if number == _UNKNOWN_MNEMONIC or not unknown:
        cause, way_out = _CAUSES.get(number, ("an operand does not fit this instruction", ""))
        if instruction.text.rstrip().endswith("#"):
            cause, way_out = "there is no value after `#`", "write one, or an expression"
        elif mnemonic == "mov" and number not in _CAUSES:
            cause, way_out = "no single mov can make this value", "load it with `ldr x0, =value`"
        return place.error(cause.format(mnemonic=mnemonic), way_out)
    return unknown[0].place.error(
        f"`{unknown[0].raw}` is no register, option or symbol", "define it, or check its spelling"
    )


def _wrong_system_register(instruction: Instruction) -> tuple[str, str]:
    """Return what is wrong with an MRS or MSR, and the way out."""
    operands = [part.strip() for part in instruction.text[len(instruction.mnemonic) :].split(",")]
    try:
        sysregs.by_name(operands[0 if instruction.mnemonic == "msr" else -1])
    except KeyError as error:
        return str(error.args[0]), "s<op0>_<op1>_c<n>_c<m>_<op2> names any encoding"
    return f"an operand does not fit `{instruction.mnemonic}`", "write mrs x0, NAME or msr NAME, x0"


def _is_word_of_arm(text: str) -> bool:
    """Tell whether a bare name is an operand of its own kind (a prefetch or barrier option, a vector element)."""
    return text.lower().startswith(("pld", "pli", "pst", "v")) and text[-1:] in "0123456789mphbsd"


def _ask_child(texts: list[str], together: bool) -> tuple[dict[str, Any] | None, int]:
    """Run Keystone in a process of its own; return its answer, or None and how many instructions it got to."""
    request = {
        "texts": texts,
        "together": together,
        "cpu_seconds": CPU_SECONDS + len(texts) // 5_000,
        "memory_bytes": MEMORY_BYTES,
    }
    return assembler_process.ask(request, len(texts))
