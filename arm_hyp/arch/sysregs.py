"""System registers and operations: one sorted table, names both ways, VHE redirection, and who implements what.

Read `arch/sysreg_table.py` (row types) and `arch/id_policy.py` (what this machine claims) before,
`arch/instructions.py` and `arch/traps.py` after. The rows themselves are in `arch/sysreg_rows_*.py`.

    by_name("SCTLR_EL1").encoding == parse_name("s3_0_c1_c0_0")
    resolve(parse_name("HFGRTR_EL2"), is_read=True, model="a72", gic=2).reason

`resolve` is total: every encoding an instruction can hold has an answer, never by accident.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from arm_hyp.arch import (
    id_policy,
    sysreg_rows_debug,
    sysreg_rows_gic,
    sysreg_rows_id,
    sysreg_rows_operations,
    sysreg_rows_system,
)
from arm_hyp.arch.id_policy import LIST_REGISTERS
from arm_hyp.arch.sysreg_table import Encoding, Route, SystemOperation, SystemRegister

__all__ = [
    "ALIASES",
    "OPERATIONS",
    "OTHER_NAMES",
    "TABLE",
    "Encoding",
    "Resolution",
    "Route",
    "SystemOperation",
    "SystemRegister",
    "aliases",
    "by_encoding",
    "by_name",
    "core_extras",
    "is_el12",
    "name_of",
    "operation_by_encoding",
    "operation_by_name",
    "parse_name",
    "redirect",
    "reset_value",
    "resolve",
    "route",
    "undefined_reason",
]

TABLE: tuple[SystemRegister, ...] = tuple(
    sorted(
        (*sysreg_rows_system.ROWS, *sysreg_rows_id.ROWS, *sysreg_rows_debug.ROWS, *sysreg_rows_gic.ROWS),
        key=lambda register: (register.encoding, register.name),
    )
)
"""All registers by encoding. DBGDTRRX_EL0 (read) and DBGDTRTX_EL0 (write) share one."""

OPERATIONS: tuple[SystemOperation, ...] = tuple(sorted(sysreg_rows_operations.ROWS, key=lambda row: row.encoding))

OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "ICH_ELSR_EL2": "ICH_ELRSR_EL2",
        "DBGDTRRX": "DBGDTRRX_EL0",
        **{
            f"ICV_{row.name[4:]}": row.name
            for row in TABLE
            if row.name.startswith("ICC_")
            and row.name.endswith("_EL1")
            and "SGI" not in row.name
            and "SRE" not in row.name
        },
    }
)
"""Further names of registers in the table: old spellings, and the virtual CPU interface (ICV_*), which shares
encodings."""

_BY_NAME = {row.name.upper(): row for row in TABLE}
_BY_NAME |= {other: _BY_NAME[name] for other, name in OTHER_NAMES.items()}
_READ = {row.encoding: row for row in TABLE if row.access != "WO"}
_WRITE = {row.encoding: row for row in TABLE if row.access != "RO"}
_OPERATION_BY_NAME = {row.name: row for row in OPERATIONS}
_OPERATION_BY_ENCODING = {row.encoding: row for row in OPERATIONS}

ALIASES: Mapping[Encoding, Encoding] = MappingProxyType(
    {
        row.encoding: _BY_NAME[row.name.replace("_EL12", "_EL1").replace("_EL02", "_EL0")].encoding
        for row in TABLE
        if row.group == "vhe"
    }
)
"""The register that each _EL12 and _EL02 name reaches from EL2 (or EL3) while HCR_EL2.E2H is 1."""
aliases = ALIASES

_GENERIC = re.compile(r"S([1-3])_([0-7])_C(\d{1,2})_C(\d{1,2})_([0-7])", re.IGNORECASE)


def parse_name(text: str) -> Encoding:
    """Return the encoding of a register or operation by Arm's name or by `s3_op1_cN_cM_op2`, in any case.

    Raises: KeyError that names the text, and the nearest names of the table.
    """
    generic = _GENERIC.fullmatch(text.strip())
    if generic:
        encoding = Encoding(*map(int, generic.groups()))
        if encoding.is_valid():
            return encoding
        raise KeyError(f"{text}: CRn and CRm go from C0 to C15")
    wanted = " ".join(text.upper().split())
    if wanted in _OPERATION_BY_NAME:
        return _OPERATION_BY_NAME[wanted].encoding
    return by_name(text).encoding


def by_name(name: str) -> SystemRegister:
    """Return the register of this name, in any case; generic names are found if the register is in the table.

    Raises: KeyError that tells near names.
    """
    wanted = name.strip().upper()
    found = _BY_NAME.get(wanted)
    if found is None and _GENERIC.fullmatch(wanted):
        found = by_encoding(parse_name(wanted)) or by_encoding(parse_name(wanted), is_read=False)
    if found is None:
        raise KeyError(f"no system register is called {name}{_near(wanted)}")
    return found


def _near(wanted: str) -> str:
    from difflib import get_close_matches  # here: only those who err wait for it

    near = get_close_matches(wanted, sorted(_BY_NAME), n=3)
    return f"; near names: {', '.join(near)}" if near else ""


def by_encoding(encoding: Encoding, is_read: bool = True) -> SystemRegister | None:
    """Return the register that MRS (or MSR) with this encoding names, or the one of the other direction, or None."""
    first, second = (_READ, _WRITE) if is_read else (_WRITE, _READ)
    return first.get(encoding) or second.get(encoding)


def operation_by_name(name: str) -> SystemOperation:
    """Return the operation, e.g. `tlbi vae1is`, in any case. Raises: KeyError."""
    return _OPERATION_BY_NAME[" ".join(name.upper().split())]


def operation_by_encoding(encoding: Encoding) -> SystemOperation | None:
    """Return the SYS operation of this encoding (op0 = 1), or None."""
    return _OPERATION_BY_ENCODING.get(encoding)


def name_of(encoding: Encoding, is_read: bool = True) -> str:
    """Return Arm's name of a register or operation, or its generic name."""
    if encoding.op0 == 1:
        operation = operation_by_encoding(encoding)
        return operation.name if operation else encoding.generic_name
    register = by_encoding(encoding, is_read)
    return register.name if register else encoding.generic_name


