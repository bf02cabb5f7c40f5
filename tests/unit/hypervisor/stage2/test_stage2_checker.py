"""The break-before-make checker passes the mapper, and finds each thing that a mapper may forget."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stage2_support import VMID, BreakBeforeMakeError, Checker, SparseMemory

from arm_hyp.hypervisor.stage2.allocator import PhysicalAllocator
from arm_hyp.hypervisor.stage2.descriptors import Attributes, Entry, MemoryType
from arm_hyp.hypervisor.stage2.geometry import Geometry, Granule
from arm_hyp.hypervisor.stage2.mapper import Stage2

TABLES, TABLES_BYTES = 0x4000_0000, 0x10_0000
PAS, PAGE, BLOCK = 0x10_0000_0000, 0x1000, 0x20_0000


class WithoutInvalidation(Stage2):
    """Forgets every TLBI."""

    def _invalidate(self, changed: object) -> None:
        pass


class WithoutBreak(Stage2):
    """Writes the new descriptor over the old one, and invalidates afterwards."""

    def _break(self, entry: Entry) -> None:
        pass


class InvalidatesPagesOnly(Stage2):
    """Invalidates one IPA where a whole table goes."""

    def _invalidate(self, changed: list[Entry]) -> None:  # type: ignore[override]
        for entry in changed[:1]:
            self._tlb.invalidate_ipa(self.vmid, entry.ipa, entry.level)


class FreesTooEarly(Stage2):
    """Frees what was mapped, and uses it again, before the invalidation."""

    def _invalidate(self, changed: list[Entry]) -> None:  # type: ignore[override]
        for entry in changed:
            self.tables.clear(entry.leaf.pa, PAGE)
        super()._invalidate(changed)


def checked(kind: type[Stage2], vmid: int = VMID) -> tuple[Stage2, Checker]:
    geometry = Geometry(Granule.KB4, 33, 1)
    checker = Checker(geometry, SparseMemory())
    stage2 = kind(geometry, checker, checker, PhysicalAllocator(TABLES, TABLES_BYTES), vmid)
    checker.watch(stage2.root)
    return stage2, checker


def replace_page(stage2: Stage2) -> None:
    stage2.map(0, PAS, PAGE)
    stage2.map(0, PAS + PAGE, PAGE)


def change_type(stage2: Stage2) -> None:
    stage2.map(0, PAS, PAGE)
    stage2.map(0, PAS, PAGE, Attributes(memory=MemoryType.DEVICE_nGnRE))


def split_block(stage2: Stage2) -> None:
    stage2.map(0, PAS, BLOCK)
    stage2.split(0)


def collapse_table(stage2: Stage2) -> None:
    for offset in range(0, BLOCK, PAGE):
        stage2.map(offset, PAS + offset, PAGE)
    assert stage2.collapse(0, 2)


def block_over_table(stage2: Stage2) -> None:
    stage2.map(PAGE, PAS, PAGE)
    stage2.map(0, PAS, BLOCK)


def unmap_page(stage2: Stage2) -> None:
    stage2.map(0, PAS, 2 * PAGE)
    stage2.unmap(0, PAGE)


def remove_right(stage2: Stage2) -> None:
    stage2.map(0, PAS, PAGE)
    stage2.write_protect(0, PAGE)


def unmap_two(stage2: Stage2) -> None:
    stage2.map(0, PAS, 2 * PAGE)
    stage2.unmap(0, 2 * PAGE)


BREAKS = [replace_page, change_type, split_block, collapse_table, block_over_table]
REMOVALS = [unmap_page, remove_right, unmap_two]


@pytest.mark.parametrize("action", BREAKS + REMOVALS)
def test_the_mapper_passes_the_checker(action: Callable[[Stage2], None]) -> None:
    stage2, checker = checked(Stage2)
    action(stage2)
    checker.settle()
    assert checker.checked > 0


@pytest.mark.parametrize(
    ("kind", "action"),
    [(WithoutInvalidation, action) for action in BREAKS + REMOVALS]
    + [(WithoutBreak, action) for action in BREAKS]
    + [(InvalidatesPagesOnly, action) for action in (unmap_two, collapse_table)]
    + [(FreesTooEarly, unmap_page)],
)
def test_the_checker_finds_what_is_missing(kind: type[Stage2], action: Callable[[Stage2], None]) -> None:
    stage2, checker = checked(kind)
    with pytest.raises(BreakBeforeMakeError):
        action(stage2)
        checker.settle()


def test_the_checker_finds_the_wrong_vmid() -> None:
    stage2, checker = checked(Stage2, vmid=VMID + 1)
    with pytest.raises(BreakBeforeMakeError):
        unmap_page(stage2)
        checker.settle()
