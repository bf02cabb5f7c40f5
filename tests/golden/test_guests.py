"""Each guest produces the trace in `expected/`, which was read against the Arm ARM line by line.

Regenerate with `pytest tests/golden --regenerate-golden`, and read the difference before you commit it.
"""

import json
from pathlib import Path

import pytest
from golden_support import CASES, Case, run

EXPECTED = Path(__file__).parent / "expected"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_guest_produces_its_trace(case: Case, regenerate: bool):
    _, outcome, lines = run(case)
    assert outcome.reason == case.end, outcome.text
    path = EXPECTED / f"{case.name}.jsonl"
    if regenerate:
        path.write_text("".join(line + "\n" for line in lines))
    assert lines == path.read_text().splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_positions_never_go_back(case: Case):
    events = [json.loads(line) for line in run(case)[2]]
    positions = [(event["n"], event["seq"]) for event in events]
    assert positions == sorted(positions)
    numbered = [(e["n"], e["seq"]) for e in events if e["event"] in ("exception_taken", "exception_returned")]
    assert len(set(numbered)) == len(numbered)


def test_no_guest_meets_an_exception_that_it_does_not_provoke():
    for case in CASES:
        assert b"unexpected" not in run(case)[0].console, case.name


def test_every_expected_trace_belongs_to_a_case():
    assert {path.stem for path in EXPECTED.glob("*.jsonl")} == {case.name for case in CASES}
