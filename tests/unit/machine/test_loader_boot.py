"""The boot plan: what lies where for each way to start, what may not overlap, and who is named when it does."""

import gzip
import struct
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.machine.boot import BootPlan, BootRequest, File, Load, ModuleFile, plan_boot
from arm_hyp.machine.device_tree import BoardDescription, build, parse
from arm_hyp.machine.loader import Image, Kind, MemoryLayout, Segment, load_file

MIB = 1 << 20
BASE = 0x4000_0000
NOP = 0xD503_201F.to_bytes(4, "little")


def kernel(address: int = 0x4020_0000, extent: int = 4 * MIB, kind: Kind = "image") -> Image:
    return Image(address, (Segment(address, NOP * 16),), SymbolTable(), kind, extent_bytes=extent)


def request(memory_mib: int = 256, **changes: object) -> BootRequest:
    board = BoardDescription(memory_bytes=memory_mib * MIB)
    return replace(BootRequest(board=board, kernel=kernel(), kernel_name="Image"), **changes)  # type: ignore[arg-type]


def spans(plan: BootPlan) -> list[range]:
    return [range(part.address, part.end) for part in plan.segments]


def refusal(wrong: BootRequest) -> str:
    with pytest.raises(UserError) as caught:
        plan_boot(wrong)
    return str(caught.value)


def test_linux_with_an_initrd() -> None:
    plan = plan_boot(request(initrd=File("cpio", b"c" * 5000)))
    assert plan.entry == 0x4020_0000
    assert spans(plan)[1] == range(0x4800_0000, 0x4800_0000 + 5000)
    assert plan.tree_address == 0x4820_0000
    assert plan.registers == {"x0": 0x4820_0000, "x1": 0, "x2": 0, "x3": 0}
    assert plan.segments[2] == Segment(0x4820_0000, plan.tree)
    chosen = parse("plan", plan.tree).get_node("chosen")
    assert list(chosen.get_property("linux,initrd-start").data) == [0, 0x4800_0000]
    assert list(chosen.get_property("linux,initrd-end").data) == [0, 0x4800_0000 + 5000]


def test_linux_without_an_initrd() -> None:
    plan = plan_boot(request())
    assert plan.tree_address == 0x4800_0000
    assert not parse("plan", plan.tree).exist_property("linux,initrd-start", "chosen")


@pytest.mark.parametrize(("memory_mib", "initrd"), [(64, 0x4200_0000), (256, 0x4800_0000), (2048, 0x4800_0000)])
def test_the_initrd_lies_at_half_of_a_small_ram(memory_mib: int, initrd: int) -> None:
    assert spans(plan_boot(request(memory_mib, initrd=File("cpio", b"c"))))[1].start == initrd


def test_a_huge_kernel_moves_the_initrd() -> None:
    large = kernel(extent=130 * MIB)
    assert spans(plan_boot(request(kernel=large, initrd=File("cpio", b"c"))))[1].start == 0x4020_0000 + 130 * MIB


def test_a_load_where_the_initrd_goes_moves_it() -> None:
    taken = Load(0x4800_0000, File("--load a", b"a" * 100))
    plan = plan_boot(request(loads=(taken,), initrd=File("cpio", b"c" * 100)))
    assert [span.start for span in spans(plan)] == [0x4020_0000, 0x4800_0000, 0x4800_1000, 0x4820_0000]


def test_what_does_not_fit_above_goes_below() -> None:
    plan = plan_boot(request(64, initrd=File("cpio", b"c" * (40 * MIB)), kernel=kernel(0x4000_0000, MIB)))
    assert spans(plan)[1].start == 0x4010_0000


def test_raw_code_gets_the_tree_like_linux() -> None:
    plan = plan_boot(request(kernel=kernel(0x4008_0000, 0, "raw")))
    assert plan.registers["x0"] == plan.tree_address == 0x4800_0000


@pytest.mark.parametrize("kind", ["elf", "assembly"])
def test_bare_metal_has_the_tree_where_ram_begins(kind: Kind) -> None:
    plan = plan_boot(request(kernel=kernel(0x4008_0000, 0, kind)))
    assert (plan.tree_address, dict(plan.registers), plan.warnings) == (BASE, {}, ())


def test_bare_metal_where_ram_begins_has_no_tree() -> None:
    plan = plan_boot(request(kernel=kernel(BASE, 0, "elf")))
    assert (plan.tree_address, plan.tree, len(plan.segments)) == (None, b"", 1)
    assert plan.warnings == ("Image leaves no room for a device tree where RAM begins",)
    wanted = request(kernel=kernel(BASE, 0, "elf"), tree=File("own.dtb", build(BoardDescription())))
    assert "the device tree" in refusal(wanted) and "overlaps Image" in refusal(wanted)


def test_flash() -> None:
    plan = plan_boot(request(kernel=None, flash=File("u-boot.bin", b"\x14" * 64)))
    assert (plan.entry, plan.flash, plan.tree_address, dict(plan.registers)) == (0, b"\x14" * 64, BASE, {})
    assert plan.segments == (Segment(BASE, plan.tree),)


def test_flash_and_a_program_cannot_both_start() -> None:
    assert refusal(request(flash=File("u-boot.bin", b"x"))).startswith(
        "--bios u-boot.bin: it and Image cannot both start"
    )
    assert "nothing to start" in refusal(request(kernel=None))


