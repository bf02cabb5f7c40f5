"""A physical CPU as the hypervisor uses it: one vCPU loaded on it at a time, and all that must change hands then.

Read `cpu/context.py` and `hypervisor/vcpu.py` before this file, `hypervisor/hypervisor.py` after it. Compare Linux:
kvm_arch_vcpu_load and kvm_arch_vcpu_put, `__activate_traps`, and the lazy switch of FP (`fpsimd.c`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.exceptions import Kind, illegal_return
from arm_hyp.cpu.context import El1Contexts, exit_registers, return_registers
from arm_hyp.cpu.core import Core
from arm_hyp.hypervisor.exits import Syndrome
from arm_hyp.hypervisor.physical_gic import PhysicalGic, PhysicalGicv2, PhysicalGicv3
from arm_hyp.hypervisor.vcpu import BOOT_PSTATE, State
from arm_hyp.hypervisor.vcpu_registers import CPTR_TFP, EL2_OF_VCPU, HCR_HOST, PC, PSTATE
from arm_hyp.hypervisor.vgic.interfaces import Gicv2Interface, Gicv3Interface, VirtualCpuInterface
from arm_hyp.kvm_events import ExitKind
from arm_hyp.machine.bus import Bus

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu

_KINDS: Final = tuple(Kind)
_RETS: Final[dict[Kind, ExitKind]] = {Kind.SYNC: "TRAP", Kind.IRQ: "IRQ", Kind.FIQ: "IRQ", Kind.SERROR: "SERROR"}
_FROM_LOWER_EL: Final = 0x400
"""This bit of the vector's offset tells that an exception came from a lower level, and not from EL2 itself."""
_NO_DEADLINE: Final = (1 << 64) - 1
_ENABLE: Final = 1
_SRE_ENABLE: Final = 1 << 3 | 1
"""ICC_SRE_EL2.Enable <3> and SRE <0>: system registers at EL2, and EL1 may have them too."""


class PhysicalBus:
    """Devices by physical address, as a CPU at EL2 reaches them with loads and stores."""

    def __init__(self, bus: Bus, cpu: int) -> None:
        self._bus, self._cpu = bus, cpu

    def read(self, address: int, size_bytes: int) -> int:
        """Read a device's register. Raises: BusError where there is none."""
        region = self._bus.find(address)
        return region.device(self._cpu).read(address - region.base, size_bytes)

    def write(self, address: int, size_bytes: int, value: int) -> None:
        """Write a device's register. Raises: BusError where there is none."""
        region = self._bus.find(address)
        region.device(self._cpu).write(address - region.base, size_bytes, value)


def _interrupt_controller(core: Core, bus: PhysicalBus) -> tuple[PhysicalGic, VirtualCpuInterface]:
    """Return the drivers of the GIC that the machine has: of the physical one, and of its list registers."""
    if core.gic == 2:
        gicv2 = PhysicalGicv2(bus, core.index)
        return gicv2, Gicv2Interface(bus, gicv2)
    gicv3 = PhysicalGicv3(bus, core.registers, core.index)
    return gicv3, Gicv3Interface(core.registers, gicv3)


