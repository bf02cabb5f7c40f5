"""What the core gets wrong about a stage 2 fault on a stage 1 walk: the fault status code.

Read `arch/translation/` before this file, `cpu/reports.py` after it. The core reports each of them as a translation
fault at the level that stage 1 was at; the architecture returns what stage 2 found. So the walk is done again here.
Ref: AArch64.S1Walk, which returns the FaultRecord of AArch64.S2Translate as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.translation import Access, Fault, TranslationRegisters, fault_status, walk
from arm_hyp.cpu import entry

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_FETCHES: Final = frozenset({EC.INSTRUCTION_ABORT_LOWER, EC.INSTRUCTION_ABORT_SAME})
_S1PTW, _WNR, _FSC = 1 << 7, 1 << 6, 0x3F


def with_right_status(core: Core, esr: int, va: int, pstate: int) -> int:
    """Return the syndrome of an abort that the core reports, with the fault status code that it should have.

    One that is not of a stage 1 walk is returned as it is, and so is one that the walk here does not find: memory may
    have changed since the core translated the address.
    """
    if not esr & _S1PTW:
        return esr
    access = Access(is_write=bool(esr & _WNR), is_fetch=esr >> 26 in _FETCHES)
    result = walk(va, access, entry.level(pstate), _registers(core), core.ram.read64).result
    if isinstance(result, Fault) and result.is_s1ptw:
        return esr & ~_FSC | fault_status(result)
    return esr


def _registers(core: Core) -> TranslationRegisters:
    def read(name: str) -> int:
        return core.registers.read(sysregs.by_name(name).encoding) or 0

    return TranslationRegisters.collect(read, core.features)
