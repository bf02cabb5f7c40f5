"""Paravirtual time: a guest reads in its own memory how long its vCPUs could have run, and did not.

Read `hypervisor/scheduler.py` before this file, `hypervisor/handlers/calls.py` after it. Each vCPU has a structure of
64 bytes, in memory beside the VM's RAM, where QEMU's `virt` has it. Linux shows the time as "steal" (`st` in top).

    offset 0   revision, 32 bits: 0      offset 4   attributes, 32 bits: 0      offset 8   stolen time in ns, 64 bits

Compare Linux: `arch/arm64/kvm/pvtime.c`.

Ref: Arm DEN0057 (Paravirtualized Time for Arm-based Systems).
Simplified: the guest can write the page too, as on KVM. No live physical time: that part of the specification is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.psci import PV_TIME_FEATURES, PV_TIME_ST, Status
from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory
from arm_hyp.machine.firmware.power import Caller
from arm_hyp.machine.firmware.smccc import Arguments, Result, Service, Services

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm

PV_TIME_BASE: Final = 0x090A_0000
PV_TIME_BYTES: Final = 0x1_0000
"""A slot of the VM's memory for the structures: QEMU's VIRT_PVTIME."""
_STRUCTURE_BYTES: Final = 64
_STOLEN_OFFSET: Final = 8
_M64: Final = (1 << 64) - 1


class PvTime:
    """The stolen time of a VM's vCPUs, in ns. Memory is written only for a vCPU that has asked where to look."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self.stolen_ns = [0] * vm.configuration.vcpus
        self._watched = [False] * vm.configuration.vcpus

    def services(self) -> Services:
        """Return the two calls."""
        return {
            PV_TIME_FEATURES: Service("PV_TIME_FEATURES", self._features),
            PV_TIME_ST: Service("PV_TIME_ST", self._stolen_time),
        }

    def update(self, vcpu: Vcpu, stolen_ns: int) -> None:
        """Add time that a vCPU was ready to run and did not, when it is loaded on a CPU."""
        index = vcpu.index
        self.stolen_ns[index] = self.stolen_ns[index] + stolen_ns & _M64
        if self._watched[index] and stolen_ns:
            self._write(self._address(index) + _STOLEN_OFFSET, self.stolen_ns[index].to_bytes(8, "little"))

    def _features(self, caller: Caller, arguments: Arguments) -> Result:
        has = arguments[0] & 0xFFFF_FFFF in (PV_TIME_FEATURES, PV_TIME_ST) and self._is_there
        return Status.SUCCESS if has else Status.NOT_SUPPORTED

    def _stolen_time(self, caller: Caller, arguments: Arguments) -> Result:
        """Return the IPA of the calling vCPU's structure."""
        address, index = self._address(caller.index), caller.index
        structure = bytes(_STOLEN_OFFSET) + self.stolen_ns[index].to_bytes(8, "little")
        self._watched[index] = self._is_there and self._write(address, structure.ljust(_STRUCTURE_BYTES, b"\0"))
        return address if self._watched[index] else Status.NOT_SUPPORTED

    def _write(self, ipa: int, data: bytes) -> bool:
        """Write memory of the VM; False if the machine has no page left for it."""
        try:
            self._vm.write_ipa(ipa, data)
        except OutOfPhysicalMemory:
            return False
        return True

    @property
    def _is_there(self) -> bool:
        return self._vm.is_ram(PV_TIME_BASE, PV_TIME_BYTES)

    @staticmethod
    def _address(index: int) -> int:
        return PV_TIME_BASE + index * _STRUCTURE_BYTES

    def reset(self) -> None:
        """Forget who asked, as the VM is reset."""
        self._watched = [False] * len(self._watched)

    def snapshot(self) -> dict[str, Any]:
        """Return the state; the structures are in RAM."""
        return {"stolen_ns": list(self.stolen_ns), "watched": list(self._watched)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.stolen_ns, self._watched = list(state["stolen_ns"]), list(state["watched"])
