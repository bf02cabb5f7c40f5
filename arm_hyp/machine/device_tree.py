"""The device tree: the board described for the software that boots on it, as a flattened tree (DTB).

Read `machine/board.py` before this file and `machine/boot.py` after it. Nodes have the names, addresses and interrupts
that QEMU's `virt` gives them, so that Linux, Xen and u-boot accept the tree. The library `fdt` writes and reads the
format: the better kept binding of libfdt has no wheels, and a compiler must never be required.

Ref: Devicetree Specification 0.4, chapters 2, 3 and 5; Linux, Documentation/devicetree/bindings.
Simplified: no rng-seed and no kaslr-seed, for every run must be the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import fdt

from arm_hyp.arch import psci
from arm_hyp.errors import UserError
from arm_hyp.machine import board

MAGIC: Final = 0xD00D_FEED
MAX_TREE_BYTES: Final = 2 << 20
"""Linux maps no more than this of a tree."""
MAX_DEPTH: Final = 64
MAX_CHILDREN: Final = 1024
"""The library compares every child with those before it: more would take too long."""

Value = int | str | list[int] | list[str] | None
"""A property: cells, strings, or None for one that is merely there."""

Properties = Mapping[str, Value]

_CLOCK, _GIC, _GPIO = 0x8000, 0x8001, 0x8002  # phandles
_SPI, _PPI = 0, 1
_EDGE_RISING, _LEVEL_HIGH = 1, 4
_KEY_POWER: Final = 116
_POWER_KEY_PIN: Final = 3
_GICR_REGION_BYTES: Final = 0xF6_0000
_CPU_COMPATIBLE: Final = {"a53": "arm,cortex-a53", "a57": "arm,cortex-a57", "a72": "arm,cortex-a72"}


class DeviceTreeError(UserError):
    """Say in one line what is wrong with a device tree that the user gave."""


@dataclass(frozen=True, slots=True)
class BootModule:
    """A file that lies in RAM for Xen: dom0's kernel or its initrd. Addresses are physical."""

    kind: Literal["kernel", "ramdisk"]
    address: int
    size_bytes: int
    bootargs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardDescription:
    """What the tree describes. `el` is the exception level that software starts at; `initrd` a range of RAM.

    `has_el2_virtual_timer` adds the timer of VHE; `has_pmu` and `has_flash` their nodes.
    """

    cpus: int = 1
    cpu: str = "a72"
    gic: Literal[2, 3] = 2
    el: Literal[1, 2] = 1
    memory_bytes: int = 256 << 20
    bootargs: str = ""
    initrd: range | None = None
    modules: tuple[BootModule, ...] = ()
    virtio_slots: tuple[int, ...] = tuple(range(board.VIRTIO_SLOTS))
    has_el2_virtual_timer: bool = False
    has_pmu: bool = False
    has_rtc: bool = True
    has_gpio: bool = True
    has_flash: bool = False


def build(description: BoardDescription) -> bytes:
    """Return the tree of a board. Raises: DeviceTreeError, for kernel arguments that are not ASCII."""
    tree = fdt.FDT(entries=[])
    for path, properties in _nodes(description):
        _set(tree, path, properties)
    _set_chosen(tree, description.bootargs, description.initrd)
    return bytes(tree.to_dtb(version=17))


