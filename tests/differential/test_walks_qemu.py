"""Our walks against QEMU's: ten AT instructions over each of many random sets of tables.

Read `walk_qemu.py` and `walk_deviations.py` before. Where QEMU answers otherwise, a row of `walk_deviations.QEMU` must
say why. `CASES=n` asks for so many sets of tables a CPU (`LONG=1`: 20,000), `SEED=n` for others.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter

import pytest
from walk_deviations import QEMU as DEVIATIONS
from walk_deviations import Asked, Deviation
from walk_qemu import AT, CPUS, MODELS, QEMU, case_maker, make, run_qemu

from arm_hyp.arch.translation import Fault, Walk

SEED = int(os.environ.get("SEED", "6"))
COUNT = int(os.environ.get("CASES", "20000" if os.environ.get("LONG") == "1" else "2500"))
SETS_IN_AN_IMAGE = 8_000

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module", autouse=True)
def _needs_qemu() -> None:
    if shutil.which(QEMU) is None:
        message = f"{QEMU} is not installed (Debian: qemu-system-arm)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


class Tally:
    """What was asked, what came out, and where the answers differ."""

    def __init__(self, rows: tuple[Deviation, ...]) -> None:
        self.rows = rows
        self.results: Counter[str] = Counter()
        self.differences: Counter[str] = Counter()
        self.wrong: list[Asked] = []

    def take(self, asked: Asked) -> None:
        """Compare one answer."""
        self.results[_kind(asked.walk)] += 1
        if asked.ours != asked.witness:
            why = next((row.id for row in self.rows if row.explains(asked)), "unexplained")
            self.differences[why] += 1
            self.wrong += [asked] if why == "unexplained" else []


def _kind(walked: Walk) -> str:
    result = walked.result
    if not isinstance(result, Fault):
        return "translated"
    return f"{result.kind.value}, stage {result.stage}" + ", S1PTW" * result.is_s1ptw


@pytest.mark.parametrize("cpu", CPUS)
def test_qemu_translates_as_our_walks_do(cpu: str) -> None:
    rows = tuple(row for row in DEVIATIONS if MODELS[cpu] in row.models)
    maker, tally = case_maker(cpu, SEED), Tally(rows)
    for start in range(0, COUNT, SETS_IN_AN_IMAGE):
        sets = [make(cpu, maker) for _ in range(min(SETS_IN_AN_IMAGE, COUNT - start))]
        for one, answers in zip(sets, run_qemu(cpu, sets), strict=True):
            for name, walked, ours, answer in zip(AT, one.walks, one.expected, answers, strict=True):
                tally.take(Asked(f"AT {name}", one.registers, walked, ours, answer))
    total = sum(tally.results.values())
    print(f"\nQEMU's {cpu}: seed {SEED}, {COUNT} sets of tables, {total} questions: {dict(tally.results)}")
    print(f"differences: {dict(tally.differences)}")
    shown = "\n".join(map(str, tally.wrong[:10]))
    assert not tally.wrong, f"seed {SEED}: {len(tally.wrong)} differ\n{shown}"
    expected = {row.id for row in rows}
    assert set(tally.differences) == expected, f"these rows explain nothing: {expected - set(tally.differences)}"
    assert total == COUNT * len(AT) and sum(tally.differences.values()) < total * 0.4
    assert len(tally.results) >= 12, "the cases have become one-sided"
