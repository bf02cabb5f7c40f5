"""The memory of a VM: pages that come when they are touched, are shared, and are copied before they are written.

Read `hypervisor/stage2/mapper.py` and `hypervisor/stage2/dirty.py` before this file and `hypervisor/vm.py` after it.
KVM's is `user_mem_abort` in `arch/arm64/kvm/mmu.c`.

A fault asks for one of three rights, and a mapping gets it when it is asked for: R when a page comes, W at once unless
the page is shared or logged, X at the first fetch. What is never fetched from stays XN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory
from arm_hyp.hypervisor.stage2.descriptors import Attributes, Permission
from arm_hyp.hypervisor.stage2.dirty import DirtyLog, MemorySlot
from arm_hyp.hypervisor.stage2.geometry import LAST_LEVEL
from arm_hyp.hypervisor.stage2.mapper import Mapping, Stage2

_BLOCK_LEVEL: Final = 2
"""The level of the blocks that a fault may map: 2 MiB with 4 KB pages, 32 MiB with 16 KB, 512 MiB with 64 KB."""


class PagedMemory:
    """The RAM of one VM, in slots that do not overlap. Raises: ValueError for slots that are not whole pages.

    Everything that needs a page may raise OutOfPhysicalMemory: the machine has less RAM than its VMs were promised.
    """

    def __init__(self, stage2: Stage2, slots: Sequence[MemorySlot]) -> None:
        self.stage2, self.slots = stage2, tuple(sorted(slots))
        self._allocator, self._tables, self._geometry = stage2.allocator, stage2.tables, stage2.geometry
        self._logs: dict[MemorySlot, DirtyLog] = {}
        end = 0
        for slot in self.slots:
            inside = self._geometry.contains(slot.ipa, slot.size_bytes)
            if slot.ipa < end or not inside or not self._geometry.is_aligned(slot.ipa, slot.size_bytes):
                raise ValueError(f"{slot} overlaps another, is not of whole pages, or not in the IPA space")
            end = slot.ipa + slot.size_bytes

    def slot_of(self, ipa: int, size_bytes: int = 1) -> MemorySlot | None:
        """Return the slot that holds all of a range; None if that is not RAM."""
        return next((slot for slot in self.slots if slot.contains(ipa, size_bytes)), None)

    # --- faults ------------------------------------------------------------------------------------------------------

    def handle_fault(self, ipa: int, is_write: bool, is_fetch: bool = False) -> bool:
        """Give the guest what a stage-2 fault asked for; False if this is not RAM, or not RAM that it may write.

        True means that the instruction can be tried again. A fault that has been answered meanwhile is one of these.
        """
        slot = self.slot_of(ipa)
        if slot is None or (is_write and slot.is_read_only):
            return False
        self._resolve(slot, ipa, Permission.W if is_write else Permission.X if is_fetch else Permission.R)
        return True

    def _resolve(self, slot: MemorySlot, ipa: int, needed: Permission) -> Mapping:
        """Return the mapping of an IPA, with at least a needed permission and the access flag."""
        mapping = self.stage2.lookup(ipa) or self._populate(slot, ipa)
        attributes = mapping.attributes
        if needed == Permission.W and not attributes.permission & Permission.W:
            mapping = self._make_writable(slot, ipa)
        elif needed & ~attributes.permission or not attributes.accessed:
            permission = attributes.permission | needed
            mapping = self._change(mapping, attributes._replace(permission=permission, accessed=True))
        return mapping

    def _change(self, mapping: Mapping, attributes: Attributes) -> Mapping:
        self.stage2.update(mapping.ipa, mapping.size_bytes, lambda _: attributes)
        return mapping._replace(attributes=attributes)

    def _populate(self, slot: MemorySlot, ipa: int) -> Mapping:
        """Map zeroed memory: a block, where one fits in the slot and can be had, else a page."""
        permission = Permission.R if slot.is_read_only or slot in self._logs else Permission.RW
        for size_bytes in self._sizes(slot, ipa):
            first = ipa & -size_bytes
            try:
                pa = self._allocator.allocate(size_bytes, size_bytes)
            except OutOfPhysicalMemory:
                if size_bytes == self._geometry.page_bytes:
                    raise
                continue
            self._tables.clear(pa, size_bytes)
            self._map_own(first, pa, size_bytes, Attributes(permission))
            break
        mapping = self.stage2.lookup(ipa)
        assert mapping is not None
        return mapping

    def _sizes(self, slot: MemorySlot, ipa: int) -> Iterator[int]:
        block = self._geometry.entry_bytes(_BLOCK_LEVEL)
        *_, last = self.stage2.walk(ipa)
        has_room = self._geometry.start_level <= _BLOCK_LEVEL and last.level <= _BLOCK_LEVEL
        if has_room and slot not in self._logs and slot.contains(ipa & -block, block):
            yield block
        yield self._geometry.page_bytes

    def _map_own(self, ipa: int, pa: int, size_bytes: int, attributes: Attributes) -> None:
        """Map memory of ours, and give it back if there is no room for the tables."""
        try:
            self.stage2.map(ipa, pa, size_bytes, attributes)
        except OutOfPhysicalMemory:
            self._allocator.free(pa, size_bytes)
            raise

    def _make_writable(self, slot: MemorySlot, ipa: int) -> Mapping:
        """Allow writes: to a page where they are logged, to a copy where it is shared, else to the whole block."""
        mapping = self.stage2.lookup(ipa)
        assert mapping is not None
        log = self._logs.get(slot)
        if log is not None or mapping.attributes.copy_on_write:
            mapping = self._page(ipa)
        if log is not None:
            log.mark(ipa)
        attributes = mapping.attributes
        writable = Attributes(attributes.permission | Permission.RW, attributes.memory)
        if attributes.copy_on_write and self._allocator.references(mapping.pa, mapping.size_bytes) > 1:
            return self._copy(mapping, writable)
        return self._change(mapping, writable)

    def _page(self, ipa: int) -> Mapping:
        """Return the mapping of an IPA, with blocks split down to the page."""
        while (mapping := self.stage2.lookup(ipa)) is not None and mapping.level < LAST_LEVEL:
            self.stage2.split(ipa)
        assert mapping is not None
        return mapping

    def _copy(self, mapping: Mapping, attributes: Attributes) -> Mapping:
        """Put a copy in the place of a shared page."""
        pa = self._allocator.allocate(mapping.size_bytes, mapping.size_bytes)
        self._tables.copy(pa, mapping.pa, mapping.size_bytes)
        self.stage2.report("cow", mapping.ipa, pa, mapping.size_bytes)
        self._map_own(mapping.ipa, pa, mapping.size_bytes, attributes)
        self._allocator.free(mapping.pa, mapping.size_bytes)
        return mapping._replace(pa=pa, attributes=attributes)

    # --- the hypervisor's own accesses -------------------------------------------------------------------------------

    def pieces(self, ipa: int, size_bytes: int, is_write: bool) -> list[tuple[int, int]] | None:
        """Return where a range of RAM lies, as (PA, size in bytes), paged in; None if it is not all RAM of one slot.

        What is asked for to be written is unshared and logged, as if the guest had written it.
        """
        slot = self.slot_of(ipa, size_bytes)
        if slot is None or (is_write and slot.is_read_only):
            return None
        found, end = [], ipa + size_bytes
        while ipa < end:
            mapping = self._resolve(slot, ipa, Permission.W if is_write else Permission.R)
            size = min(end, mapping.ipa + mapping.size_bytes) - ipa
            found.append((mapping.pa_of(ipa), size))
            ipa += size
        return found

    # --- sharing -----------------------------------------------------------------------------------------------------

    def share(self, ipa: int, other: PagedMemory, other_ipa: int, size_bytes: int, *, copy_on_write: bool) -> None:
        """Let another VM have the pages of a range too, in place of its own: for both to write, or each its own copy.

        Raises: ValueError if either range is not whole pages of RAM, or if a page that several VMs write would have to
        be copied on write.
        """
        for memory, first in ((self, ipa), (other, other_ipa)):
            if memory.slot_of(first, size_bytes) is None or not self._geometry.is_aligned(first, size_bytes):
                raise ValueError(f"{size_bytes:#x} bytes at IPA {first:#x} are not pages of RAM")
        for offset in range(0, size_bytes, self._geometry.page_bytes):
            self._share_page(ipa + offset, other, other_ipa + offset, copy_on_write)

    def _share_page(self, ipa: int, other: PagedMemory, other_ipa: int, copy_on_write: bool) -> None:
        slot = self.slot_of(ipa)
        assert slot is not None
        self._resolve(slot, ipa, Permission.R if copy_on_write or slot.is_read_only else Permission.W)
        mapping = self._page(ipa)
        attributes = mapping.attributes._replace(copy_on_write=copy_on_write)
        if copy_on_write:
            is_written_by_many = self._allocator.references(mapping.pa, mapping.size_bytes) > 1
            if is_written_by_many and not mapping.attributes.copy_on_write:
                raise ValueError(f"the page at IPA {ipa:#x} is shared by VMs that write it")
            attributes = attributes._replace(permission=attributes.permission & ~Permission.W)
            self._change(mapping, attributes)
        other._take(other_ipa, mapping.pa, mapping.size_bytes, copy_on_write)

    def _take(self, ipa: int, pa: int, size_bytes: int, copy_on_write: bool) -> None:
        """Map a page of another VM. Permission to write comes with the first fault."""
        slot = self.slot_of(ipa)
        assert slot is not None
        self.release(ipa, size_bytes)
        self._allocator.share(pa, size_bytes)
        self.stage2.report("share", ipa, pa, size_bytes)
        self._map_own(ipa, pa, size_bytes, Attributes(Permission.R, copy_on_write=copy_on_write))
        if slot in self._logs:
            self._logs[slot].mark(ipa)

    def release(self, ipa: int, size_bytes: int) -> None:
        """Give the pages of a range up. The next access finds new ones, zeroed."""
        for mapping in self.stage2.unmap(ipa, size_bytes):
            self._allocator.free(mapping.pa, mapping.size_bytes)

    def free(self) -> None:
        """Give everything up: pages and tables. Nothing else may be called after it."""
        for slot in self.slots:
            self.release(slot.ipa, slot.size_bytes)
        self.stage2.free()

    # --- dirty logging -----------------------------------------------------------------------------------------------

    def start_logging(self, slot: MemorySlot) -> DirtyLog:
        """Note from now on which pages of a slot are written."""
        log = self._logs[slot] = DirtyLog(self.stage2, slot)
        log.start()
        return log

    def stop_logging(self, slot: MemorySlot) -> None:
        """Note no more, and join pages to blocks where that can be done."""
        del self._logs[slot]
        self._allow_writes(slot)
        block = self._geometry.entry_bytes(_BLOCK_LEVEL)
        for ipa in range(-(-slot.ipa // block) * block, slot.ipa + slot.size_bytes - block + 1, block):
            self.stage2.collapse(ipa, _BLOCK_LEVEL)

    def log_of(self, slot: MemorySlot) -> DirtyLog | None:
        """Return the log of a slot; None while it is not logged."""
        return self._logs.get(slot)

    def _allow_writes(self, slot: MemorySlot) -> None:
        def change(old: Attributes) -> Attributes:
            return old if old.copy_on_write else old._replace(permission=old.permission | Permission.W)

        if not slot.is_read_only:
            self.stage2.update(slot.ipa, slot.size_bytes, change)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data. The slots are configuration."""
        logs = [[list(slot), bytes(log.bitmap)] for slot, log in sorted(self._logs.items(), key=lambda item: item[0])]
        return {"stage2": self.stage2.snapshot(), "logs": logs}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.stage2.restore(state["stage2"])
        slots = [(MemorySlot(*fields), bitmap) for fields, bitmap in state["logs"]]
        self._logs = {slot: DirtyLog(self.stage2, slot, bitmap) for slot, bitmap in slots}
