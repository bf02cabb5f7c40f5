"""PSCI among the vCPUs of a VM: every error, the races, and what happens to the VM."""

from __future__ import annotations

import pytest
from guest_support import BASE, Guest
from test_calls import call

from arm_hyp.arch.psci import FID_SMC64, Affinity, Status
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.kvm_events import GuestCall, VmEnded

CPU_SUSPEND, CPU_OFF, CPU_ON, AFFINITY_INFO = (FID_SMC64 | 0x8400_0000 | number for number in (1, 2, 3, 4))
CPU_OFF &= ~FID_SMC64
SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2 = 0x8400_0008, 0x8400_0009, 0xC400_0012
ENTRY = BASE + 0x100


@pytest.fixture
def guest() -> Guest:
    return Guest("nop\n", vcpus=18, run=False)


def results(guest: Guest, name: str) -> list[int]:
    events = [event for event in guest.events(GuestCall) if event.name == name]
    return [event.result - (event.result >> 63 << 64) for event in events if event.result is not None]


# --- CPU_ON -----------------------------------------------------------------------------------------------------------


def test_cpu_on_starts_a_vcpu_in_its_reset_state(guest):
    target = guest.vcpu(1)
    target.write("X7", 7)
    target.debug["OSLSR_EL1"] = 8
    assert call(guest, CPU_ON, 1, ENTRY, 0x1234_5678_9ABC_DEF0)[0] == Status.SUCCESS
    assert (target.is_on, target.pc, target.x(0), target.x(7)) == (True, ENTRY, 0x1234_5678_9ABC_DEF0, 0)
    assert (target.pstate, target.read("SCTLR_EL1") & 1, target.debug) == (0x3C5, 0, {})


def test_cpu_on_finds_vcpus_of_the_next_cluster(guest):
    assert call(guest, CPU_ON, 0x101, ENTRY)[0] == Status.SUCCESS
    assert [vcpu.index for vcpu in guest.vm.vcpus if vcpu.is_on] == [0, 17]


@pytest.mark.parametrize(
    ("target", "entry", "expected"),
    [
        (0x102, ENTRY, Status.INVALID_PARAMETERS),
        (0x8000_0001, ENTRY, Status.INVALID_PARAMETERS),
        (1 << 32 | 1, ENTRY, Status.INVALID_PARAMETERS),
        (0x010, ENTRY, Status.INVALID_PARAMETERS),
        (1, ENTRY + 1, Status.INVALID_ADDRESS),
        (1, 0x0900_0000, Status.INVALID_ADDRESS),
        (1, 0x4100_0000, Status.INVALID_ADDRESS),
        (1, 1 << 63, Status.INVALID_ADDRESS),
        (0, ENTRY, Status.ALREADY_ON),
    ],
)
def test_cpu_on_refuses(guest, target, entry, expected):
    guest.vcpu(0).state = State.RUNNING
    assert call(guest, CPU_ON, target, entry, 0)[0] == expected
    assert [vcpu.index for vcpu in guest.vm.vcpus if vcpu.is_on] == [0]


def test_a_vcpu_is_pending_until_it_runs(guest):
    """Two CPU_ON of the same vCPU: the first one wins, also across a snapshot."""
    assert call(guest, AFFINITY_INFO, 1, 0)[0] == Affinity.OFF
    call(guest, CPU_ON, 1, ENTRY, 1)
    guest.vm.calls.restore(guest.vm.calls.snapshot())
    assert call(guest, CPU_ON, 1, ENTRY + 4, 2)[0] == Status.ON_PENDING
    assert call(guest, AFFINITY_INFO, 1, 0)[0] == Affinity.ON_PENDING
    assert (guest.vcpu(1).pc, guest.vcpu(1).x(0)) == (ENTRY, 1)


