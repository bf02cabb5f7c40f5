"""Sparse memory, and a checker that watches every table write and every TLB maintenance operation.

The checker is a TLB that keeps everything: each descriptor that was valid and reachable stays until it is invalidated,
and so does each table that it led to. It fails on what the architecture forbids (Arm ARM D8.14.1): two entries for one
IPA that differ in output address, size or memory type, and a table or page that is used again while it is cached. At
the end of an operation, `settle` fails if something is still cached that allows what the tables no longer allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.hypervisor.stage2.descriptors import Attributes, LeafDescriptor, TableDescriptor
from arm_hyp.hypervisor.stage2.geometry import Geometry
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.stage2.seams import TableMemory, TlbMaintenance

VMID = 5


class SparseMemory:
    """Memory that holds only words that are not zero."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def read64(self, address: int) -> int:
        assert address % 8 == 0
        return self.words.get(address, 0)

    def write64(self, address: int, value: int) -> None:
        assert address % 8 == 0
        if value:
            self.words[address] = int(value)
        else:
            self.words.pop(address, None)

    def clear(self, address: int, size_bytes: int) -> None:
        if size_bytes // 8 > len(self.words):
            self.words = {at: word for at, word in self.words.items() if not address <= at < address + size_bytes}
        else:
            for at in range(address, address + size_bytes, 8):
                self.words.pop(at, None)

    def copy(self, target: int, source: int, size_bytes: int) -> None:
        for offset in range(0, size_bytes, 8):
            self.write64(target + offset, self.read64(source + offset))


class RecordingTlb:
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int, int]] = []

    def invalidate_ipa(self, vmid: int, ipa: int, level: int) -> None:
        self.done.append(("ipa", vmid, ipa))

    def invalidate_vmid(self, vmid: int) -> None:
        self.done.append(("vmid", vmid, 0))

    def invalidate_all(self) -> None:
        self.done.append(("all", 0, 0))


class BreakBeforeMakeError(AssertionError):
    """Raised by the checker."""


class Cached(NamedTuple):
    """A valid descriptor that a TLB may hold. `start` and `end` are IPAs."""

    address: int
    level: int
    start: int
    end: int
    descriptor: int

    @property
    def is_table(self) -> bool:
        return self.level < 3 and self.descriptor & 0b11 == 0b11

    def conflicts(self, other: Cached) -> bool:
        """Tell whether both may not be in a TLB at the same time."""
        if self.end <= other.start or other.end <= self.start:
            return False
        if self.is_table or other.is_table:
            is_same_table = self.is_table and other.is_table and self.descriptor == other.descriptor
            return self.address == other.address and not is_same_table
        return self.level != other.level or _output(self.descriptor) != _output(other.descriptor)


def _output(descriptor: int) -> tuple[int, int, int]:
    """Return what break-before-make protects: output address, memory type, shareability."""
    leaf = LeafDescriptor(descriptor)
    return leaf.pa, leaf.MEM_ATTR, leaf.SH


def _rights(descriptor: int) -> int:
    leaf = LeafDescriptor(descriptor)
    return leaf.S2AP | (0 if leaf.XN else 4) | leaf.AF << 3


