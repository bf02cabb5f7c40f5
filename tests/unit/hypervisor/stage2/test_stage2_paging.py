"""The memory of VMs: paged in, shared, copied on write, logged, and given back; the checker is always on."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stage2_support import Checker, RecordingTlb, SparseMemory

from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory, PhysicalAllocator
from arm_hyp.hypervisor.stage2.descriptors import Permission
from arm_hyp.hypervisor.stage2.dirty import MemorySlot
from arm_hyp.hypervisor.stage2.geometry import Geometry, Granule
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.stage2.paging import PagedMemory

PAS, MIB, PAGE, BLOCK = 0x4000_0000, 1 << 20, 0x1000, 0x20_0000
RAM = MemorySlot(0x4000_0000, 2 * BLOCK + 3 * PAGE)
ROM = MemorySlot(0x0800_0000, 2 * PAGE, is_read_only=True)


class Host:
    """The machine's RAM and several VMs in it, each watched by a checker of its own."""

    def __init__(self, geometry: Geometry | None = None, size_bytes: int = 64 * MIB) -> None:
        self.geometry = geometry or Geometry(Granule.KB4, 32, 1)
        self.words = SparseMemory()
        self.allocator = PhysicalAllocator(PAS, size_bytes)
        self.checkers: list[Checker] = []
        self.size_bytes = size_bytes

    def vm(self, *slots: MemorySlot) -> PagedMemory:
        vmid = len(self.checkers) + 1
        checker = Checker(self.geometry, self.words, RecordingTlb(), vmid)
        stage2 = Stage2(self.geometry, checker, checker, self.allocator, vmid)
        checker.watch(stage2.root)
        self.checkers.append(checker)
        return PagedMemory(stage2, slots or (RAM, ROM))

    def settle(self) -> None:
        for checker in self.checkers:
            checker.settle()


def load(memory: PagedMemory, ipa: int) -> int:
    pieces = memory.pieces(ipa, 8, False)
    assert pieces is not None
    return memory.stage2.tables.read64(pieces[0][0])


def store(memory: PagedMemory, ipa: int, value: int) -> None:
    pieces = memory.pieces(ipa, 8, True)
    assert pieces is not None
    memory.stage2.tables.write64(pieces[0][0], value)


def permission(memory: PagedMemory, ipa: int) -> Permission:
    found = memory.stage2.lookup(ipa)
    return Permission.NONE if found is None else found.attributes.permission


# --- demand paging ----------------------------------------------------------------------------------------------------


def test_a_fault_brings_a_block_where_one_fits_and_a_page_elsewhere() -> None:
    memory = Host().vm()
    assert memory.handle_fault(RAM.ipa + 0x1234, False) and memory.handle_fault(RAM.ipa + 2 * BLOCK, True)
    assert [(each.ipa, each.size_bytes) for each in memory.stage2.mappings()] == [
        (RAM.ipa, BLOCK),
        (RAM.ipa + 2 * BLOCK, PAGE),
    ]