def test_flash_that_is_too_large() -> None:
    text = refusal(request(kernel=None, flash=File("big", bytes(64 * MIB + 1))))
    assert text.startswith("big: is larger than the flash of 64 MiB")


def test_modules_for_xen() -> None:
    modules = (
        ModuleFile("kernel", File("dom0", b"k" * 5000), "console=hvc0"),
        ModuleFile("ramdisk", File("cpio", b"r")),
    )
    plan = plan_boot(request(modules=modules))
    assert [span.start for span in spans(plan)] == [0x4020_0000, 0x4800_0000, 0x4800_2000, 0x4820_0000]
    chosen = parse("plan", plan.tree).get_node("chosen")
    assert [node.name for node in chosen.nodes] == ["module@48000000", "module@48002000"]


def test_a_tree_of_the_users_keeps_its_nodes() -> None:
    own = build(BoardDescription(cpus=7))
    plan = plan_boot(request(tree=File("own.dtb", own)))
    assert plan.tree == own
    patched = plan_boot(request(tree=File("own.dtb", own), initrd=File("cpio", b"c")))
    assert parse("plan", patched.tree).exist_node("cpus/cpu@6")
    assert list(parse("plan", patched.tree).get_property("linux,initrd-start", "chosen").data) == [0, 0x4800_0000]
    assert refusal(request(tree=File("bad.dtb", own[:100]))).startswith("bad.dtb: is not a sound device tree")


@pytest.mark.parametrize(
    ("address", "size", "cause"),
    [
        (0x4020_0000 + 4 * MIB - 1, 2, "overlaps Image at 0x40200000 to 0x405fffff"),
        (0x401F_FFFF, 2, "overlaps Image"),
        (0x3FFF_FFFF, 2, "outside RAM"),
        (0x5000_0000 - 1, 2, "outside RAM"),
        (0, 1, "outside RAM"),
        (1 << 64, 1, "outside RAM"),
    ],
)
def test_loads_that_do_not_fit(address: int, size: int, cause: str) -> None:
    text = refusal(request(loads=(Load(address, File("--load x", b"x" * size)),)))
    assert text.startswith("--load x: needs ") and cause in text


def test_loads_that_touch_do_not_overlap() -> None:
    loads = (Load(0x401F_FFFE, File("a", b"aa")), Load(0x4060_0000, File("b", b"bb")))
    assert len(plan_boot(request(loads=loads)).segments) == 4


def test_two_loads_that_overlap_are_both_named() -> None:
    loads = (Load(0x4700_0000, File("--load a", b"a" * 16)), Load(0x4700_000F, File("--load b", b"b")))
    assert refusal(request(loads=loads)).startswith(
        "--load b: needs 0x4700000f to 0x4700000f, which overlaps --load a at 0x47000000 to 0x4700000f"
    )


def test_an_initrd_that_does_not_fit() -> None:
    assert "do not fit into RAM" in refusal(request(64, initrd=File("cpio", bytes(63 * MIB))))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(5, 600),
    st.lists(st.tuples(st.integers(0x3F00_0000, 0x6000_0000), st.integers(1, 2 * MIB)), max_size=4),
    st.integers(1, 8 * MIB),
)
def test_nothing_overlaps_or_leaves_ram(memory_mib: int, loads: list[tuple[int, int]], initrd: int) -> None:
    made = tuple(Load(address, File(f"load {address:#x}", bytes(size))) for address, size in loads)
    wanted = request(memory_mib, loads=made, initrd=File("cpio", bytes(initrd)))
    try:
        plan = plan_boot(wanted)
    except UserError as error:
        assert "overlap" in str(error) or "outside" in str(error) or "fit" in str(error)
        return
    assert wanted.kernel is not None
    found = [*wanted.kernel.spans, *spans(plan)[1:]]
    assert all(wanted.ram.start <= span.start and span.stop <= wanted.ram.stop for span in found)
    assert all(one.stop <= other.start or other.stop <= one.start for one, other in combinations(found, 2))


# Options.


def test_a_load_option(tmp_path: Path) -> None:
    path = tmp_path / "a=b.bin"
    path.write_bytes(b"data")
    load = Load.read(f"0x5000_0000={path}")
    assert (load.address, load.file.data) == (0x5000_0000, b"data")


@pytest.mark.parametrize("text", ["", "0x1000", "=file", "0x1000=", "here=file", "-1=file"])
def test_load_options_that_are_wrong(text: str) -> None:
    with pytest.raises(UserError, match="ADDR=FILE"):
        Load.read(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError) as caught:
            File.read(path)
        assert str(caught.value).startswith(str(path))


def test_a_gzip_kernel_from_file_to_plan(tmp_path: Path) -> None:
    header = NOP * 2 + struct.pack("<QQQ", 0, 3 * MIB, 0b1010) + bytes(24) + b"ARM\x64" + bytes(4)
    path = tmp_path / "vmlinuz"
    path.write_bytes(gzip.compress(header + NOP))
    loaded = load_file(path, load_address=None, memory=MemoryLayout(BASE, 256 * MIB))
    plan = plan_boot(request(kernel=loaded, loads=(Load(0x4020_0000 + 3 * MIB, File("x", b"x")),)))
    assert plan.entry == 0x4020_0000
    assert "overlaps" in refusal(request(kernel=loaded, loads=(Load(0x4020_0000 + 3 * MIB - 1, File("x", b"x")),)))
