"""Where QEMU 7.2 and our machine are known to differ, each with its reason and an example that a test runs.

Read `generator.py` before, `test_qemu.py` after. A row whose example no longer differs fails its test: take it out.
`expected` is the architecture's own answer for the example, (EL, ESR), written by hand from the Arm ARM; None where our
machine lacks the register so far, which is its fault and not QEMU's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from generator import ACCESS_FAULT_ADDRESS, CONTROLS, Case, Controls, move, with_hcr
from oracles import Dump

from arm_hyp.arch.instructions import InstructionKind, decode_system, load_store_access, mnemonic
from arm_hyp.arch.sysregs import name_of, parse_name

_LET_IN_BY_BIT = ("PMCCNTR_EL0", "PMSWINC_EL0", "PMSELR_EL0", "PMXEVCNTR_EL0", "PMEVCNTR*_EL0")
_MOVES = (InstructionKind.MRS, InstructionKind.MSR)


@dataclass(frozen=True)
class Deviation:
    """A known difference: which cases it may show in, why, and where the Arm ARM says so."""

    id: str
    applies: Callable[[Case], bool]
    reason: str
    ref: str
    example: Case
    expected: tuple[int, int] | None
    ignored_esr: int | None = None
    """If given, the dumps may differ in these bits of ESR_ELx only."""

    def explains(self, case: Case, qemu: Dump, ours: Dump) -> bool:
        """Tell whether a difference between two dumps is this known one."""
        if self.ignored_esr is None:
            return self.applies(case)
        alike = qemu._replace(esr=qemu.esr & ~self.ignored_esr) == ours._replace(esr=ours.esr & ~self.ignored_esr)
        return alike and self.applies(case)


def _name(case: Case) -> str:
    instruction = decode_system(case.word)
    if instruction is None or instruction.kind not in _MOVES:
        return ""
    return name_of(instruction.encoding, instruction.is_read)


def _registers(*patterns: str) -> Callable[[Case], bool]:
    return lambda case: any(fnmatchcase(_name(case), pattern) for pattern in patterns)


def _mrs(name: str, el: int, controls: Controls = CONTROLS) -> Case:
    mode = (0, 5, 9)[el]
    return Case("example", move(parse_name(name), True), el, replace(controls, spsr=0x3C0 | mode))


def _misaligned_stack(case: Case) -> bool:
    access = load_store_access(case.word)
    return access is not None and access.uses_sp and bool(case.controls.sp & 15)


def _misaligned_ordered(case: Case) -> bool:
    is_ordered = case.word & 0x3FBF_FC00 == 0x089F_FC00
    sctlr = case.controls.sctlr_el2 if case.el == 2 else case.controls.sctlr_el1
    return is_ordered and not sctlr & 2 and case.controls.x0 % (1 << (case.word >> 30)) != 0


def _external_abort_at_el2(case: Case) -> bool:
    return case.el == 2 and load_store_access(case.word) is not None


def _interrupt_mask(case: Case) -> bool:
    instruction = decode_system(case.word)
    return case.el == 0 and instruction is not None and mnemonic(instruction).startswith("msr DAIF")


def _implementation_defined(case: Case) -> bool:
    instruction = decode_system(case.word)
    return instruction is not None and instruction.kind in _MOVES and instruction.crn in (11, 15)


_TIMERS = ("CNTP_*", "CNTV_*", "CNTHP_*", "CNTVOFF_EL2", "CNTHCTL_EL2", "CNTKCTL_EL1")
_AARCH32 = ("IFSR32_EL2", "DACR32_EL2", "FPEXC32_EL2", "SPSR_*", "DBGVCR32_EL2", "SDER32_EL*")
_DEBUG = ("DBGAUTHSTATUS_EL1", "DBGCLAIM*", "DBGDTR*", "DBGPRCR_EL1", "OSDTR*", "OSECCR_EL1", "MDCC*")

DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "no EL3 in QEMU's virt",
        _registers("RVBAR_EL*", "RMR_EL*", "CNTFRQ_EL0"),
        "With virtualization=on alone EL2 is QEMU's highest: it has RVBAR and RMR, and writes CNTFRQ. Here EL3 is.",
        "Arm ARM, RVBAR_EL2: only if the highest Exception level implemented is EL2",
        _mrs("RVBAR_EL2", 2),
        (2, 0x0200_0000),
    ),
    Deviation(
        "AArch32 registers",
        _registers(*_AARCH32),
        "QEMU's Cortex-A72 runs AArch32 below EL2; this machine claims AArch64 only, and then they are UNDEFINED.",
        "Arm ARM, IFSR32_EL2: UNDEFINED when no EL below EL2 can use AArch32",
        _mrs("IFSR32_EL2", 2),
        (2, 0x0200_0000),
    ),
    Deviation(
        "debug communication, claim tags, authentication status",
        _registers(*_DEBUG),
        "QEMU 7.2 lacks most of them or gives them to EL0 only; the architecture has them on every PE.",
        "Arm ARM D17.5, DBGAUTHSTATUS_EL1",
        _mrs("DBGAUTHSTATUS_EL1", 1),
        (2, 0x5A00_07FF),
    ),
    Deviation(
        "SP alignment",
        _misaligned_stack,
        "QEMU never checks the alignment of SP.",
        "Arm ARM D1.3.10.2, pseudocode CheckSPAlignment",
        Case("example", 0xF940_03E1, 1, replace(CONTROLS, sctlr_el1=CONTROLS.sctlr_el1 | 8, sp=CONTROLS.sp + 8)),
        (1, 0x9A00_0000),
    ),
    Deviation(
        "ISV of an external abort that EL2 takes from itself",
        _external_abort_at_el2,
        "QEMU reports ISV = 1 and the access; ISV is 0 for every data abort that is not of stage 2.",
        "Arm ARM, ESR_ELx, ISS encoding for an exception from a Data Abort, ISV",
        Case("example", 0xF940_0001, 2, replace(CONTROLS, spsr=0x3C9, x0=ACCESS_FAULT_ADDRESS)),
        (2, 0x9600_0010),
        ignored_esr=0x1FF_C000,
    ),
    Deviation(
        "syndrome of MSR DAIFSet and DAIFClr under UMA",
        _interrupt_mask,
        "QEMU exchanges op1 and op2 in the syndrome.",
        "Arm ARM, ESR_ELx, ISS encoding for an exception from MSR, MRS or System instruction execution",
        Case("example", 0xD503_40FF, 0, replace(CONTROLS, spsr=0x3C0, sctlr_el1=CONTROLS.sctlr_el1 & ~(1 << 9))),
        (1, 0x620E_D3E0),
        ignored_esr=0xF_FC1E,
    ),
    Deviation(
        "CNTHCTL_EL2.EL1PCTEN from EL0",
        lambda case: case.el == 0 and _name(case) == "CNTPCT_EL0",
        "From EL0 QEMU 7.2 asks EL1PCEN where the architecture says EL1PCTEN.",
        "Arm ARM, CNTHCTL_EL2.EL1PCTEN",
        _mrs("CNTPCT_EL0", 0, replace(CONTROLS, cnthctl_el2=2)),
        (2, 0x6232_F801),
    ),
    Deviation(
        "TIDCP",
        _implementation_defined,
        "QEMU 7.2 has no HCR_EL2.TIDCP.",
        "Arm ARM, HCR_EL2.TIDCP",
        with_hcr(Case("example", move(parse_name("s3_0_c15_c0_0"), True), 1), "TIDCP"),
        (2, 0x6230_3C01),
    ),
    Deviation(
        "alignment of LDAR and STLR",
        _misaligned_ordered,
        "OURS IS AT FAULT: with SCTLR_ELx.A clear the core does not check them (exclusives it does), and nor do we.",
        "Arm ARM B2.5.2, pseudocode AArch64.UnalignedAccessFaults",
        Case("example", 0xC8DF_FC01, 1, replace(CONTROLS, x0=CONTROLS.x0 + 4)),
        None,
    ),
    Deviation(
        "MDCR_EL2.TPM where PMUSERENR_EL0 lets EL0 in",
        lambda case: case.el == 0 and any(fnmatchcase(_name(case), name) for name in _LET_IN_BY_BIT),
        "QEMU 7.2 lets EL0 read and write these by PMUSERENR_EL0.{ER,CR,SW} without asking MDCR_EL2.TPM.",
        "Arm ARM, MDCR_EL2.TPM; accessor pseudocode of PMCCNTR_EL0",
        _mrs("PMCCNTR_EL0", 0, replace(CONTROLS, mdcr_el2=CONTROLS.mdcr_el2 | 1 << 6, pmuserenr_el0=1 << 2)),
        (2, 0x6230_E41B),
    ),
    Deviation(
        "MDCR_EL2.TPMCR",
        _registers("PMCR_EL0"),
        "QEMU 7.2 has no MDCR_EL2.TPMCR.",
        "Arm ARM, MDCR_EL2.TPMCR",
        _mrs("PMCR_EL0", 1, replace(CONTROLS, mdcr_el2=CONTROLS.mdcr_el2 | 1 << 5)),
        (2, 0x6230_E419),
    ),
)
