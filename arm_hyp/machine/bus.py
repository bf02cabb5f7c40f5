"""The bus: which device answers at which physical address, for each CPU.

Read `machine/seams.py` before this file and `machine/board.py` for the addresses. Where no region is, the CPU takes an
external abort; where a device refuses an access (`BusError`), too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from arm_hyp.cpu.core import Core
from arm_hyp.cpu.mmio import RefusedAccess
from arm_hyp.events import DeviceAccess
from arm_hyp.machine.board import PAGE_BYTES
from arm_hyp.machine.seams import BusError, Device


class Region(NamedTuple):
    """A range of physical addresses and what answers there. `device(cpu)`: banked devices differ by CPU."""

    name: str
    base: int
    size_bytes: int
    device: Callable[[int], Device]

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.base + self.size_bytes


class Bus:
    """The regions of one machine. Add all of them, then `attach` the CPUs."""

    def __init__(self) -> None:
        self.regions: list[Region] = []

    def add(self, name: str, base: int, size_bytes: int, device: Device | Callable[[int], Device]) -> None:
        """Add a region. Raises: ValueError if it is empty, not made of pages, or overlaps another."""
        if size_bytes <= 0 or base < 0:
            raise ValueError(f"{name}: {size_bytes:#x} bytes at {base:#x} are no region")
        region = Region(name, base, size_bytes, device if callable(device) else lambda _cpu: device)
        for other in self.regions:
            if region.base < other.end and other.base < region.end:
                raise ValueError(f"{name} at {base:#x} overlaps {other.name} at {other.base:#x}")
        self.regions.append(region)

    def find(self, address: int) -> Region:
        """Return the region of a physical address. Raises: BusError where nothing is."""
        for region in self.regions:
            if region.base <= address < region.end:
                return region
        raise BusError(f"nothing is at {address:#x}")

    def attach(self, cores: Sequence[Core]) -> None:
        """Route the accesses of the CPUs: a page to the one region that fills it, or to those that share it."""
        for core in cores:
            for base, size_bytes, parts in self._mappings():
                if len(parts) == 1 and (parts[0].base, parts[0].size_bytes) == (base, size_bytes):
                    read, write = _route(core, parts[0])
                else:
                    read, write = _shared_page(core, base, parts)
                core.mmio.map(base, size_bytes, read, write)

    def _mappings(self) -> list[tuple[int, int, list[Region]]]:
        """Return what is mapped as one: (base, size in bytes, regions within), in whole pages."""
        result: list[tuple[int, int, list[Region]]] = []
        for region in sorted(self.regions, key=lambda region: region.base):
            start, end = region.base & -PAGE_BYTES, -(-region.end // PAGE_BYTES) * PAGE_BYTES
            if result and start < result[-1][0] + result[-1][1]:
                base, size_bytes, parts = result[-1]
                result[-1] = base, max(base + size_bytes, end) - base, [*parts, region]
            else:
                result.append((start, end - start, [region]))
        return result


Read = Callable[[int, int], int]
Write = Callable[[int, int, int], None]


def _route(core: Core, region: Region) -> tuple[Read, Write]:
    """Return how a CPU reads and writes a region, by offset."""
    device, name = region.device(core.index), region.name
    device_read, device_write = device.read, device.write

    def read(offset: int, size_bytes: int) -> int:
        try:
            value = device_read(offset, size_bytes)
        except BusError as error:
            raise RefusedAccess(str(error)) from None
        if not core.silent:
            core.emit(DeviceAccess, device=name, offset=offset, size_bytes=size_bytes, is_write=False, value=value)
        return value

    def write(offset: int, size_bytes: int, value: int) -> None:
        if not core.silent:
            core.emit(DeviceAccess, device=name, offset=offset, size_bytes=size_bytes, is_write=True, value=value)
        try:
            device_write(offset, size_bytes, value)
        except BusError as error:
            raise RefusedAccess(str(error)) from None

    return read, write


def _shared_page(core: Core, base: int, parts: Sequence[Region]) -> tuple[Read, Write]:
    routes = [(part.base - base, part.end - base, *_route(core, part)) for part in parts]

    def find(offset: int, size_bytes: int) -> tuple[int, Read, Write]:
        for start, end, read, write in routes:
            if start <= offset and offset + size_bytes <= end:
                return offset - start, read, write
        raise RefusedAccess(f"nothing is at {base + offset:#x}")

    def read(offset: int, size_bytes: int) -> int:
        inner, answer, _ = find(offset, size_bytes)
        return answer(inner, size_bytes)

    def write(offset: int, size_bytes: int, value: int) -> None:
        inner, _, take = find(offset, size_bytes)
        take(inner, size_bytes, value)

    return read, write
