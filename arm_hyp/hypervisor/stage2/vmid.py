"""VMIDs: 8 or 16 bits for any number of VMs, by generations.

Read `hypervisor/stage2/seams.py` before this file and `hypervisor/vm.py` after it. KVM's is `arch/arm64/kvm/vmid.c`.

A VM keeps its VMID as long as there are enough. When they have run out, a new generation begins: every TLB is emptied,
and each VM gets a VMID of the new generation when it runs next. A VM that runs at this moment on another CPU is not
interrupted: its VMID is reserved, and stays its own in the new generation.

A VMID is kept as `generation << bits | vmid`, so that one comparison tells whether it is of the present generation.
"""

from __future__ import annotations

from typing import Any, Final

from arm_hyp.arch.types import VMID
from arm_hyp.hypervisor.stage2.seams import TlbMaintenance

_HOST_VMID: Final = 0
"""VMID 0 is never given to a VM: it is what VTTBR_EL2 holds after a reset."""
_IDLE: Final = 0


class VmidAllocator:
    """Gives VMIDs to VMs, which are known by their index, on CPUs, which are known by theirs."""

    def __init__(self, bits: int, cpus: int, tlb: TlbMaintenance) -> None:
        if bits not in (8, 16):
            raise ValueError(f"a VMID has 8 or 16 bits, not {bits}")
        self.bits, self._tlb = bits, tlb
        self.generation = 1
        self._used = {_HOST_VMID}
        self._next = _HOST_VMID + 1
        self._of: dict[int, int] = {}  # VM -> generation << bits | VMID
        self._active = [_IDLE] * cpus  # what each CPU runs with
        self._reserved = [_IDLE] * cpus  # what each CPU ran with at the last roll-over

    def update(self, vm: int, cpu: int) -> VMID:
        """Return the VMID to run a VM with on a CPU, now. Ref: `kvm_arm_vmid_update`."""
        mine = self._of.get(vm)
        if mine is None:
            mine = self._allocate()
        elif mine >> self.bits != self.generation:
            mine = self._renew(mine)
        self._of[vm] = self._active[cpu] = mine
        return self._number(mine)

    def clear_active(self, cpu: int) -> None:
        """Note that a CPU runs no VM: a roll-over need not reserve its VMID. Ref: `kvm_arm_vmid_clear_active`."""
        self._active[cpu] = self._reserved[cpu] = _IDLE

    def forget(self, vm: int) -> None:
        """Note that a VM is gone. Its VMID is not used again before the next roll-over, which empties the TLBs."""
        self._of.pop(vm, None)

    def _renew(self, mine: int) -> int:
        """Return the VMID of a VM from an older generation: the same, if reserved for it or free, else another."""
        renewed = self._with_generation(self._number(mine))
        if mine in self._reserved:
            self._reserved = [renewed if each == mine else each for each in self._reserved]
            return renewed
        if self._number(mine) in self._used:
            return self._allocate()
        self._used.add(self._number(mine))
        return renewed

    def _allocate(self) -> int:
        """Return the next free VMID, in a new generation if there is none. Ref: `new_vmid`."""
        vmid = self._free_from(self._next)
        if vmid is None:
            self._roll_over()
            vmid = self._free_from(_HOST_VMID + 1)
            assert vmid is not None, "more CPUs than VMIDs"
        self._used.add(vmid)
        self._next = vmid + 1
        return self._with_generation(vmid)

    def _free_from(self, first: int) -> int | None:
        return next((vmid for vmid in range(first, 1 << self.bits) if vmid not in self._used), None)

    def _roll_over(self) -> None:
        """Begin a new generation: reserve what runs, forget the rest, empty every TLB. Ref: `flush_context`."""
        self.generation += 1
        self._reserved = [active or before for active, before in zip(self._active, self._reserved, strict=True)]
        self._active = [_IDLE] * len(self._active)
        self._used = {_HOST_VMID, *(self._number(each) for each in self._reserved)}
        self._tlb.invalidate_all()

    def _number(self, mine: int) -> VMID:
        return VMID(mine & (1 << self.bits) - 1)

    def _with_generation(self, vmid: int) -> int:
        return self.generation << self.bits | vmid

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "generation": self.generation,
            "used": sorted(self._used),
            "next": self._next,
            "of": sorted(self._of.items()),
            "active": list(self._active),
            "reserved": list(self._reserved),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.generation, self._next = state["generation"], state["next"]
        self._used, self._of = set(state["used"]), dict(state["of"])
        self._active, self._reserved = list(state["active"]), list(state["reserved"])
