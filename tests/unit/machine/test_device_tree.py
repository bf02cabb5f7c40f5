"""The device tree: its nodes against QEMU's own tree and the board, and trees of others, sound and damaged."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import fdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.machine.device_tree import (
    BoardDescription,
    BootModule,
    DeviceTreeError,
    build,
    dump,
    parse,
    patch,
)

QEMU = "qemu-system-aarch64"
GICH_AND_GICV = [0, 0x0803_0000, 0, 0x1_0000, 0, 0x0804_0000, 0, 0x1_0000]


def tree(**changes: object) -> fdt.FDT:
    return parse("own", build(BoardDescription(**changes)))  # type: ignore[arg-type]


def cells(found: fdt.FDT, path: str, name: str) -> list[int]:
    return list(found.get_property(name, path).data)


def test_equal_descriptions_give_equal_bytes() -> None:
    assert build(BoardDescription()) == build(BoardDescription())


@pytest.mark.parametrize(("el", "method"), [(1, "hvc"), (2, "smc")])
def test_the_psci_conduit_follows_the_exception_level(el: int, method: str) -> None:
    assert tree(el=el).get_property("method", "psci").value == method


@pytest.mark.parametrize(
    ("gic", "el", "reg"),
    [
        (2, 1, [0, 0x0800_0000, 0, 0x1_0000, 0, 0x0801_0000, 0, 0x1_0000]),
        (2, 2, [0, 0x0800_0000, 0, 0x1_0000, 0, 0x0801_0000, 0, 0x1_0000, *GICH_AND_GICV]),
        (3, 1, [0, 0x0800_0000, 0, 0x1_0000, 0, 0x080A_0000, 0, 0xF6_0000]),
        (3, 2, [0, 0x0800_0000, 0, 0x1_0000, 0, 0x080A_0000, 0, 0xF6_0000]),
    ],
)  # fmt: skip
def test_the_interrupt_controller(gic: int, el: int, reg: list[int]) -> None:
    found = tree(gic=gic, el=el)
    assert cells(found, "intc@8000000", "reg") == reg
    assert found.exist_property("interrupts", "intc@8000000") == (el == 2)
    assert cells(found, "/", "interrupt-parent") == cells(found, "intc@8000000", "phandle")


def test_cpus_and_the_mask_of_their_timers() -> None:
    found = tree(cpus=4)
    assert [node.name for node in found.get_node("cpus").nodes] == [f"cpu@{index}" for index in range(4)]
    assert [cells(found, f"cpus/cpu@{index}", "reg") for index in range(4)] == [[0], [1], [2], [3]]
    assert cells(found, "timer", "interrupts") == [1, 13, 0xF04, 1, 14, 0xF04, 1, 11, 0xF04, 1, 10, 0xF04]
    assert cells(tree(cpus=4, gic=3), "timer", "interrupts")[2::3] == [4] * 4
    assert cells(tree(has_el2_virtual_timer=True), "timer", "interrupts")[-2] == 12


def test_memory_beyond_four_gib() -> None:
    assert cells(tree(memory_bytes=5 << 30), "memory@40000000", "reg") == [0, 0x4000_0000, 1, 0x4000_0000]


def test_chosen() -> None:
    found = tree(bootargs="console=ttyAMA0", initrd=range(0x1_4800_0000, 0x1_4800_1234))
    assert found.get_property("bootargs", "chosen").value == "console=ttyAMA0"
    assert cells(found, "chosen", "linux,initrd-start") == [1, 0x4800_0000]
    assert cells(found, "chosen", "linux,initrd-end") == [1, 0x4800_1234]
    assert not tree().exist_property("bootargs", "chosen")
    assert not {"kaslr-seed", "rng-seed"} & {prop.name for prop in found.get_node("chosen").props}


def test_modules_for_xen() -> None:
    modules = (BootModule("kernel", 0x4800_0000, 0x1000, "console=hvc0"), BootModule("ramdisk", 0x4A00_0000, 0x20))
    for found in (tree(modules=modules), parse("patched", patch("own", build(BoardDescription()), modules=modules))):
        assert found.get_property("compatible", "chosen/module@48000000").data == [
            "multiboot,kernel",
            "multiboot,module",
        ]
        assert found.get_property("bootargs", "chosen/module@48000000").value == "console=hvc0"
        assert cells(found, "chosen/module@4a000000", "reg") == [0, 0x4A00_0000, 0, 0x20]
        assert not found.exist_property("bootargs", "chosen/module@4a000000")


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        ("has_rtc", "pl031@9010000"),
        ("has_gpio", "pl061@9030000"),
        ("has_gpio", "gpio-keys"),
        ("has_flash", "flash@0"),
        ("has_pmu", "pmu"),
    ],
)
def test_optional_nodes(flag: str, path: str) -> None:
    assert tree(**{flag: True}).exist_node(path)
    assert not tree(**{flag: False}).exist_node(path)


def test_virtio_slots() -> None:
    found = tree(virtio_slots=(0, 31))
    names = [node.name for node in found.root.nodes if node.name.startswith("virtio")]
    assert names == ["virtio_mmio@a000000", "virtio_mmio@a003e00"]
    assert cells(found, "virtio_mmio@a003e00", "interrupts") == [0, 47, 1]


@pytest.mark.parametrize("bootargs", ["\u00e9", "a\nb", "a\0b"])
def test_boot_arguments_that_are_not_printable_ascii(bootargs: str) -> None:
    with pytest.raises(DeviceTreeError, match="printable ASCII"):
        build(BoardDescription(bootargs=bootargs))


# Against QEMU.


def _qemu_tree(tmp_path: Path, gic: int, el: int, cpus: int) -> fdt.FDT:
    if shutil.which(QEMU) is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"{QEMU} is not installed (Debian: qemu-system-arm)")
        pytest.skip(f"{QEMU} is not installed (Debian: qemu-system-arm)")
    path = tmp_path / "qemu.dtb"
    board = f"virt,gic-version={gic},virtualization={'on' if el == 2 else 'off'},dumpdtb={path}"
    command = [QEMU, "-M", board, "-cpu", "cortex-a72", "-smp", str(cpus), "-m", "256", "-nodefaults", "-nographic"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return parse("QEMU's", path.read_bytes())


@pytest.mark.qemu
@pytest.mark.parametrize(("gic", "el", "cpus"), [(2, 1, 1), (2, 2, 4), (3, 1, 4), (3, 2, 1)])
def test_every_node_that_qemu_has_too_says_the_same(tmp_path: Path, gic: int, el: int, cpus: int) -> None:
    theirs = _qemu_tree(tmp_path, gic, el, cpus)
    ours = tree(gic=gic, el=el, cpus=cpus, has_pmu=True, has_flash=True)
    compared = 0
    for path, _, properties in ours.walk():
        assert theirs.exist_node(path), path
        for prop in properties:
            if prop.name in ("phandle", "interrupt-parent", "clocks", "gpios"):
                continue  # phandles are numbered by whoever makes the tree
            if prop.name == "enable-method" and cpus == 1:
                continue  # QEMU has nothing to enable there
            other = theirs.get_property(prop.name, path)
            assert other is not None and other.data == prop.data if hasattr(prop, "data") else other == prop, (
                path,
                prop,
            )
            compared += 1
    assert compared > 150


# Trees of the user's.


def test_a_tree_that_nothing_changes_in_keeps_every_byte() -> None:
    blob = build(BoardDescription()) + b"behind"
    assert patch("own", blob) == blob


def test_patching_sets_only_what_is_given() -> None:
    blob = build(BoardDescription(bootargs="old", initrd=range(0x4800_0000, 0x4800_1000)))
    found = parse("patched", patch("own", blob, bootargs="new"))
    assert found.get_property("bootargs", "chosen").value == "new"
    assert cells(found, "chosen", "linux,initrd-end") == [0, 0x4800_1000]
    moved = parse("patched", patch("own", blob, initrd=range(0x5000_0000, 0x5000_0010)))
    assert moved.get_property("bootargs", "chosen").value == "old"
    assert cells(moved, "chosen", "linux,initrd-end") == [0, 0x5000_0010]


def _raw(
    structure: bytes,
    strings: bytes = b"name\0",
    version: int = 17,
    total: int | None = None,
    reserved: bytes = b"",
) -> bytes:
    at = 56 + len(reserved)
    size = at + len(structure) + len(strings) if total is None else total
    header = (0xD00D_FEED, size, at, at + len(structure), 40, version, 16, 0, len(strings), len(structure))
    return struct.pack(">10I", *header) + reserved + bytes(16) + structure + strings


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


ROOT = words(1, 0)


def test_reserved_memory_stays_with_its_tree() -> None:
    first = parse("x", _raw(ROOT + words(2, 9), reserved=struct.pack(">QQ", 0x4000_0000, 0x1000)))
    parse("x", build(BoardDescription()))
    assert first.entries == [{"address": 0x4000_0000, "size": 0x1000}]
    assert parse("x", build(BoardDescription())).entries == []


def test_nops_are_read_over() -> None:
    blob = _raw(words(4) + ROOT + words(4, 3, 4, 0, 7, 4, 2, 4, 9))
    assert cells(parse("x", blob), "/", "name") == [7]


@pytest.mark.parametrize(
    ("blob", "cause"),
    [
        (b"", "magic"),
        (b"#include", "magic"),
        (bytes(64), "magic"),
        (_raw(ROOT + words(2, 9))[:60], "it says that it has"),
        (_raw(ROOT + words(2, 9), total=1 << 31), "it says that it has"),
        (_raw(ROOT + words(2, 9), version=16), "version"),
        (_raw(ROOT + words(2)), "no end"),
        (_raw(ROOT + words(9)), "no end"),
        (_raw(words(9)), "or there is none"),
        (_raw(words(2, 9)), "beside the root"),
        (_raw(ROOT + words(2) + ROOT + words(2, 9)), "beside the root"),
        (_raw(words(3, 0, 0) + ROOT + words(2, 9)), "beside the root"),
        (_raw(ROOT + words(7, 2, 9)), "means nothing"),
        (_raw(ROOT + words(3, 1 << 30, 0, 2, 9)), "beyond"),
        (_raw(ROOT + words(3, 0, 1 << 30, 2, 9)), "not"),
        (_raw(ROOT + words(3, 0, 0) * 2 + words(2, 9)), "already exists"),
        (_raw(words(1, 0x61000000) * 100 + words(2) * 100 + words(9)), "deeper"),
        (_raw(ROOT + words(1, 0x61000000, 2) * 2000 + words(2, 9)), "children|already exists"),
    ],
)
def test_damaged_trees(blob: bytes, cause: str) -> None:
    with pytest.raises(DeviceTreeError, match=cause) as caught:
        patch("some.dtb", blob, bootargs="x")
    assert str(caught.value).startswith("some.dtb: is not a sound device tree") and "\n" not in str(caught.value)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_any_damage_is_read_or_refused(damage: list[tuple[int, int]], cut: bool) -> None:
    blob = bytearray(build(BoardDescription(virtio_slots=(0,))))
    for at, value in damage:
        blob[at % len(blob)] = value
    data = bytes(blob[: damage[0][0]] if cut else blob)
    try:
        parse("again", patch("some.dtb", data, bootargs="x", initrd=range(0, 4)))
    except DeviceTreeError as error:
        assert "\n" not in str(error)


def test_dump_is_source() -> None:
    text = dump(build(BoardDescription(bootargs="quiet")))
    assert text.startswith("/dts-v1/;") and 'bootargs = "quiet";' in text
