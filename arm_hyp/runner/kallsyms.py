"""The symbols of a running Linux, found in its memory: the tables behind /proc/kallsyms.

Read `cpu/symbols.py` before this file. The tables lie side by side in the kernel's read-only
data, in this order: 32-bit offsets of all symbols, their base, how many there are, their names (each a length and that
many tokens), where every 256th name begins (the markers), perhaps the symbols in the order of their names (3 bytes
each), the 256 tokens, where each token begins. Only the tokens can be recognized: those of the digits are the digits.
From there the others follow backwards, and must agree with each other. Newer kernels have the offsets and their base
behind all that; which it is, the tables themselves tell: offsets rise, and the base is an address of a kernel.

Simplified: kernels with CONFIG_KALLSYMS_BASE_RELATIVE, from 4.20 to 6.12, and later ones with one of these two
orders. Linux 7.2 keeps distances from the table itself, and no base: nothing is found there.

Ref: Linux 6.1.90 and 6.12, scripts/kallsyms.c (write_src), kernel/kallsyms.c (kallsyms_expand_symbol).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import le, lt
from typing import Final, NamedTuple

from arm_hyp.cpu.symbols import Symbol, SymbolTable

_DIGITS: Final = b"".join(bytes((digit, 0)) for digit in b"0123456789")
_TOKENS: Final = 256
_LONGEST_TOKENS_BYTES: Final = 4096
_ALIGNMENT: Final = 8
_PER_MARKER: Final = 256
_MOST_SYMBOLS: Final = 1 << 21
_LONGEST_NAME: Final = 512
_ORDER_BYTES: Final = 3
_FIRST_KERNEL_BASE: Final = 0xFFFF << 48
_LONG: Final = 0x80
"""Set in the length of a name that has two bytes of it."""


class Tables(NamedTuple):
    """Where in a stretch of memory the tables are: offsets from its start."""

    offsets: int
    base: int
    symbols: int
    names: int
    tokens: tuple[bytes, ...]


class _Tokens(NamedTuple):
    """The tokens, and where the table of their places ends."""

    tokens: tuple[bytes, ...]
    end: int


def find_symbols(memory: bytes | memoryview) -> SymbolTable | None:
    """Return the symbols of a kernel that lies in memory, at the addresses that it runs at; None if there is none."""
    content = bytes(memory)
    for tables in _candidates(content):
        return SymbolTable(tuple(_symbols(content, tables)))
    return None


def _candidates(memory: bytes) -> Iterator[Tables]:
    place = memory.find(_DIGITS)
    while place >= 0:
        tables = _tables(memory, place)
        if tables is not None:
            yield tables
        place = memory.find(_DIGITS, place + 1)


def _tables(memory: bytes, digits: int) -> Tables | None:
    """Return the tables whose tokens include the digits that begin at a place, if they all agree."""
    start = _token_start(memory, digits)
    tokens = None if start is None else _tokens(memory, start)
    if start is None or tokens is None:
        return None
    for found in _markers(memory, start):
        tables = _before(memory, *found, tokens)
        if tables is not None:
            return tables
    return None


# --- the tokens -------------------------------------------------------------------------------------------------------


def _token_start(memory: bytes, digits: int) -> int | None:
    """Return where the table of tokens begins, ord("0") tokens before the digits."""
    place = digits
    for _ in range(ord("0")):
        place = memory.rfind(b"\0", 0, place - 1) + 1
        if digits - place > _LONGEST_TOKENS_BYTES:
            return None
    return place - place % -_ALIGNMENT if place % _ALIGNMENT else place


def _tokens(memory: bytes, start: int) -> _Tokens | None:
    """Return the tokens, if the table of their places, which follows, says the same."""
    tokens = memory[start : start + 2 * _LONGEST_TOKENS_BYTES].split(b"\0", _TOKENS)[:_TOKENS]
    places, place = [], 0
    for token in tokens:
        places.append(place)
        place += len(token) + 1
    index = start + place
    for candidate in range(index, index + _ALIGNMENT + 1):
        if memory[candidate : candidate + 2 * _TOKENS] == struct.pack(f"<{len(places)}H", *places):
            return _Tokens(tuple(tokens), candidate + 2 * _TOKENS)
    return None


# --- backwards from there ---------------------------------------------------------------------------------------------


def _markers(memory: bytes, tokens: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Give each place where markers may begin, and these: they rise from 0, as many as the order of names tells."""
    for end in range(tokens, max(tokens - _ORDER_BYTES * _MOST_SYMBOLS, 0), -_ALIGNMENT):
        order = tokens - end
        for count in {-(-symbols // _PER_MARKER) for symbols in (order // _ORDER_BYTES, (order - 7) // _ORDER_BYTES)}:
            start = end - _aligned(4 * count)
            if count > 1 and start >= 0 and not memory[start] and memory[start : start + 4] == bytes(4):
                places = struct.unpack_from(f"<{count}I", memory, start)
                if all(map(lt, places, places[1:])):
                    yield start, places
    yield from _markers_alone(memory, tokens)


def _markers_alone(memory: bytes, end: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Give the markers that end at a place, or 4 bytes before it, if there are any."""
    words: list[int] = []
    for place in range(end - 8 if memory[end - 4 : end] == bytes(4) else end - 4, 0, -4):
        words.append(struct.unpack_from("<I", memory, place)[0])
        if words[-1] == 0 or (len(words) > 1 and words[-1] >= words[-2]):
            break
    if len(words) > 1 and words[-1] == 0:
        yield place, tuple(reversed(words))


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT) * _ALIGNMENT


def _before(memory: bytes, markers: int, places: tuple[int, ...], tokens: _Tokens) -> Tables | None:
    """Find the names: behind the last marker are up to 256 of them, and their number is in front of all."""
    fewest = (len(places) - 1) * _PER_MARKER
    last = markers - places[-1]
    for names in range(last - last % _ALIGNMENT, max(last - _PER_MARKER * _LONGEST_NAME, 24), -_ALIGNMENT):
        count = struct.unpack_from("<I", memory, names - 8)[0]
        if not fewest < count <= fewest + _PER_MARKER:
            continue
        end = _skip(memory, names + places[-1], count - fewest, markers)
        if end is None or end != _skip(memory, names, count, markers):
            continue
        addresses = _addresses(memory, names, count, tokens.end)
        if 0 <= markers - end < _ALIGNMENT and addresses is not None:
            return Tables(*addresses, count, names, tokens.tokens)
    return None


def _addresses(memory: bytes, names: int, count: int, end: int) -> tuple[int, int] | None:
    """Return where the offsets and their base are: in front of the number of names, or behind everything."""
    size_bytes, behind = _aligned(4 * count), _aligned(end)
    for offsets, base in ((names - 16 - size_bytes, names - 16), (behind, behind + size_bytes)):
        if offsets >= 0 and base + 8 <= len(memory) and _are_addresses(memory, offsets, count, base):
            return offsets, base
    return None


def _are_addresses(memory: bytes, offsets: int, count: int, base: int) -> bool:
    values = struct.unpack_from(f"<{count}I", memory, offsets)
    (start,) = struct.unpack_from("<Q", memory, base)
    return start >= _FIRST_KERNEL_BASE and all(map(le, values, values[1:]))


def _skip(memory: bytes, place: int, count: int, end: int) -> int | None:
    for _ in range(count):
        if place >= end:
            return None
        length, place = _length(memory, place)
        place += length
    return place


def _length(memory: bytes, place: int) -> tuple[int, int]:
    """Return how many tokens a name has, and where they begin."""
    length = memory[place]
    return (length & _LONG - 1 | memory[place + 1] << 7, place + 2) if length & _LONG else (length, place + 1)


# --- the symbols ------------------------------------------------------------------------------------------------------


def _symbols(memory: bytes, tables: Tables) -> Iterator[Symbol]:
    (base,) = struct.unpack_from("<Q", memory, tables.base)
    offsets = struct.unpack_from(f"<{tables.symbols}I", memory, tables.offsets)
    place = tables.names
    for offset in offsets:
        length, place = _length(memory, place)
        name = b"".join([tables.tokens[token] for token in memory[place : place + length]])
        place += length
        yield Symbol(name[1:].decode("latin-1"), base + offset & (1 << 64) - 1, 0)  # the first letter is its type
