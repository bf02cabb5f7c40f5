"""What the mapper needs of the machine: memory for tables, and TLB maintenance.

Read `hypervisor/stage2/descriptors.py` before this file; `hypervisor/stage2/tables.py` and `hypervisor/stage2/tlb.py`
implement it on a machine. KVM has the same seam: `struct kvm_pgtable_mm_ops`.
"""

from __future__ import annotations

from typing import Protocol


class TableMemory(Protocol):
    """Physical memory that holds tables and guest pages. Addresses are PAs, sizes in bytes."""

    def read64(self, address: int) -> int:
        """Read one descriptor."""

    def write64(self, address: int, value: int) -> None:
        """Write one descriptor, seen at once by all walkers (a store and a DSB ISHST)."""

    def clear(self, address: int, size_bytes: int) -> None:
        """Fill with zeros."""

    def copy(self, target: int, source: int, size_bytes: int) -> None:
        """Copy, and have code that was changed translated anew."""


class TlbMaintenance(Protocol):
    """TLB maintenance on all CPUs; each operation has completed when it returns."""

    def invalidate_ipa(self, vmid: int, ipa: int, level: int) -> None:
        """Invalidate what one IPA was translated by. TLBI IPAS2E1IS, DSB, TLBI VMALLE1IS, DSB, ISB.

        The second operation is for the entries that hold both stages combined: those are found by VA only.
        """

    def invalidate_vmid(self, vmid: int) -> None:
        """Invalidate all of one VM, both stages. TLBI VMALLS12E1IS, DSB, ISB."""

    def invalidate_all(self) -> None:
        """Invalidate all of every VM. TLBI ALLE1IS, DSB, ISB."""