# VHE: at EL2 with E2H = 1, the name on the left reaches the register on the right.
_E2H = {
    _BY_NAME[source].encoding: _BY_NAME[target].encoding
    for source, target in (
        ("AFSR0_EL1", "AFSR0_EL2"),
        ("AFSR1_EL1", "AFSR1_EL2"),
        ("AMAIR_EL1", "AMAIR_EL2"),
        ("CNTKCTL_EL1", "CNTHCTL_EL2"),
        ("CNTP_CTL_EL0", "CNTHP_CTL_EL2"),
        ("CNTP_CVAL_EL0", "CNTHP_CVAL_EL2"),
        ("CNTP_TVAL_EL0", "CNTHP_TVAL_EL2"),
        ("CNTV_CTL_EL0", "CNTHV_CTL_EL2"),
        ("CNTV_CVAL_EL0", "CNTHV_CVAL_EL2"),
        ("CNTV_TVAL_EL0", "CNTHV_TVAL_EL2"),
        ("CONTEXTIDR_EL1", "CONTEXTIDR_EL2"),
        ("CPACR_EL1", "CPTR_EL2"),
        ("ELR_EL1", "ELR_EL2"),
        ("ESR_EL1", "ESR_EL2"),
        ("FAR_EL1", "FAR_EL2"),
        ("MAIR_EL1", "MAIR_EL2"),
        ("MPAM1_EL1", "MPAM2_EL2"),
        ("PMSCR_EL1", "PMSCR_EL2"),
        ("SCTLR_EL1", "SCTLR_EL2"),
        ("SCTLR2_EL1", "SCTLR2_EL2"),
        ("SCXTNUM_EL1", "SCXTNUM_EL2"),
        ("SMCR_EL1", "SMCR_EL2"),
        ("SPSR_EL1", "SPSR_EL2"),
        ("TCR_EL1", "TCR_EL2"),
        ("TCR2_EL1", "TCR2_EL2"),
        ("TFSR_EL1", "TFSR_EL2"),
        ("TRFCR_EL1", "TRFCR_EL2"),
        ("TTBR0_EL1", "TTBR0_EL2"),
        ("TTBR1_EL1", "TTBR1_EL2"),
        ("VBAR_EL1", "VBAR_EL2"),
        ("ZCR_EL1", "ZCR_EL2"),
    )
}
# At EL0 with E2H and TGE both 1, the EL0 timer names reach the EL2 timers too.
_E2H_TGE_AT_EL0 = {source: target for source, target in _E2H.items() if source.op1 == 3 and source.crn == 14}