class HostCpu:
    """One physical CPU. `vcpu` is the one that is loaded; `fp_owner` the one whose FP registers are in the core."""

    def __init__(self, core: Core, bus: Bus) -> None:
        self.core, self.index = core, core.index
        self.gic, self.interface = _interrupt_controller(core, PhysicalBus(bus, core.index))
        self.registers = El1Contexts(core)
        self.return_registers = return_registers(core)
        self._exit_registers = exit_registers(core)
        self.vcpu: Vcpu | None = None
        self.fp_owner: Vcpu | None = None
        self.deadline_tick = _NO_DEADLINE
        self.is_initialized = False
        self.is_entered = False  # an exception came to EL2, and an observer stopped the machine there
        self.is_handling = False  # a handler runs, or has failed
        self.must_choose = True  # who runs here, and until when, is to be decided before the next entry

    def initialize(self) -> None:
        """Bring the CPU from reset to where vCPUs can be loaded, as a hypervisor does that boots."""
        if self.core.gic == 3:
            self.registers.write("ICC_SRE_EL2", _SRE_ENABLE)
        self.registers.write("HCR_EL2", HCR_HOST)  # or no interrupt would ever end a WFI at EL2
        self.gic.initialize()
        self.is_initialized = True

    # --- vCPUs in and out --------------------------------------------------------------------------------------------

    def load(self, vcpu: Vcpu) -> None:
        """Load a vCPU. Its list registers are filled at each entry, its FP registers at their first use."""
        context, registers = vcpu.context, self.registers
        self.vcpu, vcpu.cpu, vcpu.home = vcpu, self, self.index
        registers.load(context, vectors=False)
        for name in EL2_OF_VCPU:
            self._change(name, context[name] & ~self._not_trapped(vcpu, name))
        self._change("VTCR_EL2", int(vcpu.vm.stage2.vtcr))
        self._change("VTTBR_EL2", vcpu.vm.vttbr_on(self.index))
        self._change("CNTVOFF_EL2", vcpu.vm.cntvoff)
        self.return_registers.write(context[PC], context[PSTATE])
        vcpu.timers.load(self)
        vcpu.vm.vgic.load(vcpu.index, self.interface)

    def _not_trapped(self, vcpu: Vcpu, name: str) -> int:
        """Return the bits that a register of EL2 loses: CPTR_EL2.TFP, if the FP registers here are the vCPU's."""
        return CPTR_TFP if name == "CPTR_EL2" and self.fp_owner is vcpu else 0

    def _change(self, name: str, value: int) -> None:
        """Write a register of EL2 if it holds another value: most writes have effects that cost more than the look."""
        if self.registers.read(name) != value:
            self.registers.write(name, value)

    def put(self) -> None:
        """Take the vCPU off the CPU: its registers are in its context from now on."""
        vcpu = self.vcpu
        if vcpu is None:
            return
        vcpu.vm.vgic.put(vcpu.index)
        vcpu.timers.put(self)
        pc, pstate = self.return_registers.read()
        el2 = {name: self.registers.read(name) for name in EL2_OF_VCPU}
        el2["CPTR_EL2"] |= CPTR_TFP
        vcpu.context |= self.registers.save(vectors=False) | el2 | {PC: pc, PSTATE: pstate}
        self.vcpu, vcpu.cpu = None, None

    def give_fp(self, vcpu: Vcpu) -> None:
        """Put the FP registers of the loaded vCPU into the core, and take the trap away."""
        if self.fp_owner is not vcpu:
            self.save_fp()
            self.registers.load_vectors(vcpu.context)
            self.fp_owner = vcpu
        self._change("CPTR_EL2", self.registers.read("CPTR_EL2") & ~CPTR_TFP)

    def save_fp(self) -> None:
        """Take the FP registers out of the core into the context of their owner."""
        if self.fp_owner is not None:
            self.fp_owner.context |= self.registers.save_vectors()
            self.fp_owner = None

    def forget_fp(self, vcpu: Vcpu) -> None:
        """Drop the FP registers of a vCPU that is reset: those in its context count from now on."""
        if self.fp_owner is vcpu:
            self.fp_owner = None

    @property
    def is_idle(self) -> bool:
        """Whether no vCPU runs here. One that waits may be loaded all the same: nobody else needed the place."""
        return self.vcpu is None or self.vcpu.state is not State.RUNNING

    # --- exits -------------------------------------------------------------------------------------------------------

    def syndrome(self) -> Syndrome:
        """Return what the last exception to EL2 left; its kind tells the vector that it came through."""
        return Syndrome(_KINDS[self.core.vector >> 7 & 3], *self._exit_registers.read())

    def exit_kind(self) -> ExitKind:
        """Return why the guest was left. ILLEGAL: it was never entered, for the ERET from EL2 was illegal.

        That keeps the level and sets PSTATE.IL, so what comes next comes from EL2. Compare el2_sync in `hyp-entry.S`.
        """
        vector = self.core.vector
        return _RETS[_KINDS[vector >> 7 & 3]] if vector & _FROM_LOWER_EL else "ILLEGAL"

    def illegal_return(self) -> str:
        """Say why the guest could not be entered: PSTATE has modes of a guest only, so HCR_EL2 is to blame."""
        hcr, scr = self.registers.read("HCR_EL2"), self.core.controls.values.scr_el3
        why = illegal_return(2, BOOT_PSTATE, hcr, scr, self.core.state_features)
        return f"illegal return from EL2 to the guest: {why}"

    # --- the host's timer --------------------------------------------------------------------------------------------

    def set_deadline(self, tick: int | None) -> None:
        """Have CNTHP interrupt this CPU at a tick of the physical counter; None: never."""
        before, self.deadline_tick = self.deadline_tick, _NO_DEADLINE if tick is None else tick
        if tick is not None and tick != before:
            self.registers.write("CNTHP_CVAL_EL2", tick)
        if (tick is None) is not (before == _NO_DEADLINE):
            self.registers.write("CNTHP_CTL_EL2", 0 if tick is None else _ENABLE)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state, the vCPUs by name."""
        return {
            "vcpu": None if self.vcpu is None else self.vcpu.name,
            "fp_owner": None if self.fp_owner is None else self.fp_owner.name,
            "deadline_tick": self.deadline_tick,
            "is_initialized": self.is_initialized,
            "must_choose": self.must_choose,
            "is_entered": self.is_entered,
            "is_handling": self.is_handling,
        }

    def restore(self, state: dict[str, Any], vcpus: dict[str, Vcpu]) -> None:
        """Take a state back; the core's registers are the machine's to restore."""
        self.vcpu = vcpus.get(state["vcpu"])
        self.fp_owner = vcpus.get(state["fp_owner"])
        self.deadline_tick, self.is_initialized = state["deadline_tick"], state["is_initialized"]
        self.must_choose, self.is_handling = state["must_choose"], state["is_handling"]
        self.is_entered = state["is_entered"]
        if self.vcpu is not None:
            self.vcpu.cpu = self
            self.vcpu.vm.vgic.attach(self.vcpu.index, self.interface)
