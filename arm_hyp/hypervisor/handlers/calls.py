"""HVC and SMC of a guest: what it may ask the hypervisor for.

Read `machine/firmware/smccc.py`, `hypervisor/vpsci.py` and `hypervisor/pvtime.py` before this file. Both instructions
reach the same table of services: to a guest the hypervisor is the firmware. Each vCPU call follows the SMC calling
convention: the function identifier is in W0, results are in X0 to X3, all other registers keep their values.

Besides PSCI, SMCCC's own calls, random numbers and paravirtual time there are KVM's UID, so that software knows what it
runs on, and three calls of our own among those of vendor-specific hypervisors:

    0x8600_F000  ARM_HYP_PUTC   print the character in W1 on the VM's console
    0x8600_F001  ARM_HYP_YIELD  let another vCPU run
    0xC600_F002  ARM_HYP_LOG    note X1 to X3 in the trace (the event `guest_call` has them)

Compare Linux: `arch/arm64/kvm/hypercalls.c`. There a VM has HVC only: each SMC is answered NOT_SUPPORTED.

Ref: Arm DEN0028 (SMCCC), DEN0022 (PSCI), DEN0098 (TRNG), DEN0057 (paravirtual time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch import psci
from arm_hyp.arch.psci import Status
from arm_hyp.hypervisor.exits import HvcExit, SmcExit
from arm_hyp.hypervisor.pvtime import PvTime
from arm_hyp.hypervisor.vpsci import VmPower
from arm_hyp.kvm_events import GuestCall, KvmHvcArm64
from arm_hyp.machine.firmware import smccc
from arm_hyp.machine.firmware.power import Caller
from arm_hyp.machine.firmware.psci import Psci
from arm_hyp.machine.firmware.smccc import Arguments, Result, Service, Services
from arm_hyp.machine.firmware.trng import Trng

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm

KVM_FEATURES: Final = 0x8600_0000
CALL_UID: Final = 0x8600_FF01
KVM_UID: Final = (0xB66F_B428, 0xE911_C52E, 0x564B_CAA9, 0x743A_004D)
"""What CALL_UID answers where KVM's calls are: W0 to W3."""
KVM_FEATURE_BITS: Final = (1 << 0, 0, 0, 0)
"""KVM_FEATURES: one bit a call, of which KVM_FEATURES itself is <0>. PTP, <1>, reads the host's clock: not here."""
PUTC: Final = 0x8600_F000
YIELD: Final = 0x8600_F001
LOG: Final = 0xC600_F002


def handle_hvc(vcpu: Vcpu, exit: HvcExit) -> None:
    """Answer a call. The HVC has completed, so nothing is skipped; its immediate means nothing, as on KVM."""
    vcpu.emit(KvmHvcArm64, vcpu_pc=vcpu.pc, r0=vcpu.x(0), imm=exit.imm)
    vcpu.vm.calls.answer(vcpu, "hvc")


def handle_smc(vcpu: Vcpu, exit: SmcExit) -> None:
    """Answer a call: HCR_EL2.TSC traps the SMC before it has completed, so it is skipped."""
    vcpu.skip_instruction()
    vcpu.vm.calls.answer(vcpu, "smc")


class GuestCalls:
    """The services that one VM may call, by function identifier. Each VM has random numbers of its own."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self.power, self.pvtime, self._trng = VmPower(vm), PvTime(vm), Trng(seed=vm.index)
        self._services = (
            {number: Service(name, smccc.not_supported) for number, name in psci.ABSENT_NAMES.items()}
            | smccc.services(smccc.ARCH_FEATURES | {psci.PV_TIME_FEATURES: Status.SUCCESS})
            | Psci(self.power, vm.is_ram).services()
            | self._trng.services()
            | self.pvtime.services()
            | self._own_services()
        )

    def _own_services(self) -> Services:
        return {
            CALL_UID: Service("VENDOR_HYP_CALL_UID", lambda caller, arguments: KVM_UID),
            KVM_FEATURES: Service("VENDOR_HYP_KVM_FEATURES", lambda caller, arguments: KVM_FEATURE_BITS),
            PUTC: Service("ARM_HYP_PUTC", self._putc),
            YIELD: Service("ARM_HYP_YIELD", self._yield),
            LOG: Service("ARM_HYP_LOG", lambda caller, arguments: Status.SUCCESS),
        }

    def answer(self, vcpu: Vcpu, conduit: str) -> None:
        """Answer the call that is in a vCPU's registers. One that nobody knows is NOT_SUPPORTED."""
        function = smccc.function_of(vcpu)
        service, arguments = self._services.get(function, smccc.UNKNOWN), smccc.arguments_of(vcpu, function)
        result = service.handle(vcpu, arguments)
        smccc.write_result(vcpu, result)
        returned = None if result is None else vcpu.x(0)
        vcpu.emit(
            GuestCall, conduit=conduit, function=function, name=service.name, arguments=arguments, result=returned
        )

    def _putc(self, caller: Caller, arguments: Arguments) -> Result:
        self._vm.devices.put("hypercall", bytes((arguments[0] & 0xFF,)))
        return Status.SUCCESS

    def _yield(self, caller: Caller, arguments: Arguments) -> Result:
        self._vm.vcpus[caller.index].yield_cpu()
        return Status.SUCCESS

    def reset(self) -> None:
        """Forget what the guest asked for, as the VM is reset. Random numbers go on."""
        self.pvtime.reset()

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {"power": self.power.snapshot(), "pvtime": self.pvtime.snapshot(), "trng": self._trng.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.power.restore(state["power"])
        self.pvtime.restore(state["pvtime"])
        self._trng.drawn = state["trng"]
