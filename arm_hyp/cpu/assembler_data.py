"""Data directives: numbers, strings, floats and fillings as bytes, and what every other directive is to us.

Read `cpu/assembler_layout.py` with this file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from arm_hyp.cpu.assembler_expressions import Node
from arm_hyp.cpu.assembler_source import Place, char_value, split_outside

NOP = (0xD503_201F).to_bytes(4, "little")

SIZES = {
    ".byte": 1, ".hword": 2, ".short": 2, ".2byte": 2, ".word": 4, ".long": 4, ".int": 4, ".4byte": 4, ".inst": 4,
    ".quad": 8, ".xword": 8, ".dword": 8, ".8byte": 8, ".octa": 16,
}  # fmt: skip
"""Bytes of one value of each directive of numbers."""

_IGNORED = """
    .global .globl .local .weak .hidden .protected .internal .extern .type .size .arch .arch_extension .cpu .file
    .ident .loc .func .endfunc .ent .title .sbttl .list .nolist .eject .print .warning .abort_if .unreq .variant_pcs
    .code .cfi_sections .cfi_startproc .cfi_endproc .cfi_def_cfa .cfi_def_cfa_offset .cfi_def_cfa_register
    .cfi_offset .cfi_rel_offset .cfi_restore .cfi_adjust_cfa_offset .cfi_same_value .cfi_undefined
    .cfi_remember_state .cfi_restore_state .cfi_return_column .cfi_signal_frame .cfi_window_save
    .cfi_negate_ra_state
"""
IGNORED = frozenset(_IGNORED.split())
"""What means nothing in a flat image: binding, types, call frames, the feature level (everything is allowed)."""

WAYS_OUT = {
    ".incbin": "write the bytes with .byte or .quad",
    ".comm": "write a label and .space",
    ".lcomm": "write a label and .space",
    ".pushsection": "use .section and .previous",
    ".popsection": "use .section and .previous",
    ".subsection": "use .section",
    ".exitm": "use .if and .else in the macro",
    ".float16": "write its bits with .hword",
}


@dataclass(frozen=True, slots=True)
class Fill:
    """`size` bytes of a repeated pattern."""

    size: int
    pattern: bytes


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers of `size` bytes each, to be evaluated when addresses are known."""

    size: int
    nodes: tuple[Node, ...]
    place: Place
    is_instruction: bool = False


def check_range(value: int, size: int, place: Place) -> None:
    """Refuse a value that fits neither as signed nor as unsigned number of `size` bytes. Raises: AssemblyError."""
    if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
        raise place.error(
            f"{value:#x} does not fit in {size} byte{'s' * (size > 1)}", "use a wider directive or register"
        )


def encode(content: bytes | Fill | Values, evaluate: Callable[[Node], int]) -> bytes:
    """Return the bytes of data. Raises: AssemblyError."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, Fill):
        return (content.pattern * (content.size // max(len(content.pattern), 1)))[: content.size]
    values = [evaluate(node) for node in content.nodes]
    for value in values:
        check_range(value, content.size, content.place)
    mask = (1 << 8 * content.size) - 1
    return b"".join((value & mask).to_bytes(content.size, "little") for value in values)


_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]+|[0-7]{1,3}|.)", re.DOTALL)


def _string_bytes(text: str, place: Place) -> bytes:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise place.error(f"`{text}` is not a string", 'write "..."')
    parts, end, body = [], 0, text[1:-1]
    for match in _ESCAPE.finditer(body):
        parts += [body[end : match.start()].encode(), bytes([_escape_value(match[1])])]
        end = match.end()
    return b"".join([*parts, body[end:].encode()])


def _escape_value(body: str) -> int:
    if len(body) > 1 and body[0] == "x":
        return int(body[1:], 16) & 0xFF
    return int(body, 8) & 0xFF if body[0] in "01234567" else char_value(f"\\{body}") & 0xFF


def _strings(word: str, rest: str, place: Place) -> bytes:
    end = b"" if word == ".ascii" else b"\0"
    parts = split_outside(rest, ",") if rest.strip() else []
    return b"".join(_string_bytes(part.strip(), place.moved(offset)) + end for offset, part in parts)


def _floats(word: str, rest: str, place: Place) -> bytes:
    code = "<d" if word == ".double" else "<f"
    try:
        return b"".join(struct.pack(code, float(part)) for _, part in split_outside(rest, ","))
    except (ValueError, OverflowError):
        raise place.error(f"`{rest}` is not a list of numbers that fit in {word[1:]}") from None


LITERAL: dict[str, Callable[[str, str, Place], bytes]] = {
    **dict.fromkeys((".ascii", ".asciz", ".string"), _strings),
    **dict.fromkeys((".float", ".single", ".double"), _floats),
}
"""Directives whose bytes are known at once."""
