"""HVC and SMC of a guest: conduits, SMCCC, random numbers, KVM's UID, our own calls, paravirtual time."""

from __future__ import annotations

import functools

import msgspec
import pytest
from guest_support import BASE, Guest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.arch import psci
from arm_hyp.arch.exceptions import Kind
from arm_hyp.events import ConsoleOutput
from arm_hyp.hypervisor.exits import Syndrome, decode_exit
from arm_hyp.hypervisor.handlers.calls import GuestCalls, handle_hvc, handle_smc
from arm_hyp.hypervisor.pvtime import PV_TIME_BASE
from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.kvm_events import GuestCall, KvmHvcArm64

MASK_64 = (1 << 64) - 1
CONDUITS = pytest.mark.parametrize("conduit", ["hvc", "smc"])


def call(guest: Guest, *registers: int, conduit: str = "hvc", vcpu: int = 0, imm: int = 0) -> list[int]:
    """Make a call with X0, X1, ... in a VM that has not begun to run; return X0 to X3 as signed numbers."""
    caller = guest.vcpu(vcpu)
    for number in range(18):
        caller.set_x(number, registers[number] if number < len(registers) else 0x1000 + number)
    esr = {"hvc": 0x16, "smc": 0x17}[conduit] << 26 | 1 << 25 | imm
    exit = decode_exit(Syndrome(Kind.SYNC, esr, 0, 0, caller.pc))
    {"hvc": handle_hvc, "smc": handle_smc}[conduit](caller, exit)
    return [caller.x(number) - (caller.x(number) >> 63 << 64) for number in range(4)]


@pytest.fixture
def guest() -> Guest:
    return Guest("nop\n", vcpus=2, run=False)


# --- conduits ---------------------------------------------------------------------------------------------------------


@CONDUITS
@pytest.mark.parametrize("imm", [0, 1, 0xFFFF])
def test_both_conduits_answer_once_and_go_on_behind_the_instruction(conduit, imm):
    guest = Guest(f"ldr x0, =0x84000000\n {conduit} #{imm}\n mov x5, x0\n add x6, x6, #1\n")
    vcpu = guest.vcpu()
    assert (vcpu.x(5), vcpu.x(6), vcpu.x(27)) == (0x1_0001, 1, 0)
    events = guest.events(GuestCall)
    assert [(event.conduit, event.name, event.result) for event in events] == [
        (conduit, "PSCI_VERSION", 0x1_0001),
        ("hvc", "SYSTEM_OFF", None),
    ]


def test_hvc_has_kvms_event_with_the_pc_behind_it():
    guest = Guest("ldr x0, =0x84000000\n hvc #7\n")
    event = guest.events(KvmHvcArm64)[0]
    assert (event.vcpu_pc, event.r0, event.imm) == (BASE + 16, 0x8400_0000, 7)


@CONDUITS
def test_unknown_functions_are_not_supported_and_change_x0_only(guest, conduit):
    assert call(guest, 0xDEAD_BEEF_8300_0000, conduit=conduit) == [-1, 0x1001, 0x1002, 0x1003]
    assert guest.events(GuestCall)[-1].name == "unknown"


@functools.cache
def shared_guest() -> Guest:
    return Guest("nop\n", vcpus=2, run=False)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.integers(0, MASK_64),
        st.sampled_from([0x8000_0000, 0x8400_0000, 0xC400_0000, 0xC500_0000, 0x8600_0000, 0x8600_F000]).flatmap(
            lambda base: st.integers(base, base + 0x60)
        ),
    ),
    st.lists(st.one_of(st.integers(0, MASK_64), st.integers(0, 4)), min_size=17, max_size=17),
    st.sampled_from(["hvc", "smc"]),
)
def test_no_call_raises_or_changes_more_than_x0_to_x3(function, others, conduit):
    guest = shared_guest()
    caller, before = guest.vcpu(), [function, *others]
    guest.vm.end, caller.state = None, State.RUNNING
    call(guest, *before, conduit=conduit)
    assert [caller.x(number) for number in range(4, 18)] == before[4:]
    assert msgspec.json.decode(msgspec.json.encode(guest.vm.calls.snapshot())) == guest.vm.calls.snapshot()


# --- SMCCC, TRNG, KVM -------------------------------------------------------------------------------------------------


def test_smccc_is_version_1_1_and_no_workaround_is_needed(guest):
    assert call(guest, psci.SMCCC_VERSION)[0] == 0x1_0001
    asked = (psci.SMCCC_ARCH_WORKAROUND_1, psci.SMCCC_ARCH_WORKAROUND_2, psci.SMCCC_ARCH_WORKAROUND_3)
    assert [call(guest, psci.SMCCC_ARCH_FEATURES, function)[0] for function in asked] == [1, 1, 1]
    assert call(guest, psci.SMCCC_ARCH_FEATURES, psci.SMCCC_ARCH_SOC_ID)[0] == -1


def test_random_numbers_repeat_and_snapshots_carry_them(guest):
    first = call(guest, psci.TRNG_RND64, 192)
    assert first == call(Guest("nop\n", run=False), psci.TRNG_RND64, 192)
    state = guest.vm.calls.snapshot()
    second = call(guest, psci.TRNG_RND64, 192)
    assert second != first
    guest.vm.calls.restore(state)
    assert call(guest, psci.TRNG_RND64, 192) == second