def test_what_comes_is_zeroed() -> None:
    host = Host()
    for address in range(PAS, PAS + 8 * MIB, PAGE // 2):
        host.words.write64(address, 0xDEAD)
    memory = host.vm()
    pieces = memory.pieces(RAM.ipa, RAM.size_bytes, False)
    assert pieces is not None and sum(size for _, size in pieces) == RAM.size_bytes
    assert not any(host.words.read64(pa + at) for pa, size in pieces for at in range(0, size, PAGE // 2))


@pytest.mark.parametrize("ipa", [0, 0x0900_0000, RAM.ipa - 1, RAM.ipa + RAM.size_bytes, 1 << 32, 1 << 60, -1])
def test_what_is_no_ram_is_not_handled(ipa: int) -> None:
    memory = Host().vm()
    assert not memory.handle_fault(ipa, False) and not memory.handle_fault(ipa, True, True)
    assert memory.pieces(ipa, 8, False) is None
    assert not list(memory.stage2.mappings())


def test_a_range_that_leaves_its_slot_is_not_ram() -> None:
    memory = Host().vm()
    assert memory.pieces(RAM.ipa + RAM.size_bytes - 8, 9, True) is None
    assert memory.pieces(RAM.ipa, 1 << 70, False) is None


def test_rom_is_read_but_not_written() -> None:
    memory = Host().vm()
    assert memory.handle_fault(ROM.ipa, False) and permission(memory, ROM.ipa) == Permission.R
    assert memory.handle_fault(ROM.ipa, False, True) and permission(memory, ROM.ipa) == Permission.RX
    assert not memory.handle_fault(ROM.ipa, True)
    assert memory.pieces(ROM.ipa, 8, True) is None


def test_execution_is_allowed_at_the_first_fetch() -> None:
    memory = Host().vm()
    memory.handle_fault(RAM.ipa, True)
    assert permission(memory, RAM.ipa) == Permission.RW
    memory.handle_fault(RAM.ipa + BLOCK - 4, False, True)
    assert permission(memory, RAM.ipa) == Permission.RWX
    assert memory.handle_fault(RAM.ipa, True) and memory.handle_fault(RAM.ipa, False, True)


def test_a_fault_sets_the_access_flag() -> None:
    memory = Host().vm()
    memory.handle_fault(RAM.ipa, False)
    memory.stage2.age(RAM.ipa, BLOCK)
    assert memory.handle_fault(RAM.ipa, False)
    found = memory.stage2.lookup(RAM.ipa)
    assert found is not None and found.attributes.accessed


@pytest.mark.parametrize(
    "slots",
    [
        [MemorySlot(PAGE + 1, PAGE)],
        [MemorySlot(0, PAGE + 8)],
        [MemorySlot(0, 0)],
        [MemorySlot(0, 2 * PAGE), MemorySlot(PAGE, PAGE)],
        [MemorySlot(1 << 32, PAGE)],
    ],
)
def test_impossible_slots_are_refused(slots: list[MemorySlot]) -> None:
    with pytest.raises(ValueError):
        Host().vm(*slots)


def test_without_room_for_a_block_a_page_comes_and_then_the_end_is_said() -> None:
    host = Host(size_bytes=8 * PAGE)
    memory = host.vm()
    assert memory.handle_fault(RAM.ipa, True)
    found = memory.stage2.lookup(RAM.ipa)
    assert found is not None and found.size_bytes == PAGE
    with pytest.raises(OutOfPhysicalMemory):
        for page in range(8):
            memory.handle_fault(RAM.ipa + page * PAGE, True)
    memory.free()
    assert host.allocator.free_bytes == 8 * PAGE


@pytest.mark.parametrize("geometry", [Geometry(Granule.KB64, 32, 3), Geometry(Granule.KB16, 36, 2)])
def test_other_granules_page_too(geometry: Geometry) -> None:
    host = Host(geometry)
    slot = MemorySlot(0x4000_0000, 36 * MIB)
    memory = host.vm(slot)
    store(memory, slot.ipa + 33 * MIB, 7)
    store(memory, slot.ipa, 8)
    assert (load(memory, slot.ipa + 33 * MIB), load(memory, slot.ipa)) == (7, 8)
    host.settle()
    memory.free()
    assert host.allocator.free_bytes == host.size_bytes


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_a_page_copied_on_write_is_each_ones_own() -> None:
    host = Host()
    first, second = host.vm(), host.vm()
    store(first, RAM.ipa, 1)
    free = host.allocator.free_bytes
    first.share(RAM.ipa, second, RAM.ipa + PAGE, PAGE, copy_on_write=True)
    assert load(second, RAM.ipa + PAGE) == 1
    assert second.handle_fault(RAM.ipa + PAGE, False) and permission(second, RAM.ipa + PAGE) == Permission.R
    assert second.handle_fault(RAM.ipa + PAGE, True)
    store(second, RAM.ipa + PAGE, 2)
    assert (load(first, RAM.ipa), load(second, RAM.ipa + PAGE)) == (1, 2)
    after = host.allocator.free_bytes
    store(first, RAM.ipa, 3)
    assert host.allocator.free_bytes == after < free, "the last user writes in place"
    assert (load(first, RAM.ipa), load(second, RAM.ipa + PAGE)) == (3, 2)
    host.settle()


def test_the_owners_write_does_not_reach_the_copy_and_the_rest_of_the_page_is_kept() -> None:
    host = Host()
    first, second = host.vm(), host.vm()
    store(first, RAM.ipa, 1)
    store(first, RAM.ipa + PAGE - 8, 2)
    first.share(RAM.ipa, second, RAM.ipa, PAGE, copy_on_write=True)
    assert permission(first, RAM.ipa) == Permission.R
    store(first, RAM.ipa, 3)
    assert [load(memory, RAM.ipa + at) for memory in (first, second) for at in (0, PAGE - 8)] == [3, 2, 1, 2]
    store(second, RAM.ipa + PAGE - 8, 4)
    assert [load(memory, RAM.ipa + at) for memory in (first, second) for at in (0, PAGE - 8)] == [3, 2, 1, 4]


def test_a_shared_page_is_the_same_for_all() -> None:
    host = Host()
    first, second = host.vm(), host.vm()
    first.share(RAM.ipa, second, RAM.ipa, 2 * PAGE, copy_on_write=False)
    store(first, RAM.ipa + PAGE, 5)
    assert load(second, RAM.ipa + PAGE) == 5
    store(second, RAM.ipa + PAGE, 6)
    assert load(first, RAM.ipa + PAGE) == 6
    first.free()
    assert load(second, RAM.ipa + PAGE) == 6
    second.free()
    assert host.allocator.free_bytes == host.size_bytes


def test_what_several_write_is_not_copied_on_write() -> None:
    host = Host()
    first, second, third = host.vm(), host.vm(), host.vm()
    first.share(RAM.ipa, second, RAM.ipa, PAGE, copy_on_write=False)
    with pytest.raises(ValueError):
        first.share(RAM.ipa, third, RAM.ipa, PAGE, copy_on_write=True)


@pytest.mark.parametrize(("ipa", "size_bytes"), [(0, PAGE), (RAM.ipa + 8, PAGE), (RAM.ipa, 8), (RAM.ipa, 16 * MIB)])
def test_only_pages_of_ram_are_shared(ipa: int, size_bytes: int) -> None:
    host = Host()
    with pytest.raises(ValueError):
        host.vm().share(ipa, host.vm(), RAM.ipa, size_bytes, copy_on_write=True)
    with pytest.raises(ValueError):
        host.vm().share(RAM.ipa, host.vm(), ipa, size_bytes, copy_on_write=True)


# --- dirty logging ----------------------------------------------------------------------------------------------------


def dirty(bitmap: bytes) -> list[int]:
    return [index for index in range(len(bitmap) * 8) if bitmap[index // 8] >> index % 8 & 1]


def test_the_log_tells_each_page_that_was_written_since() -> None:
    memory = Host().vm()
    store(memory, RAM.ipa, 1)
    log = memory.start_logging(RAM)
    assert permission(memory, RAM.ipa) == Permission.R
    load(memory, RAM.ipa)
    assert dirty(log.get_and_clear()) == []
    assert memory.handle_fault(RAM.ipa + 3 * PAGE + 8, True)
    assert memory.handle_fault(RAM.ipa + BLOCK, False), "a page that comes while it is read is not dirty"
    store(memory, RAM.ipa + 2 * BLOCK + 2 * PAGE, 1)
    found = memory.stage2.lookup(RAM.ipa + 3 * PAGE)
    assert found is not None and found.size_bytes == PAGE
    assert dirty(log.get_and_clear()) == [3, 2 * 512 + 2]
    assert dirty(log.get_and_clear()) == []
    store(memory, RAM.ipa + 3 * PAGE, 2)
    assert dirty(log.get_and_clear()) == [3]


def test_the_end_of_logging_joins_blocks_again() -> None:
    host = Host()
    memory = host.vm()
    store(memory, RAM.ipa + PAGE, 1)
    memory.start_logging(RAM)
    store(memory, RAM.ipa + PAGE, 2)
    memory.stop_logging(RAM)
    found = memory.stage2.lookup(RAM.ipa)
    assert found is not None and (found.size_bytes, found.attributes.permission) == (BLOCK, Permission.RW)
    assert load(memory, RAM.ipa + PAGE) == 2
    host.settle()


# --- all of it against a model ----------------------------------------------------------------------------------------

PAGES = [RAM.ipa + offset for offset in (0, PAGE, BLOCK - PAGE, 2 * BLOCK + 2 * PAGE)]
WORDS = (0, PAGE - 8)


class VmsAgainstModel(RuleBasedStateMachine):
    """Two VMs that write, share, log and drop pages. The model holds the first and the last word of each page."""

    @initialize()
    def begin(self) -> None:
        self.host = Host()
        self.vms = [self.host.vm(RAM), self.host.vm(RAM)]
        self.model: list[dict[int, int]] = [{}, {}]
        self.dirty: list[set[int] | None] = [None, None]

    @rule(vm=st.integers(0, 1), ipa=st.sampled_from(PAGES), at=st.sampled_from(WORDS), value=st.integers(1, 9))
    def write(self, vm: int, ipa: int, at: int, value: int) -> None:
        store(self.vms[vm], ipa + at, value)
        self.model[vm][ipa + at] = value
        self.touch(vm, ipa)

    def touch(self, vm: int, ipa: int) -> None:
        pages = self.dirty[vm]
        if pages is not None:
            pages.add((ipa - RAM.ipa) // PAGE)

    @rule(vm=st.integers(0, 1), ipa=st.sampled_from(PAGES), is_write=st.booleans(), is_fetch=st.booleans())
    def fault(self, vm: int, ipa: int, is_write: bool, is_fetch: bool) -> None:
        wanted = Permission.W if is_write else Permission.X if is_fetch else Permission.R
        assert self.vms[vm].handle_fault(ipa, is_write, is_fetch)
        assert permission(self.vms[vm], ipa) & wanted
        if is_write:
            self.touch(vm, ipa)

    @rule(vm=st.integers(0, 1), ipa=st.sampled_from(PAGES), to=st.sampled_from(PAGES))
    def share(self, vm: int, ipa: int, to: int) -> None:
        other = 1 - vm
        self.vms[vm].share(ipa, self.vms[other], to, PAGE, copy_on_write=True)
        for at in WORDS:
            self.model[other][to + at] = self.model[vm].get(ipa + at, 0)
        self.touch(other, to)

    @rule(vm=st.integers(0, 1), ipa=st.sampled_from(PAGES))
    def release(self, vm: int, ipa: int) -> None:
        self.vms[vm].release(ipa, PAGE)
        for at in WORDS:
            self.model[vm].pop(ipa + at, None)

    @rule(vm=st.integers(0, 1))
    def log(self, vm: int) -> None:
        if self.dirty[vm] is None:
            self.vms[vm].start_logging(RAM)
            self.dirty[vm] = set()
        else:
            self.vms[vm].stop_logging(RAM)
            self.dirty[vm] = None

    @rule(vm=st.integers(0, 1))
    def get_log(self, vm: int) -> None:
        if (expected := self.dirty[vm]) is not None:
            log = self.vms[vm].log_of(RAM)
            assert log is not None and set(dirty(log.get_and_clear())) == expected
            self.dirty[vm] = set()

    @rule(vm=st.integers(0, 1))
    def restore(self, vm: int) -> None:
        self.vms[vm].restore(self.vms[vm].snapshot())
        self.host.allocator.restore(self.host.allocator.snapshot())

    @rule(vm=st.integers(0, 1), ipa=st.sampled_from(PAGES))
    def read(self, vm: int, ipa: int) -> None:
        for at in WORDS:
            assert load(self.vms[vm], ipa + at) == self.model[vm].get(ipa + at, 0)

    @invariant()
    def nothing_stale(self) -> None:
        if hasattr(self, "host"):
            self.host.settle()

    def teardown(self) -> None:
        if hasattr(self, "host"):
            for vm in (0, 1):
                for ipa in PAGES:
                    self.read(vm, ipa)
                self.vms[vm].free()
            assert self.host.allocator.free_bytes == self.host.size_bytes
            assert not self.host.allocator.snapshot()["shared"]


VmsAgainstModel.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestVmsAgainstModel = VmsAgainstModel.TestCase
