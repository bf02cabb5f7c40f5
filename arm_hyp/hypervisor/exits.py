"""Exits: why a vCPU came back to EL2, as a frozen type for each kind, decoded from the registers of EL2.

Read `arch/syndromes.py` before this file and `hypervisor/dispatch.py` after it. The table is total: each of the 64
exception classes has a row, and so have the interrupts. Everything here is a pure function of the five registers.

Compare Linux: `arch/arm64/kvm/handle_exit.c` and `include/asm/kvm_emulate.h` decode the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.iss_classes import EC, EXCEPTION_CLASSES, ec_name
from arm_hyp.arch.sysregs import Encoding

ISS_BITS: Final = (1 << 25) - 1
_PAGE_OFFSET: Final = 0xFFF
_FIPA: Final = ((1 << 40) - 1) << 4
"""HPFAR_EL2.FIPA <43:4> holds IPA <51:12>."""


class Syndrome(NamedTuple):
    """What an exception to EL2 leaves there: its kind, and ESR_EL2, FAR_EL2, HPFAR_EL2, ELR_EL2."""

    kind: Kind
    esr: int
    far: int
    hpfar: int
    elr: int

    @property
    def ec(self) -> int:
        """The exception class, ESR_EL2<31:26>."""
        return self.esr >> 26 & 0x3F

    @property
    def ipa(self) -> int:
        """The faulting IPA: HPFAR_EL2 gives the page, FAR_EL2 the offset in it."""
        return (self.hpfar & _FIPA) << 8 | self.far & _PAGE_OFFSET


class WfxExit(NamedTuple):
    """A trapped WFI, WFE, WFIT or WFET, at `pc`. Ref: Arm ARM, ISS encoding for an exception from a WF* instruction."""

    ec: EC
    esr: int
    pc: int

    @property
    def is_wfe(self) -> bool:
        """Whether it is WFE or WFET: ISS.TI<0>."""
        return bool(self.esr & 1)

    @property
    def is_wfi(self) -> bool:
        """Whether it is WFI or WFIT."""
        return not self.esr & 1

    @property
    def has_timeout(self) -> bool:
        """Whether it is WFIT or WFET: ISS.TI<1>."""
        return bool(self.esr & 2)


class HvcExit(NamedTuple):
    """An HVC. It has completed: `pc` is the HVC's own address, and the vCPU goes on behind it without a skip."""

    ec: EC
    esr: int
    pc: int

    @property
    def imm(self) -> int:
        """The immediate of the instruction, ISS<15:0>."""
        return self.esr & 0xFFFF


class SmcExit(NamedTuple):
    """An SMC that HCR_EL2.TSC traps, at `pc`. It has not completed: skip it."""

    ec: EC
    esr: int
    pc: int

    @property
    def imm(self) -> int:
        """The immediate of the instruction, ISS<15:0>."""
        return self.esr & 0xFFFF


class SysregExit(NamedTuple):
    """A trapped MSR, MRS or system instruction, at `pc`. `rt` is the general register, 31 being XZR."""

    ec: EC
    esr: int
    pc: int
    encoding: Encoding
    name: str
    is_read: bool
    rt: int

    @property
    def is_write(self) -> bool:
        """Whether it is an MSR, or a system instruction."""
        return not self.is_read


class DataAbortExit(NamedTuple):
    """A load or store that stage 2, or the bus, refused. `ipa` holds only for stage 2 faults.

    Ref: Arm ARM, ISS encoding for an exception from a Data Abort.
    """

    ec: EC
    esr: int
    pc: int
    va: int
    ipa: int

    @property
    def status(self) -> int:
        """DFSC, ISS<5:0>: which fault, and at which level."""
        return self.esr & 0x3F

    @property
    def is_write(self) -> bool:
        """WnR, ISS<6>. Cache maintenance counts as a write; a fault on a stage 1 walk as what the walk did."""
        return bool(self.esr >> 6 & 1)

    @property
    def is_s1ptw(self) -> bool:
        """Whether the access was made by a stage 1 table walk, ISS<7>."""
        return bool(self.esr >> 7 & 1)

    @property
    def is_cache_maintenance(self) -> bool:
        """CM, ISS<8>."""
        return bool(self.esr >> 8 & 1)

    @property
    def is_valid(self) -> bool:
        """ISV, ISS<24>: whether `size_bytes`, `rt`, `sign_extend` and `is_64bit` say anything."""
        return bool(self.esr >> 24 & 1)

    @property
    def size_bytes(self) -> int:
        """SAS, ISS<23:22>: 1, 2, 4 or 8."""
        return 1 << (self.esr >> 22 & 3)

    @property
    def sign_extend(self) -> bool:
        """SSE, ISS<21>."""
        return bool(self.esr >> 21 & 1)

    @property
    def rt(self) -> int:
        """SRT, ISS<20:16>: the register that is loaded or stored, 31 being XZR."""
        return self.esr >> 16 & 31

    @property
    def is_64bit(self) -> bool:
        """SF, ISS<15>: whether the register is X, not W."""
        return bool(self.esr >> 15 & 1)


