"""Accesses of a guest to devices: what the syndrome describes, what goes wrong, and accesses over two pages."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmio_support import CM, CODE, DATA, ISV, S1PTW, WNR, FakeVcpu, Memory, State, Witness, data_abort

from arm_hyp.arch.translation import Access, Fault, FaultKind
from arm_hyp.hypervisor import mmio_emulate as mmio
from arm_hyp.hypervisor.vm_bus import MmioAccess
from arm_hyp.machine.seams import BusError

BORDER = DATA + 0x1000
LDR_X1_X2 = 0xF9400041
STR_X1_X2 = 0xF9000041
LDP_Q1_Q3_POST = 0xACC10C41  # ldp q1, q3, [x2], #32
STP_X1_X3_PRE = 0xA9BF0C41  # stp x1, x3, [x2, #-16]!


def vcpu_with(device: Memory | None = None, base: int = DATA, **fields: Any) -> FakeVcpu:
    vcpu = FakeVcpu(State.random(1), **fields)
    if device is not None:
        vcpu.vm.bus.add("memory", base, len(device.contents), device)
    return vcpu


def emulate(vcpu: FakeVcpu, va: int, iss: int = 0, **fields: int) -> bool:
    return mmio.emulate(vcpu, data_abort(va, iss, **fields))  # type: ignore[arg-type]


def syndrome(size_log2: int, rt: int, *, sse: bool = False, sf: bool = False, write: bool = False) -> int:
    return ISV | size_log2 << 22 | sse << 21 | rt << 16 | sf << 15 | write << 6


# --- the syndrome describes the access --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_log2", "sse", "sf", "expected"),
    [
        (0, False, False, 0x88),
        (0, True, False, 0xFFFF_FF88),
        (0, True, True, 0xFFFF_FFFF_FFFF_FF88),
        (1, False, False, 0x9988),
        (1, True, False, 0xFFFF_9988),
        (1, True, True, 0xFFFF_FFFF_FFFF_9988),
        (2, False, False, 0xBBAA_9988),
        (2, True, True, 0xFFFF_FFFF_BBAA_9988),
        (3, False, True, 0xFFEE_DDCC_BBAA_9988),
    ],
)
def test_a_load_extends_as_sse_and_sf_say(size_log2: int, sse: bool, sf: bool, expected: int) -> None:
    vcpu = vcpu_with(Memory(bytes.fromhex("8899aabbccddeeff")))
    assert emulate(vcpu, DATA, syndrome(size_log2, 5, sse=sse, sf=sf))
    assert vcpu.x(5) == expected and vcpu.pc == CODE + 4


@pytest.mark.parametrize("size_log2", range(4))
def test_a_store_takes_the_low_bytes(size_log2: int) -> None:
    device = Memory(bytes(16))
    vcpu = vcpu_with(device)
    vcpu.set_x(5, 0x1122_3344_5566_7788)
    assert emulate(vcpu, DATA + 4, syndrome(size_log2, 5, write=True))
    low = (0x1122_3344_5566_7788).to_bytes(8, "little")[: 1 << size_log2]
    assert device.contents == bytes(4) + low + bytes(12 - len(low))


def test_register_31_reads_as_zero_and_discards() -> None:
    device = Memory(b"\xff" * 8)
    vcpu = vcpu_with(device)
    before = deepcopy(vcpu.state.x)
    assert emulate(vcpu, DATA, syndrome(2, 31, sse=True, sf=True))
    assert emulate(vcpu, DATA, syndrome(2, 31, write=True))
    assert vcpu.state.x == before and device.contents == bytes(4) + b"\xff" * 4


def test_eight_bytes_are_two_accesses_the_lower_half_first_and_one_event() -> None:
    device = Memory(bytes(range(16)))
    vcpu = vcpu_with(device)
    assert emulate(vcpu, DATA + 8, syndrome(3, 1, sf=True))
    assert device.accesses == [(False, 8, 4), (False, 12, 4)]
    assert vcpu.events == [
        ("KvmMmio", {"type": "read", "len": 8, "gpa": DATA + 8, "val": 0x0F0E_0D0C_0B0A_0908}),
    ]


def test_a_write_is_told_with_its_value() -> None:
    vcpu = vcpu_with(Memory(bytes(8)))
    vcpu.set_x(1, 0x1_2345)
    assert emulate(vcpu, DATA, syndrome(1, 1, write=True))
    assert vcpu.events == [("KvmMmio", {"type": "write", "len": 2, "gpa": DATA, "val": 0x2345})]


@pytest.mark.parametrize(("el", "bit", "swapped"), [(1, 25, True), (1, 24, False), (0, 24, True), (0, 25, False)])
def test_a_big_endian_guest_is_swapped_by_ee_and_e0e(el: int, bit: int, swapped: bool) -> None:
    device = Memory(bytes(range(8)))
    vcpu = vcpu_with(device, sctlr=1 << bit, pstate=0x3C0 | el << 2 | el)
    assert emulate(vcpu, DATA, syndrome(2, 1))
    assert vcpu.x(1) == (0x0001_0203 if swapped else 0x0302_0100)
    vcpu.set_x(1, 0x1122_3344)
    assert emulate(vcpu, DATA, syndrome(2, 1, write=True))
    assert bytes(device.contents[:4]).hex() == ("11223344" if swapped else "44332211")


def test_banked_devices_differ_by_vcpu() -> None:
    devices = [Memory(b"a" * 8), Memory(b"b" * 8)]
    vcpu = FakeVcpu(State.random(1), index=1)
    vcpu.vm.bus.add("banked", DATA, 8, lambda index: devices[index])
    assert emulate(vcpu, DATA, syndrome(0, 1))
    assert vcpu.x(1) == ord("b")


# --- what goes wrong --------------------------------------------------------------------------------------------------


def unchanged(vcpu: FakeVcpu, before: State) -> bool:
    return vcpu.state == before and vcpu.pc == CODE


@pytest.mark.parametrize("is_write", [False, True])
@pytest.mark.parametrize("has_syndrome", [False, True])
def test_where_nothing_is_the_guest_takes_an_external_abort(is_write: bool, has_syndrome: bool) -> None:
    vcpu = vcpu_with(word=STR_X1_X2 if is_write else LDR_X1_X2)
    vcpu.set_x(2, DATA)
    before = deepcopy(vcpu.state)
    iss = syndrome(3, 1, sf=True, write=is_write) if has_syndrome else is_write << 6
    assert not emulate(vcpu, DATA, iss)
    assert vcpu.aborts == [(DATA, is_write)] and unchanged(vcpu, before)
    kind = "write" if is_write else "unsatisfied-read"
    name, fields = vcpu.events[-1]
    assert (name, fields["type"], fields["val"]) == ("KvmMmio", kind, vcpu.x(1) if is_write else 0)


class Refusing(Memory):
    """A device that answers its second access with an error."""

    def read(self, offset: int, size_bytes: int) -> int:
        if self.accesses:
            raise BusError("no")
        return super().read(offset, size_bytes)


def test_a_device_that_refuses_the_second_half_leaves_registers_and_base_alone() -> None:
    vcpu = vcpu_with(Refusing(bytes(64)), word=LDP_Q1_Q3_POST)
    vcpu.set_x(2, DATA)
    before = deepcopy(vcpu.state)
    assert not emulate(vcpu, DATA)
    assert vcpu.aborts == [(DATA, False)] and unchanged(vcpu, before)


def test_an_access_over_the_end_of_a_device_is_refused() -> None:
    device = Memory(bytes(6))
    vcpu = vcpu_with(device)
    assert not emulate(vcpu, DATA + 4, syndrome(2, 1))
    assert vcpu.aborts and device.accesses == []


def test_a_stage_1_walk_among_devices_is_an_external_abort() -> None:
    device = Memory(bytes(8))
    vcpu = vcpu_with(device)
    assert not emulate(vcpu, DATA, syndrome(3, 1) | S1PTW)
    assert vcpu.aborts and device.accesses == []


def test_cache_maintenance_is_skipped_without_an_access() -> None:
    device = Memory(bytes(8))
    vcpu = vcpu_with(device)
    assert emulate(vcpu, DATA, CM | WNR)
    assert vcpu.pc == CODE + 4 and device.accesses == [] and not vcpu.aborts


def test_an_instruction_that_cannot_be_read_is_refused() -> None:
    vcpu = vcpu_with(Memory(bytes(8)), word=None)
    assert not emulate(vcpu, DATA)
    assert vcpu.aborts == [(DATA, False)]
    assert [name for name, _ in vcpu.events] == ["KvmMmioNisv"]
    assert vcpu.events[0][1]["reason"] == f"{CODE:#x}: nothing there"


@pytest.mark.parametrize(("va", "iss"), [(DATA + 16, 0), (DATA - 1, 0), (DATA, WNR)])
def test_code_that_was_changed_after_it_ran_is_refused(va: int, iss: int) -> None:
    """The instruction at the PC does not make the access that faulted: another address, or a write."""
    device = Memory(bytes(32))
    vcpu = vcpu_with(device, word=LDR_X1_X2)
    vcpu.set_x(2, DATA)
    assert not emulate(vcpu, va, iss)
    assert device.accesses == [] and "was changed" in vcpu.events[-1][1]["reason"]


# --- the instruction describes the access -----------------------------------------------------------------------------


def test_an_emulated_instruction_is_told() -> None:
    vcpu = vcpu_with(Memory(bytes(64)), word=STP_X1_X3_PRE)
    vcpu.set_x(2, DATA + 32)
    assert emulate(vcpu, DATA + 16, WNR)
    assert vcpu.events[0] == ("KvmMmioEmulate", {"vcpu_pc": CODE, "instr": STP_X1_X3_PRE, "cpsr": vcpu.pstate})
    assert [fields["gpa"] for _, fields in vcpu.events[1:]] == [DATA + 16, DATA + 24]
    assert vcpu.x(2) == DATA + 16


@pytest.mark.parametrize("pstate", [0x3C0, 0x3C4, 0x3C5])
def test_the_base_sp_is_that_of_the_level_and_spsel(pstate: int) -> None:
    vcpu = vcpu_with(Memory(bytes(64)), word=0xF84107E1, pstate=pstate)  # ldr x1, [sp], #16
    vcpu.state.x[31] = DATA
    assert emulate(vcpu, DATA)
    assert vcpu.state.x[31] == DATA + 16 and vcpu.other_sp == 0x5555


def test_a_literal_is_found_from_the_pc() -> None:
    vcpu = vcpu_with(Memory(b"abcdefgh"), word=0x58000041, pc=DATA - 8)  # ldr x1, . + 8
    assert emulate(vcpu, DATA, pc=DATA - 8)
    assert vcpu.x(1).to_bytes(8, "little") == b"abcdefgh"


def test_a_tagged_pointer_reaches_the_device_and_keeps_its_tag() -> None:
    """FAR_EL2 need not hold the tag that the base register holds."""
    vcpu = vcpu_with(Memory(bytes(range(64))), word=LDP_Q1_Q3_POST)
    vcpu.set_x(2, 0x5A << 56 | DATA)
    assert emulate(vcpu, DATA)
    assert vcpu.x(2) == 0x5A << 56 | DATA + 32
    assert vcpu.q(3).to_bytes(16, "little") == bytes(range(16, 32))


# --- two pages --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest's own tables: VA = IPA."""
    monkeypatch.setattr(mmio, "translate", lambda _vcpu, va, _access: va)


