"""How often the host is interrupted: once for each timer that expires and for each turn that ends, and no more."""

from __future__ import annotations

from collections import Counter

import pytest
from guest_support import Guest

from arm_hyp.hypervisor.vcpu import State
from arm_hyp.kvm_events import KvmExit, VcpuRunning

SLICE_NS = 30_000
GIC = """
    mov x3, #0x08000000          // GICD: Group 1
    mov w2, #0x12
    str w2, [x3]
    ldr x3, =0x080b0000          // the redistributor of vCPU 0: all in Group 1
    mov w2, #-1
    str w2, [x3, #0x80]
    mov w2, #{enabled}
    str w2, [x3, #0x100]
    mov x2, #{mask}
    msr ICC_PMR_EL1, x2
    mov x2, #{group}
    msr ICC_IGRPEN1_EL1, x2
    isb
"""
BOTH_TIMERS = 0x4800_0000
ARM = """
    mov x0, #{ticks}
    msr {timer}_TVAL_EL0, x0
    mov x0, #1
    msr {timer}_CTL_EL0, x0
    isb
"""
START_OTHERS = """
    mov x20, #1
1:  cmp x20, #{vcpus}
    b.hs 2f
    ldr x0, =0xc4000003          // CPU_ON
    mov x1, x20
    adr x2, other
    mov x3, #0
    hvc #0
    add x20, x20, #1
    b 1b
2:
"""
SPIN = "b .\n"
OFF = "ldr x0, =0x84000002\n hvc #0\n"
SOON, LATER = 300, 3000
"""In ticks: 5 us, and 48 us, behind the first slice."""

every_timer = pytest.mark.parametrize("timer", ["CNTV", "CNTP"])


def host_interrupts(guest: Guest) -> Counter[int]:
    """Count the exits for an interrupt by the position at which they came."""
    return Counter(event.n for event in guest.events(KvmExit) if event.ret == "IRQ")


def turns(guest: Guest) -> int:
    return len(guest.events(VcpuRunning))


def sharing(source: str, *, vcpus: int, cpus: int = 1, limit: int = 400_000) -> Guest:
    """Make a guest whose vCPUs take turns, which are short."""
    guest = Guest(source, vcpus=vcpus, cpus=cpus, limit=limit, run=False)
    guest.hypervisor.scheduler.slice_ns = SLICE_NS
    return guest


# --- an interrupt that cannot be delivered ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gic",
    [
        pytest.param({"enabled": 0, "mask": 0xFF, "group": 1}, id="disabled"),
        pytest.param({"enabled": BOTH_TIMERS, "mask": 0, "group": 1}, id="below the mask"),
        pytest.param({"enabled": BOTH_TIMERS, "mask": 0xFF, "group": 0}, id="of a disabled group"),
        pytest.param({"enabled": BOTH_TIMERS, "mask": 0xFF, "group": 1}, id="masked by PSTATE.I"),
    ],
)
@every_timer
def test_a_timer_that_the_guest_has_masked_interrupts_the_host_once(timer: str, gic: dict[str, int]) -> None:
    guest = Guest(GIC.format(**gic) + ARM.format(timer=timer, ticks=SOON) + SPIN)
    assert guest.outcome.reason == "limit"
    assert host_interrupts(guest).total() == 1


@every_timer
def test_the_timer_of_a_vcpu_that_is_off_interrupts_the_host_once(timer: str) -> None:
    """The host's own timer is for it, and finds nobody to tell."""
    others = "other: " + ARM.format(timer=timer, ticks=LATER) + OFF
    guest = sharing(START_OTHERS.format(vcpus=2) + SPIN + others, vcpus=2)
    guest.run()
    assert [vcpu.state for vcpu in guest.vm.vcpus] == [State.RUNNING, State.OFF]
    assert guest.vcpu(1).timers.next_tick() is None
    assert host_interrupts(guest).total() <= turns(guest) + 1


@every_timer
@pytest.mark.parametrize("ticks", [SOON, LATER])
def test_the_timer_of_a_vcpu_that_waits_for_its_turn_interrupts_the_host_once(timer: str, ticks: int) -> None:
    others = "other: " + ARM.format(timer=timer, ticks=ticks) + SPIN
    guest = sharing(GIC.format(enabled=0, mask=0xFF, group=1) + START_OTHERS.format(vcpus=2) + SPIN + others, vcpus=2)
    guest.run()
    assert turns(guest) > 10
    assert host_interrupts(guest).total() <= turns(guest) + 1
    assert max(host_interrupts(guest).values()) == 1


# --- the ends of turns ------------------------------------------------------------------------------------------------


def test_who_is_behind_runs_on_without_an_interrupt_until_it_has_caught_up() -> None:
    """Its slice is over long before that: a timer set for then would be due as soon as it is set again, and again."""
    guest = sharing(START_OTHERS.format(vcpus=2) + SPIN + "other: " + SPIN, vcpus=2, limit=900_000)
    guest.machine.run(1_000)
    ahead, accounts = guest.vcpu(1), [guest.hypervisor.scheduler.account(vcpu) for vcpu in guest.vm.vcpus]
    assert ahead.state is State.READY
    accounts[1].runtime_ns = 1_000_000
    before, began = host_interrupts(guest).total(), turns(guest)
    guest.run()
    assert (host_interrupts(guest).total() - before, turns(guest)) == (1, began)  # the end that was set already


@pytest.mark.parametrize("cpus", [1, 2, 3])
@pytest.mark.parametrize("weights", [(1024,) * 4, (256, 8192, 1024, 512), (8192, 8192, 256, 256)])
def test_cpus_that_share_vcpus_interrupt_each_other_a_few_times_a_turn(weights: tuple[int, ...], cpus: int) -> None:
    vcpus = len(weights)
    guest = sharing(START_OTHERS.format(vcpus=vcpus) + SPIN + "other: " + SPIN, vcpus=vcpus, cpus=cpus, limit=1_500_000)
    for vcpu, weight in zip(guest.vm.vcpus, weights, strict=True):
        guest.hypervisor.scheduler.account(vcpu).weight = weight
    guest.run()
    assert {event.vcpu for event in guest.events(VcpuRunning)} == set(range(vcpus))
    assert host_interrupts(guest).total() <= 3 * turns(guest)
    assert max(host_interrupts(guest).values()) <= 1 + vcpus
