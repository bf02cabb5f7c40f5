"""Memory as a thread sees it, read past the CPUs: by its translation regime, or by physical address.

Read `arch/translation/` and `runner/translation.py` before this file, `machine_view.py` after it. RAM and the contents
of flash can be read; devices cannot, for a read may change them.

Ref: Arm ARM D8 (the walk). Simplified: permissions are not asked for, a debugger may look at all that is mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from arm_hyp.arch.translation import FETCH, READ, Translated, walk

if TYPE_CHECKING:
    from arm_hyp.machine.machine import Machine
    from arm_hyp.runner.translation import View

PAGE_BYTES: Final = 4096
"""The smallest granule: within so much an address range stays together."""
_WORD_BYTES: Final = 8


def physical_address(view: View, va: int) -> int | None:
    """Return where a virtual address leads in the regime that a view is in; None where nothing is mapped.

    At EL0 what EL1 maps is found too, and memory that can only be executed.
    """
    el = view.el
    for access, level in ((READ, el), (READ, max(el, 1)), (FETCH, el), (FETCH, max(el, 1))):
        asked = access._replace(is_privileged=level > 0)
        result = walk(va, asked, level, view.registers, view.read64).result
        if isinstance(result, Translated):
            return int(result.pa)
    return None


def pieces(address: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Give a range of addresses as pieces (address, bytes) that each lie in one page. It ends at 2 to the power 64."""
    end = min(address + size_bytes, 1 << 64)
    while address < end:
        length = min(end, (address // PAGE_BYTES + 1) * PAGE_BYTES) - address
        yield address, length
        address += length


def read_physical(machine: Machine, address: int, size_bytes: int) -> bytes:
    """Return RAM or flash contents at a physical address, cut where they end."""
    ram = machine.ram_device
    if ram.contains(address):
        return ram.read(address, min(size_bytes, ram.base + ram.size_bytes - address))
    first = address // _WORD_BYTES * _WORD_BYTES
    data = bytearray()
    for place in range(first, address + size_bytes, _WORD_BYTES):
        word = machine.core.ram.read64(place)
        if word is None:
            break
        data += word.to_bytes(_WORD_BYTES, "little")
    return bytes(data[address - first :][:size_bytes])
