"""The timers of a vCPU: virtual on its CPU and off it, physical emulated; each interrupt once, and never too early."""

from __future__ import annotations

import pytest
from guest_support import Guest

from arm_hyp.hypervisor.vcpu import State, Vcpu
from arm_hyp.hypervisor.vtimer import PHYSICAL, VIRTUAL
from arm_hyp.kvm_events import KvmTimerHrtimerExpire, KvmTimerUpdateIrq, KvmVcpuWakeup, VcpuBlocked
from arm_hyp.machine.timers import ENABLE, IMASK, ISTATUS

GIC = """
    mov x3, #0x08000000          // GICD: Group 1
    mov w2, #0x12
    str w2, [x3]
    ldr x3, =0x080b0000          // the redistributor of vCPU 0: all in Group 1, 27 and 30 enabled
    mov w2, #-1
    str w2, [x3, #0x80]
    ldr w2, =0x48000000
    str w2, [x3, #0x100]
    mov x2, #0xff
    msr ICC_PMR_EL1, x2
    mov x2, #1
    msr ICC_IGRPEN1_EL1, x2
    isb
"""
ACKNOWLEDGE = """
    mrs x10, ICC_IAR1_EL1
    mrs x11, CNTVCT_EL0
    msr ICC_EOIR1_EL1, x10
"""
TIMERS = {"CNTV": (27, VIRTUAL), "CNTP": (30, PHYSICAL)}
EITHER = pytest.mark.parametrize("timer", TIMERS)


def arm(timer: str, ticks: int) -> str:
    return f"mov x0, #{ticks}\n msr {timer}_TVAL_EL0, x0\n mov x0, #1\n msr {timer}_CTL_EL0, x0\n isb\n"


@EITHER
@pytest.mark.parametrize("ticks", [0, 1, 50, 5000])
def test_a_wfi_ends_at_the_deadline_and_not_before(timer: str, ticks: int) -> None:
    count = "CNTVCT_EL0" if timer == "CNTV" else "CNTPCT_EL0"
    guest = Guest(f"{GIC} {arm(timer, ticks)} mrs x20, {timer}_CVAL_EL0\n wfi\n mrs x21, {count}\n {ACKNOWLEDGE}")
    vcpu = guest.vcpu()
    assert (guest.outcome.status, vcpu.x(10)) == (0, TIMERS[timer][0])
    assert 0 <= vcpu.x(21) - vcpu.x(20) < 2000


@EITHER
def test_a_level_that_stays_high_comes_again_until_it_falls(timer: str) -> None:
    """As on KVM the virtual timer's may come once more: EL2 has taken it already when the guest disables the timer."""
    off = f"msr {timer}_CTL_EL0, xzr\n isb\n"
    guest = Guest(
        f"""{GIC} {arm(timer, 10)} wfi
        {ACKNOWLEDGE}
        mov x20, x10
        mrs x21, ICC_HPPIR1_EL1
        {ACKNOWLEDGE}
        mov x22, x10
        {off} {ACKNOWLEDGE}
        mov x23, x10
        {ACKNOWLEDGE}
        """
    )
    vcpu, intid = guest.vcpu(), TIMERS[timer][0]
    assert (vcpu.x(20), vcpu.x(21), vcpu.x(22)) == (intid, intid, intid)
    assert (vcpu.x(23), vcpu.x(10)) == (intid if timer == "CNTV" else 1023, 1023)


@EITHER
def test_while_it_is_masked_it_has_a_status_and_no_interrupt(timer: str) -> None:
    guest = Guest(
        f"""{GIC} mov x0, #5
        msr {timer}_TVAL_EL0, x0
        mov x0, #{ENABLE | IMASK}
        msr {timer}_CTL_EL0, x0
        mov x1, #500
    1:  sub x1, x1, #1
        cbnz x1, 1b
        mrs x20, {timer}_CTL_EL0
        {ACKNOWLEDGE}
        mov x21, x10
        mov x0, #{ENABLE}
        msr {timer}_CTL_EL0, x0
        isb
        {ACKNOWLEDGE}
        """
    )
    vcpu = guest.vcpu()
    assert (vcpu.x(20), vcpu.x(21), vcpu.x(10)) == (ENABLE | IMASK | ISTATUS, 1023, TIMERS[timer][0])


IRQ_LOOP = """
    mov x20, #0
    adr x0, table
    msr VBAR_EL1, x0
wait:                            // masked from the look to the WFI, which a pending interrupt ends all the same
    cmp x20, #10
    b.hs finish
    wfi
    msr daifclr, #2
    isb
    msr daifset, #2
    b wait
.balign 2048
table:
    .space 0x280
    mrs x10, ICC_IAR1_EL1
    cmp x10, #{intid}
    b.ne bad
    add x20, x20, #1
    mov x0, #{ticks}
    msr {timer}_TVAL_EL0, x0
    cmp x20, #10
    b.lo more
    msr {timer}_CTL_EL0, xzr
more:
    isb
    msr ICC_EOIR1_EL1, x10
    eret
bad:
    mov x24, #1
finish:
    {acknowledge}
"""


@EITHER
@pytest.mark.parametrize("ticks", [3, 100, 3000])
def test_a_guest_takes_each_interrupt_exactly_once(timer: str, ticks: int) -> None:
    loop = IRQ_LOOP.format(intid=TIMERS[timer][0], ticks=ticks, timer=timer, acknowledge=ACKNOWLEDGE)
    guest = Guest(f"{GIC} {arm(timer, ticks)} {loop}")
    vcpu = guest.vcpu()
    assert (guest.outcome.status, vcpu.x(20), vcpu.x(24), vcpu.x(10)) == (0, 10, 0, 1023)