FORMS = {
    "ldr x1, [x2]": (0xF9400041, 8),
    "ldrsw x1, [x2]": (0xB9800041, 4),
    "str x1, [x2]": (0xF9000041, 8),
    "strh w1, [x2]": (0x79000041, 2),
    "ldp x1, x3, [x2]": (0xA9400C41, 16),
    "stp q1, q3, [x2]": (0xAD000C41, 32),
    "ldp q1, q3, [x2], #32": (LDP_Q1_Q3_POST, 32),
    "ld4 {v4.8b-v7.8b}, [x2]": (0x0C400044, 32),
}


@pytest.mark.parametrize("ram_first", [True, False])
@pytest.mark.parametrize("text", FORMS)
def test_an_access_over_ram_and_a_device_equals_one_over_ram(text: str, ram_first: bool) -> None:
    word, size = FORMS[text]
    witness = Witness()
    is_store = text.startswith("st")
    for first in range(BORDER - size + 1, BORDER):
        before = State.random(first)
        before.x[2] = first
        vcpu, half = FakeVcpu(deepcopy(before), word), 0x1000
        ram, device = (DATA, BORDER) if ram_first else (BORDER, DATA)
        memory = Memory(before.data[device - DATA :][:half])
        vcpu.vm.bus.add("memory", device, half, memory)
        vcpu.vm.ram = dict(enumerate(before.data[ram - DATA :][:half], ram))
        assert emulate(vcpu, max(first, device) if ram_first else first, is_store << 6), vcpu.events
        pages = {ram: vcpu.vm.read_ipa(ram, half), device: bytes(memory.contents)}
        vcpu.state.data = pages[DATA] + pages[BORDER]
        assert vcpu.state == witness.run(word, before)


