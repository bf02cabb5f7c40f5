"""The timers of a vCPU: the virtual one is the CPU's own while the vCPU runs, the physical one is emulated.

Read `machine/timers.py` before this file, `hypervisor/hypervisor.py` after it. While a vCPU is on no CPU its virtual
timer is kept here, as a deadline: the host's timer, CNTHP, interrupts some CPU when it passes. The guest's physical
timer never reaches the hardware: CNTHCTL_EL2.EL1PCEN = 0 traps each access to it.

Compare Linux: `arch/arm64/kvm/arch_timer.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.kvm_events import (
    KvmTimerEmulate,
    KvmTimerHrtimerExpire,
    KvmTimerRestoreState,
    KvmTimerSaveState,
    KvmTimerUpdateIrq,
)
from arm_hyp.machine import board
from arm_hyp.machine.timers import ENABLE, IMASK, ISTATUS, Timer

if TYPE_CHECKING:
    from arm_hyp.hypervisor.host_cpu import HostCpu
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.machine.seams import Clock, IrqLine

VIRTUAL, PHYSICAL = 0, 1
"""The timers' indexes in events, as KVM numbers them."""
_INTIDS: Final = {VIRTUAL: board.INTID_VIRTUAL_TIMER, PHYSICAL: board.INTID_PHYSICAL_TIMER}
_M64: Final = (1 << 64) - 1


class VcpuTimers:
    """Both timers of one vCPU. `virtual` is up to date only while the vCPU is on no CPU."""

    def __init__(self, vcpu: Vcpu, clock: Clock) -> None:
        self._vcpu, self._clock = vcpu, clock
        self.virtual = Timer(clock, self._virtual_count, self._line(VIRTUAL))
        self.physical = Timer(clock, lambda: clock.ticks, self._line(PHYSICAL))

    def _virtual_count(self) -> int:
        return self._clock.ticks - self._vcpu.vm.cntvoff & _M64

    def _line(self, timer: int) -> IrqLine:
        vcpu = self._vcpu
        line = vcpu.vm.vgic.ppi(vcpu.index, _INTIDS[timer])

        def drive(level: bool) -> None:
            vcpu.emit(KvmTimerUpdateIrq, vcpu_id=vcpu.index, irq=_INTIDS[timer], level=level)
            line(level)

        return drive

    # --- on and off a CPU --------------------------------------------------------------------------------------------

    def load(self, cpu: HostCpu) -> None:
        """Put the virtual timer into the CPU's. The vGIC, which is loaded after it, sees to the active state."""
        vcpu, virtual = self._vcpu, self.virtual
        cpu.registers.write("CNTV_CVAL_EL0", virtual.cval)
        cpu.registers.write("CNTV_CTL_EL0", virtual.ctl)
        vcpu.emit(KvmTimerRestoreState, ctl=virtual.ctl, cval=virtual.cval, timer_idx=VIRTUAL)

    def put(self, cpu: HostCpu) -> None:
        """Take the virtual timer out of the CPU, after the vGIC, and keep it as a deadline."""
        virtual, registers = self.virtual, cpu.registers
        virtual.ctl = registers.read("CNTV_CTL_EL0") & (ENABLE | IMASK)
        virtual.cval = registers.read("CNTV_CVAL_EL0")
        registers.write("CNTV_CTL_EL0", 0)
        self._vcpu.emit(KvmTimerSaveState, ctl=virtual.ctl, cval=virtual.cval, timer_idx=VIRTUAL)
        virtual.settle()

    def hardware_fired(self) -> None:
        """Note that the CPU's virtual timer has raised its interrupt: it is the loaded vCPU's."""
        self.virtual.level = True
        self._line(VIRTUAL)(True)

    def hardware_level(self) -> bool:
        """Tell whether the virtual timer's output is high, wherever the timer is. The vGIC asks when it is done."""
        cpu = self._vcpu.cpu
        if cpu is not None:
            ctl = cpu.registers.read("CNTV_CTL_EL0")
            self.virtual.level = ctl & (ENABLE | IMASK | ISTATUS) == ENABLE | ISTATUS
        return self.virtual.level

    # --- deadlines ---------------------------------------------------------------------------------------------------

    def next_tick(self) -> int | None:
        """Return the tick of the physical counter at which a timer that the hardware does not run fires next."""
        waiting = (self.physical,) if self._vcpu.cpu is not None else (self.virtual, self.physical)
        ticks = [timer.deadline_tick for timer in waiting if timer.deadline_tick is not None]
        return min(ticks, default=None)

    def expire(self) -> None:
        """Fire what is due of the timers that the hardware does not run."""
        timers = {PHYSICAL: self.physical} | ({} if self._vcpu.cpu is not None else {VIRTUAL: self.virtual})
        for index, timer in timers.items():
            if timer.deadline_tick is not None and timer.deadline_tick <= self._clock.ticks:
                self._vcpu.emit(KvmTimerHrtimerExpire, timer_idx=index)
                timer.settle()

    def write_physical(self, write: Callable[[int], None], value: int) -> None:
        """Write a register of the emulated timer, and see at once what follows from it."""
        write(value)
        self.physical.settle()
        self._vcpu.emit(KvmTimerEmulate, timer_idx=PHYSICAL, should_fire=self.physical.level)
        self._vcpu.vm.hypervisor.timer_changed(self._vcpu)

    def read(self, name: str) -> int:
        """Read CNTV_CTL, CNTV_CVAL, CNTP_CTL or CNTP_CVAL of EL0 as the guest would."""
        cpu, timer = self._vcpu.cpu, self.virtual if name.startswith("CNTV") else self.physical
        if cpu is not None and timer is self.virtual:
            return cpu.registers.read(name)
        return timer.read_ctl() if "_CTL_" in name else timer.cval

    def write(self, name: str, value: int) -> None:
        """Write one of these registers as the guest would. Raises: ValueError if the value does not fit."""
        if not 0 <= value <= _M64:
            raise ValueError(f"{value!r} does not fit into the 64 bits of {name}")
        cpu, timer = self._vcpu.cpu, self.virtual if name.startswith("CNTV") else self.physical
        if cpu is not None and timer is self.virtual:
            cpu.registers.write(name, value)
            return
        (timer.write_ctl if "_CTL_" in name else timer.write_cval)(value)
        timer.settle()
        self._vcpu.vm.hypervisor.timer_changed(self._vcpu)

    # --- state -------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Disable both timers, as a reset of the CPU does: their lines fall. The vCPU is on no CPU."""
        for timer in (self.virtual, self.physical):
            timer.ctl = timer.cval = 0
            timer.settle()

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {"virtual": _state(self.virtual), "physical": _state(self.physical)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back; the vGIC restores its lines itself."""
        for timer, saved in ((self.virtual, state["virtual"]), (self.physical, state["physical"])):
            timer.ctl, timer.cval, timer.level, timer.deadline_tick = saved


def _state(timer: Timer) -> list[int | bool | None]:
    return [timer.ctl, timer.cval, timer.level, timer.deadline_tick]
