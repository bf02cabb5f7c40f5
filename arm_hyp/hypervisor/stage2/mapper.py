"""The mapper: writes stage-2 tables into machine RAM, breaking before making, and asks for the right TLB maintenance.

Read `hypervisor/stage2/allocator.py` before this file and `hypervisor/stage2/paging.py` after it. KVM's is
`arch/arm64/kvm/hyp/pgtable.c`: `kvm_pgtable_stage2_map`, `_unmap`, `_wrprotect`, `_split`.

A walker may read a table at any time, and a TLB may keep any valid descriptor that was reachable. So:

- from invalid to valid: write; nothing can be cached.
- from valid to invalid, or other rights: write, then invalidate.
- from valid to another address, size or memory type: write invalid, invalidate, write the new one. Otherwise two
  entries for one IPA may be cached at the same time. Ref: Arm ARM D8.14.1 (break-before-make).
- a new table is filled before anything leads to it, and freed only after the invalidation.

What a mapping alone cannot know is the hypervisor's own fault here, and raises ValueError. No guest can cause that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from arm_hyp.arch.registers.translation import VTCR_EL2, VTTBR_EL2
from arm_hyp.hypervisor.stage2.allocator import PhysicalAllocator
from arm_hyp.hypervisor.stage2.descriptors import (
    ATTRIBUTE_BITS,
    INVALID,
    Attributes,
    Descriptor,
    Entry,
    LeafDescriptor,
    Permission,
    TableDescriptor,
)
from arm_hyp.hypervisor.stage2.geometry import DESCRIPTOR_BYTES, LAST_LEVEL, Geometry
from arm_hyp.hypervisor.stage2.seams import TableMemory, TlbMaintenance
from arm_hyp.kvm_events import Stage2Operation

NORMAL_RWX: Final = Attributes()


Report = Callable[[Stage2Operation, int, int | None, int], None]
"""`report(operation, ipa, pa, size_bytes)` hears of every change of the tables; the PA may be None."""


class Mapping(NamedTuple):
    """One block or page. `ipa` and `pa` are its first addresses."""

    ipa: int
    pa: int
    size_bytes: int
    level: int
    attributes: Attributes

    def pa_of(self, ipa: int) -> int:
        """Return the PA of an IPA inside."""
        return self.pa + ipa - self.ipa


class Stage2:
    """The stage-2 tables of one VM. Ranges are whole pages."""

    def __init__(
        self,
        geometry: Geometry,
        tables: TableMemory,
        tlb: TlbMaintenance,
        allocator: PhysicalAllocator,
        vmid: int = 0,
    ) -> None:
        self.geometry, self.tables, self.allocator, self.vmid = geometry, tables, allocator, vmid
        self._tlb = tlb
        self.report: Report = lambda operation, ipa, pa, size_bytes: None
        self.root = allocator.allocate(geometry.root_bytes, geometry.root_bytes)
        tables.clear(self.root, geometry.root_bytes)

    @property
    def vtcr(self) -> VTCR_EL2:
        """VTCR_EL2 for these tables."""
        return self.geometry.vtcr

    @property
    def vttbr(self) -> VTTBR_EL2:
        """VTTBR_EL2 for these tables, with the present VMID."""
        return self.geometry.vttbr(self.root, self.vmid)

    # --- walks -------------------------------------------------------------------------------------------------------

    def walk(self, ipa: int) -> Iterator[Entry]:
        """Return each descriptor that a walk for an IPA meets, the last one included."""
        if self.geometry.contains(ipa):
            table = self.root
            for level in range(self.geometry.start_level, LAST_LEVEL + 1):
                entry = self._entry(table, level, ipa)
                yield entry
                if not entry.is_table:
                    return
                table = entry.table

    def lookup(self, ipa: int) -> Mapping | None:
        """Return the block or page that translates an IPA; None where there is none."""
        entry = self._leaf(ipa)
        return None if entry is None else self._mapping(entry)

    def mappings(self, ipa: int = 0, size_bytes: int | None = None) -> Iterator[Mapping]:
        """Return all blocks and pages that touch a range, in order; of the whole IPA space by default."""
        end = 1 << self.geometry.ipa_bits if size_bytes is None else ipa + size_bytes
        return map(self._mapping, self._leaves(self.root, self.geometry.start_level, ipa, end))

    def _mapping(self, entry: Entry) -> Mapping:
        size_bytes = self.geometry.entry_bytes(entry.level)
        return Mapping(entry.ipa, entry.leaf.pa, size_bytes, entry.level, entry.leaf.attributes)

    def _leaf(self, ipa: int) -> Entry | None:
        for entry in self.walk(ipa):
            if entry.is_leaf:
                return entry
        return None

    def _leaves(self, table: int, level: int, start: int, end: int) -> Iterator[Entry]:
        for entry in self._row(table, level, start, end):
            if entry.is_table:
                yield from self._leaves(entry.table, level + 1, max(start, entry.ipa), end)
            else:
                yield entry

    def _row(self, table: int, level: int, start: int, end: int) -> Iterator[Entry]:
        """Return the valid entries of one table that translate a part of [start, end)."""
        step = self.geometry.entry_bytes(level)
        first, index = start & -step, self.geometry.index(start, level)
        last = min(end, first + (self.geometry.table_entries(level) - index) * step)
        addresses = count(table + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES)
        for ipa, address in zip(range(first, last, step), addresses, strict=False):
            word = self.tables.read64(address)
            if word & Descriptor.VALID.mask:
                yield Entry(address, level, ipa, Descriptor(word))

    def _entry(self, table: int, level: int, ipa: int) -> Entry:
        address = table + self.geometry.index(ipa, level) * DESCRIPTOR_BYTES
        first = ipa & -self.geometry.entry_bytes(level)
        return Entry(address, level, first, Descriptor(self.tables.read64(address)))

    # --- map and unmap -----------------------------------------------------------------------------------------------

    def map(self, ipa: int, pa: int, size_bytes: int, attributes: Attributes = NORMAL_RWX) -> None:
        """Map a range, in the largest blocks that fit, in place of what was there.

        Raises: OutOfPhysicalMemory if there is no room for a table; what was mapped until then stays.
        """
        self._check(ipa, size_bytes, pa)
        self.report("map", ipa, pa, size_bytes)
        end = ipa + size_bytes
        while ipa < end:
            level = self.geometry.leaf_level(ipa, pa, end - ipa)
            self._put(self._reach(ipa, level), LeafDescriptor.to(pa, level, attributes))
            step = self.geometry.entry_bytes(level)
            ipa, pa = ipa + step, pa + step

    def unmap(self, ipa: int, size_bytes: int) -> list[Mapping]:
        """Take a range away, and free the tables that are empty then. Returns what was mapped: the caller's to free."""
        self._check(ipa, size_bytes)
        self._split_edges(ipa, size_bytes)
        removed: list[Entry] = []
        self._unmap_table(self.root, self.geometry.start_level, ipa, ipa + size_bytes, removed)
        self._invalidate(removed)
        self.report("unmap", ipa, None, size_bytes)
        for entry in removed:
            if entry.is_table:
                self.allocator.free(entry.table, self.geometry.page_bytes)
        return [self._mapping(entry) for entry in removed if entry.is_leaf]

    def _unmap_table(self, table: int, level: int, start: int, end: int, removed: list[Entry]) -> None:
        for entry in self._row(table, level, start, end):
            if entry.is_table:
                self._unmap_table(entry.table, level + 1, max(start, entry.ipa), end, removed)
                if not self._is_empty(entry.table):
                    continue
            self.tables.write64(entry.address, INVALID)
            removed.append(entry)

    def _is_empty(self, table: int) -> bool:
        return not any(map(self.tables.read64, range(table, table + self.geometry.page_bytes, DESCRIPTOR_BYTES)))

    def _reach(self, ipa: int, level: int) -> Entry:
        """Return the entry of a level; tables are made, and blocks split, on the way there."""
        table = self.root
        for at in range(self.geometry.start_level, level):
            entry = self._entry(table, at, ipa)
            table = entry.table if entry.is_table else self._push_down(entry)
        return self._entry(table, level, ipa)

    def _put(self, entry: Entry, new: LeafDescriptor) -> None:
        """Replace an entry, and free the tables below it."""
        if entry.descriptor == new:
            return
        if entry.descriptor.VALID:
            self._break(entry)
        self.tables.write64(entry.address, new)
        if entry.is_table:
            self._free_table(entry)

    def _break(self, entry: Entry) -> None:
        """Do the first half of break-before-make."""
        self.tables.write64(entry.address, INVALID)
        self._invalidate([entry])

    def _free_table(self, entry: Entry) -> None:
        size_bytes = self.geometry.entry_bytes(entry.level)
        for below in self._row(entry.table, entry.level + 1, entry.ipa, entry.ipa + size_bytes):
            if below.is_table:
                self._free_table(below)
        self.allocator.free(entry.table, self.geometry.page_bytes)

    # --- attributes --------------------------------------------------------------------------------------------------

    def update(self, ipa: int, size_bytes: int, change: Callable[[Attributes], Attributes]) -> None:
        """Change the rights and software bits of all that is mapped in a range. Ref: `stage2_update_leaf_attrs`.

        Raises: ValueError if the change is one of memory type, which needs break-before-make.
        """
        self._check(ipa, size_bytes)
        self._split_edges(ipa, size_bytes)

        @functools.cache  # most pages are alike
        def changed_bits(bits: int) -> int:
            old = LeafDescriptor(bits)
            new = old.having(change(old.attributes))
            if new.MEM_ATTR != old.MEM_ATTR:
                raise ValueError("a memory type is changed by map, not by update")
            return new

        changed: list[Entry] = []
        for entry in self._leaves(self.root, self.geometry.start_level, ipa, ipa + size_bytes):
            bits = entry.descriptor & ATTRIBUTE_BITS
            if (new := changed_bits(bits)) != bits:
                self.tables.write64(entry.address, entry.descriptor & ~ATTRIBUTE_BITS | new)
                changed.append(entry)
        self._invalidate(changed)
        if changed:
            self.report("protect", ipa, None, size_bytes)

    def protect(self, ipa: int, size_bytes: int, permission: Permission) -> None:
        """Set the permissions of all that is mapped in a range."""
        self.update(ipa, size_bytes, lambda old: old._replace(permission=permission))

    def write_protect(self, ipa: int, size_bytes: int) -> None:
        """Take the permission to write from all that is mapped in a range. Ref: `kvm_pgtable_stage2_wrprotect`."""
        self.update(ipa, size_bytes, lambda old: old._replace(permission=old.permission & ~Permission.W))

    def age(self, ipa: int, size_bytes: int, *, accessed: bool = False) -> None:
        """Clear, or set, the access flags of a range. A cleared one faults at the next use."""
        self.update(ipa, size_bytes, lambda old: old._replace(accessed=accessed))

    # --- blocks ------------------------------------------------------------------------------------------------------

    def split(self, ipa: int) -> bool:
        """Replace the block at an IPA by a table with the same meaning; False if no block is there."""
        entry = self._leaf(ipa)
        if entry is None or entry.level == LAST_LEVEL:
            return False
        self._push_down(entry)
        return True

    def collapse(self, ipa: int, level: int) -> bool:
        """Replace the table at an IPA and level by a block, if it holds nothing else; tell whether it did."""
        entry = next((entry for entry in self.walk(ipa) if entry.level == level), None)
        if entry is None or not entry.is_table or level < self.geometry.first_block_level:
            return False
        size_bytes = self.geometry.entry_bytes(level)
        below = [each.descriptor for each in self._row(entry.table, level + 1, entry.ipa, entry.ipa + size_bytes)]
        first = LeafDescriptor(below[0] if below else INVALID)
        if not first.is_leaf(level + 1) or first.pa % size_bytes or below != self._pieces(first, level):
            return False
        self._put(entry, LeafDescriptor.to(first.pa, level, first.attributes))
        self.report("collapse", entry.ipa, first.pa, size_bytes)
        return True

    def _split_edges(self, ipa: int, size_bytes: int) -> None:
        """Split the blocks that lie only partly in a range."""
        for edge in (ipa, ipa + size_bytes):
            while (entry := self._leaf(edge)) is not None and entry.ipa != edge:
                self._push_down(entry)

    def _push_down(self, entry: Entry) -> int:
        """Put a table in the place of a block, with the same meaning, or of nothing. Return its PA."""
        table = self.allocator.allocate(self.geometry.page_bytes, self.geometry.page_bytes)
        self.tables.clear(table, self.geometry.page_bytes)
        if entry.is_leaf:
            for index, piece in enumerate(self._pieces(entry.leaf, entry.level)):
                self.tables.write64(table + index * DESCRIPTOR_BYTES, piece)
            self._break(entry)
            self.report("split", entry.ipa, entry.leaf.pa, self.geometry.entry_bytes(entry.level))
        self.tables.write64(entry.address, TableDescriptor.to(table))
        return table

    def _pieces(self, first: LeafDescriptor, level: int) -> list[LeafDescriptor]:
        """Return a whole table of blocks or pages, to mean what one block of a level would that begins like `first`."""
        piece = LeafDescriptor.to(first.pa, level + 1, first.attributes)
        offsets = range(0, self.geometry.entry_bytes(level), self.geometry.entry_bytes(level + 1))
        return [LeafDescriptor(piece + offset) for offset in offsets]

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _invalidate(self, changed: Sequence[Entry]) -> None:
        """Invalidate what may be cached of entries that were valid.

        One block or page is found by its IPA; a table, or many, by the VMID. Ref: `stage2_unmap_put_pte`.
        """
        if len(changed) == 1 and changed[0].is_leaf:
            self._tlb.invalidate_ipa(self.vmid, changed[0].ipa, changed[0].level)
        elif changed:
            self._tlb.invalidate_vmid(self.vmid)

    def _check(self, ipa: int, size_bytes: int, pa: int = 0) -> None:
        geometry = self.geometry
        if not geometry.contains(ipa, size_bytes) or not 0 <= pa <= (1 << geometry.pa_bits) - size_bytes:
            raise ValueError(f"{size_bytes:#x} bytes at IPA {ipa:#x}, PA {pa:#x} are not in the address spaces")
        if not geometry.is_aligned(ipa, size_bytes, pa):
            raise ValueError(f"{size_bytes:#x} bytes at IPA {ipa:#x}, PA {pa:#x} are not whole pages")

    def free(self) -> None:
        """Unmap all and free every table. Nothing else may be called after it."""
        self.unmap(0, 1 << self.geometry.ipa_bits)
        self.allocator.free(self.root, self.geometry.root_bytes)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data. The tables are in RAM."""
        return {"root": self.root, "vmid": self.vmid}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.root, self.vmid = state["root"], state["vmid"]