BOTH_RUN = """
        ldr x19, =0x40200000
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        mov x3, #5
        hvc #0
        mov x21, x0
        ldr x0, =0xc4000003
        hvc #0
        mov x22, x0
    wait:
        wfe
        ldr w3, [x19]
        cbz w3, wait
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        hvc #0
        mov x23, x0
        mov w3, #1
        str w3, [x19, #4]
    off:
        wfe
        ldr x0, =0xc4000004
        mov x1, #1
        mov x2, #0
        hvc #0
        cmp x0, #1
        b.ne off
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, third
        hvc #0
        mov x24, x0
        wfi
    second:
        ldr x19, =0x40200000
        str w0, [x19]
    again:
        wfe
        ldr w3, [x19, #4]
        cbz w3, again
        ldr x0, =0x84000002
        hvc #0
    third:
"""
"""vCPU 0 starts vCPU 1 (twice), hears that it runs, tries again, lets it go off, and starts it once more."""


@pytest.mark.parametrize("cpus", [1, 2])
def test_on_off_on_between_running_vcpus(cpus):
    guest = Guest(BOTH_RUN, vcpus=2, cpus=cpus, limit=1_000_000)
    assert guest.outcome.text == "the guest powered off (PSCI SYSTEM_OFF)"
    first = guest.vcpu(0)
    signed = [first.x(number) - (first.x(number) >> 63 << 64) for number in (21, 22, 23, 24)]
    assert signed[0] == signed[3] == Status.SUCCESS
    assert signed[1] in (Status.ON_PENDING, Status.ALREADY_ON)
    assert signed[2] == Status.ALREADY_ON
    assert int.from_bytes(guest.vm.read_ipa(0x4020_0000, 4), "little") == 5


# --- CPU_OFF, SUSPEND, AFFINITY_INFO ----------------------------------------------------------------------------------


def test_cpu_off_of_the_last_vcpu_ends_the_vm():
    guest = Guest("ldr x0, =0x84000002\n hvc #0\n mov x5, #1\n", vcpus=2)
    assert (guest.outcome.status, guest.outcome.text) == (1, "every vCPU is off (PSCI CPU_OFF)")
    assert guest.vcpu().x(5) == 0
    assert [event.reason for event in guest.events(VmEnded)] == ["idle"]


def test_cpu_off_of_one_leaves_the_others_on(guest):
    call(guest, CPU_ON, 1, ENTRY, 0)
    call(guest, CPU_OFF, vcpu=1)
    assert [vcpu.is_on for vcpu in guest.vm.vcpus[:2]] == [True, False]
    assert guest.vm.end is None
    assert call(guest, CPU_ON, 1, ENTRY, 0)[0] == Status.SUCCESS


@pytest.mark.parametrize("conduit", ["hvc", "smc"])
def test_cpu_suspend_waits_for_an_interrupt_behind_the_call(conduit):
    guest = Guest(
        f"""
        mov x1, #1000
        msr CNTP_TVAL_EL0, x1
        mov x1, #1
        msr CNTP_CTL_EL0, x1
        mov x3, #0x0800              // GICD and GICR: group 1, PPI 30 enabled
        lsl x3, x3, #16
        mov w2, #0x13
        str w2, [x3]
        ldr x3, =0x080b0000
        mov w2, #-1
        str w2, [x3, #0x80]
        str w2, [x3, #0x100]
        mov x2, #0xff
        msr ICC_PMR_EL1, x2
        mov x2, #1
        msr ICC_IGRPEN1_EL1, x2
        mrs x8, CNTPCT_EL0
        ldr x0, =0xc4000001
        mov x1, #0
        {conduit} #0
        mrs x9, CNTPCT_EL0
        mov x5, x0
        """
    )
    vcpu = guest.vcpu()
    assert vcpu.x(5) == 0
    assert 100 < vcpu.x(9) - vcpu.x(8) < 2000


def test_cpu_suspend_refuses_what_no_vcpu_can(guest):
    assert call(guest, CPU_SUSPEND, 1 << 17)[0] == Status.INVALID_PARAMETERS
    assert call(guest, CPU_SUSPEND, 1 << 16, 0x0900_0000)[0] == Status.INVALID_ADDRESS


