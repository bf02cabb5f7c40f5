"""Each guest produces the trace in `expected/`, which was read against the Arm ARM line by line.

Regenerate with `pytest tests/golden --regenerate-golden`, and read the difference before you commit it.
"""

import json
from pathlib import Path

import pytest
from golden_support import CASES, Case, run

from arm_hyp.resources import guests_directory

EXPECTED = Path(__file__).parent / "expected"
COPIED_LINES = 6
"""So many lines of code of an included file in a guest are a copy."""


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


def _code(path: Path) -> list[str]:
    """Return the lines without comments and extra white space, without those that are empty then."""
    lines = (" ".join(line.split("//")[0].split()) for line in path.read_text().splitlines())
    return [line for line in lines if line]


def _runs(path: Path, size: int) -> set[tuple[str, ...]]:
    code = _code(path)
    return {tuple(code[start : start + size]) for start in range(len(code) - size + 1)}


def test_guests_include_what_they_share_and_copy_none_of_it():
    guests, included = guests_directory().glob("*.s"), sorted(guests_directory().glob("include/*.inc"))
    found = {path.stem: _runs(path, COPIED_LINES) for path in [*guests, *included]}
    for path in included:
        pieces = _runs(path, COPIED_LINES)
        assert pieces, path.name
        assert [name for name, runs in found.items() if pieces & runs] == [path.stem]


def test_every_included_file_serves_several():
    files = [*guests_directory().glob("*.s"), *guests_directory().glob("include/*.inc")]
    for path in guests_directory().glob("include/*.inc"):
        users = [file for file in files if f'{path.name}"' in file.read_text()]
        assert len(users) > 1, path.name
