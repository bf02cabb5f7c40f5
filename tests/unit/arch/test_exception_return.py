"""Exception return, branch addresses and software step against tables written out from the Arm ARM."""

from __future__ import annotations

from itertools import product

import pytest

from arm_hyp.arch.control_bits import s1_translation_regime
from arm_hyp.arch.exceptions import branch_address, exception_return
from arm_hyp.arch.pstate import StateFeatures
from arm_hyp.arch.software_step import (
    StepState,
    debug_exceptions_enabled,
    software_step_active,
    software_step_state,
    ss_advance,
)

A72 = StateFeatures.of(())
FULL = StateFeatures.of({"PAN", "UAO", "SSBS", "DIT", "BTI", "MTE", "PAuth", "LSE"})
WITH_EL3 = StateFeatures.of((), el3=True)
NO_EL2 = StateFeatures.of((), el2=False)
TGE, RW, E2H = 1 << 27, 1 << 31, 1 << 34
NON_SECURE, SECURE = 0x531, 0x530
SS, IL, D = 1 << 21, 1 << 20, 1 << 9

# --- exception return ---------------------------------------------------------------------------------------------


def eret(el: int, spsr: int, hcr: int = RW, scr: int = NON_SECURE, features: StateFeatures = A72) -> str | None:
    return exception_return(el, 0x3C1 | el << 2, spsr, 0x1000, hcr, scr, features).illegal


LEGAL_MODES = [
    (1, A72, {0x0, 0x4, 0x5}),
    (2, A72, {0x0, 0x4, 0x5, 0x8, 0x9}),
    (1, NO_EL2, {0x0, 0x4, 0x5}),
    (2, WITH_EL3, {0x0, 0x4, 0x5, 0x8, 0x9}),
    (3, WITH_EL3, {0x0, 0x4, 0x5, 0x8, 0x9, 0xC, 0xD}),
]


@pytest.mark.parametrize(("el", "features", "legal"), LEGAL_MODES)
def test_all_32_modes_of_spsr(el: int, features: StateFeatures, legal: set[int]) -> None:
    assert {mode for mode in range(32) if eret(el, mode, features=features) is None} == legal


ILLEGAL = [
    # from, SPSR, HCR_EL2, SCR_EL3, features, reason; the same return is legal with the last HCR_EL2, SCR_EL3
    (2, 0x10, RW, NON_SECURE, A72, "SPSR_EL2.M[4] is 1", None),
    (1, 0x1F, RW, NON_SECURE, A72, "SPSR_EL1.M[4] is 1", None),
    (2, 0x6, RW, NON_SECURE, A72, "SPSR_EL2.M[1] is 1", None),
    (2, 0xD, RW, NON_SECURE, A72, "EL3 is not implemented", None),
    (1, 0x9, RW, NON_SECURE, NO_EL2, "EL2 is not implemented", None),
    (2, 0x1, RW, NON_SECURE, A72, "EL0 with SP_ELx", None),
    (1, 0x9, RW, NON_SECURE, A72, "EL2 is above the current EL1", None),
    (2, 0xC, RW, NON_SECURE, WITH_EL3, "EL3 is above the current EL2", None),
    (3, 0x9, RW, SECURE, WITH_EL3, "EL2 is not enabled in Secure state", (RW, SECURE | 1 << 18)),
    (3, 0x9, RW, 0x131, WITH_EL3, "SCR_EL3.RW is 0: EL2", (RW, NON_SECURE)),
    (3, 0x5, RW, 0x131, WITH_EL3, "SCR_EL3.RW is 0: EL1", (RW, NON_SECURE)),
    (2, 0x5, 0, NON_SECURE, A72, "HCR_EL2.RW is 0: EL1", (RW, NON_SECURE)),
    (2, 0x4, E2H, NON_SECURE, A72, "HCR_EL2.RW is 0: EL1", (RW | E2H, NON_SECURE)),
    (2, 0x0, 0, NON_SECURE, A72, "HCR_EL2.RW is 0: EL0", (E2H | TGE, NON_SECURE)),
    (2, 0x0, TGE, NON_SECURE, A72, "HCR_EL2.RW is 0: EL0", (TGE | RW, NON_SECURE)),
    (2, 0x5, RW | TGE, NON_SECURE, A72, "HCR_EL2.TGE is 1", (RW, NON_SECURE)),
    (2, 0x4, E2H | TGE, NON_SECURE, A72, "HCR_EL2.TGE is 1", (E2H | RW, NON_SECURE)),
    (3, 0x5, RW | TGE, NON_SECURE, WITH_EL3, "HCR_EL2.TGE is 1", (RW | TGE, SECURE)),
    (3, 0x5, RW | TGE, SECURE | 1 << 18, WITH_EL3, "HCR_EL2.TGE is 1", (0, SECURE)),
]