def test_affinity_info_knows_on_and_off_and_no_levels_above(guest):
    guest.vcpu(0).state = State.BLOCKED
    assert call(guest, AFFINITY_INFO, 0, 0)[0] == Affinity.ON
    assert call(guest, AFFINITY_INFO, 17, 0)[0] == Status.INVALID_PARAMETERS
    assert call(guest, AFFINITY_INFO, 0, 1)[0] == Status.INVALID_PARAMETERS


# --- the system -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conduit", ["hvc", "smc"])
def test_system_off_ends_the_vm_with_all_its_vcpus(guest, conduit):
    call(guest, CPU_ON, 1, ENTRY, 0)
    call(guest, SYSTEM_OFF, conduit=conduit)
    assert guest.vm.end is not None and (guest.vm.end.reason, guest.vm.end.status) == ("off", 0)
    assert not any(vcpu.is_on for vcpu in guest.vm.vcpus)


@pytest.mark.parametrize("function", [SYSTEM_RESET, SYSTEM_RESET2])
def test_a_reset_starts_the_boot_vcpu_again(function):
    """RAM keeps what was written behind the image: the second time the guest finds it, and goes off."""
    guest = Guest(
        f"""
        ldr x19, =0x40200000
        ldr w3, [x19]
        add w4, w3, #1
        str w4, [x19]
        mov x8, x9
        mov x9, #9
        cbnz w3, end
        mov x1, #1
        msr TPIDR_EL1, x1
        ldr x0, ={function:#x}
        mov x1, #0
        hvc #0
    end:
        mrs x10, TPIDR_EL1
        """
    )
    assert guest.outcome.status == 0
    assert guest.vm.read_ipa(0x4020_0000, 4) == b"\2\0\0\0"
    assert (guest.vcpu().x(8), guest.vcpu().x(10)) == (0, 0)


def test_a_reset_takes_other_vcpus_off():
    """vCPU 1 spins on the other CPU when the VM is reset; behind the reset it is off, and can be started afresh."""
    guest = Guest(
        """
        ldr x19, =0x40200000
        ldr w3, [x19]
        add w4, w3, #1
        str w4, [x19]
        cbnz w3, second_time
        bl start
    wait:
        ldr w3, [x19, #4]
        cbz w3, wait
        ldr x0, =0x84000009
        hvc #0
    start:
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        mov x3, x4
        hvc #0
        ret
    second:
        ldr x19, =0x40200000
        str w0, [x19, #4]
    spin:
        b spin
    second_time:
        ldr x0, =0xc4000004
        mov x1, #1
        mov x2, #0
        hvc #0
        mov x21, x0
        bl start
        mov x22, x0
    hear:
        ldr w3, [x19, #4]
        cmp w3, #2
        b.ne hear
        """,
        vcpus=2,
        cpus=2,
        limit=1_000_000,
    )
    assert guest.outcome.status == 0
    assert (guest.vcpu().x(21), guest.vcpu().x(22)) == (Affinity.OFF, Status.SUCCESS)


def test_storms_of_cpu_on_and_off_end_in_order():
    """Both vCPUs switch the other one on again and again, and themselves off: nobody falls over."""
    guest = Guest(
        """
    top:
        mrs x19, MPIDR_EL1
        and x19, x19, #1
        ldr x20, =0x40200000
        ldr w21, [x20]
        add w21, w21, #1
        str w21, [x20]
        cmp w21, #200
        b.hs end
        ldr x0, =0xc4000003
        eor x1, x19, #1
        adr x2, top
        hvc #0
        ldr x0, =0x84000002
        hvc #0
    end:
        """,
        vcpus=2,
        cpus=2,
        limit=1_000_000,
    )
    assert guest.outcome.reason == "guest"
    assert set(results(guest, "CPU_ON")) <= {0, Status.ALREADY_ON, Status.ON_PENDING}
