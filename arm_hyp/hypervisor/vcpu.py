"""A vCPU: the registers of a CPU that a VM believes to have, and what a handler may do to it.

Read `hypervisor/exits.py` and `cpu/context.py` before this file, `hypervisor/host_cpu.py` after it. While a vCPU is
loaded on a CPU its registers are in that core, all other time in `context`. Handlers are called with it loaded.

Compare Linux: `struct kvm_vcpu`, `arch/arm64/kvm/arm.c`, and for the injections `inject_fault.c`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.exceptions import Kind, enter
from arm_hyp.arch.id_policy import mpidr
from arm_hyp.arch.pstate import PSTATE_IL, PSTATE_SS
from arm_hyp.arch.registers.pstate import Mode
from arm_hyp.arch.syndromes import EC, encode_abort, encode_unknown
from arm_hyp.hypervisor import guest_memory, vcpu_registers
from arm_hyp.hypervisor.student import plain_data
from arm_hyp.hypervisor.vcpu_registers import PC, PSTATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from arm_hyp.hypervisor.host_cpu import HostCpu
    from arm_hyp.hypervisor.vm import Vm
    from arm_hyp.hypervisor.vtimer import VcpuTimers
    from arm_hyp.kvm_events import VmEvent

HCR_VSE: Final = 1 << 8
BOOT_PSTATE: Final = 0x3C5
"""EL1h with DAIF masked: how PSCI and the boot protocol start a CPU."""
GUEST_MODES: Final = (Mode.EL0t, Mode.EL1t, Mode.EL1h)
"""PSTATE.M <4:0> of a guest: KVM takes these and no others (set_core_reg in `arch/arm64/kvm/guest.c`)."""
_PSTATE_MODE: Final = 0x1F
_PSTATE_BTYPE: Final = 3 << 10
_EXTERNAL_ABORT: Final = 0b010000
_M64: Final = (1 << 64) - 1


class State(StrEnum):
    """What a vCPU does. Only a READY one can be picked by the scheduler."""

    OFF = "off"
    READY = "ready"
    RUNNING = "running"
    BLOCKED = "blocked"


class Vcpu:
    """One vCPU of a VM. `data` is free for handlers: plain data, which snapshots carry."""

    def __init__(self, vm: Vm, index: int, reset_context: dict[str, int]) -> None:
        self.vm, self.index = vm, index
        self.data: dict[str, Any] = {}
        self.debug: dict[str, int] = {}
        self.cpu: HostCpu | None = None
        self.home = 0  # the CPU that it last ran on
        self.timers: VcpuTimers
        self.state = State.OFF
        self.skips = 0  # calls of skip_instruction in this exit
        self._reset_context = reset_context | {"VMPIDR_EL2": mpidr(index)}
        self.context: dict[str, int] = dict(self._reset_context)

    @property
    def name(self) -> str:
        """VM and index, for messages."""
        return f"{self.vm.name}/vcpu{self.index}"

    # --- registers ---------------------------------------------------------------------------------------------------

    def x(self, number: int) -> int:
        """Read X0..X30; 31 reads as zero."""
        if self.cpu is not None:
            return self.cpu.core.x(number)
        return self.context[f"X{number}"] if number < 31 else 0

    def set_x(self, number: int, value: int) -> None:
        """Write X0..X30, modulo 2 to the power 64; 31 is discarded."""
        if self.cpu is not None:
            self.cpu.core.set_x(number, value)
        elif number < 31:
            self.context[f"X{number}"] = value & _M64

    def q(self, number: int) -> int:
        """Read Q0..Q31, 128 bits."""
        return vcpu_registers.read(self, f"Q{number}")

    def set_q(self, number: int, value: int) -> None:
        """Write Q0..Q31, 128 bits."""
        vcpu_registers.write(self, f"Q{number}", value)

    @property
    def pc(self) -> int:
        """The guest's PC: ELR_EL2 while its exit is handled."""
        return self._return_place()[0]

    @pc.setter
    def pc(self, value: int) -> None:
        self._return_to(value & _M64, self.pstate)

    @property
    def pstate(self) -> int:
        """The guest's PSTATE: SPSR_EL2 while its exit is handled.

        Writing takes it modulo 2 to the power 64. Raises: ValueError if M <4:0> is no mode of a guest, as KVM answers
        EINVAL: from EL2 an ERET there would be illegal, or run the guest at EL2. Ref: Arm ARM D1.3 (illegal returns).
        """
        return self._return_place()[1]

    @pstate.setter
    def pstate(self, value: int) -> None:
        if value & _PSTATE_MODE not in GUEST_MODES:
            modes = ", ".join(f"{mode.name} ({mode:#x})" for mode in GUEST_MODES)
            raise ValueError(f"PSTATE {value:#x}: M <4:0> is {value & _PSTATE_MODE:#x}; a guest's are {modes}")
        self._return_to(self.pc, value & _M64)

    def _return_place(self) -> tuple[int, ...]:
        return self.cpu.return_registers.read() if self.cpu is not None else (self.context[PC], self.context[PSTATE])

    def _return_to(self, pc: int, pstate: int) -> None:
        if self.cpu is not None:
            self.cpu.return_registers.write(pc, pstate)
        else:
            self.context[PC], self.context[PSTATE] = pc, pstate

    def read(self, name: str) -> int:
        """Read a register by name: X0..X30, Q0..Q31, PC, PSTATE, SP_EL0, SP_EL1, or a system register.

        Also `vcpu[name]`. Raises: KeyError if a vCPU has no such register.
        """
        return vcpu_registers.read(self, name)

    def write(self, name: str, value: int) -> None:
        """Write a register by name, with all effects that a write by software has. Also `vcpu[name] = value`.

        Raises: KeyError if a vCPU has no such register, ValueError if the value does not fit.
        """
        vcpu_registers.write(self, name, value)

    __getitem__ = read
    __setitem__ = write

    # --- what a handler does -----------------------------------------------------------------------------------------

    def skip_instruction(self) -> None:
        """Go on behind the instruction that trapped: the handler has done its work.

        PSTATE.BTYPE and SS are cleared, as by any instruction that completes. Compare KVM's kvm_skip_instr.
        """
        self.skips += 1
        pc, pstate = self._return_place()
        self._return_to(pc + 4 & _M64, pstate & ~(_PSTATE_BTYPE | PSTATE_SS))

    def wait_for_interrupt(self) -> None:
        """Give the CPU away until an interrupt is pending for this vCPU, as WFI does; at once if one is."""
        self.vm.hypervisor.block(self, "WFI")

    def yield_cpu(self) -> None:
        """Let another vCPU run, if one can; this one stays ready."""
        self.vm.hypervisor.yielded(self)

    # --- injections --------------------------------------------------------------------------------------------------

    def inject_undef(self) -> None:
        """Have the guest take an UNDEFINED exception at its PC."""
        self._inject(encode_unknown())

    def inject_data_abort(self, va: int, *, is_write: bool = False) -> None:
        """Have the guest take a synchronous external abort for a data access at a virtual address."""
        ec = EC.DATA_ABORT_LOWER if self._el == 0 else EC.DATA_ABORT_SAME
        self._inject(encode_abort(ec, _EXTERNAL_ABORT, wnr=is_write), far=va)

    def inject_instruction_abort(self, va: int) -> None:
        """Have the guest take a synchronous external abort for a fetch at a virtual address."""
        ec = EC.INSTRUCTION_ABORT_LOWER if self._el == 0 else EC.INSTRUCTION_ABORT_SAME
        self._inject(encode_abort(ec, _EXTERNAL_ABORT), far=va)

    def inject_serror(self) -> None:
        """Make a virtual SError pending (HCR_EL2.VSE): the guest takes it when PSTATE.A allows."""
        self.write("HCR_EL2", self.read("HCR_EL2") | HCR_VSE)

    def inject_irq(self, intid: int, level: bool = True) -> None:
        """Drive an interrupt of the VM's interrupt controller: private below 32, else shared."""
        self.vm.vgic.inject(self.index, intid, level)

    @property
    def _el(self) -> int:
        return self.pstate >> 2 & 3

    def _inject(self, esr: int, far: int | None = None) -> None:
        """Do what exception entry to EL1 would do. Compare KVM's enter_exception64."""
        pc, pstate = self.pc, self.pstate
        features = self.vm.hypervisor.machine.core.state_features
        new = enter(Kind.SYNC, 1, pstate & ~PSTATE_IL, self.read("SCTLR_EL1"), features)
        self.write("ELR_EL1", pc)
        self.write("SPSR_EL1", new.spsr)
        self.write("ESR_EL1", esr)
        if far is not None:
            self.write("FAR_EL1", far)
        vector = self.read("VBAR_EL1") + new.vector_offset & _M64
        self._return_to(vector, new.pstate)
        if self.cpu is not None:
            self.cpu.core.exceptions.watch_for_loops(self.cpu.core.retired, pc, vector)

    # --- memory ------------------------------------------------------------------------------------------------------

    def read_va(self, va: int, size_bytes: int) -> bytes:
        """Read guest memory at a virtual address, as the guest at its present level would.

        Raises: guest_memory.GuestMemoryError where it would fault, or where there is no RAM.
        """
        return guest_memory.read_va(self, va, size_bytes)

    def write_va(self, va: int, data: bytes) -> None:
        """Write guest memory at a virtual address. Raises: guest_memory.GuestMemoryError, nothing written."""
        guest_memory.write_va(self, va, data)

    # --- power -------------------------------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether the vCPU is powered on: PSCI's view of it."""
        return self.state is not State.OFF

    def power_on(self, entry: int, context_id: int) -> None:
        """Start a vCPU that is off, in its reset state, at a guest physical address, with X0 = `context_id`."""
        self.context = self._reset_context | {PC: entry, PSTATE: BOOT_PSTATE, "X0": context_id}
        self.vm.hypervisor.cpus[self.home].forget_fp(self)
        self.debug.clear()
        self.timers.reset()
        self.vm.hypervisor.start(self)

    def power_off(self) -> None:
        """Switch the vCPU off: it does not run on."""
        self.vm.hypervisor.stop(self)

    @property
    def sctlr(self) -> int:
        """SCTLR_EL1, which every emulated access asks for."""
        return self.cpu.core.controls.values.sctlr_el1 if self.cpu is not None else self.read("SCTLR_EL1")

    @property
    def is_heard(self) -> bool:
        """Tell whether anyone listens to events, so that what they say is worth working out."""
        return self.cpu is None or not self.cpu.core.silent

    # --- events ------------------------------------------------------------------------------------------------------

    def emit(self, make: Callable[..., VmEvent], **fields: Any) -> None:
        """Emit an event of this vCPU, if anyone listens."""
        core = self.cpu.core if self.cpu is not None else self.vm.hypervisor.machine.cpus.current
        if not core.silent:
            time_ns = self.vm.hypervisor.machine.clock.now_ns
            core.emit(make, vm=self.vm.name, vcpu=self.index, time_ns=time_ns, **fields)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state, plain; the registers of a loaded vCPU are in the core's."""
        return {
            "context": dict(self.context),
            "data": plain_data.copy(self.data, f"{self.name}.data"),
            "debug": dict(self.debug),
            "state": self.state.value,
            "home": self.home,
            "timers": self.timers.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.context, self.debug = dict(state["context"]), dict(state["debug"])
        self.data.clear()
        self.data.update(plain_data.copy(state["data"], f"{self.name}.data"))
        self.state, self.home = State(state["state"]), state["home"]
        self.timers.restore(state["timers"])