def test_an_access_over_two_devices_reaches_both() -> None:
    vcpu = vcpu_with(Memory(b"a" * 0x1000), word=LDR_X1_X2)
    vcpu.vm.bus.add("next", BORDER, 0x1000, Memory(b"b" * 0x1000))
    vcpu.set_x(2, BORDER - 3)
    assert emulate(vcpu, BORDER - 3, syndrome(3, 1, sf=True))
    assert vcpu.x(1).to_bytes(8, "little") == b"aaabbbbb"


def test_a_store_into_ram_that_can_only_be_read_is_an_external_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_ipa: int, _data: bytes) -> None:
        raise ValueError("not RAM to be written")

    vcpu = vcpu_with(Memory(bytes(0x1000)), word=STR_X1_X2)
    vcpu.vm.ram = dict.fromkeys(range(BORDER, BORDER + 8), 0)
    monkeypatch.setattr(vcpu.vm, "write_ipa", refuses)
    vcpu.set_x(2, BORDER - 4)
    assert not emulate(vcpu, BORDER - 4, WNR)
    assert vcpu.aborts == [(BORDER - 4, True)] and vcpu.pc == CODE


def test_a_stage_1_fault_in_the_other_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Access] = []

    def faults(_vcpu: object, va: int, access: Access) -> Fault:
        asked.append(access)
        return Fault(FaultKind.TRANSLATION, 3, 1)

    monkeypatch.setattr(mmio, "translate", faults)
    device = Memory(bytes(0x1000))
    vcpu = vcpu_with(device, word=STR_X1_X2)
    vcpu.set_x(2, BORDER - 4)
    assert not emulate(vcpu, BORDER - 4, WNR)
    assert asked == [Access(is_write=True)] and device.accesses == []
    assert "faults at stage 1" in vcpu.events[-1][1]["reason"]


