"""The bus of a VM: who answers where, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmio_support import FakeVcpu, Memory, State

from arm_hyp.hypervisor.vm_bus import Answer, MmioAccess, VmBus
from arm_hyp.machine.seams import BusError

VCPU: Any = FakeVcpu(State.random(0))


def read(bus: VmBus, ipa: int, size_bytes: int = 1) -> int:
    return bus.access(VCPU, MmioAccess(ipa, size_bytes, False))


def test_an_access_reaches_its_device_by_offset() -> None:
    bus, low, high = VmBus(), Memory(b"l" * 16), Memory(bytes(range(16)))
    bus.add("high", 0x2000, 16, high)
    bus.add("low", 0x1000, 16, low)
    assert read(bus, 0x2003) == 3 and read(bus, 0x1000) == ord("l")
    assert bus.access(VCPU, MmioAccess(0x200C, 4, True, 0x0403_0201)) == 0
    assert high.accesses == [(False, 3, 1), (True, 12, 4)] and high.contents[12:].hex() == "01020304"


@pytest.mark.parametrize(("ipa", "size"), [(0xFFF, 1), (0x1010, 1), (0x100F, 2), (0x0, 4), ((1 << 52) - 1, 1)])
def test_where_nobody_is_the_access_is_refused(ipa: int, size: int) -> None:
    bus = VmBus()
    bus.add("device", 0x1000, 16, Memory(bytes(16)))
    with pytest.raises(BusError, match=f"nothing is at {ipa:#x}"):
        read(bus, ipa, size)


@pytest.mark.parametrize(
    ("base", "size", "text"),
    [
        (0x1008, 4, "new at 0x1008 overlaps old at 0x1000"),
        (0xFF8, 16, "new at 0xff8 overlaps old at 0x1000"),
        (0x0, 0x10000, "new at 0x0 overlaps old at 0x1000"),
        (0x2000, 0, "new: 0x0 bytes at 0x2000 are no range of IPAs"),
        (-1, 4, "new: 0x4 bytes at -0x1 are no range of IPAs"),
        ((1 << 52) - 4, 8, "new: 0x8 bytes at 0xffffffffffffc are no range of IPAs"),
    ],
)
def test_a_wrong_range_is_one_line(base: int, size: int, text: str) -> None:
    bus = VmBus()
    bus.add("old", 0x1000, 16, Memory(bytes(16)))
    with pytest.raises(ValueError) as caught:
        bus.add("new", base, size, Memory(b""))
    assert str(caught.value) == text
    assert [region.name for region in bus.regions] == ["old"]


def test_an_override_needs_a_range_of_addresses() -> None:
    bus = VmBus()
    for wrong in (range(8, 8), range(0, 16, 2), range(-4, 4)):
        with pytest.raises(ValueError, match="lamp: "):
            bus.override("lamp", wrong, lambda _vcpu, _access, _next: 0)


def test_the_newest_override_wins_and_next_is_what_lies_below() -> None:
    bus = VmBus()
    bus.add("device", 0x1000, 16, Memory(bytes(range(16))))

    def adding(number: int) -> Any:
        def handler(vcpu: Any, access: MmioAccess, next: Answer) -> int:
            return next(vcpu, access) * 10 + number

        return handler

    bus.override("first", range(0x1000, 0x1008), adding(1))
    bus.override("second", range(0x1004, 0x1010), adding(2))
    assert [read(bus, ipa) for ipa in (0x1003, 0x1005, 0x1009)] == [31, 512, 92]


def test_next_below_an_override_with_no_device_is_refused() -> None:
    bus = VmBus()
    bus.override("lamp", range(0x1000, 0x1004), lambda vcpu, access, next: next(vcpu, access))
    with pytest.raises(BusError):
        read(bus, 0x1000)


def test_an_override_sees_eight_bytes_as_one_and_may_change_the_access() -> None:
    bus, device, seen = VmBus(), Memory(bytes(16)), []
    bus.add("device", 0x1000, 16, device)

    def handler(vcpu: Any, access: MmioAccess, next: Answer) -> int:
        seen.append(access.size_bytes)
        return next(vcpu, access._replace(ipa=access.ipa - 8))

    bus.override("moved", range(0x1008, 0x1010), handler)
    bus.access(VCPU, MmioAccess(0x1008, 8, True, 0x1122_3344_5566_7788))
    assert seen == [8] and device.accesses == [(True, 0, 4), (True, 4, 4)]
    assert device.contents[:8].hex() == "8877665544332211"


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), max_size=20), st.integers(0, 350))
def test_find_agrees_with_a_search_of_all(ranges: list[tuple[int, int]], ipa: int) -> None:
    bus, taken = VmBus(), list[tuple[int, int]]()
    for base, size in ranges:
        if all(base + size <= other or other + length <= base for other, length in taken):
            bus.add(f"at {base}", base, size, Memory(b""))
            taken.append((base, size))
        else:
            with pytest.raises(ValueError, match="overlaps"):
                bus.add("over", base, size, Memory(b""))
    expected = next((base for base, size in taken if base <= ipa < base + size), None)
    found = bus.find(ipa)
    assert (None if found is None else found.base) == expected
