"""A guest's memory: by virtual address as the guest itself would reach it, and by IPA as its devices do.

Read `arch/translation/` and `hypervisor/stage2/paging.py` before this file, `hypervisor/vcpu.py` after it. The walk of
stage 1 reads the guest's tables by IPA; pages that are not there yet come as by a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from arm_hyp.arch.translation import Access, Fault, Regime, TranslationRegisters, walk_stage1
from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory
from arm_hyp.machine.seams import BusError

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm

_PAGE_BYTES: Final = 4096
_NOT_OF_A_VCPU: Final = 0
_HCR_VM: Final = 1 << 0


class GuestMemoryError(Exception):
    """The guest could not have made this access: the text says why, `va` where."""

    def __init__(self, va: int, why: str) -> None:
        super().__init__(f"{va:#x}: {why}")
        self.va = va


class IpaMemory:
    """The RAM of a VM by IPA, as its devices see it: `seams.GuestMemory`.

    Devices access it at times when no exit is handled: where the machine has no page left, the VM ends here.
    """

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read RAM. Raises: BusError where any byte is not RAM."""
        with self._ending():
            return self._vm.read_ipa(address, size_bytes)

    def write(self, address: int, data: bytes) -> None:
        """Write RAM. Raises: BusError where any byte is not RAM."""
        with self._ending():
            self._vm.write_ipa(address, data)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except OutOfPhysicalMemory as error:
            self._vm.crash(f"no memory: {error}")
            raise BusError(str(error)) from None


def read_va(vcpu: Vcpu, va: int, size_bytes: int) -> bytes:
    """Read guest memory by virtual address. Raises: GuestMemoryError."""
    vm = vcpu.vm
    return b"".join(vm.read_ipa(ipa, size) for ipa, size in list(_pieces(vcpu, va, size_bytes, is_write=False)))


def write_va(vcpu: Vcpu, va: int, data: bytes) -> None:
    """Write guest memory by virtual address, all or nothing. Raises: GuestMemoryError."""
    start = 0
    for ipa, size in list(_pieces(vcpu, va, len(data), is_write=True)):
        vcpu.vm.write_ipa(ipa, data[start : start + size])
        start += size


def translate(vcpu: Vcpu, va: int, access: Access) -> int | Fault:
    """Translate a virtual address to an IPA as the guest's stage 1 does at the vCPU's present level."""
    registers = TranslationRegisters.collect(
        lambda name: _register(vcpu, name), vcpu.vm.hypervisor.machine.core.features
    )
    access = access._replace(is_privileged=vcpu.pstate >> 2 & 3 != 0)
    result = walk_stage1(va, access, Regime.EL10, registers, vcpu.vm.read64).result
    return result if isinstance(result, Fault) else result.pa


def _register(vcpu: Vcpu, name: str) -> int:
    """Return a register for a walk of stage 1 alone: its tables are read by IPA, so that HCR_EL2.VM counts as 0."""
    value = vcpu.read(name) if name in vcpu.context else _NOT_OF_A_VCPU
    return value & ~_HCR_VM if name == "HCR_EL2" else value


def _pieces(vcpu: Vcpu, va: int, size_bytes: int, *, is_write: bool) -> Iterator[tuple[int, int]]:
    """Give (IPA, size in bytes) of each page's part of a range."""
    end = va + size_bytes
    while va < end:
        size = min(end, (va & -_PAGE_BYTES) + _PAGE_BYTES) - va
        ipa = translate(vcpu, va, Access(is_write=is_write))
        if isinstance(ipa, Fault):
            raise GuestMemoryError(va, f"stage 1 {ipa.kind.value} at level {ipa.level}")
        if not vcpu.vm.is_ram(ipa, size):
            raise GuestMemoryError(va, f"IPA {ipa:#x} is not RAM of {vcpu.vm.name}")
        yield ipa, size
        va += size
