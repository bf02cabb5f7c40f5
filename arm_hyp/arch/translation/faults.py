"""A fault as the registers show it: DFSC and IFSC, HPFAR_EL2, PAR_EL1.

Read `arch/translation/combined.py` before this file. `arch/iss_faults.py` has the table of codes.
"""

from __future__ import annotations

from arm_hyp.arch.iss_faults import FaultKind, encode_fsc
from arm_hyp.arch.registers import HPFAR_EL2, PAR_EL1, PAR_EL1_FAULT
from arm_hyp.arch.translation.results import Fault, Translated

_NAMES_IPA = frozenset({FaultKind.ADDRESS_SIZE, FaultKind.TRANSLATION, FaultKind.ACCESS_FLAG})


def fault_status(fault: Fault) -> int:
    """Return the fault status code, DFSC or IFSC <5:0>. Ref: EncodeLDFSC."""
    return encode_fsc(fault.kind, fault.level)


def hpfar_el2(fault: Fault) -> int | None:
    """Return the value of HPFAR_EL2 after a fault, or None where the architecture leaves it UNKNOWN.

    So it is after a permission fault that is not on a stage 1 walk: software then has to find the IPA with AT.
    Ref: IPAValid; Arm ARM, HPFAR_EL2.
    """
    is_valid = fault.kind in _NAMES_IPA or (fault.is_s1ptw and fault.kind is FaultKind.PERMISSION)
    return hpfar_of(fault.ipa) if is_valid and fault.ipa is not None else None


def hpfar_of(ipa: int) -> int:
    """Return HPFAR_EL2 for an IPA: FIPA <43:4> holds IPA <51:12>; the page only."""
    return int(HPFAR_EL2.of(FIPA=ipa >> 12))


def par_el1(result: Translated | Fault) -> int:
    """Return PAR_EL1 as an AT instruction leaves it. Ref: AArch64.EncodePAR.

    Not for a stage 2 fault on a stage 1 walk of AT S1E0* and S1E1*: that is an exception to EL2 instead.
    """
    if isinstance(result, Fault):
        fst = fault_status(result)
        return int(PAR_EL1_FAULT.of(F=1, FST=fst, PTW=int(result.is_s1ptw), S=int(result.stage == 2)))
    attributes = result.attributes
    return int(PAR_EL1.of(PA=result.pa >> 12, ATTR=attributes.attr, SH=attributes.shareability, NS=1))
