"""What registers show of a result: fault status codes, HPFAR_EL2, PAR_EL1; and the registers collected by name."""

from __future__ import annotations

import pytest

from arm_hyp.arch.translation import (
    Fault,
    FaultKind,
    MemoryAttributes,
    Regime,
    Translated,
    TranslationRegisters,
    fault_status,
    hpfar_el2,
    hpfar_of,
    par_el1,
    regime_of,
)
from arm_hyp.arch.translation.results import ALL_ALLOWED

E2H, TGE = 1 << 34, 1 << 27


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (FaultKind.ADDRESS_SIZE, 0b000000),
        (FaultKind.TRANSLATION, 0b000100),
        (FaultKind.ACCESS_FLAG, 0b001000),
        (FaultKind.PERMISSION, 0b001100),
        (FaultKind.EXTERNAL_ON_WALK, 0b010100),
    ],
)
def test_fault_status_codes(kind: FaultKind, base: int) -> None:
    assert [fault_status(Fault(kind, level, 1)) for level in range(4)] == [base + level for level in range(4)]


@pytest.mark.parametrize(
    ("kind", "is_s1ptw", "is_valid"),
    [
        (FaultKind.TRANSLATION, False, True),
        (FaultKind.TRANSLATION, True, True),
        (FaultKind.ACCESS_FLAG, False, True),
        (FaultKind.ADDRESS_SIZE, False, True),
        (FaultKind.PERMISSION, True, True),
        (FaultKind.PERMISSION, False, False),
        (FaultKind.EXTERNAL_ON_WALK, True, False),
    ],
)
def test_when_hpfar_is_valid(kind: FaultKind, is_s1ptw: bool, is_valid: bool) -> None:
    value = hpfar_el2(Fault(kind, 3, 2, is_s1ptw, 0x9_8765_4321))
    assert value == (0x98_7654 << 4 if is_valid else None)


def test_hpfar_holds_the_page() -> None:
    assert hpfar_of(0x0900_0018) == 0x0009_0000
    assert hpfar_of(0xFFF_FFFF_FFFF) == 0xF_FFFF_FFF0


def test_stage_1_faults_leave_hpfar_alone() -> None:
    assert hpfar_el2(Fault(FaultKind.TRANSLATION, 1, 1)) is None


def test_par_of_a_translation() -> None:
    found = Translated(0x123_4567_89AB, MemoryAttributes(0xFF, 0b11), ALL_ALLOWED, 3, 4096, 4096)
    assert par_el1(found) == 0xFF << 56 | 0x123_4567_8000 | 1 << 11 | 1 << 9 | 0b11 << 7


def test_par_of_faults() -> None:
    assert par_el1(Fault(FaultKind.TRANSLATION, 2, 1)) == 1 << 11 | 0b000110 << 1 | 1
    assert par_el1(Fault(FaultKind.PERMISSION, 3, 2, True, 0x1000)) == 1 << 11 | 1 << 9 | 1 << 8 | 0b001111 << 1 | 1


@pytest.mark.parametrize(
    ("el", "hcr", "regime"),
    [
        (0, 0, Regime.EL10),
        (0, TGE, Regime.EL10),
        (0, E2H, Regime.EL10),
        (0, E2H | TGE, Regime.EL20),
        (1, 0, Regime.EL10),
        (1, E2H, Regime.EL10),
        (2, 0, Regime.EL2),
        (2, TGE, Regime.EL2),
        (2, E2H, Regime.EL20),
        (2, E2H | TGE, Regime.EL20),
    ],
)
def test_regimes(el: int, hcr: int, regime: Regime) -> None:
    assert regime_of(el, hcr) is regime


def test_registers_are_collected_by_name() -> None:
    asked: list[str] = []

    def read(name: str) -> int:
        asked.append(name)
        return len(asked)

    registers = TranslationRegisters.collect(read, frozenset({"HPDS"}), 40)
    assert {name: getattr(registers, name.lower()) for name in asked} == {name: n + 1 for n, name in enumerate(asked)}
    assert {"HCR_EL2", "SCTLR_EL1", "TTBR1_EL2", "VTCR_EL2", "VTTBR_EL2"} < set(asked)
    assert (registers.features, registers.pa_bits) == (frozenset({"HPDS"}), 40)