class InstructionAbortExit(NamedTuple):
    """A fetch that stage 2, or the bus, refused. Ref: Arm ARM, ISS encoding for an Instruction Abort."""

    ec: EC
    esr: int
    pc: int
    va: int
    ipa: int

    @property
    def status(self) -> int:
        """IFSC, ISS<5:0>: which fault, and at which level."""
        return self.esr & 0x3F

    @property
    def is_s1ptw(self) -> bool:
        """Whether the access was made by a stage 1 table walk, ISS<7>."""
        return bool(self.esr >> 7 & 1)


class FpExit(NamedTuple):
    """An access to FP, SIMD or SVE registers that CPTR_EL2 traps, at `pc`. It runs again when the trap is off."""

    ec: EC
    esr: int
    pc: int

    @property
    def is_sve(self) -> bool:
        """Whether it is SVE that was accessed."""
        return self.ec is EC.SVE


class DebugExit(NamedTuple):
    """A debug exception that is routed to EL2: breakpoint, watchpoint, step or BRK, at `pc`."""

    ec: EC
    esr: int
    pc: int
    va: int


class SErrorExit(NamedTuple):
    """A physical SError."""

    ec: EC
    esr: int
    pc: int


class OtherExit(NamedTuple):
    """An exception of any other class."""

    ec: EC | int
    esr: int
    pc: int

    @property
    def name(self) -> str:
        """The class in words."""
        return ec_name(self.ec)


class InterruptExit(NamedTuple):
    """A physical interrupt. It has no syndrome: ask the interrupt controller."""

    is_fiq: bool
    pc: int


SyncExit = (
    WfxExit
    | HvcExit
    | SmcExit
    | SysregExit
    | DataAbortExit
    | InstructionAbortExit
    | FpExit
    | DebugExit
    | SErrorExit
    | OtherExit
)
Exit = SyncExit | InterruptExit


@lru_cache(maxsize=4096)
def _sysreg(iss: int) -> tuple[Encoding, str, bool, int]:
    """Decode ISS of EC 0x18. Ref: Arm ARM, ISS encoding for an exception from MSR, MRS or System instruction."""
    encoding = Encoding(iss >> 20 & 3, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7)
    return encoding, sysregs.name_of(encoding), bool(iss & 1), iss >> 5 & 31


def _decode_sysreg(s: Syndrome) -> SysregExit:
    return SysregExit(EC.SYSREG, s.esr, s.elr, *_sysreg(s.esr & ISS_BITS))


_SIMPLE: Final[dict[EC, type[WfxExit | SmcExit | FpExit | SErrorExit]]] = {
    EC.WFX: WfxExit,
    EC.SMC64: SmcExit,
    EC.FP_ACCESS: FpExit,
    EC.SVE: FpExit,
    EC.SERROR: SErrorExit,
}
_DEBUG: Final = (
    EC.BREAKPOINT_LOWER,
    EC.BREAKPOINT_SAME,
    EC.STEP_LOWER,
    EC.STEP_SAME,
    EC.WATCHPOINT_LOWER,
    EC.WATCHPOINT_SAME,
    EC.BKPT32,
    EC.BRK,
)


Decoder = Callable[[Syndrome], SyncExit]

_OWN: Final[dict[int, Decoder]] = {
    EC.HVC64: lambda s: HvcExit(EC.HVC64, s.esr, s.elr - 4),
    EC.SYSREG: _decode_sysreg,
    EC.DATA_ABORT_LOWER: lambda s: DataAbortExit(EC.DATA_ABORT_LOWER, s.esr, s.elr, s.far, s.ipa),
    EC.DATA_ABORT_SAME: lambda s: DataAbortExit(EC.DATA_ABORT_SAME, s.esr, s.elr, s.far, s.ipa),
    EC.INSTRUCTION_ABORT_LOWER: lambda s: InstructionAbortExit(EC.INSTRUCTION_ABORT_LOWER, s.esr, s.elr, s.far, s.ipa),
    EC.INSTRUCTION_ABORT_SAME: lambda s: InstructionAbortExit(EC.INSTRUCTION_ABORT_SAME, s.esr, s.elr, s.far, s.ipa),
}


def _simple(ec: EC, kind: type[WfxExit | SmcExit | FpExit | SErrorExit]) -> Decoder:
    return lambda s: kind(ec, s.esr, s.elr)


def _debug(ec: EC) -> Decoder:
    return lambda s: DebugExit(ec, s.esr, s.elr, s.far)


def _other(ec: int) -> Decoder:
    known = EC(ec) if EXCEPTION_CLASSES[ec].defined else ec  # a reserved class has no name
    return lambda s: OtherExit(known, s.esr, s.elr)


DECODERS: Final[tuple[Decoder, ...]] = tuple(
    (
        {ec: _other(ec) for ec in range(64)}
        | {ec: _simple(ec, kind) for ec, kind in _SIMPLE.items()}
        | {ec: _debug(ec) for ec in _DEBUG}
        | _OWN
    ).values()
)
"""How to decode each of the 64 exception classes."""


def decode_exit(syndrome: Syndrome) -> Exit:
    """Return the typed exit. Total: every value of the registers has one."""
    kind = syndrome.kind
    if kind is Kind.SYNC or kind is Kind.SERROR:
        return DECODERS[syndrome.esr >> 26 & 0x3F](syndrome)
    return InterruptExit(kind is Kind.FIQ, syndrome.elr)
