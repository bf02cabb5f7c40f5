"""The local exclusive monitor of one core, which Unicorn keeps but offers no way to.

Read this file beside `cpu/native.py`. A load-exclusive notes its virtual address and what it has read; a
store-exclusive to the same address passes if memory still holds that. Both, and CLREX, are the core's own. Only what
the core cannot do itself is done here: an exception return clears the monitor, a snapshot keeps it.

The monitor is reached in the live state of the core where that is certain to be found. In an unknown build it is
changed in a saved context which is loaded back at once: the same to the guest, and 3 us slower.

Simplified: there is no global monitor beside it. A store-exclusive looks at the value in memory: a store of the very
same value in between, by another CPU or by DMA, goes unnoticed, and so does one that was undone since. A store of this
CPU does not clear its own monitor either, which the architecture allows. A call of the firmware leaves the monitor as
it is, though a firmware at EL3 would end it with an ERET. QEMU does the same in all of this.

Ref: Arm ARM B2.12 (synchronization and semaphores), AArch64.SetExclusiveMonitors, AArch64.ExclusiveMonitorsPass.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

OPEN: Final = (1 << 64) - 1
"""The address of a monitor in the Open Access state: no store-exclusive passes."""

_Words = ctypes.c_uint64 * 3
_LIVE_OFFSET: Final = 296
"""Where the core's state points to the part of it that a context saves."""
SAVED_OFFSET: Final = 40
"""Where in a saved context that part begins."""
_STATE_BYTES: Final = 1 << 16


class Exclusive(NamedTuple):
    """What a load-exclusive has left: its virtual address (or `OPEN`), and the data read, <63:0> and <127:64>."""

    address: int
    low: int
    high: int


class LocalMonitor:
    """The monitor of one core: in its live state if that address is given, else in a context to `save` and `load`."""

    def __init__(self, live: int | None, saved: int, save: Callable[[], object], load: Callable[[], object]) -> None:
        place = live or saved
        self.live, self.is_live = live, live is not None
        self._words, self._address = _Words.from_address(place), ctypes.c_uint64.from_address(place)
        self._save, self._load = save, load

    def read(self) -> Exclusive:
        """Return the state of the monitor."""
        if not self.is_live:
            self._save()
        return Exclusive(*self._words)

    def write(self, state: Sequence[int]) -> None:
        """Put the monitor into a state."""
        if not self.is_live:
            self._save()
        for index, value in enumerate(state):
            self._words[index] = value
        if not self.is_live:
            self._load()

    def clear(self) -> None:
        """Put the monitor into the Open Access state, as CLREX does (0.1 us). Ref: ClearExclusiveLocal."""
        if self.is_live:
            self._address.value = OPEN
        else:
            self.write(self.read()._replace(address=OPEN))


def find_live(state: int | None, context: int, offset: int) -> int | None:
    """Return where the live state of a core has what its context, just saved, has at `offset`; None if unsure.

    `state` is the address of the core's state. The part that a context saves lies in it, and is the same to the byte.
    """
    if state is None:
        return None
    live = ctypes.c_uint64.from_address(state + _LIVE_OFFSET).value
    size_bytes = offset + ctypes.sizeof(_Words) - SAVED_OFFSET
    if not state < live < state + _STATE_BYTES - size_bytes:
        return None
    is_same = ctypes.string_at(live, size_bytes) == ctypes.string_at(context + SAVED_OFFSET, size_bytes)
    return live + offset - SAVED_OFFSET if is_same else None
