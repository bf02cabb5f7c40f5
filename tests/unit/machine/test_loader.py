"""The loader: each kind of file, each way to be wrong, and ELF files with any bytes in any place."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.machine.loader import Image, ImageError, MemoryLayout, load_file

BASE = 0x4008_0000
RAM = MemoryLayout(0x4000_0000, 16 << 20)
NOP = 0xD503_201F.to_bytes(4, "little")


def load(path: Path, load_address: int | None = None) -> Image:
    return load_file(path, load_address=load_address, memory=RAM)


def failure(path: Path, load_address: int | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        load(path, load_address)
    text = str(caught.value)
    assert "\n" not in text and text.startswith(str(path))
    return text


def elf(
    code: bytes = NOP * 4,
    *,
    address: int = BASE,
    virtual: int | None = None,
    entry: int | None = None,
    kind: int = 2,
    memory_size: int | None = None,
    machine: int = 183,
    bits: int = 2,
    order: int = 1,
    symbols: dict[str, int] | None = None,
) -> bytes:
    """Make a small ELF file: one segment, and a symbol table with its strings."""
    virtual = address if virtual is None else virtual
    names, table = b"\0", bytes(24)
    for name, value in (symbols or {}).items():
        table += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, value, 4)
        names += name.encode() + b"\0"
    section_names = b"\0.symtab\0.strtab\0.shstrtab\0"
    blobs = [code, table, names, section_names]
    offsets = [64 + 56]
    for blob in blobs:
        offsets.append(offsets[-1] + len(blob))
    header = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    start = virtual if entry is None else entry
    header += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, start, 64, offsets[-1], 0, 64, 56, 1, 64, 5, 4)
    size = len(code) if memory_size is None else memory_size
    program = struct.pack("<IIQQQQQQ", 1, 7, offsets[0], virtual, address, len(code), size, 8)
    rows = [
        (0, 0, 0, 0, 0, 0, 0), (0, 1, virtual, offsets[0], len(code), 0, 0), (1, 2, 0, offsets[1], len(table), 3, 24),
        (9, 3, 0, offsets[2], len(names), 0, 0), (17, 3, 0, offsets[3], len(section_names), 0, 0),
    ]  # fmt: skip
    sections = b"".join(struct.pack("<IIQQQQIIQQ", n, t, 0, a, o, s, link, 1, 8, e) for n, t, a, o, s, link, e in rows)
    return header + program + b"".join(blobs) + sections


def write(tmp_path: Path, content: bytes, name: str = "guest.elf") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["guest.s", "guest.S"])
def test_assembly_loads_at_the_default_address(tmp_path: Path, name: str) -> None:
    image = load(write(tmp_path, b"start: nop\n b start\n", name))
    assert (image.kind, image.entry, image.segments[0].address) == ("assembly", BASE, BASE)
    assert image.symbols.lookup(BASE + 4) == ("start", 4)
    assert image.symbols.line_at(BASE + 4) == (str(tmp_path / name), 2)
    word = int.from_bytes(image.segments[0].data[4:8], "little")
    assert disassemble(word, BASE + 4, image.symbols) == "b 0x40080000 <start>"


def test_assembly_at_another_address_and_data_before_code(tmp_path: Path) -> None:
    image = load(write(tmp_path, b".quad 1\nnop\n", "a.s"), 0x4010_0000)
    assert (image.entry, image.segments[0].address) == (0x4010_0008, 0x4010_0000)


def test_raw_binary(tmp_path: Path) -> None:
    image = load(write(tmp_path, NOP, "guest.bin"))
    assert (image.kind, image.entry, image.segments[0].data) == ("raw", BASE, NOP)
    assert load(tmp_path / "guest.bin", 0x4000_0000).entry == 0x4000_0000


def test_elf_with_symbols_and_zeroed_memory(tmp_path: Path) -> None:
    image = load(write(tmp_path, elf(NOP * 4, memory_size=32, entry=BASE + 4, symbols={"main": BASE, "$x": BASE})))
    assert (image.kind, image.entry, image.warnings) == ("elf", BASE + 4, ())
    assert image.segments[0].data == NOP * 4 + bytes(16)
    assert image.symbols.lookup(BASE) == ("main", 0) and image.symbols.address_of("$x") is None


def test_elf_loads_at_physical_addresses(tmp_path: Path) -> None:
    high = 0xFFFF_0000_0000_0000
    image = load(write(tmp_path, elf(address=BASE, virtual=high, entry=high + 8)))
    assert (image.entry, image.segments[0].address) == (BASE + 8, BASE)


def test_position_independent_elf_moves(tmp_path: Path) -> None:
    path = write(tmp_path, elf(kind=3, address=0, virtual=0, entry=4, symbols={"main": 4}))
    assert (load(path).entry, load(path, 0x4020_0000).entry) == (BASE + 4, 0x4020_0004)
    assert load(path).symbols.address_of("main") == BASE + 4


def test_memory_as_a_range(tmp_path: Path) -> None:
    path = write(tmp_path, NOP, "a.bin")
    assert load_file(path, load_address=None, memory=range(BASE, BASE + 4)).entry == BASE
    with pytest.raises(ImageError, match="outside RAM"):
        load_file(path, load_address=None, memory=range(BASE, BASE + 3))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (elf(bits=1), "32-bit"),
        (elf(order=2), "big-endian"),
        (elf(machine=62), "x86-64"),
        (elf(machine=40), "32-bit Arm"),
        (elf(machine=999), "machine 999"),
        (elf(kind=1), "not linked"),
        (elf(kind=4), "core dump"),
        (elf()[:30], "truncated"),
        (elf()[:100], "truncated"),
        (elf()[:125], "truncated"),
        (elf(address=0), "outside RAM"),
        (elf(address=0x4100_0000 - 4), "outside RAM"),
        (elf(address=(1 << 64) - 8), "outside RAM"),
        (elf(memory_size=1 << 62), "outside RAM"),
        (elf(memory_size=4), "larger in the file"),
        (elf(memory_size=0), "no segments"),
        (elf(entry=0x4008_1000), "none of its segments"),
        (elf(entry=BASE + 2), "multiple of 4"),
        (b"no ELF at all", "not an ELF file"),
        (b"", "empty"),
        (b"\x7fELF", "truncated"),
    ],
)
def test_wrong_elf_files(tmp_path: Path, content: bytes, cause: str) -> None:
    assert cause in failure(write(tmp_path, content))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "does not exist" in failure(tmp_path / "none.s")
    assert "is a directory" in failure(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in failure(tmp_path / "pipe")
    assert "UTF-8" in failure(write(tmp_path, b"nop\n\xff", "a.s"))
    assert "no instructions" in failure(write(tmp_path, b"// nothing\n", "b.s"))
    assert "empty" in failure(write(tmp_path, b"", "c.s"))


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, NOP, "a.bin")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "may not be read" in failure(path)


def test_bad_assembly_names_file_line_and_column(tmp_path: Path) -> None:
    assert failure(write(tmp_path, b"nop\n foo\n", "a.s")).startswith(
        f"{tmp_path / 'a.s'}:2:2: `foo` is not an instruction"
    )


@pytest.mark.parametrize("address", [0, 0x4100_0000, 0x4008_0002, 1 << 60, -4])
def test_addresses_where_nothing_can_be(tmp_path: Path, address: int) -> None:
    failure(write(tmp_path, NOP, "a.bin"), address)
    failure(write(tmp_path, b"nop", "a.s"), address)


def test_an_elf_of_fixed_addresses_does_not_move(tmp_path: Path) -> None:
    path = write(tmp_path, elf())
    assert load(path, BASE).entry == BASE
    assert "is linked for 0x40080000" in failure(path, BASE + 0x1000)


def test_damaged_symbols_are_a_warning(tmp_path: Path) -> None:
    content = bytearray(elf(symbols={"main": BASE}))
    symbol_header = len(content) - 3 * 64
    content[symbol_header + 32 : symbol_header + 40] = (1 << 60).to_bytes(8, "little")
    image = load(write(tmp_path, bytes(content)))
    assert image.symbols.symbols == () and "symbol table" in image.warnings[0]


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 600), st.one_of(st.integers(0, 255), st.sampled_from([0, 0xFF, 0x7F, 0x80]))),
        max_size=12,
    )
)
def test_elf_with_any_bytes_changed_loads_or_says_why(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(elf(symbols={"main": BASE, "next": BASE + 4}))
    for offset, value in changes:
        content[offset % len(content)] = value
    _loads_or_says_why(write(tmp_path, bytes(content)))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 700), st.binary(max_size=200))
def test_elf_cut_and_continued_with_anything(tmp_path: Path, length: int, tail: bytes) -> None:
    _loads_or_says_why(write(tmp_path, b"\x7fELF" + elf(symbols={"main": BASE})[4:length] + tail))


def _loads_or_says_why(path: Path) -> None:
    try:
        image = load(path)
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert all(RAM.base <= part.address and part.end <= RAM.base + RAM.size for part in image.segments)


C_SOURCE = "int twice(int a)\n{\n    return a + a;\n}\nvoid _start(void)\n{\n    for (;;)\n        twice(1);\n}\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("no compiler for AArch64")
    folder = tmp_path_factory.mktemp("c")
    (folder / "g.c").write_text(C_SOURCE)
    options = ["-O0", "-g", "-nostdlib", "-static", f"-Wl,-Ttext={BASE:#x}", "-Wl,--build-id=none", "-Wl,-n"]
    subprocess.run(["aarch64-linux-gnu-gcc", *options, "-o", "g.elf", "g.c"], cwd=folder, check=True)
    return folder / "g.elf"


def test_a_compiled_program_has_symbols_and_lines(compiled: Path) -> None:
    image = load(compiled)
    twice = image.symbols.address_of("twice")
    assert twice is not None and image.symbols.lookup(image.entry) == ("_start", 0)
    found = image.symbols.line_at(twice)
    assert found is not None and found[0].endswith("g.c") and found[1] == 2
    assert image.warnings == ()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_compiled_program_with_damaged_debug_information(compiled: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(compiled.read_bytes())
    places = st.tuples(st.integers(64, len(content) - 1), st.integers(0, 255))
    for offset, value in data.draw(st.lists(places, min_size=1, max_size=40)):
        content[offset] = value
    _loads_or_says_why(write(tmp_path, bytes(content)))
