"""System registers and system instructions that trap: one table, by encoding.

Read `hypervisor/handlers/sysreg_rows.py` and `hypervisor/handlers/id_registers.py` before this file. Nothing falls off
the end: what has no row is UNDEFINED for the guest.

Compare Linux: kvm_handle_sys_reg and `sys_reg_descs` in `arch/arm64/kvm/sys_regs.c`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from arm_hyp.arch.sysregs import Encoding
from arm_hyp.hypervisor.exits import SysregExit
from arm_hyp.hypervisor.handlers import sysreg_rows
from arm_hyp.hypervisor.handlers.id_registers import id_rows
from arm_hyp.hypervisor.handlers.sysreg_rows import Row
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.kvm_events import GuestUndefined, KvmHandleSysReg, KvmSysAccess

_ALL: Final = (
    *id_rows(),
    *sysreg_rows.memory_rows(),
    *sysreg_rows.control_rows(),
    *sysreg_rows.debug_rows(),
    *sysreg_rows.timer_rows(),
    *sysreg_rows.gic_rows(),
)
TABLE: Final[Mapping[Encoding, Row]] = MappingProxyType(
    {row.encoding: row for row in sorted(_ALL, key=lambda row: row.encoding)}
)
"""Every register and instruction that has a handler, sorted by encoding."""
_IMPLEMENTATION_DEFINED: Final = (11, 15)
"""CRn of op0 1 and 3 that HCR_EL2.TIDCP traps."""


def row_of(exit: SysregExit) -> Row:
    """Return the row of an access. Total: one that says why, where there is no handler."""
    return TABLE.get(exit.encoding) or Row(exit.name, None, None, _why_unknown(exit.encoding))


def _why_unknown(encoding: Encoding) -> str:
    if encoding.op0 in (1, 3) and encoding.crn in _IMPLEMENTATION_DEFINED:
        return "HCR_EL2.TIDCP: what is implementation defined is the CPU's, not the VM's"
    return "it trapped, and the hypervisor has no handler for it"


def handle_sysreg(vcpu: Vcpu, exit: SysregExit) -> None:
    """Do what the instruction would have done to a register of the VM's, and skip it; or it is UNDEFINED."""
    vcpu.emit(KvmHandleSysReg, hsr=exit.esr)
    row = row_of(exit)
    if exit.encoding in TABLE:
        op0, op1, crn, crm, op2 = exit.encoding
        numbers = {"Op0": op0, "Op1": op1, "CRn": crn, "CRm": crm, "Op2": op2}
        vcpu.emit(KvmSysAccess, vcpu_pc=exit.pc, is_write=exit.is_write, name=exit.name, **numbers)
    if exit.is_read and row.read is not None:
        vcpu.set_x(exit.rt, row.read(vcpu, exit))
    elif exit.is_write and row.write is not None:
        row.write(vcpu, exit, vcpu.x(exit.rt))
    else:
        undefined(vcpu, exit, row.reason)
        return
    vcpu.skip_instruction()


def undefined(vcpu: Vcpu, exit: SysregExit, reason: str) -> None:
    """Have the guest take an UNDEFINED exception, and say why."""
    vcpu.emit(
        GuestUndefined, vcpu_pc=exit.pc, what=f"{'read' if exit.is_read else 'write'} of {exit.name}", reason=reason
    )
    vcpu.inject_undef()
