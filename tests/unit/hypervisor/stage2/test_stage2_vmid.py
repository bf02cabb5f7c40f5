"""VMIDs: no two VMs with one VMID in any TLB, across roll-overs."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from stage2_support import RecordingTlb

from arm_hyp.hypervisor.stage2.vmid import VmidAllocator

CPUS = 3


class VmidsAgainstTlb(RuleBasedStateMachine):
    """The model is a TLB: which VM has filled it under which VMID. What runs during a roll-over fills it at once."""

    @initialize()
    def begin(self) -> None:
        self.tlb = RecordingTlb()
        self.vmids = VmidAllocator(8, CPUS, self.tlb)
        self.filled: dict[int, int] = {}
        self.runs: list[tuple[int, int] | None] = [None] * CPUS  # (VM, VMID) on each CPU

    def run(self, vm: int, cpu: int) -> None:
        self.tlb.done.clear()
        self.runs[cpu] = None
        vmid = self.vmids.update(vm, cpu)
        if self.tlb.done:
            assert self.tlb.done == [("all", 0, 0)]
            self.filled = {each[1]: each[0] for each in self.runs if each is not None}
        assert 1 <= vmid <= 255
        assert self.filled.setdefault(vmid, vm) == vm, "another VM's translations are under this VMID"
        self.runs[cpu] = vm, vmid
        assert all(each is None or (each[0] == vm) == (each[1] == vmid) for each in self.runs)

    @rule(vm=st.integers(0, 5), cpu=st.integers(0, CPUS - 1))
    def run_one(self, vm: int, cpu: int) -> None:
        self.run(vm, cpu)

    @rule(first=st.integers(0, 400), count=st.integers(100, 300), cpu=st.integers(0, CPUS - 1))
    def run_many(self, first: int, count: int, cpu: int) -> None:
        for vm in range(first, first + count):
            self.run(vm, cpu)

    @rule(cpu=st.integers(0, CPUS - 1))
    def idle(self, cpu: int) -> None:
        self.vmids.clear_active(cpu)
        self.runs[cpu] = None

    @rule()
    def restore(self) -> None:
        state = self.vmids.snapshot()
        self.vmids = VmidAllocator(8, CPUS, self.tlb)
        self.vmids.restore(state)
        assert self.vmids.snapshot() == state


VmidsAgainstTlb.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestVmidsAgainstTlb = VmidsAgainstTlb.TestCase


def test_a_vm_keeps_its_vmid() -> None:
    vmids = VmidAllocator(8, 2, RecordingTlb())
    assert [vmids.update(vm, 0) for vm in (7, 8, 7)] == [1, 2, 1]
    assert vmids.update(7, 1) == 1


def test_roll_over_empties_the_tlbs_once_and_reserves_what_runs() -> None:
    tlb = RecordingTlb()
    vmids = VmidAllocator(8, 2, tlb)
    assert vmids.update(0, 1) == 1
    given = [vmids.update(vm, 0) for vm in range(1, 255)]
    assert given == list(range(2, 256)) and not tlb.done
    assert vmids.update(255, 0) == 2, "1 runs on CPU 1, and 255 is still active on CPU 0"
    assert tlb.done == [("all", 0, 0)]
    assert vmids.update(0, 1) == 1
    assert vmids.update(256, 1) == 3


def test_an_idle_cpu_reserves_nothing() -> None:
    vmids = VmidAllocator(8, 2, RecordingTlb())
    vmids.update(0, 1)
    vmids.clear_active(1)
    for vm in range(1, 255):
        vmids.update(vm, 0)
    assert vmids.update(255, 0) == 1


def test_a_vm_that_is_gone_has_its_vmid_used_after_a_roll_over_only() -> None:
    tlb = RecordingTlb()
    vmids = VmidAllocator(8, 1, tlb)
    vmids.update(0, 0)
    vmids.forget(0)
    assert vmids.update(0, 0) == 2 and not tlb.done


def test_vmids_of_16_bits() -> None:
    tlb = RecordingTlb()
    vmids = VmidAllocator(16, 1, tlb)
    assert [vmids.update(vm, 0) for vm in range(1000)] == list(range(1, 1001)) and not tlb.done
    with pytest.raises(ValueError):
        VmidAllocator(12, 1, tlb)
