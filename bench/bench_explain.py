"""Benchmark of explanations: a verdict, and the whole story of one with the nearest change.

Read `arm_hyp/arch/traps.py` and `arm_hyp/explain/verdicts.py` before this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.arch import traps
from arm_hyp.explain.asked import after_reset, request_of
from arm_hyp.explain.verdicts import explain_trap

Report = Callable[..., None]

AIM_US: Final = 200
CASES: Final = {
    "WFI at EL0": (0, 0xD503_207F),
    "MSR TCR_EL1 at EL1": (1, 0xD518_2040),
    "FADD at EL1": (1, 0x1E62_2820),
    "MRS CNTVCT_EL0 at EL0": (0, 0xD53B_E040),
}


def _median_us(benchmark: BenchmarkFixture) -> float:
    assert benchmark.stats is not None
    return float(benchmark.stats.stats.median) * 1e6


@pytest.mark.parametrize("name", CASES)
def test_verdict(benchmark: BenchmarkFixture, report: Report, name: str) -> None:
    el, word = CASES[name]
    context, request = after_reset(el), request_of(word)
    assert request is not None
    benchmark(traps.decide, request, context)
    report(f"verdict: {name}", _median_us(benchmark), "us", AIM_US, at_most=True)


@pytest.mark.parametrize("name", CASES)
def test_story(benchmark: BenchmarkFixture, report: Report, name: str) -> None:
    el, word = CASES[name]
    context = after_reset(el)
    benchmark(explain_trap, context, word)
    report(f"verdict with chain, nearest change and words: {name}", _median_us(benchmark), "us", AIM_US, at_most=True)
