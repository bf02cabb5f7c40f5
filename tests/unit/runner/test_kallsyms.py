"""The tables behind /proc/kallsyms, found in memory that has them somewhere; and in memory that only seems to."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.runner.kallsyms import find_symbols

BASE = 0xFFFF_8000_0800_0000
TOKENS = [bytes((byte,)) if 0x30 <= byte < 0x7B else b"tok%d" % byte for byte in range(256)]


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _tables(names: list[tuple[int, ...]], *, has_order: bool, offsets_first: bool = True) -> bytes:
    """Lay the tables out as the kernel's build does. A name is its tokens."""
    offsets = b"".join(struct.pack("<I", 16 * index) for index in range(len(names)))
    entries, markers = bytearray(), []
    for index, name in enumerate(names):
        if index % 256 == 0:
            markers.append(len(entries))
        length = bytes((len(name),)) if len(name) < 128 else bytes((len(name) & 0x7F | 0x80, len(name) >> 7))
        entries += length + bytes(name)
    places, place = [], 0
    for token in TOKENS:
        places.append(place)
        place += len(token) + 1
    order = b"".join(index.to_bytes(3, "big") for index in range(len(names))) if has_order else b""
    addresses = (offsets, struct.pack("<Q", BASE))
    first = (struct.pack("<I", len(names)), bytes(entries), struct.pack(f"<{len(markers)}I", *markers))
    tokens = (b"".join(token + b"\0" for token in TOKENS), struct.pack("<256H", *places))
    old, new = (*addresses, *first, order, *tokens), (*first, *tokens, *addresses, order)
    return b"".join(map(_aligned, old if offsets_first else new))


@pytest.mark.parametrize("offsets_first", [True, False])
@pytest.mark.parametrize("has_order", [False, True])
@pytest.mark.parametrize("count", [257, 512, 513, 700])
def test_symbols_are_found_wherever_they_lie(count: int, has_order: bool, offsets_first: bool) -> None:
    names = [tuple(b"T" + b"symbol" + str(index).encode()) for index in range(count)]
    names[3] = tuple(b"t") + (200,) * 150  # a long one, of tokens that are longer than a letter
    tables = _tables(names, has_order=has_order, offsets_first=offsets_first)
    memory = b"\x55" * 4096 + _aligned(b"0\0001\0002\0") + tables + b"\xaa" * 4096
    found = find_symbols(memory)
    assert found is not None
    assert len(found.symbols) == count
    assert found.address_of("symbol0") == BASE
    assert found.address_of(f"symbol{count - 1}") == BASE + 16 * (count - 1)
    assert found.symbols[3].name == "tok200" * 150


@pytest.mark.parametrize("offsets_first", [True, False])
def test_addresses_that_are_nonsense_are_no_symbols(offsets_first: bool) -> None:
    names = [tuple(b"Tname" + str(index).encode()) for index in range(600)]
    tables = bytes(64) + _tables(names, has_order=True, offsets_first=offsets_first)
    assert find_symbols(tables) is not None
    assert find_symbols(tables.replace(struct.pack("<Q", BASE), struct.pack("<Q", BASE >> 16))) is None
    assert find_symbols(tables.replace(struct.pack("<2I", 32, 48), struct.pack("<2I", 48, 32))) is None


def test_where_there_are_none() -> None:
    digits = b"".join(b"%d\0" % digit for digit in range(10))
    tokens = b"".join(token + b"\0" for token in TOKENS)
    for memory in (b"", bytes(8192), digits, bytes(8192) + tokens, tokens * 3, digits * 500):
        assert find_symbols(memory) is None


@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=64))
def test_tables_that_are_damaged_do_no_harm(place: int, damage: bytes) -> None:
    names = [tuple(b"Tname" + str(index).encode()) for index in range(600)]
    memory = bytearray(_tables(names, has_order=True))
    place %= len(memory)
    memory[place : place + len(damage)] = damage
    find_symbols(bytes(memory))
