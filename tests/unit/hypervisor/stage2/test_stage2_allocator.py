"""The allocator of machine RAM against a model that counts every page."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from arm_hyp.hypervisor.stage2.allocator import PAGE_BYTES, OutOfPhysicalMemory, PhysicalAllocator

BASE, PAGES = 0x4000_3000, 61


class AllocatorAgainstModel(RuleBasedStateMachine):
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.allocator = PhysicalAllocator(BASE, PAGES * PAGE_BYTES)
        self.users: dict[int, int] = {}

    def pages(self, address: int, size_bytes: int) -> range:
        return range(address, address + size_bytes, PAGE_BYTES)

    @rule(target=held, pages=st.integers(1, 9), alignment=st.sampled_from([1, 2, 4, 8]))
    def allocate(self, pages: int, alignment: int) -> tuple[int, int]:
        size_bytes, unit = pages * PAGE_BYTES, alignment * PAGE_BYTES
        starts = range(-(-BASE // unit) * unit, BASE + (PAGES - pages) * PAGE_BYTES + 1, unit)
        possible = [at for at in starts if not any(page in self.users for page in self.pages(at, size_bytes))]
        if not possible:
            with pytest.raises(OutOfPhysicalMemory):
                self.allocator.allocate(size_bytes, unit)
            return 0, 0
        address = self.allocator.allocate(size_bytes, unit)
        assert address == possible[0]
        self.users |= dict.fromkeys(self.pages(address, size_bytes), 1)
        return address, size_bytes

    @rule(target=held, piece=held)
    def share(self, piece: tuple[int, int]) -> tuple[int, int]:
        if not all(page in self.users for page in self.pages(*piece)):
            return 0, 0
        self.allocator.share(*piece)
        for page in self.pages(*piece):
            self.users[page] += 1
        return piece

    @rule(piece=consumes(held))
    def free(self, piece: tuple[int, int]) -> None:
        if piece[1]:
            assert self.allocator.references(*piece) == max(self.users[page] for page in self.pages(*piece))
            self.allocator.free(*piece)
        for page in self.pages(*piece):
            self.users[page] -= 1
            if not self.users[page]:
                del self.users[page]

    @rule()
    def restore(self) -> None:
        state = self.allocator.snapshot()
        self.allocator = PhysicalAllocator(BASE, PAGES * PAGE_BYTES)
        self.allocator.restore(state)
        assert self.allocator.snapshot() == state

    @invariant()
    def free_pages_agree(self) -> None:
        assert self.allocator.free_bytes == (PAGES - len(self.users)) * PAGE_BYTES


AllocatorAgainstModel.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAllocatorAgainstModel = AllocatorAgainstModel.TestCase


@pytest.mark.parametrize(("address", "size_bytes"), [(BASE, PAGE_BYTES), (BASE - PAGE_BYTES, PAGE_BYTES), (0, 0)])
def test_what_is_not_allocated_cannot_be_freed(address: int, size_bytes: int) -> None:
    with pytest.raises(ValueError):
        PhysicalAllocator(BASE, PAGES * PAGE_BYTES).free(address, size_bytes)


def test_a_page_is_not_freed_twice() -> None:
    allocator = PhysicalAllocator(BASE, PAGES * PAGE_BYTES)
    address = allocator.allocate(2 * PAGE_BYTES)
    allocator.free(address, PAGE_BYTES)
    with pytest.raises(ValueError):
        allocator.free(address, 2 * PAGE_BYTES)
