"""Dirty logging: which pages a VM has written since one last asked. What live migration and frame buffers stand on.

Read `hypervisor/stage2/mapper.py` before this file and `hypervisor/stage2/paging.py` after it. All pages are made
read-only; the first write of each faults, is noted, and allowed. Ref: KVM_GET_DIRTY_LOG, `kvm_mmu_wp_memory_region`.
"""

from __future__ import annotations

from typing import NamedTuple

from arm_hyp.hypervisor.stage2.mapper import Stage2


class MemorySlot(NamedTuple):
    """A range of IPAs that is RAM. `is_read_only`: the guest's writes are not RAM's to answer."""

    ipa: int
    size_bytes: int
    is_read_only: bool = False

    def contains(self, ipa: int, size_bytes: int = 1) -> bool:
        """Tell whether a range lies in this slot."""
        return self.ipa <= ipa and ipa + size_bytes <= self.ipa + self.size_bytes


class DirtyLog:
    """The log of one slot: a bit for each page, the lowest first."""

    def __init__(self, stage2: Stage2, slot: MemorySlot, bitmap: bytes | None = None) -> None:
        self._stage2, self._slot = stage2, slot
        pages = slot.size_bytes // stage2.geometry.page_bytes
        self.bitmap = bytearray(-(-pages // 8) if bitmap is None else bitmap)

    def start(self) -> None:
        """Have the next write of each page fault. Blocks stay until they are written."""
        self._stage2.write_protect(self._slot.ipa, self._slot.size_bytes)

    def mark(self, ipa: int) -> None:
        """Note that the page of an IPA is written."""
        page = (ipa - self._slot.ipa) // self._stage2.geometry.page_bytes
        self.bitmap[page // 8] |= 1 << page % 8

    def get_and_clear(self) -> bytes:
        """Return the log, and begin a new one. Ref: KVM_GET_DIRTY_LOG."""
        taken = bytes(self.bitmap)
        self.bitmap = bytearray(len(taken))
        if any(taken):
            self.start()
        return taken
