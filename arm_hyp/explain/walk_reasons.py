"""Why a walk ended in a fault: one clause that names the bit, the register or the address that did it.

Read `arch/translation/` before this file, `explain/walks.py` after it. The walk says what failed and where; the reason
is read out of the last descriptor that it met, and out of the controls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.translation import (
    TABLE_WALK,
    Access,
    Fault,
    Regime,
    Stage1Parameters,
    Stage2Parameters,
    Step,
    StepKind,
    Walk,
)
from arm_hyp.arch.translation.attributes import decode_stage2
from arm_hyp.arch.translation.permissions import (
    is_kept_by_pan,
    stage1_permissions,
    stage2_permissions,
    table_limits,
)

_AP_READ_ONLY, _AP_EL0 = 1 << 7, 1 << 6
_XN, _PXN = 1 << 54, 1 << 53
_NO_WRITE, _NO_EL0, _NO_XN, _NO_PXN = 1 << 62, 1 << 61, 1 << 60, 1 << 59
_INVALID: Final = {
    0b00: "its bit 0 is clear, so it is invalid",
    0b01: "a block descriptor (<1:0> is 0b01) means nothing at this level, so it is invalid",
    0b10: "its bit 0 is clear, so it is invalid",
    0b11: "it is invalid",
}
_TTBR: Final = {
    (Regime.EL10, False): "TTBR0_EL1",
    (Regime.EL10, True): "TTBR1_EL1",
    (Regime.EL2, False): "TTBR0_EL2",
    (Regime.EL20, False): "TTBR0_EL2",
    (Regime.EL20, True): "TTBR1_EL2",
}


def base_register(parameters: Stage1Parameters | Stage2Parameters) -> str:
    """Name the register that holds the address of the first table."""
    if isinstance(parameters, Stage2Parameters):
        return "VTTBR_EL2"
    return _TTBR[parameters.regime, parameters.is_upper]


def control_register(parameters: Stage1Parameters | Stage2Parameters) -> str:
    """Name the register that says how the tables are cut."""
    if isinstance(parameters, Stage2Parameters):
        return "VTCR_EL2"
    return "TCR_EL1" if parameters.regime is Regime.EL10 else "TCR_EL2"


def size_field(parameters: Stage1Parameters | Stage2Parameters) -> str:
    """Name the field that says how many bits are translated."""
    is_upper = isinstance(parameters, Stage1Parameters) and parameters.is_upper
    return f"{control_register(parameters)}.T{int(is_upper)}SZ"


class Failed(NamedTuple):
    """The walk of the one stage that failed, what it failed with, and for which access."""

    walk: Walk
    fault: Fault
    access: Access

    @property
    def last(self) -> Step:
        """The last descriptor. Only where there is one."""
        return self.walk.steps[-1]


def failed(walk: Walk, access: Access) -> Failed | None:
    """Find the stage that failed: the walk itself, its stage 2, or the stage 2 walk for one of its descriptors."""
    fault = walk.result
    if not isinstance(fault, Fault):
        return None
    if walk.stage == 1 and fault.stage == 2:
        nested = walk.steps[-1].stage2 if fault.is_s1ptw else walk.stage2
        assert nested is not None  # a fault of stage 2 has the walk that found it
        return Failed(nested, fault, TABLE_WALK if fault.is_s1ptw else access)
    return Failed(walk, fault, access)


def reason(case: Failed) -> str:
    """Say why, in one clause without a full stop."""
    if not case.walk.steps:
        return _without_tables(case)
    return _REASONS[case.fault.kind](case)


def _without_tables(case: Failed) -> str:
    """Say why a stage refused an address before it read any table."""
    address, parameters = case.walk.input_address, case.walk.parameters
    tables = parameters.tables
    size = f"{size_field(parameters)} leaves {tables.input_bits} bits"
    if case.fault.kind is FaultKind.ADDRESS_SIZE:
        if isinstance(parameters, Stage1Parameters) and not parameters.is_enabled:
            return f"stage 1 is off, and the address has more than the {parameters.pa_bits} bits of a physical one"
        name, bits = base_register(parameters), tables.output_bits
        return f"{name} holds {tables.base:#x}, which has more than the {bits} bits of an output address"
    if isinstance(parameters, Stage2Parameters):
        if not parameters.is_legal:
            return "VTCR_EL2's T0SZ and SL0 do not go together, or ask for more than the physical address size"
        return f"{size}, and the IPA {address:#x} has more"
    if parameters.walks_disabled:
        return f"{control_register(parameters)}.EPD{int(parameters.is_upper)} is 1: no walks with this table"
    top = parameters.fetch_top_bit if case.access.is_fetch else parameters.top_bit
    what = "ones" if parameters.is_upper else "zeros"
    return f"{size}, and <{top}:{tables.input_bits}> are not all {what}"


def _invalid(case: Failed) -> str:
    return _INVALID[(case.last.descriptor or 0) & 3]


def _too_far(case: Failed) -> str:
    bits, name = case.walk.parameters.tables.output_bits, control_register(case.walk.parameters)
    return f"the address in it has more than {bits} bits, the output size that {name} and the CPU allow"


def _no_flag(case: Failed) -> str:
    return "its access flag, AF <10>, is 0"


def _no_answer(case: Failed) -> str:
    return "nothing answers at its address, so it cannot be read"


# --- permissions ------------------------------------------------------------------------------------------------------


def _forbidden(case: Failed) -> str:
    return _forbidden_by_stage2(case) if case.walk.stage == 2 else _forbidden_by_stage1(case)


def _forbidden_by_stage2(case: Failed) -> str:
    parameters, access, descriptor = case.walk.parameters, case.access, case.last.descriptor or 0
    assert isinstance(parameters, Stage2Parameters)
    if access.is_table_walk and parameters.protects_walks and decode_stage2(descriptor).is_device:
        return "HCR_EL2.PTW is 1, and tables of stage 1 must not lie in Device memory"
    assert not stage2_permissions(descriptor, parameters.has_xnx).allow(access)
    if access.is_fetch:
        return f"XN <54:53> is {descriptor >> 53 & 3:#04b}: this level must not execute it"
    what = "written" if access.is_write else "read"
    return f"S2AP <7:6> is {descriptor >> 6 & 3:#04b}: it must not be {what}"


def _forbidden_by_stage1(case: Failed) -> str:
    descriptor, limits = case.last.descriptor or 0, _limits(case)
    parameters = case.walk.parameters
    assert isinstance(parameters, Stage1Parameters)
    allowed = stage1_permissions(descriptor, limits, parameters.regime is not Regime.EL2, parameters.wxn)
    if is_kept_by_pan(allowed, case.access):
        return "PSTATE.PAN is 1, and EL0 may use this page"
    if case.access.is_fetch:
        return _not_executable(case, descriptor, limits)
    rows = _FOR_EL0 if not case.access.is_privileged else ()
    rows += _FOR_WRITES if case.access.is_write else ()
    return next(text for is_so, text in rows if is_so(descriptor, limits))


def _limits(case: Failed) -> int:
    parameters = case.walk.parameters
    ignores = isinstance(parameters, Stage1Parameters) and parameters.ignores_table_permissions
    return 0 if ignores else table_limits(case.walk.steps)


_Rows = tuple[tuple[Callable[[int, int], bool], str], ...]
_FOR_EL0: Final[_Rows] = (
    (lambda descriptor, limits: not descriptor & _AP_EL0, "AP<1> <6> is 0: EL0 has no access"),
    (lambda descriptor, limits: bool(limits & _NO_EL0), "APTable<0> <61> of a table on the way keeps EL0 out"),
)
_FOR_WRITES: Final[_Rows] = (
    (lambda descriptor, limits: bool(descriptor & _AP_READ_ONLY), "AP<2> <7> is 1: it is read-only"),
    (lambda descriptor, limits: bool(limits & _NO_WRITE), "APTable<1> <62> of a table on the way forbids writes"),
)


def _not_executable(case: Failed, descriptor: int, limits: int) -> str:
    """Say what forbids a fetch: UXN (XN) for EL0 and for EL2 alone, PXN for privileged levels; or who may write."""
    parameters = case.walk.parameters
    assert isinstance(parameters, Stage1Parameters)
    is_single = parameters.regime is Regime.EL2
    if is_single or not case.access.is_privileged:
        name, own, limit = "XN" if is_single else "UXN", _XN, _NO_XN
    else:
        name, own, limit = "PXN", _PXN, _NO_PXN
    if descriptor & own:
        return f"{name} <{own.bit_length() - 1}> is 1"
    if limits & limit:
        return f"{name}Table <{limit.bit_length() - 1}> of a table on the way is 1"
    if name == "PXN" and stage1_permissions(descriptor, limits, True, False).uw:
        return "EL0 may write it, and then privileged levels must not execute it"
    return f"SCTLR_EL{1 if parameters.regime is Regime.EL10 else 2}.WXN is 1, and it may be written"


_REASONS: Final[dict[FaultKind, Callable[[Failed], str]]] = {
    FaultKind.TRANSLATION: _invalid,
    FaultKind.ADDRESS_SIZE: _too_far,
    FaultKind.ACCESS_FLAG: _no_flag,
    FaultKind.PERMISSION: _forbidden,
    FaultKind.EXTERNAL_ON_WALK: _no_answer,
}
"""A row for every kind of fault that a walk can end in."""


def is_about_descriptor(case: Failed) -> bool:
    """Tell whether the reason speaks of the last descriptor."""
    return bool(case.walk.steps) and case.last.kind is not StepKind.NOT_READ