# --- anything ---------------------------------------------------------------------------------------------------------


class Anything(Memory):
    """A device of one page that refuses some accesses."""

    def read(self, offset: int, size_bytes: int) -> int:
        if offset % 7 == 3:
            raise BusError("no")
        return super().read(offset, size_bytes)


@settings(max_examples=600, deadline=None)
@given(
    word=st.one_of(
        st.none(),
        st.integers(0, 0xFFFF_FFFF),
        st.integers(0, 0xFFFF_FFFF).map(lambda w: w & ~0x0A00_0000 | 0x0800_0000),
    ),
    iss=st.integers(0, (1 << 25) - 1),
    va=st.one_of(st.integers(0, (1 << 64) - 1), st.integers(DATA - 64, DATA + 0x1040)),
    near=st.booleans(),
    pstate=st.sampled_from([0x3C0, 0x3C4, 0x3C5]),
)
def test_a_guest_never_makes_the_hypervisor_raise(word: int | None, iss: int, va: int, near: bool, pstate: int) -> None:
    device = Anything(bytes(0x1000))
    vcpu = vcpu_with(device, word=word, pstate=pstate)
    if near:
        vcpu.state.x = [va] * 32
    done = emulate(vcpu, va, iss & ~0x3F, ipa=va & (1 << 48) - 1)
    assert done != bool(vcpu.aborts)
    assert vcpu.pc == (CODE + 4 if done else CODE)


def test_the_access_that_a_handler_sees_says_where_in_its_range() -> None:
    seen: list[MmioAccess] = []
    vcpu = vcpu_with()
    vcpu.vm.bus.override("lamp", range(DATA, DATA + 16), lambda _vcpu, access, _next: seen.append(access) or 7)
    assert emulate(vcpu, DATA + 8, syndrome(3, 1, sf=True))
    assert seen == [MmioAccess(DATA + 8, 8, False, 0, DATA)] and seen[0].offset == 8
    assert vcpu.x(1) == 7
