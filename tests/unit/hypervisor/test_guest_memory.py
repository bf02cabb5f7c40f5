"""Guest memory by virtual address: through the guest's own tables, at its own level, all or nothing."""

from __future__ import annotations

import pytest
from guest_support import Guest

from arm_hyp.arch.translation import Access, Fault
from arm_hyp.hypervisor.guest_memory import GuestMemoryError, IpaMemory, translate
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.machine.seams import BusError

TABLES = 0x4060_0000
LEVEL2, LEVEL3 = TABLES + 0x1000, TABLES + 0x2000
DATA, OTHER = 0x4080_0000, 0x4080_5000
VA = 0x8000_0000
EL0, EL1 = 0x3C0, 0x3C5
AF, SH, NORMAL, USER, READ_ONLY, TABLE, PAGE = 1 << 10, 3 << 8, 0, 1 << 6, 1 << 7, 3, 3
TCR = 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32
"""EPD1, Inner Shareable, write-back, T0SZ: 4 GiB, 4 KiB granule: the walk begins at level 1."""
PAGES = {
    0: DATA | AF | SH | USER | PAGE,
    1: OTHER | AF | SH | USER | PAGE,  # the next page of VAs is elsewhere
    2: DATA | AF | SH | PAGE,  # EL1 only
    3: DATA | AF | SH | USER | READ_ONLY | PAGE,
    4: DATA | SH | USER | PAGE,  # no access flag
    5: 0x0900_0000 | AF | SH | USER | PAGE,  # a device
    6: 0x4100_0000 | AF | SH | USER | PAGE,  # behind the end of RAM
}


def page(number: int, offset: int = 0) -> int:
    return VA + number * 0x1000 + offset


@pytest.fixture(params=[False, True], ids=["off a CPU", "on a CPU"])
def vcpu(request: pytest.FixtureRequest) -> Vcpu:
    guest = Guest("nop\n", run=False)
    vcpu, vm = guest.vcpu(), guest.vm
    if request.param:
        guest.hypervisor.cpus[0].initialize()
        guest.hypervisor.cpus[0].load(vcpu)
    vm.write_ipa(TABLES + 8 * (VA >> 30), (LEVEL2 | TABLE).to_bytes(8, "little"))
    vm.write_ipa(LEVEL2, (LEVEL3 | TABLE).to_bytes(8, "little"))
    for number, descriptor in PAGES.items():
        vm.write_ipa(LEVEL3 + 8 * number, descriptor.to_bytes(8, "little"))
    values = {"TCR_EL1": TCR, "TTBR0_EL1": TABLES, "MAIR_EL1": 0xFF, "SCTLR_EL1": 0x30D0_1805, "PSTATE": EL1}
    for name, value in values.items():
        vcpu.write(name, value)
    vm.write_ipa(DATA, bytes(range(256)) * 16)
    vm.write_ipa(OTHER, b"\xee" * 0x1000)
    return vcpu


def test_reads_and_writes_go_through_stage_1(vcpu: Vcpu) -> None:
    assert vcpu.read_va(page(0, 4), 3) == b"\4\5\6"
    vcpu.write_va(page(0, 0x10), b"hello")
    assert vcpu.vm.read_ipa(DATA + 0x10, 5) == b"hello"


def test_with_the_mmu_off_a_va_is_an_ipa(vcpu: Vcpu) -> None:
    vcpu.write("SCTLR_EL1", 0x30D0_0800)
    vcpu.write_va(DATA + 0xFFE, b"abcd")
    assert vcpu.vm.read_ipa(DATA + 0xFFE, 4) == vcpu.read_va(DATA + 0xFFE, 4) == b"abcd"


def test_a_range_over_two_pages_is_two_pieces(vcpu: Vcpu) -> None:
    assert vcpu.read_va(page(0, 0xFFE), 4) == b"\xfe\xff\xee\xee"
    vcpu.write_va(page(0, 0xFFF), b"XY")
    assert (vcpu.vm.read_ipa(DATA + 0xFFF, 1), vcpu.vm.read_ipa(OTHER, 2)) == (b"X", b"Y\xee")


def test_nothing_is_written_where_the_second_page_cannot_be(vcpu: Vcpu) -> None:
    vcpu.vm.write_ipa(LEVEL3 + 8, (OTHER | AF | SH | USER | READ_ONLY | PAGE).to_bytes(8, "little"))
    before = vcpu.vm.read_ipa(DATA + 0xFF0, 16)
    with pytest.raises(GuestMemoryError) as raised:
        vcpu.write_va(page(0, 0xFF8), bytes(16))
    assert raised.value.va == page(1)
    assert vcpu.vm.read_ipa(DATA + 0xFF0, 16) == before


@pytest.mark.parametrize(
    ("number", "is_write", "pstate", "why"),
    [
        (7, False, EL1, "translation fault at level 3"),
        (2, False, EL0, "permission fault at level 3"),
        (3, True, EL0, "permission fault at level 3"),
        (3, True, EL1, "permission fault at level 3"),
        (4, False, EL1, "access flag fault at level 3"),
        (0x200, False, EL1, "translation fault at level 2"),
        (0x8_0000, False, EL1, "translation fault at level"),
        (5, False, EL1, "IPA 0x9000008 is not RAM of vm0"),
        (6, True, EL1, "IPA 0x41000008 is not RAM of vm0"),
    ],
)
def test_what_the_guest_could_not_do_is_an_error(
    vcpu: Vcpu, number: int, is_write: bool, pstate: int, why: str
) -> None:
    vcpu.pstate = pstate
    va = page(number, 8)
    with pytest.raises(GuestMemoryError, match=why) as raised:
        vcpu.write_va(va, b"1") if is_write else vcpu.read_va(va, 1)
    assert raised.value.va == va and str(raised.value).startswith(f"{va:#x}: ")


def test_el0_reads_what_it_may(vcpu: Vcpu) -> None:
    vcpu.pstate = EL0
    assert vcpu.read_va(page(0), 2) == vcpu.read_va(page(3), 2) == b"\0\1"


def test_el1_reads_and_writes_pages_of_its_own(vcpu: Vcpu) -> None:
    vcpu.write_va(page(2, 1), b"k")
    assert vcpu.read_va(page(2), 3) == b"\0k\2"


def test_a_table_outside_ram_is_a_fault_and_no_crash(vcpu: Vcpu) -> None:
    vcpu.write("TTBR0_EL1", 0x0900_0000)
    assert isinstance(translate(vcpu, VA, Access()), Fault)
    with pytest.raises(GuestMemoryError):
        vcpu.read_va(VA, 1)


def test_nothing_is_read_of_an_empty_range(vcpu: Vcpu) -> None:
    assert vcpu.read_va(page(7), 0) == b""


def test_devices_reach_ram_by_ipa_and_nothing_else(vcpu: Vcpu) -> None:
    memory = IpaMemory(vcpu.vm)
    memory.write(DATA, b"dma")
    assert memory.read(DATA, 3) == b"dma"
    for ipa in (0x0900_0000, 0x40FF_FFFF):
        with pytest.raises(BusError, match="is not RAM of vm0"):
            memory.read(ipa, 2)
        with pytest.raises(BusError):
            memory.write(ipa, b"xy")
