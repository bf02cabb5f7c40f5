"""The layout: labels, sections, data and literal pools; where every byte of a program goes.

Read `cpu/assembler_words.py` before and `cpu/assembler_child.py` after. The first pass (`Layout.add`) gives every
statement an offset in its section; `finish` gives the sections their addresses (.text first, then .rodata, .data,
.bss and others as met) and turns everything but Keystone's instructions into bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from arm_hyp.cpu import assembler_data as data
from arm_hyp.cpu import assembler_sections as sections
from arm_hyp.cpu.assembler_expressions import Name, Node, Position, evaluate, parse
from arm_hyp.cpu.assembler_macros import first_word
from arm_hyp.cpu.assembler_operands import Instruction, adrp_word, parse_instruction, render
from arm_hyp.cpu.assembler_sections import Chunk, Section
from arm_hyp.cpu.assembler_source import Place, Statement, split_outside
from arm_hyp.cpu.assembler_words import own_word
from arm_hyp.cpu.symbols import Line, Symbol

MAX_BYTES = 64 << 20
_SECTION_ORDER = (".text", ".rodata", ".data", ".bss")
_INSTRUCTION = re.compile(r"[A-Za-z][\w.]*(?:\s|$)", re.ASCII)
_NUMERIC_REFERENCE = re.compile(r'"(?:\\.|[^"\\])*"|(?<![\w.$])(\d+)([bf])(?![\w.$])', re.ASCII)
_POOL_LOAD = re.compile(r"(ldr|ldrsw)\s+([^\s,]+)\s*,\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pending:
    """An instruction for Keystone: its index into the image, its text, and what to tell the user when it fails."""

    offset: int
    text: str
    instruction: Instruction


class Layout:
    """Places the statements of one program."""

    def __init__(self, base: int) -> None:
        self._base = base
        self._sections = {".text": Section(".text", address=base)}
        self._current = self._previous = self._sections[".text"]
        self._symbols: dict[str, Node] = {}
        self._labels: dict[str, tuple[Position, Place]] = {}
        self._numeric: dict[str, int] = {}
        self._register_names: dict[str, str] = {}
        self._total = self._literal_count = 0
        self._memo: dict[str, int] = {}

    # What is known so far.

    def lookup(self, name: str) -> Node | None:
        """Return what a name (or `.`) stands for if it is known already."""
        if name == ".":
            return Position(self._current.name, self._current.size)
        return self._symbols.get(name)

    def is_defined(self, name: str) -> bool:
        """Tell whether a symbol has been defined so far."""
        return name in self._symbols

    def constant(self, text: str, place: Place) -> int:
        """Evaluate an expression that must be known now: a size, a condition. Raises: AssemblyError."""
        node = parse(self._with_numeric(text), place, self.lookup)
        if isinstance(node, int):
            return node
        raise place.error(
            f"`{text.strip()}` must be a number that is known here",
            "use constants and distances between labels of this section that stand above",
        )

    def _with_numeric(self, text: str) -> str:
        def replaced(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0]
            count = self._numeric.get(match[1], 0) + (match[2] == "f")
            return f".L{match[1]}${match[2]}${count}"

        return _NUMERIC_REFERENCE.sub(replaced, text)

    # The first pass.

    def add(self, statement: Statement) -> None:
        """Place one statement at the end of the current section. Raises: AssemblyError."""
        text, place = statement.text, statement.place
        if text.endswith(":") and " " not in text:
            self._label(text[:-1], place)
            return
        word, rest = first_word(text)
        offset = len(text) - len(rest)
        if rest.lower().startswith(".req "):
            self._register_names[text.split()[0]] = rest[4:].strip()
        elif not word.startswith("."):
            self._instruction(self._with_numeric(text), place)
        elif word in self._DIRECTIVES:
            self._DIRECTIVES[word](self, rest, place.moved(offset))
        elif word in data.SIZES:
            self._values(word, self._with_numeric(rest), place.moved(offset))
        elif word in data.LITERAL:
            content = data.LITERAL[word](word, rest, place.moved(offset))
            self._append(len(content), place, content)
        elif word not in data.IGNORED:
            raise place.error(f"the directive {word} is not supported", data.WAYS_OUT.get(word, ""))

    def _append(self, size: int, place: Place | None, content: bytes | data.Fill | data.Values | Instruction) -> None:
        self._total += size
        if self._total > MAX_BYTES and place is not None:
            raise place.error(f"the program grows beyond {MAX_BYTES >> 20} MiB", "leave zeroed memory out of the image")
        if size:
            self._current.chunks.append(Chunk(self._current.size, size, place, content))
        self._current.size += size

    def _label(self, name: str, place: Place) -> None:
        position = Position(self._current.name, self._current.size)
        if name.isdigit():
            count = self._numeric[name] = self._numeric.get(name, 0) + 1
            self._symbols[f".L{name}$b${count}"] = self._symbols[f".L{name}$f${count}"] = position
            return
        if name in self._labels:
            first = self._labels[name][1].seen_from(place.file)
            raise place.error(f"`{name}` is defined already, in line {first}", "use another name")
        if name in self._symbols:
            raise place.error(f"`{name}` is a constant already", "use another name")
        self._symbols[name] = position
        self._labels[name] = position, place

    def _instruction(self, text: str, place: Place) -> None:
        if not text.isascii() or not text.isprintable():
            raise place.error("a character outside of ASCII in an instruction")
        if not _INSTRUCTION.match(text) or any(
            text.count(one) != text.count(other) for one, other in ("()", "[]", "{}")
        ):
            raise place.error(f"`{text[:40]}` is not an instruction, label or directive", "check its brackets")
        if self._register_names:
            words = re.compile(r"(?<![\w.$])(" + "|".join(map(re.escape, self._register_names)) + r")(?![\w$])")
            text = words.sub(lambda match: self._register_names[match[0]], text)
        if self._address() % 4:
            raise place.error("an instruction at an address that is no multiple of 4", "write `.balign 4` before it")
        load = _POOL_LOAD.fullmatch(text)
        if load:
            text = self._literal(load, place)
        self._append(4, place, parse_instruction(text, place, self.lookup))

    def _literal(self, load: re.Match[str], place: Place) -> str:
        """Return the load from the literal pool that `ldr Xt, =value` is, as with GNU as even where a MOV could do."""
        mnemonic, register = load[1].lower(), load[2]
        node = parse(load[3], place.moved(load.start(3)), self.lookup)
        size = 4 if mnemonic == "ldrsw" or (register[:1] in "wWsS" and register.lower() != "sp") else 8
        if isinstance(node, int):
            data.check_range(node, size, place)
        key = (size, node)
        if key not in self._current.literals:
            self._literal_count += 1
            self._current.literals[key] = f".Lliteral${self._literal_count}"
        return f"{mnemonic} {register}, {self._current.literals[key]}"

    def _pool(self, rest: str = "", place: Place | None = None) -> None:
        """Put the literals that wait here, words before doublewords as GNU as does."""
        waiting = sorted(self._current.literals.items(), key=lambda item: item[0][0])
        self._current.literals = {}
        for (size, node), name in waiting:
            self._pad(size, None, b"\0")
            self._symbols[name] = Position(self._current.name, self._current.size)
            origin = place or Place("", 0, 0)
            self._append(size, None, data.Values(size, (node,), origin))

    def _values(self, word: str, rest: str, place: Place) -> None:
        size = data.SIZES[word]
        nodes = [parse(part, place.moved(offset), self.lookup) for offset, part in split_outside(rest, ",")]
        if word == ".inst" and self._address() % 4:
            raise place.error("an instruction at an address that is no multiple of 4", "write `.balign 4` before it")
        self._append(size * len(nodes), place, data.Values(size, tuple(nodes), place, word == ".inst"))

    def _address(self) -> int:
        return self._current.address + self._current.size

    def _pad(self, alignment: int, place: Place | None, fill: bytes, most: int | None = None) -> None:
        self._current.alignment = max(self._current.alignment, alignment)
        size = -self._address() % alignment
        if most is not None and size > most:
            return
        is_code = self._current.name == ".text" and size % 4 == 0 and not fill
        self._append(size, place, data.Fill(size, data.NOP if is_code else fill or b"\0"))

    def _align(self, rest: str, place: Place, power: bool) -> None:
        texts = [part.strip() for _, part in split_outside(rest, ",")]
        value = self.constant(texts[0], place) if texts[0] else 0
        alignment = 1 << value if power and 0 <= value <= 24 else value
        if alignment == 0 and not power:
            return
        if alignment < 1 or alignment & alignment - 1 or alignment > MAX_BYTES or (power and value > 24):
            raise place.error(f"an alignment of {texts[0]}", "alignments are powers of two up to 16 MiB")
        fill = self.constant(texts[1], place) & 0xFF if len(texts) > 1 and texts[1] else None
        most = self.constant(texts[2], place) if len(texts) > 2 else None
        self._pad(alignment, place, b"" if fill is None else bytes([fill]), most)

    def _balign(self, rest: str, place: Place) -> None:
        self._align(rest, place, power=False)

    def _p2align(self, rest: str, place: Place) -> None:
        self._align(rest, place, power=True)

    def _space(self, rest: str, place: Place) -> None:
        numbers = [self.constant(part, place) for _, part in split_outside(rest, ",")]
        self._fill_with(numbers[0], 1, numbers[1] if len(numbers) > 1 else 0, place)

    def _fill(self, rest: str, place: Place) -> None:
        numbers = [self.constant(part, place) for _, part in split_outside(rest, ",")]
        size = numbers[1] if len(numbers) > 1 else 1
        self._fill_with(numbers[0], size, numbers[2] if len(numbers) > 2 else 0, place)

    def _fill_with(self, count: int, size: int, value: int, place: Place) -> None:
        if count < 0 or not 0 <= size <= 8 or count * size > MAX_BYTES:
            raise place.error(f"{count} times {size} bytes", f"a size is 0 to {MAX_BYTES >> 20} MiB")
        pattern = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self._append(count * size, place, data.Fill(count * size, pattern))

    def _org(self, rest: str, place: Place) -> None:
        texts = [part.strip() for _, part in split_outside(rest, ",")]
        node = parse(texts[0], place, self.lookup)
        offset = node.offset if isinstance(node, Position) and node.section == self._current.name else node
        if not isinstance(offset, int) or not self._current.size <= offset <= MAX_BYTES:
            raise place.error(
                f".org {texts[0]} does not lead forward: the section is {self._current.size:#x} bytes long",
                "it counts from the start of the section",
            )
        self._fill_with(offset - self._current.size, 1, self.constant(texts[1], place) if len(texts) > 1 else 0, place)

    def _set(self, rest: str, place: Place) -> None:
        self._assign(rest, place, may_exist=True)

    def _equiv(self, rest: str, place: Place) -> None:
        self._assign(rest, place, may_exist=False)

    def _assign(self, rest: str, place: Place, may_exist: bool) -> None:
        name, comma, expression = rest.partition(",")
        name = name.strip()
        if not comma or not re.fullmatch(r"[A-Za-z_.$][\w.$]*", name, re.ASCII):
            raise place.error("a symbol is set with `.set NAME, value`")
        if name in self._labels or (name in self._symbols and not may_exist):
            raise place.error(f"`{name}` is defined already", "use another name")
        value = self._with_numeric(expression)
        if name == ".":
            self._org(value, place)
            return
        self._symbols[name] = parse(value, place.moved(len(rest) - len(expression)), self.lookup)

    def _section(self, rest: str, place: Place) -> None:
        name = rest.split(",")[0].strip().strip('"')
        kind = "." + name.split(".")[1] if name.startswith(".") and len(name) > 1 else name
        self._enter(kind if kind in _SECTION_ORDER else name, place)

    def _text(self, rest: str, place: Place) -> None:
        self._enter(".text", place)

    def _data(self, rest: str, place: Place) -> None:
        self._enter(".data", place)

    def _bss(self, rest: str, place: Place) -> None:
        self._enter(".bss", place)

    def _enter(self, name: str, place: Place) -> None:
        if not name:
            raise place.error(".section needs a name")
        # Provisional: far apart and aligned, so that only distances within a section come out as small numbers.
        provisional = len(self._sections) << 48
        self._previous, self._current = self._current, self._sections.setdefault(name, Section(name, provisional))

    def _swap(self, rest: str, place: Place) -> None:
        self._enter(self._previous.name, place)

    def _fail(self, rest: str, place: Place) -> None:
        raise place.error(rest.strip().strip('"') or ".err in the source")

    _DIRECTIVES: ClassVar[dict[str, Callable[[Layout, str, Place], None]]] = {
        ".balign": _balign,
        ".align": _p2align,
        ".p2align": _p2align,
        ".space": _space,
        ".skip": _space,
        ".zero": _space,
        ".fill": _fill,
        ".org": _org,
        ".set": _set,
        ".equ": _set,
        ".equiv": _equiv,
        ".section": _section,
        ".text": _text,
        ".data": _data,
        ".bss": _bss,
        ".previous": _swap,
        ".ltorg": _pool,
        ".pool": _pool,
        ".error": _fail,
        ".err": _fail,
    }

    # The second pass.

    def finish(self) -> tuple[bytearray, list[Pending]]:
        """Give every section its address; return the image and the instructions that Keystone has to fill in."""
        for section in self._sections.values():
            self._current = section
            self._pool()
        end = self._base
        for section in self._ordered():
            if section.name != ".text":
                section.address = end + -end % section.alignment
            end = section.address + section.size if section.size else end
        image, pending = bytearray(end - self._base), []
        for section in self._ordered():
            for chunk in section.chunks:
                address = section.address + chunk.offset
                if isinstance(chunk.content, Instruction):
                    pending += self._encode(chunk.content, address, image)
                else:
                    image[address - self._base : address - self._base + chunk.size] = data.encode(
                        chunk.content, self.value
                    )
        return image, pending

    def _ordered(self) -> list[Section]:
        rank = {name: index for index, name in enumerate(_SECTION_ORDER)}
        return sorted(self._sections.values(), key=lambda section: rank.get(section.name, len(rank)))

    def value(self, node: Node) -> int:
        """Evaluate a node, all addresses being known. Raises: AssemblyError naming an undefined symbol."""
        return evaluate(node, self._resolve, self._memo)

    def _resolve(self, node: Name | Position) -> Node:
        if isinstance(node, Position):
            return self._sections[node.section].address + node.offset
        if node.name not in self._symbols:
            numeric = re.fullmatch(r"\.L(\d+)\$([bf])\$\d+", node.name)
            shown = f"{numeric[1]}{numeric[2]}" if numeric else node.name
            where = "above" if numeric and numeric[2] == "b" else "below"
            hint = f"write `{numeric[1]}:` {where} it" if numeric else "define it, or check its spelling"
            raise node.place.error(f"the symbol `{shown}` is not defined", hint)
        return self._symbols[node.name]

    def _encode(self, instruction: Instruction, address: int, image: bytearray) -> list[Pending]:
        text = render(instruction, address, self.value, self.is_defined)
        operands = text[len(instruction.mnemonic) :].strip()
        place = instruction.place
        is_page = instruction.mnemonic == "adrp"
        word = adrp_word(text, place) if is_page else own_word(instruction.mnemonic, operands, place)
        offset = address - self._base
        if word is None:
            return [Pending(offset, text, instruction)]
        image[offset : offset + 4] = word.to_bytes(4, "little")
        return []

    # What the image means.

    def entry(self) -> int:
        """Return the address of the first instruction of .text, or its start."""
        return sections.entry(self._sections[".text"])

    def symbols(self) -> tuple[Symbol, ...]:
        """Return the labels by address; names that begin with .L stay out."""
        return sections.symbols(self._sections, {name: position for name, (position, _) in self._labels.items()})

    def lines(self) -> tuple[Line, ...]:
        """Return which line each address comes from, without gaps, ended by a Line of no file."""
        return sections.lines(self._ordered())