class Checker:
    """Table memory and TLB maintenance in one, watched. The geometry is given; the tables are read, not the mapper."""

    def __init__(
        self, geometry: Geometry, memory: TableMemory, tlb: TlbMaintenance | None = None, vmid: int = VMID
    ) -> None:
        self._geometry, self._memory, self._tlb, self._vmid = geometry, memory, tlb or RecordingTlb(), vmid
        self._root: int | None = None
        self._cached: list[Cached] = []  # no longer in the tables
        self._tables: dict[int, tuple[int, int]] = {}  # reachable, or cached: PA -> (level, first IPA)
        self.checked = 0

    def watch(self, root: int) -> None:
        """Begin: a walker reads the tables at a PA from now on."""
        self._root = root
        self._find_tables()

    # --- what tables say, read without the mapper --------------------------------------------------------------------

    def _table_bytes(self, level: int) -> int:
        return self._geometry.root_bytes if level == self._geometry.start_level else self._geometry.page_bytes

    def _valid(self, table: int, level: int, first_ipa: int) -> Iterator[Cached]:
        step = self._geometry.entry_bytes(level)
        for index in range(self._table_bytes(level) // 8):
            word = self._memory.read64(table + index * 8)
            if word & 1:
                start = first_ipa + index * step
                yield Cached(table + index * 8, level, start, start + step, word)

    def _below(self, entry: Cached) -> Iterator[Cached]:
        """Return an entry and all below it."""
        yield entry
        if entry.is_table:
            for each in self._valid(TableDescriptor(entry.descriptor).table, entry.level + 1, entry.start):
                yield from self._below(each)

    def _reachable(self) -> Iterator[Cached]:
        assert self._root is not None
        for entry in self._valid(self._root, self._geometry.start_level, 0):
            yield from self._below(entry)

    def _find_tables(self) -> None:
        assert self._root is not None
        self._tables = {self._root: (self._geometry.start_level, 0)}
        for entry in [*self._reachable(), *self._cached]:
            if entry.is_table:
                self._tables[TableDescriptor(entry.descriptor).table] = (entry.level + 1, entry.start)

    # --- TableMemory -------------------------------------------------------------------------------------------------

    def read64(self, address: int) -> int:
        return self._memory.read64(address)

    def write64(self, address: int, value: int) -> None:
        place = self._place(address)
        if place is None:
            self._memory.write64(address, value)
            return
        table, level, first_ipa = place
        step = self._geometry.entry_bytes(level)
        start = first_ipa + (address - table) // 8 * step
        old, new = (Cached(address, level, start, start + step, word) for word in (self.read64(address), value))
        if old.descriptor & 1 and old != new:
            self._remember(old, new)
        self._memory.write64(address, value)
        if value & 1:
            self._check(new)
        if old.is_table or new.is_table:
            self._find_tables()

    def _place(self, address: int) -> tuple[int, int, int] | None:
        """Return which live table an address is in: its PA, level, first IPA."""
        for table, (level, first_ipa) in self._tables.items():
            if table <= address < table + self._table_bytes(level):
                return table, level, first_ipa
        return None

    def _remember(self, old: Cached, new: Cached) -> None:
        if new.descriptor & 1 and old.conflicts(new):
            raise BreakBeforeMakeError(f"{old} became {new} without a break")
        self._cached += self._below(old)

    def _check(self, new: Cached) -> None:
        near = [cached for cached in self._cached if cached.start < new.end and new.start < cached.end]
        for entry in self._below(new):
            self.checked += 1
            for cached in near:
                if cached.conflicts(entry):
                    raise BreakBeforeMakeError(f"{entry} is made while {cached} may be cached")

    def clear(self, address: int, size_bytes: int) -> None:
        self._refuse_cached(address, size_bytes)
        self._memory.clear(address, size_bytes)

    def copy(self, target: int, source: int, size_bytes: int) -> None:
        self._refuse_cached(target, size_bytes)
        self._memory.copy(target, source, size_bytes)

    def _refuse_cached(self, address: int, size_bytes: int) -> None:
        """Fail where memory is used anew that a walker or a guest may still use."""
        ranges = [(table, self._table_bytes(level)) for table, (level, _) in self._tables.items()]
        ranges += [(LeafDescriptor(each.descriptor).pa, each.end - each.start) for each in self._leaves()]
        for start, size in ranges:
            if start < address + size_bytes and address < start + size:
                raise BreakBeforeMakeError(f"{address:#x} is used anew, but {start:#x} may still be cached")

    def _leaves(self) -> list[Cached]:
        return [each for each in self._cached if not each.is_table]

    # --- TlbMaintenance ----------------------------------------------------------------------------------------------

    def invalidate_ipa(self, vmid: int, ipa: int, level: int) -> None:
        if vmid == self._vmid:
            self._forget([each for each in self._cached if each.start <= ipa < each.end])
        self._tlb.invalidate_ipa(vmid, ipa, level)

    def invalidate_vmid(self, vmid: int) -> None:
        if vmid == self._vmid:
            self._forget(self._cached)
        self._tlb.invalidate_vmid(vmid)

    def invalidate_all(self) -> None:
        self._forget(self._cached)
        self._tlb.invalidate_all()

    def _forget(self, gone: list[Cached]) -> None:
        self._cached = [each for each in self._cached if each not in gone] if gone is not self._cached else []
        if any(each.is_table for each in gone):
            self._find_tables()

    def settle(self) -> None:
        """Check, at the end of an operation, that nothing is cached that allows more than the tables do."""
        for cached in self._cached:
            now = self._memory.read64(cached.address)
            is_same = now & 1 and not cached.is_table and _output(now) == _output(cached.descriptor)
            if not is_same or _rights(cached.descriptor) & ~_rights(now):
                raise BreakBeforeMakeError(f"{cached} is still cached; the tables say {now:#x}")


def walk_registers(stage2: Stage2, pa_bits: int = 44) -> TranslationRegisters:
    """Return the registers under which a walk uses these tables."""
    zeros = dict.fromkeys(TranslationRegisters._fields[:-2], 0)
    values = zeros | {"hcr_el2": int(HCR_EL2.of(VM=1, RW=1)), "vtcr_el2": stage2.vtcr, "vttbr_el2": stage2.vttbr}
    return TranslationRegisters(**values, features=frozenset(), pa_bits=pa_bits)


def expected_rights(attributes: Attributes) -> tuple[bool, bool, bool]:
    """Return what attributes allow: read, write, fetch. While the access flag is clear, nothing."""
    r, w, x = (bool(attributes.permission & bit) and attributes.accessed for bit in (1, 2, 4))
    return r, w, x
