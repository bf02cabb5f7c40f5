"""Operands of an instruction: symbols and expressions to plain numbers, so that Keystone sees no symbol at all.

Read `cpu/assembler_macros.py` before and `cpu/assembler_words.py` after. An A64 instruction is four bytes whatever
its operands are, so the layout is ours, and each instruction is a text of its own: `b loop` becomes `b .+-8`, `add
x0, x0, :lo12:table` becomes `add x0, x0, #0x10`. Ranges of branches are checked here, because a branch too far ends
Keystone's process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from arm_hyp.cpu.assembler_expressions import Name, Node, parse
from arm_hyp.cpu.assembler_source import AssemblyError, Place

Lookup = Callable[[str], Node | None]
Evaluate = Callable[[Node], int]


@dataclass(frozen=True, slots=True)
class Operand:
    """A value in an instruction: its use (`immediate`, `target`, `offset`, a relocation such as `lo12`) and place."""

    node: Node
    use: str
    place: Place
    raw: str
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction as parsed: literal text and operands in turn."""

    mnemonic: str
    parts: tuple[str | Operand, ...]
    place: Place
    text: str


_CONDITIONS = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al|nv"
_RESERVED = re.compile(
    r"[xwbhsdqvzp]\d+(?:\.\w+)?|[xw]zr|w?sp|fp|lr|ip[01]|lsl|lsr|asr|ror|msl|[us]xt[bhwx]|c\d+|sy|" + _CONDITIONS,
    re.ASCII | re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)
