"""The hypervisor: the loop of exits and entries, on every CPU of a machine.

Read `hypervisor/vm.py`, `hypervisor/host_cpu.py`, `hypervisor/scheduler.py` and `hypervisor/dispatch.py` before this
file. The loop is turned inside out: the CPU runs the guest, and calls `entered` where VBAR_EL2 would have been entered.
What returns from there does an ERET. A CPU with no vCPU to run waits at EL2, as by WFI, and is resumed by an interrupt.

Compare Linux: kvm_arch_vcpu_ioctl_run in `arch/arm64/kvm/arm.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.syndromes import EC
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.stop import Stop
from arm_hyp.events import ExceptionTaken, Waited
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.costs import EXIT_NS
from arm_hyp.hypervisor.dispatch import dispatch
from arm_hyp.hypervisor.exits import InterruptExit, SyncExit, decode_exit
from arm_hyp.hypervisor.host_cpu import HostCpu
from arm_hyp.hypervisor.scheduler import Scheduler
from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory, PhysicalAllocator
from arm_hyp.hypervisor.stage2.tables import MachineTables
from arm_hyp.hypervisor.stage2.tlb import MachineTlb
from arm_hyp.hypervisor.stage2.vmid import VmidAllocator
from arm_hyp.hypervisor.vcpu import BOOT_PSTATE, State, Vcpu
from arm_hyp.hypervisor.vcpu_registers import EL2_OF_VCPU, PC, PSTATE
from arm_hyp.hypervisor.vm import Vm
from arm_hyp.hypervisor.vm_devices import VmInputs
from arm_hyp.kvm_events import KvmEntry, KvmExit, KvmVcpuWakeup, VcpuBlocked, VcpuPreempted, VcpuRunning
from arm_hyp.machine import board
from arm_hyp.machine.clock import NS_PER_TICK
from arm_hyp.machine.machine import RAM_BASE, TLB_GRID, Machine

KICK_SGI: Final = 0
"""The SGI that makes another CPU leave its guest: something changed for the vCPU there."""
_FIRST_SPECIAL: Final = 1020
Dispatch = Callable[[Vcpu, SyncExit], None]
_EXIT_GRID: Final = 4
"""One in so many exits empties the TLBs while there were few, and the very first one, behind all initialization."""
_EXIT_GRIDS_BITS: Final = 5
"""Later the grid is a 16th to a 32nd of the exits so far, a power of two."""


def is_on_exit_grid(count: int, retired: Callable[[], int]) -> bool:
    """Tell whether every TLB is emptied at the `count`th exit of a machine, so that a run can be resumed there exactly.

    An exit takes as long as thousands of instructions, so the grid that counts these is too wide for short runs.
    """
    grid = max(_EXIT_GRID, 1 << count.bit_length() >> _EXIT_GRIDS_BITS)
    return (count % grid == 0 or count == 1) and retired() < TLB_GRID


class Hypervisor:
    """All VMs of a machine. `dispatch` takes the exits: the default handlers, or a user's over them."""

    def __init__(self, machine: Machine, vms: Sequence[VmConfiguration], dispatch: Dispatch = dispatch) -> None:
        self.machine, self.dispatch = machine, dispatch
        self.tables, self.tlb = MachineTables(machine.ram_device), MachineTlb(machine.cpus)
        self.allocator = PhysicalAllocator(RAM_BASE, machine.memory_bytes)
        self.vmids = VmidAllocator(8, machine.cpus.cpus, self.tlb)
        self.scheduler = Scheduler()
        self.cpus = [self._take_over(core) for core in machine.cpus.cores]
        machine.unhandled_exit = self._unhandled_exit
        self._active: HostCpu | None = None  # the CPU on which Python runs now
        self.exits = 0
        self._interrupts: dict[int, Callable[[HostCpu], bool]] = {
            board.INTID_HYP_TIMER: self._host_timer,
            board.INTID_VIRTUAL_TIMER: self._virtual_timer,
        }
        reset_context = self._reset_context()
        self.vms = [Vm(self, index, configuration, reset_context) for index, configuration in enumerate(vms)]
        for vm in self.vms:
            for vcpu in vm.vcpus:
                self.scheduler.add(vcpu, vm.configuration.weight, vm.configuration.pins)
        self.inputs = VmInputs([vm.devices for vm in self.vms])
        for vm in self.vms:
            vm.start()

    def _take_over(self, core: Core) -> HostCpu:
        """Make the Python here the software at EL2 of a CPU, which is on from now on."""
        core.python_el2, core.python_resumes, core.in_python = self.entered, self.resumed, True
        core.semihosting = None  # a VM's HLT is UNDEFINED, as on KVM: it must not reach the machine or the host's files
        core.loops = lambda text: self._guest_loops(core, text)
        self.machine.cpus.on[core.index] = True
        return HostCpu(core, self.machine.board.bus)

    def _reset_context(self) -> dict[str, int]:
        registers = self.cpus[0].registers
        identity = {name: registers.read(name) for name in ("VPIDR_EL2",)}
        return registers.save() | EL2_OF_VCPU | identity | {PC: 0, PSTATE: BOOT_PSTATE}

    @property
    def vcpus(self) -> list[Vcpu]:
        """The vCPUs of all VMs."""
        return [vcpu for vm in self.vms for vcpu in vm.vcpus]

    # --- exits and entries -------------------------------------------------------------------------------------------

    def entered(self, core: Core, event: ExceptionTaken | None) -> None:
        """Handle an exception to EL2: called where VBAR_EL2 would have been entered.

        An observer may have the machine stop right here, before any of it is handled.
        """
        self._count_exit()
        if self.machine.cpus.where.is_reached:
            self.cpus[core.index].is_entered = core.in_python = True
            return
        cpu = self._active = self.cpus[core.index]
        try:
            self._exit(cpu)
            self._enter(cpu)
        finally:
            self._active = None

    def resumed(self, core: Core) -> None:
        """Go on where this CPU waited for an interrupt, was stopped, or had a handler fail; at first, initialize it."""
        cpu = self._active = self.cpus[core.index]
        try:
            self._go_on(cpu)
            self._enter(cpu)
        finally:
            self._active = None

    def _count_exit(self) -> None:
        self.exits += 1
        if is_on_exit_grid(self.exits, lambda: self.machine.retired):
            self.machine.cpus.flush_tlbs()
            self.machine.cpus.where.come_to_grid()

    def _unhandled_exit(self) -> int | None:
        """Tell of an exit at which an observer stopped the machine: how many instructions have retired with it."""
        cpu = self.cpus[self.machine.cpus.current.index]
        if not cpu.is_entered:
            return None
        syndrome = cpu.syndrome()
        return int(syndrome.kind is Kind.SYNC and syndrome.ec == EC.HVC64)

    @property
    def is_on_grid(self) -> bool:
        """Whether an observer stopped the machine at an exit that has emptied every TLB, before it was handled."""
        return self._unhandled_exit() is not None and is_on_exit_grid(self.exits, lambda: self.machine.retired)

    def _exit(self, cpu: HostCpu) -> None:
        """Find out why the guest was left, and handle it."""
        core, vcpu, syndrome, ret = cpu.core, cpu.vcpu, cpu.syndrome(), cpu.exit_kind()
        if vcpu is None:  # its VM was reset from another CPU, which interrupted this one
            self._take_interrupts(cpu)
            return
        exit = decode_exit(syndrome)
        if not core.silent:
            ec = syndrome.ec if ret == "TRAP" else 0
            vcpu.emit(KvmExit, ret=ret, esr_ec=ec, vcpu_pc=syndrome.elr, esr=syndrome.esr)
        self._pass_time(core)
        vcpu.vm.vgic.sync(vcpu.index)
        if ret == "ILLEGAL":  # KVM gives up too: ARM_EXCEPTION_IL in handle_exit
            vcpu.vm.crash(cpu.illegal_return())
        elif isinstance(exit, InterruptExit):
            self._take_interrupts(cpu)
        else:
            self._handle(cpu, vcpu, exit)

    def _handle(self, cpu: HostCpu, vcpu: Vcpu, exit: SyncExit) -> None:
        """Call the handler. Should it fail, the CPU stays at EL2, and this exit is where the run would go on."""
        vcpu.skips = 0
        cpu.is_handling = cpu.core.in_python = True
        try:
            self.dispatch(vcpu, exit)
        except OutOfPhysicalMemory as error:
            vcpu.vm.crash(f"no memory: {error}")
        cpu.is_handling = cpu.core.in_python = False

    def _go_on(self, cpu: HostCpu) -> None:
        if cpu.is_entered:
            cpu.is_entered = False
            self._exit(cpu)
            return
        if cpu.is_handling and cpu.vcpu is not None:
            exit = decode_exit(cpu.syndrome())
            assert not isinstance(exit, InterruptExit)
            self._handle(cpu, cpu.vcpu, exit)
            return
        if not cpu.is_initialized:
            cpu.initialize()
        self._take_interrupts(cpu)

    def _enter(self, cpu: HostCpu) -> None:
        """Choose the vCPU to run next and make everything ready for the ERET; or have the CPU wait."""
        for vm in self.vms:
            if vm.reset_wanted:
                vm.finish_reset()
        if cpu.must_choose:
            cpu.must_choose = False
            self._choose(cpu)
            cpu.set_deadline(self._next_tick(cpu))
            self._spread(cpu)
        vcpu = cpu.vcpu
        if vcpu is None or cpu.is_idle:
            cpu.core.waiting = "wfi"
            cpu.core.emit(Waited, instruction="wfi")
            return
        vcpu.vm.vgic.flush(vcpu.index)
        if not cpu.core.silent:
            vcpu.emit(KvmEntry, vcpu_pc=vcpu.pc)

    def _pass_time(self, core: Core) -> None:
        self.machine.clock.idle_ns += EXIT_NS
        core.counters.time_passed(EXIT_NS)
        self.machine.agenda.time_passed(EXIT_NS)

    # --- who runs ----------------------------------------------------------------------------------------------------

    @property
    def _now_ns(self) -> int:
        return self.machine.clock.now_ns

    def _choose(self, cpu: HostCpu) -> None:
        """Let the vCPU run that the scheduler wants on a CPU. One that waits stays loaded until the place is needed."""
        current, now_ns = cpu.vcpu, self._now_ns
        chosen = self.scheduler.next(cpu.index, current, now_ns)
        if current is not None and chosen is not current:
            if current.state is State.RUNNING:
                ran_ns = self.scheduler.stop(current, State.READY, now_ns)
                current.emit(VcpuPreempted, reason="its slice is over", ran_ns=ran_ns)
            if chosen is not None or current.state is not State.BLOCKED:
                cpu.put()
        if chosen is not None and chosen.state is State.READY:
            self._run(chosen, cpu, now_ns)

    def _spread(self, chosen: HostCpu) -> None:
        """Have other CPUs look too where somebody waits: those that are idle, or would come back to EL2 too late."""
        for cpu in self.cpus:
            end_tick = self._slice_end_tick(cpu)
            if cpu is not chosen and end_tick is not None and end_tick < cpu.deadline_tick:
                self._interrupt(cpu)

    def _run(self, vcpu: Vcpu, cpu: HostCpu, now_ns: int) -> None:
        if cpu.vcpu is not vcpu:
            self._fetch_fp(vcpu, cpu)
            cpu.load(vcpu)
        waited_ns = self.scheduler.run(vcpu, now_ns)
        vcpu.vm.calls.pvtime.update(vcpu, waited_ns)
        vcpu.emit(VcpuRunning, waited_ns=waited_ns)

    def _fetch_fp(self, vcpu: Vcpu, to: HostCpu) -> None:
        """Fetch the FP registers of a vCPU that are still in another CPU than the one that it is to run on."""
        for cpu in self.cpus:
            if cpu.fp_owner is vcpu and cpu is not to:
                cpu.save_fp()

    def block(self, vcpu: Vcpu, reason: str) -> None:
        """Have a vCPU wait for an interrupt, unless one is pending already."""
        if vcpu.state is State.RUNNING and not vcpu.vm.vgic.has_pending(vcpu.index):
            self.scheduler.stop(vcpu, State.BLOCKED, self._now_ns)
            self._choose_again(vcpu)
            vcpu.emit(VcpuBlocked, reason=reason)

    def yielded(self, vcpu: Vcpu) -> None:
        """Let those run first that wait for the CPU of a vCPU; if there are none, let the other CPUs run."""
        cpu = vcpu.cpu
        if cpu is None or vcpu.state is not State.RUNNING:
            return
        if self.scheduler.waiting(cpu.index):
            self.scheduler.give_way(vcpu, cpu.index, self._now_ns)
            cpu.must_choose = True
        elif len(self.cpus) > 1:
            cpu.core.request_stop(Stop.YIELDED)

    def start(self, vcpu: Vcpu) -> None:
        """Let a vCPU run that was off."""
        self.scheduler.ready(vcpu, self._now_ns)
        self._notify(vcpu)

    def stop(self, vcpu: Vcpu) -> None:
        """Let a vCPU run no more."""
        if vcpu.state is not State.OFF:
            self.scheduler.stop(vcpu, State.OFF, self._now_ns)
            self._choose_again(vcpu)
            if vcpu.cpu is not None:
                self._interrupt(vcpu.cpu)

    def kick(self, vcpu: Vcpu) -> None:
        """Have a vCPU look at its interrupts: wake it, or have it leave its guest. Compare kvm_vcpu_kick."""
        if vcpu.state is State.BLOCKED:
            now_ns = self._now_ns
            vcpu.emit(KvmVcpuWakeup, ns=now_ns - self.scheduler.account(vcpu).since_ns)
            self.scheduler.ready(vcpu, now_ns)
            self._notify(vcpu)
        elif vcpu.state is State.RUNNING and vcpu.cpu is not None:
            self._interrupt(vcpu.cpu)

    def _notify(self, vcpu: Vcpu) -> None:
        """Have a CPU look for something to run, an idle one if there is any that may run this vCPU."""
        allowed = [cpu for cpu in self.cpus if self.scheduler.may_run(vcpu, cpu.index)]
        best = min(allowed, key=lambda cpu: (not cpu.is_idle, cpu.index != vcpu.home))
        self._interrupt(best)

    def _interrupt(self, cpu: HostCpu) -> None:
        """Have a CPU come to EL2, if it is not there now, and choose there."""
        cpu.must_choose = True
        if cpu is not self._active and cpu.is_initialized:
            cpu.gic.send_sgi(cpu.index, KICK_SGI)

    def vm_ended(self) -> None:
        """End the machine's run when no VM is left."""
        ends = [vm.end for vm in self.vms]
        if None not in ends:
            worst = max((end for end in ends if end is not None), key=lambda end: end.status)
            self.machine.cpus.system_off(worst.status, worst.text)

    def _guest_loops(self, core: Core, text: str) -> None:
        """End a VM whose guest takes the same exception for ever: no instruction retires, so no time passes either."""
        vcpu = self.cpus[core.index].vcpu
        if vcpu is not None:
            vcpu.vm.crash(text)

    def timer_changed(self, vcpu: Vcpu) -> None:
        """Look again when a CPU must come back to EL2: a timer that no hardware runs has been set."""
        self.cpus[vcpu.home].must_choose = True

    def _choose_again(self, vcpu: Vcpu) -> None:
        if vcpu.cpu is not None:
            vcpu.cpu.must_choose = True

    # --- physical interrupts -----------------------------------------------------------------------------------------

    def _take_interrupts(self, cpu: HostCpu) -> None:
        """Acknowledge and handle all that is pending at this CPU's interrupt controller."""
        cpu.must_choose = True
        while (intid := cpu.gic.acknowledge()) < _FIRST_SPECIAL:
            action = self._interrupts.get(intid)
            is_guests = action(cpu) if action is not None else False
            cpu.gic.priority_drop(intid)
            if not is_guests:
                cpu.gic.deactivate(intid)

    def _host_timer(self, cpu: HostCpu) -> bool:
        """CNTHP: a slice is over, or the timer of a vCPU is due that no hardware runs."""
        cpu.set_deadline(None)
        for vcpu in self.vcpus:
            vcpu.timers.expire()
        return False

    def _virtual_timer(self, cpu: HostCpu) -> bool:
        """CNTV: it belongs to the vCPU that is loaded, which will deactivate it through its list register."""
        if cpu.vcpu is None:
            return False
        cpu.vcpu.timers.hardware_fired()
        return True

    def _next_tick(self, cpu: HostCpu) -> int | None:
        """Return when this CPU must come back to EL2: the end of a slice, or a timer that it keeps for a vCPU."""
        ticks = [
            tick for vcpu in self.vcpus if vcpu.home == cpu.index and (tick := vcpu.timers.next_tick()) is not None
        ]
        end_tick = self._slice_end_tick(cpu)
        return min(ticks if end_tick is None else [*ticks, end_tick], default=None)

    def _slice_end_tick(self, cpu: HostCpu) -> int | None:
        """Return when another vCPU takes a CPU over, if any waits for it."""
        end_ns = self.scheduler.slice_end_ns(cpu.index, cpu.vcpu)
        return None if end_ns is None else -(-end_ns // NS_PER_TICK)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data, beside the machine's."""
        return {
            "version": 2,
            "exits": self.exits,
            "allocator": self.allocator.snapshot(),
            "vmids": self.vmids.snapshot(),
            "scheduler": self.scheduler.snapshot(),
            "vms": [vm.snapshot() for vm in self.vms],
            "cpus": [cpu.snapshot() for cpu in self.cpus],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back, after the machine has. Raises: ValueError if it is of another version."""
        if state["version"] != 2:
            raise ValueError(f"a hypervisor's snapshot of version {state['version']}; wanted 2")
        self.exits = state["exits"]
        self.allocator.restore(state["allocator"])
        self.vmids.restore(state["vmids"])
        self.scheduler.restore(state["scheduler"])
        for vcpu in self.vcpus:
            vcpu.cpu = None
            vcpu.vm.vgic.attach(vcpu.index, None)
        vcpus = {vcpu.name: vcpu for vcpu in self.vcpus}
        for cpu, saved in zip(self.cpus, state["cpus"], strict=True):
            cpu.restore(saved, vcpus)
        for vm, kept in zip(self.vms, state["vms"], strict=True):
            vm.restore(kept)
