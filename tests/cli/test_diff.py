"""`arm-hyp diff`: where two recordings part, or two branches of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arm_hyp.cli.main import main
from arm_hyp.resources import guests_directory

WFI = str(guests_directory() / "02-wfi.s")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("recordings")
    made = {"plain": (), "trapped": ("--set", "HCR_EL2.TWI=1")}
    paths = {name: str(folder / f"{name}.hyp") for name in made}
    for name, options in made.items():
        main(["run", WFI, *options, "--record", paths[name]])
    return paths


def test_two_runs_part_where_a_bit_was_set(recordings, capsys):
    assert main(["diff", recordings["plain"], recordings["trapped"]]) == 1
    told = capsys.readouterr().out
    assert "differs from the start" in told
    assert "CPU 0 HCR_EL2: 0x80000000, 0x80002000" in told
    assert "at 10.2: nothing more; cpu0 takes an exception from EL1 to EL2" in told


def test_a_run_is_the_same_as_itself(recordings, capsys):
    assert main(["diff", recordings["plain"], recordings["plain"]]) == 0
    assert capsys.readouterr().out == "the runs are the same as far as both go\n"
    assert main(["diff", recordings["plain"], recordings["plain"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) is None


def test_json_has_positions_as_they_are_written(recordings, capsys):
    assert main(["diff", recordings["plain"], recordings["trapped"], "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["event_at"], found["last_same"], found["positions"]) == ("10.2", None, ["0.0", "0.0"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "is compared with nothing; name another recording"),
        (["--branch", "other"], "branch other: is not there; there are main"),
        ([str(Path(WFI))], "is no recording"),
        (["nothing.hyp"], "does not exist"),
    ],
)
def test_what_cannot_be_compared_is_an_error_in_one_line(recordings, capsys, arguments, told):
    assert main(["diff", recordings["plain"], *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--cpus", "2"), "1 CPU, 2 CPUs"),
        (("--gic", "3"), "GICv2, GICv3"),
        (("--hypervisor",), "no hypervisor in Python, VMs vm0"),
    ],
)
def test_different_machines_are_not_compared(recordings, capsys, tmp_path, options, told):
    other = str(tmp_path / "other.hyp")
    main(["run", WFI, *options, "--record", other])
    capsys.readouterr()
    assert main(["diff", recordings["plain"], other]) == 2
    assert capsys.readouterr().err == (
        f"arm-hyp: diff: these are different machines: {told}; compare two runs of one machine\n"
    )
