"""Symbols from files beside the image: `--symbols ELF` or `--symbols System.map`; and an ELF of nothing but symbols.

Read `cpu/symbols.py` before this file. A System.map is what `nm` prints: an address, a letter, a name.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import Final

from arm_hyp.cpu.symbols import Symbol, SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.machine.loader import read_file

_ELF_MAGIC: Final = b"\x7fELF"
_MAP_LINE: Final = re.compile(rb"([0-9a-fA-F]{1,16}) ([A-Za-z]) (\S+)(?:\s.*)?")
_TYPES: Final = frozenset({"STT_NOTYPE", "STT_OBJECT", "STT_FUNC"})
_M64: Final = (1 << 64) - 1


def read_symbols(path: str) -> SymbolTable:
    """Read the symbols of an ELF file or a System.map. Raises: UserError."""
    content = read_file(path)
    if content.startswith(_ELF_MAGIC):
        table = SymbolTable(tuple(_elf_symbols(path, content)))
    else:
        table = SymbolTable(tuple(_map_symbols(path, content)))
    if not table.symbols:
        raise UserError(f"--symbols {path}", "has no symbols", "name an ELF file that is not stripped, or a System.map")
    return table


def _elf_symbols(path: str, content: bytes) -> list[Symbol]:
    from elftools.elf.elffile import ELFFile  # here: most runs do without

    try:
        section = ELFFile(io.BytesIO(content)).get_section_by_name(".symtab")
        symbols = [] if section is None else list(section.iter_symbols())
        return [
            Symbol(one.name, one["st_value"] & _M64, one["st_size"])
            for one in symbols
            if one.name and one.name[0] != "$" and one["st_shndx"] != "SHN_UNDEF" and one["st_info"]["type"] in _TYPES
        ]
    except Exception as error:  # pyelftools raises whatever its parser runs into
        raise UserError(f"--symbols {path}", f"is a damaged ELF file: {error}", "build it again") from None


def _map_symbols(path: str, content: bytes) -> Iterator[Symbol]:
    for number, line in enumerate(content.splitlines(), 1):
        match = _MAP_LINE.fullmatch(line.strip())
        if match is None and line.strip():
            way_out = "each line is an address, a letter and a name, as nm prints it"
            raise UserError(f"--symbols {path}", f"line {number} is not that of a System.map", way_out)
        if match is not None and match[2] not in b"Uw":
            yield Symbol(match[3].decode(errors="replace"), int(match[1], 16), 0)


# --- an ELF of symbols, for gdb ---------------------------------------------------------------------------------------

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_IDENT: Final = b"\x7fELF\x02\x01\x01" + bytes(9)
_EXECUTABLE, _AARCH64 = 2, 183
_SYMTAB, _STRTAB, _NOBITS = 2, 3, 8
_ALLOCATED_CODE: Final = 2 | 4
_GLOBAL_FUNCTION: Final = 1 << 4 | 2
_NAMES: Final = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"


def symbols_as_elf(table: SymbolTable) -> bytes:
    """Return an ELF file for AArch64 that holds symbols, and no contents. Ref: System V ABI, chapter 4."""
    first = min((symbol.address for symbol in table.symbols), default=0)
    last = max((symbol.address for symbol in table.symbols), default=0)
    strings, entries = bytearray(b"\0"), bytearray(_SYMBOL.size)
    for symbol in table.symbols:
        entries += _SYMBOL.pack(len(strings), _GLOBAL_FUNCTION, 0, 1, symbol.address, symbol.size_bytes)
        strings += symbol.name.encode() + b"\0"
    at = _HEADER.size
    sections = (
        bytes(_SECTION.size),
        _SECTION.pack(1, _NOBITS, _ALLOCATED_CODE, first, at, last - first + 4, 0, 0, 4, 0),
        _SECTION.pack(7, _SYMTAB, 0, 0, at, len(entries), 3, 1, 8, _SYMBOL.size),
        _SECTION.pack(15, _STRTAB, 0, 0, at + len(entries), len(strings), 0, 0, 1, 0),
        _SECTION.pack(23, _STRTAB, 0, 0, at + len(entries) + len(strings), len(_NAMES), 0, 0, 1, 0),
    )
    body = bytes(entries + strings) + _NAMES
    place = at + len(body)
    header = _HEADER.pack(
        _IDENT, _EXECUTABLE, _AARCH64, 1, 0, 0, place, 0, at, 0, 0, _SECTION.size, len(sections), len(sections) - 1
    )
    return header + body + b"".join(sections)
