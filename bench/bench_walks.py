"""Benchmark of a walk through both stages: the longest there is, alone and told in words.

Read `arm_hyp/arch/translation/combined.py` before this file. Four levels in each stage: 24 descriptors are read.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.arch.translation import READ, Step, Translated, TranslationRegisters, Walk, walk
from arm_hyp.explain.walk_rendering import to_plain
from arm_hyp.explain.walks import explain_walk

AIM_US = 500
REGISTERS = TranslationRegisters(
    hcr_el2=1 << 31 | 1,
    sctlr_el1=0x1005,
    tcr_el1=4 << 32 | 16,  # 48 bits: from level 0
    ttbr0_el1=0x10_0000,
    mair_el1=0xFF,
    vtcr_el2=1 << 31 | 4 << 16 | 2 << 6 | 20,  # 44 bits: from level 0
    vttbr_el2=0x20_0000,
)
TABLES_1 = (0x10_0000, 0x10_1000, 0x10_2000, 0x10_3000)
TABLES_2 = (0x20_0000, 0x20_1000, 0x20_2000, 0x20_3000)


def tables() -> dict[int, int]:
    """Map VA 0 to IPA 0x104000 by a page of stage 1, and all those IPAs to themselves by pages of stage 2."""
    words = {address: following | 3 for address, following in zip(TABLES_1, (*TABLES_1[1:], 0x10_4740), strict=True)}
    words |= {address: following | 3 for address, following in pairwise(TABLES_2)}
    return words | {TABLES_2[3] + 8 * page: page << 12 | 0x7FF for page in range(0x100, 0x105)}


def steps_of(walked: Walk) -> list[Step]:
    """Return every step, those of stage 2 too."""
    nested = [step.stage2 for step in walked.steps] + [walked.stage2]
    return [*walked.steps, *(step for one in nested if one is not None for step in steps_of(one))]


def test_two_stage_walk(benchmark: BenchmarkFixture, report: Callable[..., None]) -> None:
    words = tables()
    walked = benchmark(walk, 0x123, READ, 1, REGISTERS, words.get)
    assert isinstance(walked.result, Translated) and walked.result.pa == 0x10_4123
    assert len(steps_of(walked)) == 24
    report("walk through both stages, 24 descriptors", benchmark.stats.stats.median * 1e6, "us", AIM_US, True)


def test_two_stage_walk_in_words(benchmark: BenchmarkFixture, report: Callable[..., None]) -> None:
    words = tables()
    walked = walk(0x123, READ, 1, REGISTERS, words.get)
    told = benchmark(lambda: to_plain(explain_walk(walked, READ, 1, REGISTERS)))
    assert told["pa"] == 0x10_4123
    report("the same told in words, as plain data", benchmark.stats.stats.median * 1e6, "us")
