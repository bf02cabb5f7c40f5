"""The mapper against a model, with the break-before-make checker always on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stage2_support import (
    VMID,
    Checker,
    RecordingTlb,
    SparseMemory,
    expected_rights,
    walk_registers,
)

from arm_hyp.arch.translation import FETCH, READ, WRITE, Translated, walk_stage2
from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory, PhysicalAllocator
from arm_hyp.hypervisor.stage2.descriptors import Attributes, MemoryType, Permission
from arm_hyp.hypervisor.stage2.geometry import Geometry, Granule
from arm_hyp.hypervisor.stage2.mapper import Mapping, Stage2

TABLES, TABLES_BYTES = 0x4000_0000, 0x100_0000
PAGE, BLOCK = 0x1000, 0x20_0000
PAS = 0x10_0000_0000
"""Where everything is mapped to, far from the tables. A multiple of every block size."""

SHAPES = [
    Geometry(Granule.KB4, 33, 1),
    Geometry(Granule.KB4, 33, 2),
    Geometry(Granule.KB4, 40, 0),
    Geometry(Granule.KB16, 28, 2),
    Geometry(Granule.KB16, 27, 3),
    Geometry(Granule.KB64, 31, 2),
    Geometry(Granule.KB64, 43, 1),
]

attributes_strategy = st.builds(
    Attributes,
    permission=st.sampled_from([Permission.R, Permission.RW, Permission.RX, Permission.RWX]),
    memory=st.sampled_from([MemoryType.NORMAL, MemoryType.DEVICE_nGnRE]),
)


class MapperAgainstModel(RuleBasedStateMachine):
    """The model holds what is mapped at sample IPAs: one to each side of each edge that an operation may have."""

    @initialize(geometry=st.sampled_from(SHAPES))
    def begin(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.memory = SparseMemory()
        self.checker = Checker(geometry, self.memory)
        self.allocator = PhysicalAllocator(TABLES, TABLES_BYTES)
        self.stage2 = Stage2(geometry, self.checker, self.checker, self.allocator, VMID)
        self.checker.watch(self.stage2.root)
        page, end = geometry.page_bytes, 1 << geometry.ipa_bits
        steps = [geometry.entry_bytes(level) for level in range(geometry.start_level, 4)]
        edges = {base * step + page * near for step in steps for base in (0, 1, 2, 3) for near in (-1, 0, 1)}
        self.edges = sorted(edge for edge in edges | {end} if 0 <= edge <= end)
        self.samples = sorted({at for edge in self.edges for at in (edge - page, edge) if 0 <= at < end})
        self.model: dict[int, tuple[int, Attributes]] = {}

    def in_range(self, start: int, end: int) -> list[int]:
        return [at for at in self.samples if start <= at < end]

    def range_from(self, data: st.DataObject) -> tuple[int, int]:
        start, end = sorted(data.draw(st.lists(st.sampled_from(self.edges), min_size=2, max_size=2, unique=True)))
        return start, end

    @rule(data=st.data(), attributes=attributes_strategy, near=st.sampled_from([0, 0, 1, 7]))
    def map(self, data: st.DataObject, attributes: Attributes, near: int) -> None:
        start, end = self.range_from(data)
        if (end - start) // self.geometry.entry_bytes(max(self.geometry.first_block_level, 2)) > 64:
            end = start + self.geometry.page_bytes
        pa = PAS + start + near * self.geometry.page_bytes
        if near and end - start > 600 * self.geometry.page_bytes:
            end = start + 2 * self.geometry.page_bytes
        self.stage2.map(start, pa, end - start, attributes)
        self.model.update({at: (pa + at - start, attributes) for at in self.in_range(start, end)})

    @rule(data=st.data())
    def unmap(self, data: st.DataObject) -> None:
        start, end = self.range_from(data)
        gone = self.stage2.unmap(start, end - start)
        assert all(start <= each.ipa and each.ipa + each.size_bytes <= end for each in gone)
        for at in self.in_range(start, end):
            was = [each.pa_of(at) for each in gone if each.ipa <= at < each.ipa + each.size_bytes]
            assert was == [self.model.pop(at)[0]] if at in self.model else not was

    @rule(data=st.data(), permission=st.sampled_from([Permission.R, Permission.RW, Permission.RX, Permission.NONE]))
    def protect(self, data: st.DataObject, permission: Permission) -> None:
        self.change(data, lambda old: old._replace(permission=permission), permission)

    @rule(data=st.data())
    def write_protect(self, data: st.DataObject) -> None:
        self.change(data, lambda old: old._replace(permission=old.permission & ~Permission.W), None)

    @rule(data=st.data(), accessed=st.booleans())
    def age(self, data: st.DataObject, accessed: bool) -> None:
        start, end = self.range_from(data)
        self.stage2.age(start, end - start, accessed=accessed)
        self.update_model(start, end, lambda old: old._replace(accessed=accessed))

    def change(
        self, data: st.DataObject, change: Callable[[Attributes], Attributes], permission: Permission | None
    ) -> None:
        start, end = self.range_from(data)
        if permission is None:
            self.stage2.write_protect(start, end - start)
        else:
            self.stage2.protect(start, end - start, permission)
        self.update_model(start, end, change)

    def update_model(self, start: int, end: int, change: Callable[[Attributes], Attributes]) -> None:
        for at in set(self.in_range(start, end)) & set(self.model):
            pa, attributes = self.model[at]
            self.model[at] = pa, change(attributes)

    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        at = data.draw(st.sampled_from(self.samples))
        before = self.stage2.lookup(at)
        assert self.stage2.split(at) == (before is not None and before.level < 3)
        after = self.stage2.lookup(at)
        assert before is None or (after is not None and after.level == min(before.level + 1, 3))

    @rule(data=st.data(), level=st.integers(0, 3))
    def collapse(self, data: st.DataObject, level: int) -> None:
        at = data.draw(st.sampled_from(self.samples))
        if self.stage2.collapse(at, level):
            found = self.stage2.lookup(at)
            assert found is not None and found.level == level

    @rule()
    def forget_python_state(self) -> None:
        state = self.stage2.snapshot(), self.allocator.snapshot()
        self.allocator = PhysicalAllocator(TABLES, TABLES_BYTES)
        self.stage2 = Stage2(self.geometry, SparseMemory(), self.checker, self.allocator)
        self.stage2.tables = self.checker
        self.stage2.restore(state[0])
        self.allocator.restore(state[1])

    @invariant()
    def nothing_stale(self) -> None:
        if hasattr(self, "checker"):
            self.checker.settle()

    @invariant()
    def all_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        registers = walk_registers(self.stage2)
        for at in self.samples:
            found = self.stage2.lookup(at)
            assert (found and (found.pa_of(at), found.attributes)) == self.model.get(at)
            rights = expected_rights(found.attributes) if found else (False, False, False)
            for access, is_allowed in zip((READ, WRITE, FETCH), rights, strict=True):
                walked = walk_stage2(at, access, registers, self.memory.read64).result
                assert isinstance(walked, Translated) == is_allowed
                assert not isinstance(walked, Translated) or walked.pa == self.model[at][0]

    def teardown(self) -> None:
        if hasattr(self, "stage2"):
            self.stage2.free()
            assert self.allocator.free_bytes == TABLES_BYTES


MapperAgainstModel.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestMapperAgainstModel = MapperAgainstModel.TestCase


# --- single facts -----------------------------------------------------------------------------------------------------


def quiet() -> tuple[Stage2, RecordingTlb]:
    tlb = RecordingTlb()
    return Stage2(SHAPES[0], SparseMemory(), tlb, PhysicalAllocator(TABLES, TABLES_BYTES), VMID), tlb


def test_the_largest_blocks_that_fit_are_used() -> None:
    stage2, tlb = quiet()
    stage2.map(BLOCK - PAGE, PAS + BLOCK - PAGE, PAGE + BLOCK + PAGE)
    assert [(each.ipa, each.level) for each in stage2.mappings()] == [(BLOCK - PAGE, 3), (BLOCK, 2), (2 * BLOCK, 3)]
    stage2.map(1 << 30, PAS, 1 << 30)
    assert stage2.lookup(1 << 30) == Mapping(1 << 30, PAS, 1 << 30, 1, Attributes())
    stage2.map(0, PAS + PAGE, BLOCK)
    assert stage2.lookup(0) == Mapping(0, PAS + PAGE, PAGE, 3, Attributes())
    assert tlb.done == [("ipa", VMID, BLOCK - PAGE)]


def test_what_is_mapped_already_is_left_alone() -> None:
    stage2, tlb = quiet()
    stage2.map(0, PAS, BLOCK)
    stage2.map(0, PAS, BLOCK)
    stage2.protect(0, BLOCK, Permission.RWX)
    assert tlb.done == []


def test_one_leaf_is_invalidated_by_ipa_and_many_by_vmid() -> None:
    stage2, tlb = quiet()
    stage2.map(0, PAS, 4 * PAGE)
    stage2.write_protect(PAGE, PAGE)
    stage2.write_protect(0, 4 * PAGE)
    stage2.unmap(3 * PAGE, PAGE)
    stage2.unmap(0, 3 * PAGE)
    assert tlb.done == [("ipa", VMID, PAGE), ("vmid", VMID, 0), ("ipa", VMID, 3 * PAGE), ("vmid", VMID, 0)]


def test_a_block_collapses_only_if_all_is_alike() -> None:
    stage2, _ = quiet()
    stage2.map(0, PAS, BLOCK)
    assert stage2.split(0) and not stage2.split(0)
    stage2.write_protect(5 * PAGE, PAGE)
    assert not stage2.collapse(0, 2)
    stage2.protect(5 * PAGE, PAGE, Permission.RWX)
    assert stage2.collapse(0, 2)
    assert stage2.lookup(5 * PAGE) == Mapping(0, PAS, BLOCK, 2, Attributes())
    stage2.split(0)
    stage2.unmap(5 * PAGE, PAGE)
    assert not stage2.collapse(0, 2)
    stage2.map(5 * PAGE, PAS, PAGE)
    assert not stage2.collapse(0, 2)


def test_pages_that_begin_inside_a_block_do_not_collapse() -> None:
    stage2, _ = quiet()
    for offset in range(0, BLOCK, PAGE):
        stage2.map(offset, PAS + PAGE + offset, PAGE)
    assert not stage2.collapse(0, 2)


def test_the_rest_of_a_block_stays_when_a_part_goes_or_changes() -> None:
    stage2, _ = quiet()
    stage2.map(0, PAS, 2 * BLOCK)
    assert stage2.unmap(BLOCK - PAGE, 2 * PAGE) == [
        Mapping(BLOCK - PAGE, PAS + BLOCK - PAGE, PAGE, 3, Attributes()),
        Mapping(BLOCK, PAS + BLOCK, PAGE, 3, Attributes()),
    ]
    stage2.write_protect(PAGE, PAGE)
    assert [stage2.lookup(ipa) for ipa in (BLOCK - PAGE, BLOCK)] == [None, None]
    for ipa in (0, 2 * PAGE, BLOCK - 2 * PAGE, BLOCK + PAGE):
        assert stage2.lookup(ipa) == Mapping(ipa, PAS + ipa, PAGE, 3, Attributes())


def test_a_table_is_freed_with_its_last_entry() -> None:
    stage2, _ = quiet()
    before = stage2.allocator.free_bytes
    stage2.map(0, PAS, 2 * PAGE)
    assert stage2.allocator.free_bytes == before - 2 * PAGE, "tables of levels 2 and 3"
    stage2.unmap(0, PAGE)
    assert stage2.allocator.free_bytes == before - 2 * PAGE
    stage2.unmap(PAGE, PAGE)
    assert stage2.allocator.free_bytes == before


@pytest.mark.parametrize(
    ("ipa", "pa", "size_bytes"),
    [(0, 0, 0), (1, 0, PAGE), (0, 1, PAGE), (0, 0, PAGE + 1), (1 << 33, 0, PAGE), (-PAGE, 0, PAGE), (0, 1 << 44, PAGE)],
)
def test_what_cannot_be_mapped_is_refused(ipa: int, pa: int, size_bytes: int) -> None:
    stage2, _ = quiet()
    with pytest.raises(ValueError):
        stage2.map(ipa, pa, size_bytes)


def test_a_memory_type_is_not_changed_in_place() -> None:
    stage2, _ = quiet()
    stage2.map(0, PAS, PAGE)
    with pytest.raises(ValueError):
        stage2.update(0, PAGE, lambda old: old._replace(memory=MemoryType.DEVICE_nGnRE))


def test_lookups_outside_the_ipa_space_find_nothing() -> None:
    stage2, _ = quiet()
    stage2.map(0, PAS, 1 << 33)
    assert stage2.lookup((1 << 33) - 1) is not None
    assert stage2.lookup(1 << 33) is stage2.lookup(-1) is stage2.lookup(1 << 63) is None


def test_no_room_for_a_table_is_said_and_leaves_the_tables_whole() -> None:
    stage2 = Stage2(SHAPES[0], SparseMemory(), RecordingTlb(), PhysicalAllocator(TABLES, 4 * PAGE), VMID)
    stage2.map(0, PAS, PAGE)
    with pytest.raises(OutOfPhysicalMemory):
        stage2.map(1 << 30, PAS, PAGE)
    assert [each.ipa for each in stage2.mappings()] == [0]
    assert not stage2.collapse(1 << 30, 1)
    stage2.free()
    assert stage2.allocator.free_bytes == 4 * PAGE
