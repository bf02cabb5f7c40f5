"""The control registers' reset values, and the bits of CPTR_EL2 that depend on HCR_EL2.E2H, as a guest reads them."""

from __future__ import annotations

import pytest
from core_support import POWER_OFF, machine

from arm_hyp.arch import id_policy

RES1 = 0x33FF
"""CPTR_EL2 without SVE: <13:12>, <9>, TZ <8>, <7:0>. Ref: Arm ARM, CPTR_EL2, E2H = 0."""
TFP = 1 << 10
E2H = "mov x9, #(1 << 34)\n orr x9, x9, #(1 << 31)\n msr hcr_el2, x9\n isb\n"


def x_after(source: str, count: int, model: str = "a72") -> list[int]:
    made = machine(source + POWER_OFF, model=model)
    assert made.run(100).reason == "guest"
    return [made.core.x(index) for index in range(1, count + 1)]


@pytest.mark.parametrize("model", id_policy.MODELS)
def test_reset_values(model: str) -> None:
    """MDCR_EL2.HPMN <4:0> resets to PMCR_EL0.N, which is 6 on a Cortex-A72; HCR_EL2.RW is RAO/WI here."""
    source = "mrs x1, mdcr_el2\n mrs x2, cptr_el2\n mrs x3, hcr_el2\n mrs x4, cnthctl_el2\n"
    assert x_after(source, 4, model) == [6, RES1, 1 << 31, 3]
    assert id_policy.id_value("PMCR_EL0", model, 2) >> 11 & 31 == 6


def test_res1_bits_of_cptr_cannot_be_cleared() -> None:
    source = f"msr cptr_el2, xzr\n mrs x1, cptr_el2\n mov x9, #{TFP:#x}\n msr cptr_el2, x9\n mrs x2, cptr_el2\n"
    assert x_after(source, 2) == [RES1, RES1 | TFP]


def test_with_e2h_the_same_bits_of_cptr_are_res0() -> None:
    source = E2H + "mov x9, #(3 << 20)\n msr cptr_el2, x9\n mrs x1, cptr_el2\n mrs x2, cpacr_el1\n"
    source += "mov x9, #(1 << 31)\n msr hcr_el2, x9\n isb\n mrs x3, cptr_el2\n"
    assert x_after(source, 3, "max") == [3 << 20, 3 << 20, 3 << 20 | RES1]


@pytest.mark.parametrize("model", id_policy.MODELS)
def test_where_el1_is_started_nobody_traps_its_pointer_authentication(model: str) -> None:
    """HCR_EL2.API <41> and APK <40> are 0 after a reset, which would trap to an EL2 without software."""
    expected = (1 << 31) | (0 if model == "a72" else 3 << 40)
    assert machine("b .\n", model=model, start_el=1).core.controls.values.hcr_el2 == expected


def test_el1_authenticates_where_it_is_started() -> None:
    source = "mov x1, #1\n mrs x2, s3_0_c2_c1_0\n orr x3, x2, #1\n msr s3_0_c2_c1_0, x3\n mrs x4, s3_0_c2_c1_0\n b .\n"
    made = machine(source, model="max", start_el=1)
    made.run(20)
    assert (made.core.el, made.core.x(4)) == (1, 1)
