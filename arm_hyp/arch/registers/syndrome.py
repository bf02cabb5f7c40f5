"""Where an exception says what happened: ESR_ELx, FAR_ELx and the syndrome of a virtual SError.

Read `arch/registers/pstate.py` before this file. Read `arch/syndromes.py` after it: it names the exception classes and
takes ISS apart, whose layout depends on EC.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register

IL_VALUES = {0: "16-bit instruction", 1: "32-bit instruction, or a class for which IL is always 1"}


class _ExceptionSyndrome(Register):
    """The layout of every ESR_ELx. Ref: Arm ARM, ESR_EL1, ESR_EL2 and ESR_EL3."""

    ISS2 = Field(55, 32, meaning="more of the syndrome, for aborts")
    EC = Field(31, 26, meaning="exception class")
    IL = Field(25, values=IL_VALUES, meaning="instruction length")
    ISS = Field(24, 0, meaning="instruction specific syndrome, by exception class")


class ESR_EL1(_ExceptionSyndrome):
    """Syndrome of the last exception taken to EL1. Ref: Arm ARM, ESR_EL1."""


class ESR_EL2(_ExceptionSyndrome):
    """Syndrome of the last exception taken to EL2. Ref: Arm ARM, ESR_EL2."""


class ESR_EL3(_ExceptionSyndrome):
    """Syndrome of the last exception taken to EL3. Ref: Arm ARM, ESR_EL3."""


class _FaultAddress(Register):
    """The layout of every FAR_ELx. Ref: Arm ARM, FAR_EL1, FAR_EL2 and FAR_EL3."""

    ADDR = Field(63, 0, meaning="faulting virtual address, for aborts, PC alignment and watchpoints")


class FAR_EL1(_FaultAddress):
    """Fault address of exceptions taken to EL1. Ref: Arm ARM, FAR_EL1."""


class FAR_EL2(_FaultAddress):
    """Fault address of exceptions taken to EL2. Ref: Arm ARM, FAR_EL2."""


class FAR_EL3(_FaultAddress):
    """Fault address of exceptions taken to EL3. Ref: Arm ARM, FAR_EL3."""


class VSESR_EL2(Register):
    """Syndrome that a virtual SError reports to EL1. Ref: Arm ARM, VSESR_EL2 (AArch64 form)."""

    IDS = Field(24, meaning="implementation defined syndrome, copied to ESR_EL1.ISS<24>")
    ISS = Field(23, 0, meaning="syndrome, copied to ESR_EL1.ISS<23:0>")