def test_a_vcpu_that_waits_for_its_timer_is_blocked_and_woken() -> None:
    guest = Guest(f"{GIC} {arm('CNTP', 4000)} wfi\n {ACKNOWLEDGE}")
    assert [event.reason for event in guest.events(VcpuBlocked)] == ["WFI"]
    (woken,) = guest.events(KvmVcpuWakeup)
    assert 50_000 < woken.ns < 65_000
    assert [event.timer_idx for event in guest.events(KvmTimerHrtimerExpire)] == [PHYSICAL]
    assert [(event.irq, event.level) for event in guest.events(KvmTimerUpdateIrq)] == [(30, True)]


# --- off a CPU --------------------------------------------------------------------------------------------------------


@pytest.fixture
def vcpu() -> Vcpu:
    guest = Guest("nop\n", vcpus=2, run=False)
    guest.hypervisor.cpus[0].initialize()
    return guest.vcpu()


def pass_ticks(vcpu: Vcpu, ticks: int) -> None:
    vcpu.vm.hypervisor.machine.clock.idle_ns += ticks * 16


def test_the_virtual_timer_goes_with_its_vcpu(vcpu: Vcpu) -> None:
    """On a CPU it is the CPU's; off it, it is kept, and the CPU's is off, or the next vCPU's."""
    cpu, other = vcpu.vm.hypervisor.cpus[0], vcpu.vm.vcpus[1]
    cpu.load(vcpu)
    cpu.registers.write("CNTV_CVAL_EL0", 1 << 40)
    cpu.registers.write("CNTV_CTL_EL0", ENABLE)
    cpu.put()
    assert (vcpu.timers.virtual.ctl, vcpu.timers.virtual.cval) == (ENABLE, 1 << 40)
    assert cpu.registers.read("CNTV_CTL_EL0") == 0
    cpu.load(other)
    assert (cpu.registers.read("CNTV_CTL_EL0"), cpu.registers.read("CNTV_CVAL_EL0")) == (0, 0)
    cpu.put()
    cpu.load(vcpu)
    assert (cpu.registers.read("CNTV_CTL_EL0"), cpu.registers.read("CNTV_CVAL_EL0")) == (ENABLE, 1 << 40)


def test_off_a_cpu_a_deadline_stands_in_for_it(vcpu: Vcpu) -> None:
    cpu, timers = vcpu.vm.hypervisor.cpus[0], vcpu.timers
    cpu.load(vcpu)
    now = vcpu.vm.hypervisor.machine.clock.ticks
    cpu.registers.write("CNTV_CVAL_EL0", now + 100)
    cpu.registers.write("CNTV_CTL_EL0", ENABLE)
    assert timers.next_tick() is None, "the hardware runs it"
    cpu.put()
    assert timers.next_tick() == now + 100
    pass_ticks(vcpu, 99)
    timers.expire()
    assert not timers.hardware_level()
    pass_ticks(vcpu, 1)
    timers.expire()
    assert timers.hardware_level()


def test_a_virtual_count_has_its_own_offset(vcpu: Vcpu) -> None:
    cpu, vm = vcpu.vm.hypervisor.cpus[0], vcpu.vm
    pass_ticks(vcpu, 5000)
    vm.cntvoff = 4000
    cpu.load(vcpu)
    assert (cpu.registers.read("CNTVCT_EL0"), cpu.registers.read("CNTPCT_EL0")) == (1000, 5000)
    cpu.registers.write("CNTV_CVAL_EL0", 1100)
    cpu.registers.write("CNTV_CTL_EL0", ENABLE)
    cpu.put()
    assert vcpu.timers.next_tick() == 5100


@pytest.mark.parametrize("ctl", [0, IMASK, ENABLE | IMASK])
def test_what_cannot_interrupt_has_no_deadline(vcpu: Vcpu, ctl: int) -> None:
    timers = vcpu.timers
    timers.write_physical(timers.physical.write_cval, 100)
    timers.write_physical(timers.physical.write_ctl, ctl)
    assert timers.next_tick() is None


def test_the_earlier_of_both_timers_counts(vcpu: Vcpu) -> None:
    timers = vcpu.timers
    for timer, tick in ((timers.virtual, 300), (timers.physical, 200)):
        timer.write_cval(tick)
        timer.write_ctl(ENABLE)
        timer.settle()
    assert timers.next_tick() == 200


def test_a_reset_disables_both_and_lets_their_lines_fall(vcpu: Vcpu) -> None:
    timers, vgic = vcpu.timers, vcpu.vm.vgic
    timers.write_physical(timers.physical.write_ctl, ENABLE)
    assert timers.physical.level
    before = vgic.snapshot()
    timers.reset()
    assert (timers.physical.level, timers.physical.ctl, timers.next_tick()) == (False, 0, None)
    assert vgic.snapshot() != before


def test_a_restore_drives_no_line(vcpu: Vcpu) -> None:
    """The virtual timer of a loaded vCPU is in the CPU: what is kept of it here is old, and must not be acted on."""
    cpu, timers = vcpu.vm.hypervisor.cpus[0], vcpu.timers
    cpu.load(vcpu)
    timers.hardware_fired()
    kept, vgic = timers.snapshot(), vcpu.vm.vgic.snapshot()
    timers.restore(kept)
    assert (timers.snapshot(), vcpu.vm.vgic.snapshot()) == (kept, vgic)


def test_a_vcpu_that_is_off_is_not_woken_by_a_timer(vcpu: Vcpu) -> None:
    other = vcpu.vm.vcpus[1]
    other.timers.write_physical(other.timers.physical.write_ctl, ENABLE)
    assert other.timers.physical.level and other.state is State.OFF