def test_vms_have_random_numbers_of_their_own():
    guest = Guest("nop\n", run=False)
    before = call(guest, psci.TRNG_RND64, 192)
    guest.vm.index = 1
    guest.vm.calls = GuestCalls(guest.vm)
    assert call(guest, psci.TRNG_RND64, 192) != before


def test_software_finds_kvms_uid_and_no_kvm_call_but_features(guest):
    assert call(guest, 0x8600_FF01) == [0xB66F_B428, 0xE911_C52E, 0x564B_CAA9, 0x743A_004D]
    assert call(guest, 0x8600_0000) == [1, 0, 0, 0]
    assert call(guest, 0x8600_0001)[0] == -1


# --- our own ----------------------------------------------------------------------------------------------------------


def test_putc_prints_on_the_vms_console(guest):
    for character in b"hi\n":
        assert call(guest, 0x8600_F000, 0xABCD_0000_0000_0100 | character)[0] == 0
    assert bytes(guest.vm.devices.console) == b"hi\n"
    assert {event.device for event in guest.events(ConsoleOutput)} == {"vm0/hypercall"}


def test_log_leaves_its_arguments_in_the_trace(guest):
    assert call(guest, 0xC600_F002, 1, MASK_64, 3)[0] == 0
    event = guest.events(GuestCall)[-1]
    assert (event.name, event.arguments) == ("ARM_HYP_LOG", (1, MASK_64, 3))


def test_yield_lets_another_vcpu_run():
    """On one CPU, vCPU 0 spins on a flag that vCPU 1 sets: with a yield in the loop that takes few instructions."""
    guest = Guest(
        """
        ldr x19, =0x40200000
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        hvc #0
    wait:
        ldr x0, =0x8600f001
        hvc #0
        ldr w3, [x19]
        cbz w3, wait
        b done
    second:
        ldr x19, =0x40200000
        mov w3, #1
        str w3, [x19]
    halt:
        wfi
        b halt
    done:
        """,
        vcpus=2,
        limit=200,
    )
    assert guest.outcome.status == 0
    assert guest.vcpu().x(3) == 1


# --- paravirtual time -------------------------------------------------------------------------------------------------


def test_paravirtual_time_is_found_as_linux_looks_for_it(guest):
    assert call(guest, psci.SMCCC_ARCH_FEATURES, 0xC500_0020)[0] == 0
    assert [call(guest, 0xC500_0020, function)[0] for function in (0xC500_0020, 0xC500_0021, 0xC500_0022)] == [0, 0, -1]


def test_each_vcpu_has_a_structure_and_stolen_time_arrives_in_it(guest):
    pvtime = guest.vm.calls.pvtime
    pvtime.update(guest.vcpu(1), 500)
    assert call(guest, 0xC500_0021, vcpu=0)[0] == PV_TIME_BASE
    assert call(guest, 0xC500_0021, vcpu=1)[0] == PV_TIME_BASE + 64
    assert guest.vm.read_ipa(PV_TIME_BASE + 64, 16) == bytes(8) + (500).to_bytes(8, "little")
    pvtime.update(guest.vcpu(1), 1 << 33)
    assert guest.vm.read_ipa(PV_TIME_BASE, 24)[8:16] == bytes(8)
    assert guest.vm.read_ipa(PV_TIME_BASE + 72, 8) == (500 + (1 << 33)).to_bytes(8, "little")


def test_memory_is_touched_only_for_who_asked_and_until_a_reset(guest):
    pvtime = guest.vm.calls.pvtime
    guest.vm.write_ipa(PV_TIME_BASE, b"\xee" * 128)
    pvtime.update(guest.vcpu(0), 5)
    assert guest.vm.read_ipa(PV_TIME_BASE, 128) == b"\xee" * 128
    call(guest, 0xC500_0021)
    state = guest.vm.calls.snapshot()
    guest.vm.calls.reset()
    pvtime.update(guest.vcpu(0), 7)
    assert guest.vm.read_ipa(PV_TIME_BASE + 8, 8) == (5).to_bytes(8, "little")
    guest.vm.calls.restore(state)
    pvtime.update(guest.vcpu(0), 2)
    assert guest.vm.read_ipa(PV_TIME_BASE + 8, 8) == (7).to_bytes(8, "little")


def test_no_memory_for_the_structure_is_not_supported(guest, monkeypatch):
    def full(ipa: int, data: bytes) -> None:
        raise OutOfPhysicalMemory("no pages")

    monkeypatch.setattr(guest.vm, "write_ipa", full)
    assert call(guest, 0xC500_0021)[0] == -1


def test_two_busy_vcpus_on_one_cpu_steal_from_each_other():
    """Both ask for their structure, then spin; each is given time only when the other's slice is over."""
    guest = Guest(
        """
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        hvc #0
    second:
        ldr x0, =0xc5000021
        hvc #0
    spin:
        b spin
        """,
        vcpus=2,
        limit=20_000_000,
    )
    stolen = [int.from_bytes(guest.vm.read_ipa(PV_TIME_BASE + 64 * index + 8, 8), "little") for index in (0, 1)]
    assert all(ns > 4_000_000 for ns in stolen)
    assert stolen == guest.vm.calls.pvtime.stolen_ns
