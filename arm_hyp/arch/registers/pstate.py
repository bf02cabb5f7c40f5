"""PSTATE, its copies in SPSR_ELx, and the small registers that show single parts of it.

Read `arch/bitfields.py` before and `arch/registers/syndrome.py` after this file.

Simplified: this machine runs AArch64 only, so the AArch32 form of SPSR_ELx is not here; bits <63:32> (Armv9.3 and
later: PM, PPEND, EXLOCK, PACM, UINJ) are RES0.
"""

from __future__ import annotations

from enum import IntEnum

from arm_hyp.arch.bitfields import Field, Register


class Mode(IntEnum):
    """M[3:0]: the exception level in <3:2> and in bit 0 the choice between SP_EL0 ("t") and SP_ELx ("h").

    Ref: Arm ARM, SPSR_EL2.M; pseudocode ELFromM32/ELFromSPSR.
    """

    EL0t = 0b0000
    EL1t = 0b0100
    EL1h = 0b0101
    EL2t = 0b1000
    EL2h = 0b1001
    EL3t = 0b1100
    EL3h = 0b1101


BTYPE_VALUES = {
    0b00: "not after an indirect branch",
    0b01: "after BR through X16 or X17, or from a page without guard",
    0b10: "after BLR",
    0b11: "after BR through another register from a guarded page",
}
STATE_VALUES = {0: "AArch64", 1: "AArch32"}


class _ProcessState(Register):
    """The layout that PSTATE, as this program holds it, and every SPSR_ELx share. Ref: Arm ARM, SPSR_EL1."""

    N = Field(31, meaning="condition flag: negative")
    Z = Field(30, meaning="condition flag: zero")
    C = Field(29, meaning="condition flag: carry")
    V = Field(28, meaning="condition flag: overflow")
    TCO = Field(25, meaning="tag check override")
    DIT = Field(24, meaning="data independent timing")
    UAO = Field(23, meaning="user access override: LDTR and STTR act as LDR and STR")
    PAN = Field(22, meaning="privileged access never: no privileged data access to what EL0 may access")
    SS = Field(21, meaning="software step: 1 runs one instruction, 0 takes the step exception")
    IL = Field(20, meaning="illegal execution state")
    ALLINT = Field(13, meaning="all interrupt mask: IRQ and FIQ, also with superpriority")
    SSBS = Field(12, meaning="speculative store bypass safe")
    BTYPE = Field(11, 10, BTYPE_VALUES, meaning="branch type, for branch target identification")
    D = Field(9, meaning="debug exception mask")
    A = Field(8, meaning="SError exception mask")
    I = Field(7, meaning="IRQ mask")  # noqa: E741
    F = Field(6, meaning="FIQ mask")
    nRW = Field(4, values=STATE_VALUES, meaning="M[4], execution state: 0 is AArch64")
    M = Field(3, 0, Mode, meaning="exception level and choice of stack pointer")


class PSTATE(_ProcessState):
    """Process state, held in the layout of SPSR_ELx. Ref: Arm ARM, "Process state, PSTATE"."""


class SPSR_EL1(_ProcessState):
    """Saved program status, exceptions taken to EL1. Ref: Arm ARM, SPSR_EL1."""


class SPSR_EL2(_ProcessState):
    """Saved program status, exceptions taken to EL2. Ref: Arm ARM, SPSR_EL2."""


class SPSR_EL3(_ProcessState):
    """Saved program status, exceptions taken to EL3. Ref: Arm ARM, SPSR_EL3."""


class CurrentEL(Register):
    """Current exception level. Ref: Arm ARM, CurrentEL."""

    EL = Field(3, 2, {0: "EL0", 1: "EL1", 2: "EL2", 3: "EL3"}, meaning="current exception level")


class SPSel(Register):
    """Stack pointer select. Ref: Arm ARM, SPSel."""

    SP = Field(0, values={0: "SP_EL0 at every level", 1: "SP_ELx of the current level"}, meaning="stack pointer select")


class DAIF(Register):
    """Interrupt mask bits. Ref: Arm ARM, DAIF."""

    D = Field(9, meaning="debug exception mask")
    A = Field(8, meaning="SError exception mask")
    I = Field(7, meaning="IRQ mask")  # noqa: E741
    F = Field(6, meaning="FIQ mask")


class NZCV(Register):
    """Condition flags. Ref: Arm ARM, NZCV."""

    N = Field(31, meaning="condition flag: negative")
    Z = Field(30, meaning="condition flag: zero")
    C = Field(29, meaning="condition flag: carry")
    V = Field(28, meaning="condition flag: overflow")


class PAN(Register):
    """Privileged access never. Ref: Arm ARM, PAN."""

    PAN = Field(22, meaning="privileged access never: no privileged data access to what EL0 may access")


class UAO(Register):
    """User access override. Ref: Arm ARM, UAO."""

    UAO = Field(23, meaning="user access override: LDTR and STTR act as LDR and STR")


class DIT(Register):
    """Data independent timing. Ref: Arm ARM, DIT."""

    DIT = Field(24, meaning="data independent timing")


class SSBS(Register):
    """Speculative store bypass safe. Ref: Arm ARM, SSBS."""

    SSBS = Field(12, meaning="speculative store bypass safe")


class TCO(Register):
    """Tag check override. Ref: Arm ARM, TCO."""

    TCO = Field(25, meaning="tag check override")