@pytest.mark.parametrize(("el", "spsr", "hcr", "scr", "features", "reason", "remedy"), ILLEGAL)
def test_every_illegal_return_has_its_reason(
    el: int, spsr: int, hcr: int, scr: int, features: StateFeatures, reason: str, remedy: tuple[int, int] | None
) -> None:
    assert reason in (eret(el, spsr, hcr, scr, features) or "it is legal")
    assert remedy is None or eret(el, spsr, *remedy, features) is None


@pytest.mark.parametrize(
    ("el", "spsr", "hcr", "scr"), [(2, 0x9, 0, NON_SECURE), (2, 0x8, TGE, NON_SECURE), (3, 0xD, 0, 0)]
)
def test_rw_and_tge_are_about_lower_levels_only(el: int, spsr: int, hcr: int, scr: int) -> None:
    assert eret(el, spsr, hcr, scr, WITH_EL3) is None


def test_hcr_does_not_matter_where_el2_is_not_implemented() -> None:
    assert eret(1, 0x5, 0, NON_SECURE, NO_EL2) is None


RETURN_BITS = [
    # bits, name, taken from SPSR by a legal return, by an illegal one; SS is never taken without MDSCR_EL1.SS
    ([31, 30, 29, 28], "NZCV", True, True),
    ([25], "TCO", True, False),
    ([24], "DIT", True, False),
    ([23], "UAO", True, False),
    ([22], "PAN", True, True),
    ([12], "SSBS", True, False),
    ([11, 10], "BTYPE", True, False),
    ([9, 8, 7, 6], "DAIF", True, True),
]


@pytest.mark.parametrize(("bits", "name", "legal", "illegal"), RETURN_BITS)
def test_every_pstate_bit_on_return(bits: list[int], name: str, legal: bool, illegal: bool) -> None:
    for bit, old, new in product(bits, (0, 1), (0, 1)):
        for mode, taken in ((0x5, legal), (0xD, illegal)):
            result = exception_return(2, 0x9 | old << bit, mode | new << bit, 0, RW, NON_SECURE, FULL)
            assert result.pstate >> bit & 1 == (new if taken else old), name


def test_legal_return() -> None:
    result = exception_return(2, 0x800003C9, 0x60000004, 0x40080002, RW, NON_SECURE, A72)
    assert result == (0x60000004, 0x40080002, None)


def test_a_legal_return_restores_il() -> None:
    assert exception_return(2, 0x9, 0x5 | IL, 0, RW, NON_SECURE, A72).pstate == 0x5 | IL


@pytest.mark.parametrize("mode", [0x0C, 0x10, 0x02, 0x01, 0x0D])
def test_an_illegal_return_keeps_the_mode_sets_il_and_goes_to_elr(mode: int) -> None:
    result = exception_return(2, 0x8 | SS, 0x600002C0 | mode, 0x40080000, RW, NON_SECURE, A72)
    assert (result.pstate, result.pc) == (0x600002C8 | IL, 0x40080000)
    assert result.illegal


def test_bits_that_are_not_implemented_are_not_restored() -> None:
    assert exception_return(2, 0x9, 0xFFFFFFE5 & ~IL, 0, RW, NON_SECURE, A72).pstate == 0xF00003C5


# --- branch addresses ---------------------------------------------------------------------------------------------

LOW, HIGH = 0x1300_0040_0008_0000, 0x12FF_FF80_0008_0000
PLAIN_LOW, PLAIN_HIGH = 0x0000_0040_0008_0000, 0xFFFF_FF80_0008_0000


@pytest.mark.parametrize(
    ("pc", "el", "tcr", "hcr", "wanted"),
    [
        (LOW, 1, 0, 0, LOW),
        (LOW, 0, 1 << 37, 0, PLAIN_LOW),
        (LOW, 1, 1 << 37, 0, PLAIN_LOW),
        (LOW, 1, 1 << 38, 0, LOW),
        (HIGH, 1, 1 << 37, 0, HIGH),
        (HIGH, 1, 1 << 38, 0, PLAIN_HIGH),
        (LOW, 1, 1 << 37 | 1 << 51, 0, LOW),
        (LOW, 1, 1 << 37 | 1 << 52, 0, PLAIN_LOW),
        (HIGH, 1, 1 << 38 | 1 << 52, 0, HIGH),
        (LOW, 2, 1 << 20, 0, PLAIN_LOW),
        (HIGH, 2, 1 << 20, 0, 0x00FF_FF80_0008_0000),
        (LOW, 2, 1 << 20 | 1 << 29, 0, LOW),
        (LOW, 2, 1 << 37, 0, LOW),
        (LOW, 2, 1 << 37, E2H, PLAIN_LOW),
        (HIGH, 2, 1 << 38, E2H, PLAIN_HIGH),
        (LOW, 3, 1 << 20, E2H, PLAIN_LOW),
    ],
)
def test_branch_address(pc: int, el: int, tcr: int, hcr: int, wanted: int) -> None:
    assert branch_address(pc, el, tcr, hcr, FULL) == wanted


