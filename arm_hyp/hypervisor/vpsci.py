"""vPSCI: the vCPUs of a VM, as PSCI switches them on and off.

Read `machine/firmware/psci.py` before this file, `hypervisor/handlers/calls.py` after it. PSCI's functions, with all
their errors, are those of the machine's firmware. What is behind them differs: not CPUs, but vCPUs that the scheduler
may run. A vCPU that was asked to start and has not run yet is pending.

Compare Linux: `arch/arm64/kvm/psci.c`. KVM never answers ON_PENDING: a vCPU is on as soon as it was asked for.

Ref: Arm DEN0022 (PSCI 1.1) 5.1 and 6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch import id_policy
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.machine.firmware.power import Caller, PowerState

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm

_AFFINITY: Final = 0xFF_00FF_FFFF
"""MPIDR_EL1.Aff3 <39:32>, Aff2 <23:16>, Aff1 <15:8>, Aff0 <7:0>."""


class VmPower:
    """The power of a VM's vCPUs: see `machine/firmware/power.PowerController`."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._indexes = {id_policy.mpidr(index) & _AFFINITY: index for index in range(vm.configuration.vcpus)}
        self._ran_ns: dict[int, int] = {}  # by vCPU: how long it had run in all when it was switched on last

    @property
    def cpus(self) -> int:
        """How many vCPUs there are."""
        return len(self._indexes)

    def state(self, mpidr: int) -> PowerState | None:
        """Return the power state of a vCPU; None if there is no such vCPU."""
        if mpidr not in self._indexes:
            return None
        vcpu = self._vm.vcpus[self._indexes[mpidr]]
        return "off" if not vcpu.is_on else "pending" if self._has_not_run(vcpu) else "on"

    def _has_not_run(self, vcpu: Vcpu) -> bool:
        """Tell whether a vCPU was switched on and has not executed an instruction since."""
        return vcpu.state is State.READY and self._ran_ns.get(vcpu.index) == self._account_ns(vcpu)

    def _account_ns(self, vcpu: Vcpu) -> int:
        return self._vm.hypervisor.scheduler.account(vcpu).ran_ns

    def power_on(self, mpidr: int, entry: int, context_id: int) -> None:
        """Start a vCPU that is off: at IPA `entry`, EL1, with X0 = `context_id`."""
        vcpu = self._vm.vcpus[self._indexes[mpidr]]
        self._ran_ns[vcpu.index] = self._account_ns(vcpu)
        vcpu.power_on(entry, context_id)

    def power_off(self, caller: Caller) -> None:
        """Switch the calling vCPU off. Nobody could switch the last one on again: then the VM ends."""
        self._vm.vcpus[caller.index].power_off()
        if not any(vcpu.is_on for vcpu in self._vm.vcpus):
            self._vm.power_off("every vCPU is off (PSCI CPU_OFF)", reason="idle", status=1)

    def suspend(self, caller: Caller) -> None:
        """Have the calling vCPU wait as by WFI, behind the call."""
        self._vm.vcpus[caller.index].wait_for_interrupt()

    def system_off(self, status: int, text: str) -> None:
        """End the VM."""
        self._vm.power_off(text, status=status)

    def system_reset(self) -> None:
        """Reset the VM."""
        self._vm.reset()

    def snapshot(self) -> list[list[Any]]:
        """Return the state."""
        return [[index, ran_ns] for index, ran_ns in sorted(self._ran_ns.items())]

    def restore(self, state: list[list[Any]]) -> None:
        """Take a state back."""
        self._ran_ns = {index: ran_ns for index, ran_ns in state}
