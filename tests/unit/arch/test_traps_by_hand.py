"""Every trap rule is judged: by QEMU, which runs the same cases, or by a case written by hand from the Arm ARM.

Read `trap_cases.py` and `trap_cases_el*.py` before. `tests/differential/judged.py` finds the rules that QEMU judges;
its list is a fixture, so that this test needs no QEMU.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trap_cases_el1
import trap_cases_el2
import trap_cases_fgt
from trap_cases import TrapCase
from traps_support import expected_esr, request

from arm_hyp.arch.traps import RULES, decide

CASES = [*trap_cases_el1.CASES, *trap_cases_el2.CASES, *trap_cases_fgt.CASES]
JUDGED_BY_ORACLES = Path(__file__).parents[2] / "fixtures" / "rules-judged-by-oracles.txt"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rules_answer_as_the_manual_does(case: TrapCase) -> None:
    verdict = decide(request(case.request), case.context())
    esr = {"nop": None, "undefined": 1 << 25}.get(case.outcome)  # EC 0, IL
    if case.ec is not None:
        esr = expected_esr(case.request, case.ec)
    assert (verdict.outcome.value, verdict.target_el, verdict.esr) == (case.outcome, case.target_el, esr)
    assert verdict.rule is not None
    assert verdict.rule.id == case.rule


@pytest.mark.parametrize("case", [case for case in CASES if case.conditions], ids=str)
def test_each_condition_matters(case: TrapCase) -> None:
    for condition in case.conditions:
        rule = decide(request(case.request), case.context(condition)).rule
        assert rule is None or rule.id != case.rule, condition


@pytest.mark.parametrize("case", [case for case in CASES if case.irrelevant], ids=str)
def test_what_must_not_matter_does_not(case: TrapCase) -> None:
    verdict = decide(request(case.request), case.context())
    for condition in case.irrelevant:
        other = decide(request(case.request), case.context(condition))
        assert (other.rule, other.esr, other.target_el) == (verdict.rule, verdict.esr, verdict.target_el), condition


def test_every_rule_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    known = {rule.id for rule in RULES}
    by_hand = Counter(case.rule for case in CASES)
    by_oracles = set(JUDGED_BY_ORACLES.read_text().split())
    with capsys.disabled():
        print(f"\n{len(known)} trap rules: {len(by_hand)} judged by {len(CASES)} cases by hand,", end=" ")
        print(f"{len(by_oracles)} by QEMU, {len(by_oracles & by_hand.keys())} by both")
    assert by_oracles | by_hand.keys() == known


def test_every_case_names_its_source() -> None:
    assert all(case.ref for case in CASES)
    assert len({str(case) for case in CASES}) == len(CASES), "a case stands twice"