_PIECE = re.compile(
    r"(?P<before>\s*(?:(?:lsl|lsr|asr|ror|msl|[us]xt[bhwx])\b\s*)?)(?P<hash>#?)\s*(?P<body>.*?)(?P<after>\s*!?\s*)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_FLOAT = re.compile(r"[-+]?\d+\.\d*(e[-+]?\d+)?|[-+]?\d+e[-+]?\d+", re.IGNORECASE | re.ASCII)
_RELOCATION = re.compile(r":(\w+):(.*)", re.ASCII | re.DOTALL)
_ABSOLUTE = re.compile(r"abs_g([0-3])(_nc|_s)?")
_NO_REGISTER = re.compile(r"(?<![\w.$#])([xw])(3[1-9]|[4-9]\d)(?![\w.$])", re.ASCII | re.IGNORECASE)
_TARGETS = {
    **{"b": (26, 2), "bl": (26, 2), "cbz": (19, 2), "cbnz": (19, 2), "tbz": (14, 2), "tbnz": (14, 2)},
    **{"adr": (21, 0), "adrp": (21, 12), "ldr": (19, 2), "ldrsw": (19, 2), "prfm": (19, 2)},
    **{f"b{dot}{condition}": (19, 2) for condition in _CONDITIONS.split("|") for dot in ("", ".")},
}
_LITERAL_LOADS = ("ldr", "ldrsw", "prfm")
_UNSIGNED_16 = frozenset({"svc", "hvc", "smc", "brk", "hlt", "udf", "dcps1", "dcps2", "dcps3"})
_NAMED = {"mrs": 1} | dict.fromkeys(
    ("msr", "at", "dc", "ic", "tlbi", "cfp", "cpp", "dvp", "dsb", "dmb", "isb", "bti", "psb", "tsb"), 0
)
"""The operand that is a name of Arm's, whatever symbols there are."""
_INTRA_CALL = {"ip0": "x16", "ip1": "x17"}


def parse_instruction(text: str, place: Place, lookup: Lookup) -> Instruction:
    """Parse one instruction; names that `lookup` does not know yet stay open. Raises: AssemblyError."""
    match = re.match(r"(\S+)(\s*)", text)
    mnemonic = (match[1] if match else text).lower()
    start = match.end() if match else len(text)
    wrong = _NO_REGISTER.search(text, start)
    if wrong and lookup(wrong[0]) is None:
        raise place.moved(wrong.start()).error(f"there is no register {wrong[0]}", "31 is written xzr, wzr or sp")
    last = _last_operand(text, start)
    is_target = mnemonic in _TARGETS and not (mnemonic in _LITERAL_LOADS and text[last:].strip()[-1:] in ("]", "!", ""))
    if is_target and mnemonic in _LITERAL_LOADS and "[" in text[start:]:
        is_target = False
    parts: list[str | Operand] = [f"{mnemonic} "]
    parts += _pieces(text, start, last if is_target else len(text), place, lookup, _NAMED.get(mnemonic, -1))
    if is_target:
        parts.append(_target(text, last, place, lookup))
    return Instruction(mnemonic, tuple(parts), place, text)


def _last_operand(text: str, start: int) -> int:
    return max(text.rfind(",") + 1, start)


def _target(text: str, start: int, place: Place, lookup: Lookup) -> Operand:
    raw = text[start:]
    body = raw.strip()
    where = place.moved(start + len(raw) - len(raw.lstrip()))
    if body.startswith("#"):
        return Operand(parse(body[1:], where.moved(1), lookup), "offset", where, body)
    relocation = _RELOCATION.fullmatch(body)
    if relocation and relocation[1] == "pg_hi21":
        return Operand(parse(relocation[2], where.moved(len(relocation[1]) + 2), lookup), "target", where, body)
    return Operand(parse(body, where, lookup), "target", where, body)


def _pieces(text: str, start: int, end: int, place: Place, lookup: Lookup, named: int) -> list[str | Operand]:
    parts: list[str | Operand] = []
    for match in re.finditer(r"[,\[\]{}]|[^,\[\]{}]+", text[start:end]):
        piece = match[0]
        if piece in ",[]{}" or parts.count(",") == named:
            parts.append(piece)
        else:
            parts += _piece(piece, place.moved(start + match.start()), lookup)
    return parts


def _piece(piece: str, place: Place, lookup: Lookup) -> list[str | Operand]:
    match = _PIECE.fullmatch(piece)
    body = match["body"] if match else ""
    if match is None or not body or _FLOAT.fullmatch(body):
        return [piece]
    where = place.moved(match.start("body"))
    operand = _value(body, bool(match["hash"]), where, lookup)
    return [piece] if operand is None else [match["before"], operand, match["after"]]


def _value(body: str, is_marked: bool, place: Place, lookup: Lookup) -> Operand | None:
    relocation = _RELOCATION.fullmatch(body)
    if relocation:
        node = parse(relocation[2], place.moved(relocation.start(2)), lookup)
        return Operand(node, relocation[1].lower(), place, body)
    if is_marked:
        return Operand(parse(body, place, lookup), "immediate", place, body, "#")
    if _RESERVED.fullmatch(body):
        return Operand(0, "register", place, body) if body.lower() in _INTRA_CALL else None
    if _IDENTIFIER.fullmatch(body):
        known = lookup(body)
        return Operand(Name(body, place) if known is None else known, "maybe", place, body)
    if any(_RESERVED.fullmatch(word) for word in _IDENTIFIER.findall(body)):
        return None
    try:
        return Operand(parse(body, place, lookup), "immediate", place, body)
    except AssemblyError:
        return None


def render(instruction: Instruction, address: int, evaluate: Evaluate, is_defined: Callable[[str], bool]) -> str:
    """Return the instruction's text with every symbol replaced by a number. Raises: AssemblyError."""
    texts = [
        part if isinstance(part, str) else _rendered(instruction, part, address, evaluate, is_defined)
        for part in instruction.parts
    ]
    return "".join(texts).strip()


def _rendered(
    instruction: Instruction, operand: Operand, address: int, evaluate: Evaluate, is_defined: Callable[[str], bool]
) -> str:
    if operand.use == "register":
        return _INTRA_CALL[operand.raw.lower()]
    if operand.use == "maybe" and isinstance(operand.node, Name) and not is_defined(operand.node.name):
        return operand.raw
    value = evaluate(operand.node)
    if operand.use in ("target", "offset"):
        return _distance(instruction, operand, value, address)
    if operand.use in ("immediate", "maybe"):
        return f"{operand.marker}{_checked(instruction, operand, value)}"
    return _relocated(instruction, operand, value)


def _checked(instruction: Instruction, operand: Operand, value: int) -> int:
    first = instruction.text[len(instruction.mnemonic) :].strip().lower()
    if instruction.mnemonic in _UNSIGNED_16 and not 0 <= value <= 0xFFFF:
        raise operand.place.error(f"{value:#x} does not fit: {instruction.mnemonic} takes 0 to 0xffff")
    if re.match(r"w(\d|zr|sp)", first) and not -(1 << 31) <= value < 1 << 32:
        raise operand.place.error(f"{value:#x} does not fit the 32 bits of a w register", "use an x register")
    return value


def _distance(instruction: Instruction, operand: Operand, value: int, address: int) -> str:
    bits, scale = _TARGETS[instruction.mnemonic]
    is_page = instruction.mnemonic == "adrp"
    origin = address & ~0xFFF if is_page else address
    distance = value if operand.use == "offset" else (value & ~0xFFF if is_page else value) - origin
    distance = (distance + (1 << 63)) % (1 << 64) - (1 << 63)
    limit = 1 << bits - 1 + scale
    if not -limit <= distance < limit:
        raise operand.place.error(
            f"`{operand.raw}` is {abs(distance):#x} bytes away and {instruction.mnemonic} reaches {limit:#x}",
            "place it nearer, or load its address with `ldr x0, =`",
        )
    if distance & (1 << scale) - 1:
        raise operand.place.error(f"`{operand.raw}` is not at a distance that is a multiple of {1 << scale}")
    return f".+{distance}"


def _relocated(instruction: Instruction, operand: Operand, value: int) -> str:
    if operand.use == "lo12":
        return f"#{value & 0xFFF}"
    absolute = _ABSOLUTE.fullmatch(operand.use)
    if absolute is None or instruction.mnemonic not in ("movz", "movk", "movn"):
        raise operand.place.error(
            f"`:{operand.use}:` does not fit here",
            "known are :lo12: (loads, stores, add) and :abs_g0: to :abs_g3: (movz, movk)",
        )
    shift = 16 * int(absolute[1])
    if not absolute[2] and value >> shift > 0xFFFF:
        raise operand.place.error(f"{value:#x} does not fit :{operand.use}:", f"write :{operand.use}_nc:")
    return f"#{value >> shift & 0xFFFF}, lsl #{shift}"


def adrp_word(text: str, place: Place) -> int:
    """Encode a rendered `adrp xN, .+distance`, which Keystone gets wrong (it takes no account of the PC)."""
    match = re.fullmatch(r"adrp\s+x(\d\d?|zr)\s*,\s*\.\+(-?\d+)", text, re.IGNORECASE)
    if match is None:
        raise place.error("adrp takes an x register and a symbol")
    pages = int(match[2]) >> 12
    register = 31 if match[1].lower() == "zr" else int(match[1])
    return 0x9000_0000 | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5 | register


def unknown_names(instruction: Instruction, is_defined: Callable[[str], bool]) -> list[Operand]:
    """Return the operands that are bare names and no symbol: what an error message may point at."""
    maybe = [part for part in instruction.parts if isinstance(part, Operand) and part.use == "maybe"]
    return [part for part in maybe if isinstance(part.node, Name) and not is_defined(part.node.name)]
