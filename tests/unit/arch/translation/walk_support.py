"""Tables written by hand into a small memory, for the tests of walks."""

from __future__ import annotations

from arm_hyp.arch.translation import Fault, FaultKind, Translated, TranslationRegisters, Walk

VALID_TABLE, BLOCK, PAGE = 0b11, 0b01, 0b11
AF, SH_INNER = 1 << 10, 0b11 << 8
RW_ALL, RO_ALL = 0b01 << 6, 0b11 << 6
S2_RW, S2_RO = 0b11 << 6, 0b01 << 6
S2_WRITE_BACK = 0b1111 << 2
PHYSICAL_44_BITS = 4
HCR_STAGE2 = 1 << 31 | 1
MAIR = 0x44_04_FF
"""Attributes 0: Write-Back, 1: Device-nGnRE, 2: Non-cacheable."""


class Memory(dict[int, int]):
    """Words at physical addresses; what was not put there does not answer."""

    def read64(self, address: int) -> int | None:
        """Read one word."""
        return self.get(address)


def result_of(walked: Walk) -> Translated:
    """Return the translation. Fails the test if there is none."""
    assert isinstance(walked.result, Translated), walked.result
    return walked.result


def fault_of(walked: Walk) -> Fault:
    """Return the fault. Fails the test if there is none."""
    assert isinstance(walked.result, Fault), walked.result
    return walked.result


def kind_and_level(walked: Walk) -> tuple[FaultKind, int]:
    """Return what failed, and at which level."""
    fault = fault_of(walked)
    return fault.kind, fault.level


def el1(tcr: int, ttbr0: int = 0, ttbr1: int = 0, **others: int) -> TranslationRegisters:
    """Return registers with stage 1 of EL1&0 on, caches on, a 44-bit output size, and no stage 2."""
    return TranslationRegisters(
        hcr_el2=others.pop("hcr_el2", 1 << 31),
        sctlr_el1=others.pop("sctlr_el1", 0x1005),
        tcr_el1=tcr | PHYSICAL_44_BITS << 32,
        ttbr0_el1=ttbr0,
        ttbr1_el1=ttbr1,
        mair_el1=MAIR,
        **others,  # type: ignore[arg-type]
    )