def _nodes(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    yield "/", {
        "interrupt-parent": _GIC, "model": "linux,dummy-virt", "#size-cells": 2, "#address-cells": 2,
        "compatible": "linux,dummy-virt",
    }  # fmt: skip
    yield "/chosen", {"stdout-path": f"/pl011@{board.PL011_BASE:x}"}
    yield from _modules(description.modules)
    for part in _PARTS:
        yield from part(description)


def _modules(modules: tuple[BootModule, ...]) -> Iterator[tuple[str, Properties]]:
    if modules:
        yield "/chosen", {"#address-cells": 2, "#size-cells": 2}
    for module in modules:
        arguments = {"bootargs": _ascii(module.bootargs)} if module.bootargs else {}
        yield (
            f"/chosen/module@{module.address:x}",
            {
                "compatible": [f"multiboot,{module.kind}", "multiboot,module"],
                "reg": _reg((module.address, module.size_bytes)),
                **arguments,
            },
        )


def _memory(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    reg = _reg((board.RAM_BASE, description.memory_bytes))
    yield f"/memory@{board.RAM_BASE:x}", {"device_type": "memory", "reg": reg}


def _cpus(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    compatible = _CPU_COMPATIBLE.get(description.cpu, "arm,armv8")
    yield "/cpus", {"#size-cells": 0, "#address-cells": 1}
    for index in range(description.cpus):
        yield f"/cpus/cpu@{index:x}", {
            "device_type": "cpu", "compatible": compatible, "enable-method": "psci", "reg": index,
        }  # fmt: skip


def _psci(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    yield (
        "/psci",
        {
            "compatible": ["arm,psci-1.0", "arm,psci-0.2", "arm,psci"],
            "method": "smc" if description.el == 2 else "hvc",
            "cpu_suspend": psci.CPU_SUSPEND | psci.FID_SMC64,
            "cpu_off": psci.CPU_OFF,
            "cpu_on": psci.CPU_ON | psci.FID_SMC64,
        },
    )


def _timer(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    intids = [
        board.INTID_SECURE_TIMER, board.INTID_PHYSICAL_TIMER, board.INTID_VIRTUAL_TIMER, board.INTID_HYP_TIMER,
    ]  # fmt: skip
    if description.has_el2_virtual_timer:
        intids.append(board.INTID_HYP_VIRTUAL_TIMER)
    interrupts = [cell for intid in intids for cell in _ppi(description, intid)]
    compatible = ["arm,armv8-timer", "arm,armv7-timer"]
    yield "/timer", {"compatible": compatible, "interrupts": interrupts, "always-on": None}


def _pmu(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    if description.has_pmu:
        yield "/pmu", {"compatible": "arm,armv8-pmuv3", "interrupts": _ppi(description, board.INTID_PMU)}


def _intc(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    own = _gicv2(description) if description.gic == 2 else _gicv3()
    maintenance = [_PPI, board.INTID_MAINTENANCE - 16, _LEVEL_HIGH]
    yield f"/intc@{board.GICD_BASE:x}", {
        "phandle": _GIC, "interrupt-controller": None, "#interrupt-cells": 3, "#address-cells": 2, "#size-cells": 2,
        "ranges": None, **own, **({"interrupts": maintenance} if description.el == 2 else {}),
    }  # fmt: skip


def _gicv2(description: BoardDescription) -> Properties:
    frames = [board.GICD_BASE, board.GICC_BASE]
    if description.el == 2:
        frames += [board.GICH_BASE, board.GICV_BASE]
    return {"compatible": "arm,cortex-a15-gic", "reg": _reg(*((base, board.GIC_FRAME_BYTES) for base in frames))}


def _gicv3() -> Properties:
    reg = _reg((board.GICD_BASE, board.GIC_FRAME_BYTES), (board.GICR_BASE, _GICR_REGION_BYTES))
    return {"compatible": "arm,gic-v3", "#redistributor-regions": 1, "reg": reg}


def _clock(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    yield "/apb-pclk", {
        "compatible": "fixed-clock", "#clock-cells": 0, "clock-frequency": 24_000_000,
        "clock-output-names": "clk24mhz", "phandle": _CLOCK,
    }  # fmt: skip


def _pl011(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    yield _primecell("pl011", board.PL011_BASE, board.INTID_PL011, ["uartclk", "apb_pclk"])


def _pl031(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    if description.has_rtc:
        yield _primecell("pl031", board.PL031_BASE, board.INTID_PL031, ["apb_pclk"])


def _pl061(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    if not description.has_gpio:
        return
    path, properties = _primecell("pl061", board.PL061_BASE, board.INTID_PL061, ["apb_pclk"])
    yield path, {**properties, "gpio-controller": None, "#gpio-cells": 2, "phandle": _GPIO}
    yield "/gpio-keys", {"compatible": "gpio-keys"}
    yield "/gpio-keys/poweroff", {
        "label": "GPIO Key Poweroff", "linux,code": _KEY_POWER, "gpios": [_GPIO, _POWER_KEY_PIN, 0],
    }  # fmt: skip


def _primecell(name: str, base: int, intid: int, clocks: list[str]) -> tuple[str, Properties]:
    return f"/{name}@{base:x}", {
        "compatible": [f"arm,{name}", "arm,primecell"], "reg": _reg((base, board.PAGE_BYTES)),
        "interrupts": _spi(intid, _LEVEL_HIGH), "clocks": [_CLOCK] * len(clocks), "clock-names": clocks,
    }  # fmt: skip


def _virtio(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    for slot in description.virtio_slots:
        base = board.VIRTIO_BASE + slot * board.VIRTIO_BYTES
        yield f"/virtio_mmio@{base:x}", {
            "compatible": "virtio,mmio", "reg": _reg((base, board.VIRTIO_BYTES)),
            "interrupts": _spi(board.INTID_VIRTIO + slot, _EDGE_RISING), "dma-coherent": None,
        }  # fmt: skip


def _flash(description: BoardDescription) -> Iterator[tuple[str, Properties]]:
    if description.has_flash:
        reg = _reg(*((base, board.FLASH_BANK_BYTES) for base in board.FLASH_BASE))
        yield f"/flash@{board.FLASH_BASE[0]:x}", {"compatible": "cfi-flash", "reg": reg, "bank-width": 4}


_PARTS: Final[tuple[Callable[[BoardDescription], Iterator[tuple[str, Properties]]], ...]] = (
    _memory, _cpus, _psci, _timer, _pmu, _intc, _clock, _pl011, _pl031, _pl061, _flash, _virtio,
)  # fmt: skip


# Cells.


def _reg(*ranges: tuple[int, int]) -> list[int]:
    """Return pairs of (address, size in bytes) as cells, two for each number."""
    return [cell for pair in ranges for value in pair for cell in (value >> 32, value & 0xFFFF_FFFF)]


def _spi(intid: int, trigger: int) -> list[int]:
    return [_SPI, intid - 32, trigger]


def _ppi(description: BoardDescription, intid: int) -> list[int]:
    """Return a PPI as cells; GICv2 wants the mask of CPUs in <15:8>."""
    mask = ((1 << description.cpus) - 1) << 8 if description.gic == 2 else 0
    return [_PPI, intid - 16, mask | _LEVEL_HIGH]


def _ascii(text: str) -> str:
    if not text.isascii() or not text.replace("\t", " ").isprintable():
        raise DeviceTreeError("the boot arguments", "hold what is not printable ASCII", "leave it out")
    return text


# The tree as an object.


def _set(tree: fdt.FDT, path: str, properties: Properties) -> None:
    node = tree.get_node(path, create=True)
    for name, value in properties.items():
        node.set_property(name, value)


def _set_chosen(tree: fdt.FDT, bootargs: str, initrd: range | None) -> None:
    if bootargs:
        _set(tree, "/chosen", {"bootargs": _ascii(bootargs)})
    if initrd is not None:
        cells = _reg((initrd.start, initrd.stop))
        _set(tree, "/chosen", {"linux,initrd-start": cells[:2], "linux,initrd-end": cells[2:]})


# Trees that the user gives.


def patch(
    name: str,
    blob: bytes,
    *,
    bootargs: str = "",
    initrd: range | None = None,
    modules: tuple[BootModule, ...] = (),
) -> bytes:
    """Check a tree, and set in /chosen what is given. Raises: DeviceTreeError.

    A tree that nothing changes in keeps every byte. `name` is what errors call it.
    """
    tree = parse(name, blob)
    if not bootargs and initrd is None and not modules:
        return blob
    for path, properties in _modules(modules):
        _set(tree, path, properties)
    _set_chosen(tree, bootargs, initrd)
    return bytes(tree.to_dtb(version=17))


def parse(name: str, blob: bytes) -> fdt.FDT:
    """Read a flattened tree. Raises: DeviceTreeError, whatever is wrong with it."""
    try:
        fdt.FDT().entries.clear()  # all trees that the library reads share this list of reserved memory
        tree = fdt.parse_dtb(_without_nops(blob))
        tree.entries = list(tree.entries)
        tree.to_dtb(version=17)
    except DeviceTreeError:
        raise
    except (Exception, RecursionError) as error:  # the library raises whatever its parser runs into
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise DeviceTreeError(name, f"is not a sound device tree: {reason}", "compile it again with dtc") from None
    return tree


def dump(blob: bytes) -> str:
    """Return a flattened tree as source. Raises: DeviceTreeError."""
    return str(parse("the device tree", blob).to_dts(tabsize=4))


_BEGIN_NODE, _END_NODE, _PROP, _NOP, _END = 1, 2, 3, 4, 9


def _without_nops(blob: bytes) -> bytes:
    """Check the blocks and tokens of a tree, and return it without FDT_NOP, which the library cannot read.

    Raises: ValueError. Ref: Devicetree Specification 0.4, 5.2 and 5.4.
    """
    start, stop, strings = _check_header(blob)
    kept, children, at, token = bytearray(), [0], start, _NOP
    while token != _END:
        token, length = _token(blob, at, stop, strings)
        _check_nesting(token, children)
        kept += blob[at : at + length] if token != _NOP else b""
        at += length
    return blob[:start] + bytes(kept) + bytes(at - start - len(kept)) + blob[at:]


def _check_nesting(token: int, children: list[int]) -> None:
    """Check where a token stands. `children` counts those of every node that is open, from the top of the tree."""
    at_top = len(children) == 1
    if at_top and (token in (_PROP, _END_NODE) or (token == _BEGIN_NODE and children[0])):
        raise ValueError("there is something beside the root node")
    if token == _END and not (at_top and children[0]):
        raise ValueError("a node has no end, or there is none")
    if token in (_BEGIN_NODE, _PROP):
        children[-1] += 1
    if token == _BEGIN_NODE:
        children.append(0)
    elif token == _END_NODE:
        children.pop()
    if len(children) > MAX_DEPTH or children[-1] > MAX_CHILDREN:
        raise ValueError(f"a node has more than {MAX_CHILDREN} children, or lies deeper than {MAX_DEPTH}")


def _check_header(blob: bytes) -> tuple[int, int, int]:
    """Return where the structure block begins and ends, and where the strings begin."""
    if len(blob) < 40 or struct.unpack_from(">I", blob)[0] != MAGIC:
        raise ValueError("it does not begin with the magic number d00dfeed")
    total, structure, strings, _, version, compatible, _, strings_size, structure_size = struct.unpack_from(
        ">9I", blob, 4
    )
    if total > len(blob) or total > MAX_TREE_BYTES:
        raise ValueError(f"it says that it has {total} bytes, and has {len(blob)}; {MAX_TREE_BYTES} may be used")
    if version < 17 or compatible > 17:
        raise ValueError(f"its version is {version}, not 17")
    if structure % 4 or structure + structure_size > total or strings + strings_size > total:
        raise ValueError("a block lies outside it")
    return structure, structure + structure_size, strings


def _token(blob: bytes, at: int, stop: int, strings: int) -> tuple[int, int]:
    """Return a token and its length in bytes, both checked."""
    if at + 4 > stop:
        raise ValueError("the structure has no end")
    token = struct.unpack_from(">I", blob, at)[0]
    length = 4
    if token == _BEGIN_NODE:
        length += blob.index(b"\0", at + 4, stop) + 1 - (at + 4)
    elif token == _PROP:
        size, name = struct.unpack_from(">II", blob, at + 4)
        length += 8 + size
        blob.index(b"\0", strings + name)
    elif token not in (_END_NODE, _NOP, _END):
        raise ValueError(f"token {token:#x} at {at:#x} means nothing")
    if at + length > stop:
        raise ValueError("something reaches beyond the structure")
    return token, length + -length % 4
