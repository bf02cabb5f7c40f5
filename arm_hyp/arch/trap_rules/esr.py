"""The syndrome that a rule's exception class gives a request.

Read `trap_rules/lookup.py` and `arch/syndromes.py` before, `arch/traps.py` after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from arm_hyp.arch.instructions import InstructionKind, SystemInstruction
from arm_hyp.arch.syndromes import (
    EC,
    encode_abort,
    encode_eret,
    encode_fp_access,
    encode_illegal_state,
    encode_pauth,
    encode_pc_alignment,
    encode_smc,
    encode_sp_alignment,
    encode_svc,
    encode_sve_access,
    encode_sysreg,
    encode_unknown,
    encode_wfx,
)
from arm_hyp.arch.trap_rules.requests import DataAccess, Request

ALIGNMENT_FAULT = 0x21
"""DFSC of an alignment fault."""


def _system(request: Request) -> SystemInstruction:
    if not isinstance(request, SystemInstruction):
        raise TypeError(f"{request} is not a system instruction, yet a rule gives it the syndrome of one")
    return request


def _sysreg_syndrome(request: Request, same_el: bool) -> int:
    i = _system(request)
    return encode_sysreg(i.op0, i.op1, i.crn, i.crm, i.op2, i.rt, i.is_read)


_WFX_TI = {
    InstructionKind.WFI: 0,
    InstructionKind.WFE: 1,
    InstructionKind.WFIT: 2,
    InstructionKind.WFET: 3,
}


def _wfx_syndrome(request: Request, same_el: bool) -> int:
    i = _system(request)
    ti = _WFX_TI[i.kind]
    return encode_wfx(ti, rn=i.rt, rv=1) if ti & 2 else encode_wfx(ti)


def _eret_syndrome(request: Request, same_el: bool) -> int:
    kind = _system(request).kind
    return encode_eret(kind is not InstructionKind.ERET, kind is InstructionKind.ERETAB)


def _alignment_syndrome(request: Request, same_el: bool) -> int:
    ec = EC.DATA_ABORT_SAME if same_el else EC.DATA_ABORT_LOWER
    return encode_abort(ec, ALIGNMENT_FAULT, wnr=int(isinstance(request, DataAccess) and request.is_write))


SYNDROMES: Mapping[EC, Callable[[Request, bool], int]] = {
    EC.UNKNOWN: lambda request, same_el: encode_unknown(),
    EC.WFX: _wfx_syndrome,
    EC.FP_ACCESS: lambda request, same_el: encode_fp_access(),
    EC.PAUTH: lambda request, same_el: encode_pauth(),
    EC.ILLEGAL_STATE: lambda request, same_el: encode_illegal_state(),
    EC.SVC64: lambda request, same_el: encode_svc(_system(request).imm),
    EC.SMC64: lambda request, same_el: encode_smc(_system(request).imm),
    EC.SYSREG: _sysreg_syndrome,
    EC.SVE: lambda request, same_el: encode_sve_access(),
    EC.ERET: _eret_syndrome,
    EC.PC_ALIGNMENT: lambda request, same_el: encode_pc_alignment(),
    EC.SP_ALIGNMENT: lambda request, same_el: encode_sp_alignment(),
    EC.DATA_ABORT_SAME: _alignment_syndrome,
}
