"""The life of a VM: it powers off, crashes, loops, resets, and waits for ever; and the VM beside it goes on."""

from __future__ import annotations

import pytest
from guest_support import BASE, EPILOGUE, PROLOGUE

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import RecordingSink
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.kvm_events import VmEnded
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine, Outcome

OFF = "ldr x0, =0x84000008\n hvc #0\n"
COUNTS = """
    ldr x19, =0x40400000
1:  ldr w1, [x19]
    add w1, w1, #1
    str w1, [x19]
    cmp w1, #3000
    b.ne 1b
"""
"""The victim: it counts in memory and goes off."""
COUNTED = 3000
LOOPS = "mov x0, #0x50000000\n msr VBAR_EL1, x0\n udf #0\n"
"""Its vectors are nowhere: each exception raises the next one."""
TOUCHES = """
    ldr x1, =0x40200000
    ldr x2, =0x41000000
1:  str x1, [x1]
    add x1, x1, #1 << 12
    cmp x1, x2
    b.lo 1b
"""
HANGS = "msr daifset, #15\n b .\n"


class Neighbours:
    """VMs with one vCPU each, on CPUs that they share."""

    def __init__(self, *sources: str, cpus: int = 1, limit: int = 300_000) -> None:
        self.sink = RecordingSink()
        self.machine = Machine(
            sink=self.sink, memory_bytes=64 << 20, model="a72", gic=3, cpus=cpus, start_el=2, list_registers=4
        )
        made = []
        for index, source in enumerate(sources):
            code = assemble(PROLOGUE + source + EPILOGUE, filename="guest.s", base=BASE).code
            plan = BootPlan((Segment(BASE, code),), BASE)
            made.append(VmConfiguration(name=f"vm{index}", memory_bytes=16 << 20, plan=plan))
        self.hypervisor = Hypervisor(self.machine, made)
        self.hypervisor.scheduler.slice_ns = 10_000
        self.outcome: Outcome = self.machine.run(limit)
        self.vms = self.hypervisor.vms

    def count(self, vm: int) -> int:
        return int.from_bytes(self.vms[vm].read_ipa(0x4040_0000, 4), "little")

    def ends(self) -> list[tuple[str, str]]:
        return [(event.vm, event.reason) for event in self.sink.events if isinstance(event, VmEnded)]


def test_a_vm_powers_off() -> None:
    made = Neighbours(COUNTS)
    assert (made.outcome.reason, made.outcome.status, made.ends()) == ("guest", 0, [("vm0", "off")])
    assert made.vms[0].vcpus[0].state is State.OFF


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_vm_that_loops_in_its_exceptions_crashes_alone(cpus: int) -> None:
    made = Neighbours(LOOPS, COUNTS, cpus=cpus)
    assert made.vms[0].end is not None and made.vms[0].end.reason == "crashed"
    assert (made.vms[1].end is not None and made.vms[1].end.reason, made.count(1)) == ("off", COUNTED)
    assert (made.outcome.reason, made.outcome.status) == ("guest", 1)
    assert made.outcome.text == made.vms[0].end.text


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_vm_that_hangs_with_all_masked_takes_only_its_share(cpus: int) -> None:
    made = Neighbours(HANGS, COUNTS, cpus=cpus, limit=200_000)
    assert (made.outcome.reason, made.vms[0].end) == ("limit", None)
    assert made.count(1) == COUNTED and made.ends() == [("vm1", "off")]


def test_a_vm_without_memory_left_ends_and_leaves_the_others() -> None:
    """The machine has less than its VMs were promised: who asks too late ends, with the reason."""
    made = Neighbours(*[TOUCHES] * 6)
    reasons = [vm.end.reason for vm in made.vms if vm.end is not None]
    assert len(reasons) == 6 and set(reasons) == {"off", "crashed"}
    crashed = next(vm for vm in made.vms if vm.end is not None and vm.end.reason == "crashed")
    assert crashed.end is not None and crashed.end.text.startswith("no memory")


def test_a_vm_that_waits_for_ever_is_idle_when_nobody_else_runs() -> None:
    made = Neighbours("wfi\n", COUNTS)
    assert (made.outcome.reason, made.outcome.status) == ("idle", 1)
    assert made.vms[0].vcpus[0].state is State.BLOCKED and made.count(1) == COUNTED


RESETS = """
    ldr x19, =0x40400000
    ldr w1, [x19]
    add w1, w1, #1
    str w1, [x19]
    ldr x20, =0x09010000
    ldr w2, [x20, #4]
    cbnz w2, 9f             // RTCMR: the devices are reset too
    mov w2, #1
    str w2, [x20, #4]
    mrs x3, CONTEXTIDR_EL1
    cbnz x3, 9f
    msr CONTEXTIDR_EL1, x19
    fmov x4, d9
    cbnz x4, 9f
    fmov d9, x19
    cmp w1, #3
    b.hs 9f
    ldr x0, =0x84000009
    hvc #0
9:
"""


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_reset_boots_the_vm_again_and_only_it(cpus: int) -> None:
    """Three times in all, each with registers, vectors and devices as new; RAM keeps its contents."""
    made = Neighbours("mov x0, #3 << 20\n msr CPACR_EL1, x0\n isb\n" + RESETS, COUNTS, cpus=cpus)
    assert made.outcome.status == 0, made.outcome.text
    assert (made.count(0), made.count(1)) == (3, COUNTED)
    assert sorted(made.ends()) == [("vm0", "off"), ("vm1", "off")]


def test_the_end_of_the_run_is_that_of_the_worst_vm() -> None:
    made = Neighbours(OFF, LOOPS, OFF)
    assert [vm.end.status for vm in made.vms if vm.end is not None] == [0, 1, 0]
    assert made.outcome.status == 1


def test_a_vm_that_has_ended_stays_ended() -> None:
    made = Neighbours(OFF, HANGS, limit=5_000)
    first = made.vms[0].end
    made.vms[0].power_off("again")
    made.machine.run(6_000)
    assert made.vms[0].end is first is not None and len(made.ends()) == 1
