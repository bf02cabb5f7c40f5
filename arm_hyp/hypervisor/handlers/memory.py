"""Aborts that come to EL2: RAM that is not there yet, devices to be emulated, and what is nowhere.

Read `hypervisor/stage2/paging.py` and `hypervisor/mmio_emulate.py` before this file. Compare Linux:
kvm_handle_guest_abort in `arch/arm64/kvm/mmu.c`.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.hypervisor.exits import DataAbortExit, InstructionAbortExit
from arm_hyp.hypervisor.mmio_emulate import emulate
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.kvm_events import KvmAccessFault, KvmGuestFault

_FIPA_SHIFT: Final = 12
_STAGE2: Final = frozenset(range(0b000100, 0b010000))
"""Fault status codes of translation, access flag and permission faults."""
_ACCESS_FLAG: Final = frozenset(range(0b001000, 0b001100))
_PERMISSION: Final = frozenset(range(0b001100, 0b010000))


def handle_data_abort(vcpu: Vcpu, exit: DataAbortExit) -> None:
    """Page RAM in, or emulate a device; else the guest gets an external abort."""
    if not _is_stage2(vcpu, exit):
        vcpu.inject_data_abort(exit.va, is_write=exit.is_write)
    elif exit.is_s1ptw:
        if not vcpu.vm.memory.handle_fault(exit.ipa, exit.status in _PERMISSION):
            vcpu.inject_data_abort(exit.va, is_write=exit.is_write)
    elif not vcpu.vm.memory.handle_fault(exit.ipa, exit.is_write):
        emulate(vcpu, exit)


def handle_instruction_abort(vcpu: Vcpu, exit: InstructionAbortExit) -> None:
    """Page RAM in; else the guest gets an external abort: nobody runs code from a device."""
    is_walk = exit.is_s1ptw
    is_write = is_walk and exit.status in _PERMISSION
    if not _is_stage2(vcpu, exit) or not vcpu.vm.memory.handle_fault(exit.ipa, is_write, not is_walk):
        vcpu.inject_instruction_abort(exit.va)


def _is_stage2(vcpu: Vcpu, exit: DataAbortExit | InstructionAbortExit) -> bool:
    """Tell whether stage 2 raised the abort, and tell whoever listens."""
    status = exit.status
    if vcpu.is_heard:
        page = exit.ipa >> _FIPA_SHIFT << _FIPA_SHIFT
        vcpu.emit(KvmGuestFault, vcpu_pc=exit.pc, hsr=exit.esr, hxfar=exit.va, ipa=page)
        if status in _ACCESS_FLAG:
            vcpu.emit(KvmAccessFault, ipa=exit.ipa)
    return status in _STAGE2
