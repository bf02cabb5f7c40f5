"""`arm-hyp doctor`: versions, every check of the self-test, and status 1 when one fails."""

from __future__ import annotations

import pytest

from arm_hyp.cli import doctor
from arm_hyp.cli.main import main
from arm_hyp.cpu import access_exits, assembler, counting, probe, scanning
from arm_hyp.cpu.native import InternalsError


def test_everything_passes_and_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for name in ("arm-hyp", "Python", "unicorn   2.1.4", "capstone", "keystone", "rich"):
        assert name in shown
    for check in (*probe.self_test(), *counting.checks(), *access_exits.checks()):
        assert f"pass  {check.name}" in shown
    assert "pass  the assembler's child process answers" in shown
    assert f"way of counting: {counting.describe()}" in " ".join(shown.split())  # it may be wrapped
    assert f"all {shown.count('pass  ')} checks passed" in shown


def test_a_check_that_fails_is_named_and_gives_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "self_test", lambda: (probe.Check("water flows uphill", False),))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    count = 3 + sum(len(part.checks()) for part in (counting, scanning, access_exits))
    assert "FAIL  water flows uphill" in shown and f"1 of {count} checks failed" in shown


def test_internals_that_are_not_found_are_a_failed_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> tuple[probe.Check, ...]:
        raise InternalsError("unicorn", "its counter was not found")

    monkeypatch.setattr(probe, "self_test", refuse)
    assert main(["doctor"]) == 1
    assert "FAIL  unicorn: its counter was not found" in capsys.readouterr().out


def test_an_assembler_that_does_not_start_is_a_failed_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no process could be made")

    monkeypatch.setattr(assembler, "assemble", fail)
    assert main(["doctor"]) == 1
    assert "no process could be made" in " ".join(capsys.readouterr().out.split())


def test_a_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", {"nothing": "arm-hyp-has-no-such-package"})
    assert ("nothing", "not installed") in list(doctor._versions())


def test_a_way_of_counting_that_cannot_be_is_said_to_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(counting.SWITCH, "fingers")
    main(["doctor"])
    assert "way of counting: ARM_HYP_COUNTING: there is no way of counting named 'fingers'" in _joined(capsys)


def _joined(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())