def test_without_pauth_tbid_is_nothing() -> None:
    assert branch_address(LOW, 1, 1 << 37 | 1 << 51, 0, A72) == PLAIN_LOW


@pytest.mark.parametrize(
    ("el", "hcr", "regime"), [(0, 0, 1), (0, E2H, 1), (0, TGE, 1), (0, E2H | TGE, 2), (1, 0, 1), (2, 0, 2), (3, 0, 3)]
)
def test_s1_translation_regime(el: int, hcr: int, regime: int) -> None:
    assert s1_translation_regime(el, hcr) == regime


# --- software step ------------------------------------------------------------------------------------------------
# Columns: routed to EL2, MDSCR_EL1.KDE, PSTATE.D | debug exceptions enabled at EL0, EL1, EL2.

DEBUG_ENABLED = """
  0 0 0 | y n n
  0 0 1 | y n n
  0 1 0 | y y n
  0 1 1 | y n n
  1 0 0 | y y n
  1 0 1 | y y n
  1 1 0 | y y y
  1 1 1 | y y n
"""


@pytest.mark.parametrize("line", DEBUG_ENABLED.strip().splitlines())
@pytest.mark.parametrize(("hcr_if_routed", "mdcr_if_routed"), [(TGE, 0), (0, 1 << 8), (TGE, 1 << 8)])
def test_where_debug_exceptions_are_enabled(line: str, hcr_if_routed: int, mdcr_if_routed: int) -> None:
    controls, answers = line.split("|")
    routed, kde, masked = (int(value) for value in controls.split())
    hcr, mdcr = routed * hcr_if_routed, routed * mdcr_if_routed
    for el, answer in enumerate(answers.split()):
        assert debug_exceptions_enabled(el, masked << 9, kde << 13, hcr, mdcr, 0) == (answer == "y")
        assert not debug_exceptions_enabled(el, masked << 9, kde << 13, hcr, mdcr, 1 << 1), "OS Lock"


def test_routing_to_el2_needs_an_enabled_el2() -> None:
    assert not debug_exceptions_enabled(1, 0, 0, TGE, 1 << 8, 0, SECURE)


def test_the_states_of_software_step() -> None:
    assert software_step_state(0, SS, 0, 0, 0, 0) is StepState.INACTIVE
    assert software_step_state(1, SS, 1, 0, 0, 0) is StepState.INACTIVE
    assert software_step_state(0, SS, 1, 0, 0, 0) is StepState.ACTIVE_NOT_PENDING
    assert software_step_state(0, ss_advance(SS | 0x3C0), 1, 0, 0, 0) is StepState.ACTIVE_PENDING
    assert [software_step_active(0, value, 1, 0, 0, 0) for value in (0, SS)] == [True, True]
    assert not software_step_active(0, 0, 0, 0, 0, 0)
    assert ss_advance(SS | 0x3C0) == 0x3C0


@pytest.mark.parametrize(
    ("from_el", "spsr", "mdscr", "mdcr", "oslsr", "ss"),
    [
        (1, 0x0 | SS, 1, 0, 0, 1),  # a kernel steps its application
        (1, 0x0, 1, 0, 0, 0),
        (1, 0x0 | SS, 0, 0, 0, 0),
        (1, 0x0 | SS, 1, 0, 2, 0),
        (2, 0x5 | SS, 1, 1 << 8, 0, 1),  # a hypervisor steps its guest
        (2, 0x5 | SS, 1, 0, 0, 0),  # without TDE, EL1 is the target and above EL0 only
        (2, 0x0 | SS, 1, 0, 0, 1),
        (1, 0x0 | SS, 1, 1 << 8, 0, 0),  # debug exceptions are enabled already at EL1: stepping is not begun
        (1, 0x5 | SS, 1 | 1 << 13, 0, 0, 1),  # KDE: D masks here, and SPSR.D is clear
        (1, 0x5 | SS | D, 1 | 1 << 13, 0, 0, 0),
        (1, 0xD | SS, 1 | 1 << 13, 0, 0, 1),  # an illegal return steps at the current level
        (2, 0xD | SS, 1, 1 << 8, 0, 0),
    ],
)
def test_when_a_return_begins_a_step(from_el: int, spsr: int, mdscr: int, mdcr: int, oslsr: int, ss: int) -> None:
    old = from_el << 2 | 1 | D
    result = exception_return(from_el, old, spsr, 0, RW, NON_SECURE, A72, mdscr, mdcr, oslsr)
    assert result.pstate >> 21 & 1 == ss
