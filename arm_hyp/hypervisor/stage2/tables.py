"""Tables and guest pages in the RAM of a machine: `seams.TableMemory` over `machine/memory.py`.

Read `hypervisor/stage2/seams.py` and `machine/memory.py` before this file.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.hypervisor.stage2.geometry import DESCRIPTOR_BYTES
from arm_hyp.machine.memory import Ram

_EMPTY: Final = bytes(1 << 16)


class MachineTables:
    """The RAM of a machine as descriptors. Raises: IndexError, BusError outside RAM: a fault of the hypervisor's."""

    def __init__(self, ram: Ram) -> None:
        self._ram, self._base = ram, ram.base
        self._words = ram.view.cast("Q")

    def read64(self, address: int) -> int:
        """Read one descriptor."""
        return self._words[self._index(address)]

    def write64(self, address: int, value: int) -> None:
        """Write one descriptor. Tables are no code: nothing has to be translated anew."""
        self._words[self._index(address)] = value

    def _index(self, address: int) -> int:
        if address < self._base:
            raise IndexError(f"{address:#x} is not RAM")
        return (address - self._base) // DESCRIPTOR_BYTES

    def clear(self, address: int, size_bytes: int) -> None:
        """Fill with zeros; code that was there is forgotten. What is empty stays untouched, and is no page to keep."""
        for start in range(address, address + size_bytes, len(_EMPTY)):
            empty = _EMPTY[: address + size_bytes - start]
            if self._ram.read(start, len(empty)) != empty:
                self._ram.write(start, empty)

    def copy(self, target: int, source: int, size_bytes: int) -> None:
        """Copy; code that was there is forgotten."""
        self._ram.write(target, self._ram.read(source, size_bytes))
