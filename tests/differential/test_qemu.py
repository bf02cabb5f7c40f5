"""The same binary on QEMU and on our machine: what the guest's own vectors saw must be equal.

Read `generator.py`, `oracles.py` and `deviations.py` before. `SEED=n` chooses other cases,
`QEMU_CASES=100000` asks for so many more.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from deviations import DEVIATIONS, Deviation
from generator import Case, make_cases
from oracles import QEMU, Dump, qemu_is_installed, run_ours, run_qemu

SEED = int(os.environ.get("SEED", "20260"))
CASES_IN_AN_IMAGE = 2000
LONG_CASES = 10_000
MORE_CASES = int(os.environ.get("QEMU_CASES", "0"))

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module", autouse=True)
def _needs_qemu() -> None:
    if not qemu_is_installed():
        message = f"{QEMU} is not installed (Debian: qemu-system-arm)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def _known(case: Case, qemu: Dump, ours: Dump) -> str | None:
    return next((row.id for row in DEVIATIONS if row.explains(case, qemu, ours)), None)


def _compare(seed: int, count: int) -> None:
    cases = make_cases(seed, count)
    deviating: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    wrong = []
    for at in range(0, count, CASES_IN_AN_IMAGE):
        some = cases[at : at + CASES_IN_AN_IMAGE]
        for case, qemu, ours in zip(some, run_qemu(some), run_ours(some), strict=True):
            known = None if qemu == ours else _known(case, qemu, ours)
            if known is not None:
                deviating[known] += 1
            else:
                judged[case.kind] += 1
            if qemu != ours and known is None:
                wrong.append(f"{case}\n  QEMU {qemu}\n  ours {ours}")
    print(f"\nQEMU oracle: seed {seed}, {count} cases, {sum(judged.values())} judged: {dict(judged)}")
    print(f"known deviations met: {dict(deviating)}")
    assert not wrong, f"seed {seed}: {len(wrong)} of {count} differ\n" + "\n".join(wrong[:20])
    assert sum(judged.values()) > count * 0.9


def test_five_hundred_cases_end_in_the_same_exceptions() -> None:
    _compare(SEED, 500)


@pytest.mark.long
def test_ten_thousand_cases_end_in_the_same_exceptions() -> None:
    _compare(SEED + 1, LONG_CASES)


@pytest.mark.skipif(not MORE_CASES, reason="QEMU_CASES=n asks for n more cases")
def test_as_many_cases_as_asked_for_end_in_the_same_exceptions() -> None:
    for at in range(0, MORE_CASES, LONG_CASES):
        _compare(SEED + 2 + at, min(LONG_CASES, MORE_CASES - at))


@pytest.fixture(scope="module")
def examples() -> dict[str, tuple[Dump, Dump]]:
    cases = [row.example for row in DEVIATIONS]
    return {row.id: pair for row, *pair in zip(DEVIATIONS, run_qemu(cases), run_ours(cases), strict=True)}


@pytest.mark.parametrize("row", DEVIATIONS, ids=lambda row: row.id)
def test_a_known_deviation_still_exists_and_ours_is_the_architectures(
    row: Deviation, examples: dict[str, tuple[Dump, Dump]]
) -> None:
    qemu, ours = examples[row.id]
    assert row.explains(row.example, qemu, ours)
    assert qemu != ours, "they agree: take the row out"
    if row.expected is not None:
        assert (ours.current_el >> 2, ours.esr) == row.expected
