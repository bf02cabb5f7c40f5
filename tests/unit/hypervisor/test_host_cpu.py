"""Two vCPUs in turn on one CPU, and on two: neither touches the other's registers, and each keeps its own on a move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guest_support import Guest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.arch.exceptions import Kind
from arm_hyp.hypervisor.exits import Syndrome
from arm_hyp.hypervisor.vcpu import State, Vcpu
from arm_hyp.kvm_events import VcpuRunning

OWN = ("X0", "X30", "SP_EL0", "SP_EL1", "TPIDR_EL0", "TPIDR_EL1", "TTBR0_EL1", "VBAR_EL1", "ELR_EL1", "FAR_EL1", "PC")
"""Registers of each kind in which every bit can be kept: <2> and up, so that PC, SP and VBAR_EL1 can be among them."""
VALUES = st.integers(0, (1 << 44) - 1).map(lambda value: value << 12 & (1 << 47) - 1)


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    made = Guest("nop\n", vcpus=3, cpus=2, run=False)
    for cpu in made.hypervisor.cpus:
        cpu.initialize()
    yield made


def set_all(vcpu: Vcpu, value: int) -> dict[str, int]:
    for name in OWN:
        vcpu.write(name, value)
    vcpu.set_q(7, value << 64 | value)
    return expected(value)


def expected(value: int) -> dict[str, int]:
    return dict.fromkeys(OWN, value) | {"Q7": value << 64 | value}


def all_of(vcpu: Vcpu) -> dict[str, int]:
    return {name: vcpu.read(name) for name in (*OWN, "Q7")}


Step = tuple[int, int, bool, int]
STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans(), VALUES), min_size=1, max_size=25)


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_vcpus_in_any_order_on_any_cpus_keep_what_is_theirs(guest: Guest, steps: list[Step]) -> None:
    """Each step loads a vCPU on a CPU, has it use FP or not, and changes its registers there."""
    hypervisor = guest.hypervisor
    wanted = {vcpu: set_all(vcpu, 4096 * (1 + vcpu.index)) for vcpu in guest.vm.vcpus}
    for which, where, uses_fp, value in steps:
        vcpu, cpu = guest.vcpu(which), hypervisor.cpus[where]
        hypervisor._fetch_fp(vcpu, cpu)
        cpu.load(vcpu)
        if uses_fp:
            cpu.give_fp(vcpu)
        assert all_of(vcpu) == wanted[vcpu]
        wanted[vcpu] = set_all(vcpu, value)
        assert {each: all_of(each) for each in wanted} == wanted
        cpu.put()
        assert {each: all_of(each) for each in wanted} == wanted


def test_each_vcpu_has_its_identity(guest: Guest) -> None:
    cpu = guest.hypervisor.cpus[1]
    for vcpu in guest.vm.vcpus:
        cpu.load(vcpu)
        assert cpu.registers.read("VMPIDR_EL2") & 0xFF == vcpu.index
        assert cpu.registers.read("VPIDR_EL2") == cpu.registers.read("MIDR_EL1")
        assert (vcpu.cpu, vcpu.home, cpu.vcpu) == (cpu, 1, vcpu)
        cpu.put()
        assert (vcpu.cpu, cpu.vcpu) == (None, None)


def test_vms_have_their_own_tables_and_the_same_controls(guest: Guest) -> None:
    cpu = guest.hypervisor.cpus[0]
    cpu.load(guest.vcpu())
    assert cpu.registers.read("VTTBR_EL2") == int(guest.vm.stage2.vttbr)
    assert cpu.registers.read("VTCR_EL2") == int(guest.vm.stage2.vtcr)
    cpu.put()


def test_fp_is_trapped_until_it_is_given(guest: Guest) -> None:
    cpu, (one, other, _) = guest.hypervisor.cpus[0], guest.vm.vcpus
    cpu.load(one)
    cpu.give_fp(one)
    cpu.put()
    cpu.load(one)
    assert not cpu.registers.read("CPTR_EL2") >> 10 & 1, "nobody else has used them"
    cpu.put()
    cpu.load(other)
    assert cpu.registers.read("CPTR_EL2") >> 10 & 1
    cpu.put()


@pytest.mark.parametrize("kind", Kind)
def test_the_vector_tells_the_kind_of_an_exit(guest: Guest, kind: Kind) -> None:
    cpu = guest.hypervisor.cpus[0]
    cpu.core.vector = 0x400 + 0x80 * list(Kind).index(kind)
    assert cpu.syndrome().kind is kind
    assert isinstance(cpu.syndrome(), Syndrome)


def test_a_deadline_is_cnthps(guest: Guest) -> None:
    cpu = guest.hypervisor.cpus[0]
    cpu.set_deadline(12345)
    assert (cpu.registers.read("CNTHP_CVAL_EL2"), cpu.registers.read("CNTHP_CTL_EL2") & 1) == (12345, 1)
    cpu.set_deadline(None)
    assert cpu.registers.read("CNTHP_CTL_EL2") & 1 == 0


def test_a_vcpu_moves_to_a_cpu_that_is_free_and_keeps_its_registers() -> None:
    """Three vCPUs work on two CPUs; whoever is taken off goes on wherever there is room."""
    guest = Guest(
        """
        mov x0, #3 << 20
        msr CPACR_EL1, x0
        isb
        mov x19, #0x40200000
        mov x20, #1
        mov x21, #1
    start:
        ldr x0, =0xc4000003
        mov x1, x20
        adr x2, other
        mov x3, x20
        hvc #0
        add x20, x20, #1
        cmp x20, #3
        b.ne start
        mov x20, #0x100
        bl work
    wait:
        ldr w1, [x19, #4]
        ldr w2, [x19, #8]
        and w1, w1, w2
        cbz w1, wait
        b end
    other:
        mov x20, x0
        mov x0, #3 << 20
        msr CPACR_EL1, x0
        isb
        mov x19, #0x40200000
        bl work
        mov w1, #1
        str w1, [x19, x20, lsl #2]
        wfi
    work:
        mov x22, #40000
        fmov d8, x20
        msr TPIDR_EL0, x20
    1:  fmov x1, d8
        cmp x1, x20
        b.ne bad
        mrs x1, TPIDR_EL0
        cmp x1, x20
        b.ne bad
        sub x22, x22, #1
        cbnz x22, 1b
        ret
    bad:
        mov w1, #1
        str w1, [x19]
    end:
        """,
        vcpus=3,
        cpus=2,
        limit=4_000_000,
        run=False,
    )
    guest.hypervisor.scheduler.slice_ns = 20_000
    outcome = guest.run()
    assert outcome.status == 0, outcome.text
    assert guest.vm.read_ipa(0x4020_0000, 12) == b"\0\0\0\0\1\0\0\0\1\0\0\0"
    places = {(event.vcpu, event.cpu) for event in guest.events(VcpuRunning)}
    assert any({(vcpu, 0), (vcpu, 1)} <= places for vcpu in range(3))
    assert all(vcpu.state is State.OFF for vcpu in guest.vm.vcpus)
