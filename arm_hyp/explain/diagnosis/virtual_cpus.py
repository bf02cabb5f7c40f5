"""What could interrupt a vCPU, and what a vCPU that does not run waits for.

Read `hypervisor/vgic/dist.py` and `explain/diagnosis/waiting.py` before this file; `physical_cpus.py` is the same for
the machine's CPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.arch.gic import IDLE_PRIORITY
from arm_hyp.arch.registers.gic_virtual import ICH_VMCR_EL2
from arm_hyp.explain.diagnosis.gates import Interface, Interrupt
from arm_hyp.explain.diagnosis.model import Finding
from arm_hyp.explain.diagnosis.others import other_vcpu
from arm_hyp.explain.diagnosis.timers import TimerState, timer_state
from arm_hyp.explain.diagnosis.waiting import Cause, Inputs, awaited, either, held_back, nothing_comes
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.machine.timers import ENABLE, IMASK, ISTATUS

if TYPE_CHECKING:
    from arm_hyp.cpu.symbols import SymbolTable
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vgic.irq import VgicIrq

_M64: Final = (1 << 64) - 1
_NS_PER_TICK: Final = 16


def inputs_of(vcpu: Vcpu) -> Inputs:
    """Collect all that could interrupt a vCPU. Its interrupts are virtual: HCR_EL2 routes them to EL1 always."""
    vgic = vcpu.vm.vgic
    groups, vmcr = vgic.enables(vcpu.index)
    fields = ICH_VMCR_EL2(vmcr)
    own_groups = int(fields.VENG1) << 1 | int(fields.VENG0)
    version = vcpu.vm.hypervisor.machine.options.gic
    interface = Interface(version, groups, own_groups, int(fields.VPMR), IDLE_PRIORITY, bool(fields.VFIQEn))
    interrupts = [_interrupt(irq, vcpu.index) for irq in vgic.interrupts(vcpu.index)]
    core = None if vcpu.cpu is None else vcpu.cpu.core
    pstate = core.pstate if core is not None and core.el < 2 else vcpu.pstate
    return Inputs(_timers(vcpu), interrupts, interface, pstate, 0)


def _interrupt(irq: VgicIrq, vcpu: int) -> Interrupt:
    is_target = irq.target_vcpu == vcpu
    pending = irq.pending_now and (is_target or irq.target_vcpu is None)
    return Interrupt(irq.intid, pending, irq.enabled, irq.active, irq.group, irq.priority, is_target)


def _timers(vcpu: Vcpu) -> list[TimerState]:
    now_ns = vcpu.vm.hypervisor.machine.clock.now_ns
    physical = timer_state("CNTP", vcpu.timers.physical, now_ns)
    if vcpu.cpu is None:
        return [timer_state("CNTV", vcpu.timers.virtual, now_ns), physical]
    ctl, cval = (vcpu.cpu.registers.read(f"CNTV_{name}_EL0") for name in ("CTL", "CVAL"))
    is_met = bool(ctl & ISTATUS)
    due_ticks = cval - (now_ns // _NS_PER_TICK - vcpu.vm.cntvoff) & _M64
    due_ns = due_ticks * _NS_PER_TICK if ctl & (ENABLE | IMASK) == ENABLE and not is_met else None
    return [TimerState("CNTV", ctl & (ENABLE | IMASK), is_met, due_ns), physical]


def held_from(vcpu: Vcpu) -> Cause | None:
    """Say what holds an interrupt back that is on its way to a vCPU that runs."""
    return held_back(inputs_of(vcpu), can_be_masked=True)


def idle_vcpu(vcpu: Vcpu, symbols: SymbolTable, ends: bool) -> Finding:
    """Say what a vCPU that does not run waits for. `ends`: something will end the wait."""
    if vcpu.vm.end is not None and vcpu.vm.end.reason != "off":
        return Finding("off", vcpu.name, f"is off: its VM has ended ({vcpu.vm.end.reason}), {vcpu.vm.end.text}")
    if vcpu.state is State.OFF:
        return Finding("off", vcpu.name, other_vcpu(vcpu).doing)
    if vcpu.state is not State.BLOCKED:
        return Finding("idle", vcpu.name, "is ready, and waits for a CPU to run on")
    pc, el = vcpu.pc - 4, vcpu.pstate >> 2 & 3
    name = symbols.describe(pc)
    text = f"is blocked in WFI at EL{el} ({pc:#x}{f' <{name}>' if name else ''})"
    inputs = inputs_of(vcpu)
    if ends:
        return Finding("idle", vcpu.name, f"{text} for {either(awaited(inputs))}")
    cause = held_back(inputs, can_be_masked=False) or nothing_comes(inputs)
    return Finding("wait", vcpu.name, f"{text} for ever: {cause.text}", (), cause.advice)
