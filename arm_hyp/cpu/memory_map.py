"""The memory of a core: RAM and ROM mapped, and reached past the core.

Read `cpu/native.py` before this file, `cpu/core.py` after it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_BRANCH_TO_SELF: Final = 0x1400_0000
_WORDS: Final = tuple(struct.Struct(f"<{count}I") for count in range(1025))
"""By number of words, as many as a page has."""


class RamWords:
    """Direct access to words of guest RAM by physical address, past the core."""

    def __init__(self) -> None:
        self._regions: list[tuple[int, int, memoryview]] = []

    def add(self, base: int, view: memoryview) -> None:
        """Make a region of RAM known."""
        self._regions.append((base, base + len(view), view))

    def remove(self, base: int) -> None:
        """Forget the region that begins at an address, if there is one."""
        self._regions = [region for region in self._regions if region[0] != base]

    def find(self, address: int, size_bytes: int) -> memoryview | None:
        """Return the contents of a range, live; None where it is not all RAM or ROM."""
        for base, end, view in self._regions:
            if base <= address and address + size_bytes <= end:
                return view[address - base : address - base + size_bytes]
        return None

    def words(self, address: int, size_bytes: int) -> tuple[int, ...] | None:
        """Read words, `size_bytes` of them; None where the first is not in RAM or ROM."""
        for base, end, view in self._regions:
            if base <= address < end:
                return _WORDS[size_bytes >> 2].unpack_from(view, address - base)
        return None

    def read64(self, address: int) -> int | None:
        """Read 8 bytes, as a table walk does; None where there is no RAM."""
        for base, end, view in self._regions:
            if base <= address < end:
                return int(struct.unpack_from("<Q", view, address - base)[0])
        return None

    def poke(self, address: int, word: int) -> bool:
        """Write a word; False where there is no RAM."""
        for base, end, view in self._regions:
            if base <= address < end:
                struct.pack_into("<I", view, address - base, word)
                return True
        return False


def attach_ram(core: Core, base: int, view: memoryview, host_address: int) -> None:
    """Map a region of RAM. Unicorn reports translations only after a first run, so one loop of `b .` runs here."""
    core.native.map_ram(base, len(view), host_address)
    core.ram.add(base, view)
    core.sites.cover(base, len(view), host_address)
    if core.native.exits is not None:
        core.native.exits.begin(base, len(view))
    before, pc = bytes(view[:4]), core.pc
    core.ram.poke(base, _BRANCH_TO_SELF)
    core.native.start(base, 3)
    view[:4] = before
    core.native.drop_translations(base, base + 4)
    core.native.flush_tlb()
    core.pc = pc


def map_rom(core: Core, base: int, view: memoryview, host_address: int) -> None:
    """Map memory that can be run from, but not written.

    `core.rom_written` is offered what is written, and takes it or not; with None it is asked whether to try again.
    """
    core.native.map_rom(base, len(view), host_address)
    core.ram.add(base, view)


def unmap_rom(core: Core, base: int, size_bytes: int) -> None:
    """Take away what is mapped in a range, and all that was translated of it."""
    core.native.unmap(base, size_bytes)
    core.ram.remove(base)
    core.native.flush_tlb()
    core.maintenance.drop_all()