def redirect(encoding: Encoding, el: int, e2h: bool | int, tge: bool | int = 0) -> Encoding:
    """Return the encoding of the register that an access really reaches.

    With `e2h` (HCR_EL2.E2H): at EL2 the EL1 names reach EL2's registers, and at EL2 and EL3 the _EL12 and _EL02 names
    reach EL1's and EL0's; with `tge` too, EL0's timer names reach EL2's timers. All else comes back as it is; an
    _EL12 or _EL02 encoding that comes back is UNDEFINED there (see `is_el12`).

    Ref: Arm ARM D17.1.3 "System register access redirection", AArch64.SysRegRead of each register.
    """
    if not e2h:
        return encoding
    if el >= 2 and encoding in ALIASES:
        return ALIASES[encoding]
    if el == 2:
        return _E2H.get(encoding, encoding)
    return _E2H_TGE_AT_EL0.get(encoding, encoding) if el == 0 and tge else encoding


def is_el12(encoding: Encoding) -> bool:
    """Tell whether this is one of the _EL12 and _EL02 names of VHE."""
    return encoding in ALIASES


def route(
    register: SystemRegister | SystemOperation, model: str, gic: int = 3, list_registers: int = LIST_REGISTERS
) -> Route:
    """Say who implements a register or operation on this machine (see `Route`)."""
    return register.route if undefined_reason(register, model, gic, list_registers) is None else "undefined"


def undefined_reason(
    register: SystemRegister | SystemOperation, model: str, gic: int = 3, list_registers: int = LIST_REGISTERS
) -> str | None:
    """Say in words why this machine does not have a register or operation, or return None when it has."""
    return id_policy.missing_reason(register.feature, model, gic, list_registers)


_CORE_EXTRAS = {
    "a72": "CBAR_EL1 DACR32_EL2 DBGVCR32_EL2 FPEXC32_EL2 IFSR32_EL2 SDER32_EL3 SPSR_ABT SPSR_FIQ SPSR_IRQ SPSR_UND",
    "max": "PMMIR_EL1",
}


def core_extras(model: str) -> frozenset[Encoding]:
    """Return the registers that the core answers although this machine does not claim them: they must be made
    UNDEFINED.

    All of them belong to AArch32, but for CBAR_EL1 of the Cortex-A72 and PMMIR_EL1 of later PMUs. Measured on Unicorn
    2.1.4, and compared by a test.
    """
    names = _CORE_EXTRAS["a72"] if model == "a72" else f"{_CORE_EXTRAS['a72']} {_CORE_EXTRAS['max']}"
    return frozenset(_BY_NAME[name].encoding for name in names.split())


def reset_value(register: SystemRegister, model: str, gic: int = 3, list_registers: int = LIST_REGISTERS) -> int:
    """Return the value after reset: that of the ID policy where it has a say, else that of the table."""
    try:
        return id_policy.id_value(register.name, model, gic, list_registers)
    except KeyError:
        return register.reset


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer to "who implements this access?": a route, the register or operation if it has a name, and why not."""

    encoding: Encoding
    route: Route
    target: SystemRegister | SystemOperation | None
    reason: str

    @property
    def name(self) -> str:
        """Return Arm's name, or the generic one."""
        return self.target.name if self.target else self.encoding.generic_name


@lru_cache(maxsize=4096)
def resolve(
    encoding: Encoding, is_read: bool, model: str, gic: int, list_registers: int = LIST_REGISTERS
) -> Resolution:
    """Say who implements an access by MRS, MSR, SYS or SYSL. Total: any encoding has an answer.

    `list_registers` is the number of ICH_LR<n>_EL2 (1 to 16); the other numbered registers are counted by the ID
    registers: breakpoints, watchpoints, event counters, active priorities.
    The EL and the traps are not considered. Raises: ValueError for an unknown machine.
    """
    id_policy.check_machine(model, gic, list_registers)
    target = operation_by_encoding(encoding) if encoding.op0 == 1 else by_encoding(encoding, is_read)
    if target is None:
        return Resolution(encoding, "undefined", None, _unnamed_reason(encoding))
    reason = undefined_reason(target, model, gic, list_registers) or _direction_reason(target, is_read)
    return Resolution(encoding, "undefined" if reason else target.route, target, reason or "")


def _direction_reason(target: SystemRegister | SystemOperation, is_read: bool) -> str | None:
    if isinstance(target, SystemOperation):
        return f"{target.name} gives no result: SYSL of it does not exist" if is_read else None
    if target.access == ("WO" if is_read else "RO"):
        return f"{target.name} is {'write' if is_read else 'read'}-only"
    return None


def _unnamed_reason(encoding: Encoding) -> str:
    if encoding.op0 in (1, 3) and encoding.crn in (11, 15):
        return "an implementation-defined encoding that this machine does not define"
    if encoding.op0 == 2 and encoding.op1 == 1:
        return "a register of the trace unit, and none is claimed: ID_AA64DFR0_EL1.TraceVer is 0"
    return "an encoding that the table does not name: unallocated, or of a feature that is not claimed"
