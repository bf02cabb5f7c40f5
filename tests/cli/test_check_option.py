"""`arm-hyp run --check` and `arm-hyp explain HYPnnn`, as typed."""

import json

import pytest

from arm_hyp.cli.main import main
from arm_hyp.resources import guests_directory

CHECKS = guests_directory() / "checks"


def test_a_finding_has_its_place_and_the_page_is_named(capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(CHECKS / "hyp001-wrong.s"), "--check", "all"]) == 0
    error = capsys.readouterr().err
    assert "HYP001 at " in error and "hyp001.inc:21 <sync+0xc>, EL2, n = 17: ELR_EL2 was already behind" in error
    assert "checks: HYP001 once; `arm-hyp explain HYP001` tells more" in error


def test_only_the_rules_that_are_asked_for_are_watched(capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(CHECKS / "hyp001-wrong.s"), "--check", "HYP002,HYP012"]) == 0
    error = capsys.readouterr().err
    assert "HYP001" not in error and "checks: nothing found" in error


def test_by_default_nothing_is_checked(capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(CHECKS / "hyp001-wrong.s")]) == 0
    assert "checks:" not in capsys.readouterr().err


def test_a_rule_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(CHECKS / "hyp001-wrong.s"), "--check", "HYP777"]) == 2
    assert capsys.readouterr().err.startswith("arm-hyp: --check HYP777: there is no such rule; ")


def test_a_code_is_explained(capsys: pytest.CaptureFixture[str]):
    assert main(["explain", "hyp012"]) == 0
    assert capsys.readouterr().out.startswith("HYP012  TLBI without DSB\n")
    assert main(["explain", "HYP012", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "HYP012"
    assert main(["explain", "HYP999"]) == 2
    assert "there is no such rule" in capsys.readouterr().err


def test_a_trace_beside_the_checks_tells_of_barriers(tmp_path, capsys: pytest.CaptureFixture[str]):
    trace = tmp_path / "trace"
    assert main(["run", str(CHECKS / "hyp012-right.s"), "--check", "all", "--trace", str(trace)]) == 0
    assert "dsb ish\n" in trace.read_text()
    assert main(["run", str(CHECKS / "hyp012-right.s"), "--trace", str(trace)]) == 0
    assert "dsb ish\n" not in trace.read_text()
