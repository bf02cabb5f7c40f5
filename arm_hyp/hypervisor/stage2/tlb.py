"""TLB maintenance on the CPUs of a machine: `seams.TlbMaintenance` in the instructions that software at EL2 executes.

Read `hypervisor/stage2/seams.py`, `cpu/maintenance.py` and `machine/cpus.py` before this file. KVM's is
`arch/arm64/kvm/hyp/nvhe/tlb.c`.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch.registers.translation import VTTBR_EL2
from arm_hyp.arch.sysregs import by_name, operation_by_name
from arm_hyp.events import Maintenance
from arm_hyp.machine.cpus import Cpus

_VTTBR: Final = by_name("VTTBR_EL2").encoding
_IPA_LSB: Final = 12


class MachineTlb:
    """Does TLB maintenance from the CPU that runs the hypervisor now, in the Inner Shareable domain.

    TLBI by IPA, and of a VMID, are for the VMID in VTTBR_EL2: it is there meanwhile. Ref: `__tlb_switch_to_guest`.
    """

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus

    def invalidate_ipa(self, vmid: int, ipa: int, level: int) -> None:
        """Invalidate what one IPA was translated by. `level` would be the hint of FEAT_TTL, which is not there."""
        self._for_vmid(vmid, ("TLBI IPAS2E1IS", ipa >> _IPA_LSB), ("TLBI VMALLE1IS", 0))

    def invalidate_vmid(self, vmid: int) -> None:
        """Invalidate all of one VM, both stages."""
        self._for_vmid(vmid, ("TLBI VMALLS12E1IS", 0))

    def invalidate_all(self) -> None:
        """Invalidate all of every VM."""
        self._execute("TLBI ALLE1IS", 0)

    def _for_vmid(self, vmid: int, *operations: tuple[str, int]) -> None:
        registers = self._cpus.current.registers
        before = VTTBR_EL2(registers.read(_VTTBR) or 0)
        if vmid != before.VMID:
            registers.write(_VTTBR, before.replace(VMID=vmid))
        for name, operand in operations:
            self._execute(name, operand)
        if vmid != before.VMID:
            registers.write(_VTTBR, before)

    def _execute(self, name: str, operand: int) -> None:
        core, encoding = self._cpus.current, operation_by_name(name).encoding
        core.emit(Maintenance, operation=name, operand=operand)
        for each in self._cpus.cores:
            each.maintenance.invalidate(encoding, operand)
