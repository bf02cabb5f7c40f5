"""The loader: a file (assembly, ELF, arm64 Image or raw binary) as segments for RAM, an entry point, symbols and lines.

Read `cpu/assembler.py` and `machine/arm64_image.py` before this file, `machine/boot.py` after it. Whatever
the bytes of the file are, what comes out is an `Image` that fits the RAM, or an `ImageError` of one line.

Simplified: relocations of a position-independent ELF are not applied; such a program starts by relocating itself, or
needs none.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from arm_hyp.cpu.symbols import Line, Symbol, SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.machine import arm64_image

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

DEFAULT_ADDRESS: Final = 0x4008_0000
MAX_FILE_BYTES: Final = 1 << 30
MAX_LINE_TABLE_BYTES: Final = 8 << 20
"""Larger DWARF line tables take too long to read, and are left out with a warning."""

Kind = Literal["assembly", "elf", "image", "raw"]

_SYMBOL = struct.Struct("<IBBHQQ")
_SYMBOL_TYPES = (0, 1, 2)  # NOTYPE, OBJECT, FUNC
_MACHINE_NAMES = {3: "x86", 8: "MIPS", 21: "PowerPC64", 40: "32-bit Arm", 62: "x86-64", 243: "RISC-V"}


class ImageError(UserError):
    """Say in one line which file cannot be loaded, why, and what would help."""


class MemoryLayout(NamedTuple):
    """Where RAM is."""

    base: int
    size: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes and the physical address that they belong at."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """Return the first address after the segment."""
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class Image:
    """A loaded program. `warnings` are sentences about what was left out (damaged or huge debug information).

    `extent_bytes` is the memory that an arm64 Image needs from its segment's address on: its BSS is not in the segment.
    `included` are the files that an assembly text includes, relative to its folder.
    """

    entry: int
    segments: tuple[Segment, ...]
    symbols: SymbolTable
    kind: Kind
    warnings: tuple[str, ...] = ()
    extent_bytes: int = 0
    included: tuple[str, ...] = ()

    @property
    def spans(self) -> tuple[range, ...]:
        """Return the ranges of memory that the program needs."""
        return tuple(range(part.address, max(part.end, part.address + self.extent_bytes)) for part in self.segments)


def load_file(path: str | os.PathLike[str], *, load_address: int | None, memory: range | MemoryLayout) -> Image:
    """Load a file by its ending (.s, .S) or its first bytes (ELF, Image, gzip), else as raw binary. Raises: UserError.

    `load_address` None means 0x40080000, or where the ELF or the Image says.
    """
    ram = memory if isinstance(memory, range) else range(memory.base, memory.base + memory.size)
    name, content = os.fspath(path), read_file(path)
    if arm64_image.is_gzip(content):
        content = arm64_image.decompress(name, content, len(ram))
    if Path(path).suffix.lower() == ".s":
        image = _assembly(name, content, DEFAULT_ADDRESS if load_address is None else load_address)
    elif content.startswith(b"\x7fELF"):
        image = _elf(name, content, load_address, ram)
    elif arm64_image.is_arm64_image(content):
        image = _arm64_image(name, content, load_address, ram)
    elif Path(path).suffix.lower() == ".elf":
        raise ImageError(name, "is not an ELF file", "give a raw binary another ending")
    else:
        address = DEFAULT_ADDRESS if load_address is None else load_address
        image = Image(address, (Segment(address, content),), SymbolTable(), "raw")
    _check_fits(name, image, ram)
    return image


def read_file(file: str | os.PathLike[str]) -> bytes:
    """Read a file that the user named, of any kind. Raises: ImageError, also where it is empty or huge."""
    path, name = Path(file), os.fspath(file)
    if not name:
        raise ImageError("a file name", "is empty", "check the options and the quotes around them")
    try:
        if path.is_dir():
            raise ImageError(name, "is a directory", "name a file in it")
        if path.exists() and not path.is_file():
            raise ImageError(name, "is not a regular file", "copy its content to a file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(name, f"is larger than {MAX_FILE_BYTES >> 30} GiB", "strip it")
        content = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(name, "does not exist", "check the path") from None
    except PermissionError:
        raise ImageError(name, "may not be read", "check its permissions") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not content:
        raise ImageError(name, "is empty", "was it written?")
    return content


def _check_fits(name: str, image: Image, ram: range) -> None:
    where = f"RAM is {ram.start:#x} to {ram.stop - 1:#x}"
    way_out = "choose another --load-address or more --memory"
    for needed in image.spans:
        if needed.start < ram.start or needed.stop > ram.stop:
            span = f"{needed.start:#x} to {needed.stop - 1:#x}"
            raise ImageError(name, f"needs {span}, which is outside RAM: {where}", way_out)
    if image.entry % 4:
        raise ImageError(name, f"its entry point {image.entry:#x} is not a multiple of 4", "AArch64 code is aligned")
    if not any(segment.address <= image.entry < segment.end for segment in image.segments):
        raise ImageError(
            name, f"its entry point {image.entry:#x} is in none of its segments", "check its linker script"
        )


# The arm64 Image.


def _arm64_image(name: str, content: bytes, wanted: int | None, ram: range) -> Image:
    header = arm64_image.decode_header(content)
    address = arm64_image.load_address(name, header, ram, wanted)
    extent = arm64_image.extent_bytes(header, content)
    return Image(address, (Segment(address, content),), SymbolTable(), "image", extent_bytes=extent)


# Assembly.


def _assembly(name: str, content: bytes, address: int) -> Image:
    from arm_hyp.cpu import assembler_process

    with assembler_process.started_ahead():
        return _assembled(name, content, address)


def _assembled(name: str, content: bytes, address: int) -> Image:
    from arm_hyp.cpu.assembler import AssemblyError, assemble  # here: an ELF file starts sooner without it

    try:
        program = assemble(content.decode(), filename=name, base=address, path=name)
    except UnicodeDecodeError as error:
        raise ImageError(name, f"byte {error.start} is not UTF-8 text", "save it as UTF-8") from None
    except AssemblyError as error:
        raise ImageError(error.thing, error.cause, error.way_out) from error
    if not program.code:
        raise ImageError(name, "has no instructions", "give it some code")
    table = SymbolTable(program.symbols, program.lines)
    segments = (Segment(address, program.code),)
    return Image(program.entry, segments, table, "assembly", included=program.included)


# ELF.


class _Placed(NamedTuple):
    virtual: int
    physical: int
    file_offset: int
    file_size: int
    memory_size: int


def _elf(name: str, content: bytes, load_address: int | None, ram: range) -> Image:
    try:
        return _read_elf(name, content, load_address, ram)
    except ImageError:
        raise
    except Exception as error:  # pyelftools raises whatever its parser runs into
        raise ImageError(name, f"is a damaged ELF file ({_reason(error)})", "build or copy it again") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def _read_elf(name: str, content: bytes, load_address: int | None, ram: range) -> Image:
    from elftools.elf.elffile import ELFFile

    _check_ident(name, content)
    elf = ELFFile(io.BytesIO(content))
    kind = struct.unpack_from("<H", content, 16)[0]
    if kind not in (2, 3):
        what = {1: "an object file that is not linked", 4: "a core dump"}.get(kind, f"an ELF file of type {kind}")
        raise ImageError(name, f"is {what}", "link it to an executable for RAM")
    placed = list(_segments(name, content))
    bias = _bias(name, placed, load_address, ram, is_dynamic=kind == 3)
    where = f"RAM is {ram.start:#x} to {ram.stop - 1:#x}"
    segments = []
    for part in placed:
        start = part.physical + bias
        if start < ram.start or start + part.memory_size > ram.stop:
            span = f"{start:#x} to {start + part.memory_size - 1:#x}"
            raise ImageError(name, f"a segment at {span} is outside RAM: {where}", "link it for RAM, or add --memory")
        data = content[part.file_offset : part.file_offset + part.file_size]
        segments.append(Segment(start, data + bytes(part.memory_size - part.file_size)))
    _check_overlap(name, segments)
    symbols, warnings = _debug_information(elf, content, bias)
    return Image(_entry(content, placed, bias), tuple(segments), symbols, "elf", warnings)


def _check_ident(name: str, content: bytes) -> None:
    if len(content) < 64:
        raise ImageError(name, f"is a truncated ELF file of {len(content)} bytes", "build or copy it again")
    if content[4] != 2:
        raise ImageError(name, "is a 32-bit ELF file", "build it for AArch64")
    if content[5] != 1:
        raise ImageError(name, "is a big-endian ELF file", "build it for little-endian AArch64")
    machine = struct.unpack_from("<H", content, 18)[0]
    if machine != 183:
        what = _MACHINE_NAMES.get(machine, f"machine {machine}")
        raise ImageError(name, f"is an ELF file for {what}", "build it for AArch64")


def _segments(name: str, content: bytes) -> Iterator[_Placed]:
    """Give the PT_LOAD segments, each checked to lie within the file."""
    table, size, count = struct.unpack_from("<Q", content, 32)[0], *struct.unpack_from("<HH", content, 54)
    truncated = ImageError(name, "is a truncated ELF file", "build or copy it again")
    if count and (size < 56 or table + size * count > len(content)):
        raise truncated
    found = 0
    for index in range(count):
        kind, _, offset, virtual, physical, file_size, memory_size, _ = struct.unpack_from(
            "<IIQQQQQQ", content, table + index * size
        )
        if kind != 1 or memory_size == 0:
            continue
        if offset + file_size > len(content):
            raise truncated
        if file_size > memory_size:
            raise ImageError(name, "a segment is larger in the file than in memory", "build it again")
        found += 1
        yield _Placed(virtual, physical, offset, file_size, memory_size)
    if not found:
        raise ImageError(name, "has no segments to load", "link it to an executable")


def _bias(name: str, placed: list[_Placed], load_address: int | None, ram: range, is_dynamic: bool) -> int:
    """Return what to add to every address: 0 but for a position-independent file that must or shall move."""
    lowest = min(part.physical for part in placed)
    if load_address is None:
        return DEFAULT_ADDRESS - lowest if is_dynamic and lowest not in ram else 0
    if not is_dynamic and load_address != lowest:
        raise ImageError(
            name, f"is linked for {lowest:#x}, not for {load_address:#x}", "leave out --load-address, or link it as PIE"
        )
    return load_address - lowest


def _check_overlap(name: str, segments: list[Segment]) -> None:
    ordered = sorted(segments, key=lambda segment: segment.address)
    for first, second in pairwise(ordered):
        if first.end > second.address:
            raise ImageError(name, f"two segments overlap at {second.address:#x}", "check its linker script")


def _entry(content: bytes, placed: list[_Placed], bias: int) -> int:
    """Return the physical entry point: the file gives a virtual one."""
    entry: int = struct.unpack_from("<Q", content, 24)[0]
    for part in placed:
        if part.virtual <= entry < part.virtual + part.memory_size:
            return entry - part.virtual + part.physical + bias
    return entry + bias


def _debug_information(elf: ELFFile, content: bytes, bias: int) -> tuple[SymbolTable, tuple[str, ...]]:
    """Read symbols and lines; what is damaged is left out with a warning, for the program runs without it."""
    symbols: tuple[Symbol, ...] = ()
    lines: tuple[Line, ...] = ()
    warnings = []
    try:
        symbols = tuple(_symbols(elf, content, bias))
    except Exception as error:
        warnings.append(f"the symbol table is damaged and left out ({_reason(error)})")
    try:
        lines = tuple(_lines(elf, bias))
    except Exception as error:
        warnings.append(f"the line table is left out ({_reason(error)})")
    return SymbolTable(symbols, lines), tuple(warnings)


def _symbols(elf: ELFFile, content: bytes, bias: int) -> Iterator[Symbol]:
    """Give the named symbols: sized ones first, so that they win over others at the same address."""
    section = elf.get_section_by_name(".symtab")
    if section is None or section["sh_type"] != "SHT_SYMTAB":
        return
    raw = _section_bytes(content, section["sh_offset"], section["sh_size"])
    strings = elf.get_section(section["sh_link"])
    names = _section_bytes(content, strings["sh_offset"], strings["sh_size"])
    found = []
    for name_offset, info, _, index, value, size in _SYMBOL.iter_unpack(raw[: len(raw) - len(raw) % _SYMBOL.size]):
        end = names.find(b"\0", name_offset)
        name = names[name_offset:end].decode(errors="replace")
        if index != 0 and index < 0xFF00 and info & 15 in _SYMBOL_TYPES and name and name[0] != "$":
            found.append(Symbol(name, value + bias & (1 << 64) - 1, size))
    yield from sorted(found, key=lambda symbol: symbol.size_bytes == 0)


def _section_bytes(content: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(content):
        raise ValueError("a section lies outside the file")
    return content[offset : offset + size]


def _lines(elf: ELFFile, bias: int) -> Iterator[Line]:
    section = elf.get_section_by_name(".debug_line")
    if section is None:
        return
    if section.data_size > MAX_LINE_TABLE_BYTES:
        raise ValueError(f"it has more than {MAX_LINE_TABLE_BYTES >> 20} MiB")
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        first = 0 if program["version"] >= 5 else 1
        names = [_file_name(program, entry) for entry in program["file_entry"]]
        for entry in program.get_entries():
            state = entry.state
            if state is not None:
                name = "" if state.end_sequence else names[state.file - first]
                yield Line(state.address + bias & (1 << 64) - 1, name, 0 if state.end_sequence else state.line)


def _file_name(program: object, entry: object) -> str:
    header, index = program["include_directory"], entry["dir_index"]  # type: ignore[index]
    version = program["version"]  # type: ignore[index]
    name = entry["name"].decode(errors="replace")  # type: ignore[index]
    position = index if version >= 5 else index - 1
    if name.startswith("/") or not 0 <= position < len(header) or (version >= 5 and index == 0):
        return str(name)
    return f"{header[position].decode(errors='replace')}/{name}"
