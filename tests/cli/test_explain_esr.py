"""`arm-hyp explain esr`: the tree on the screen, and bad values in one line with status 2."""

from __future__ import annotations

import json

import pytest

from arm_hyp.cli.main import main


def test_the_tree_shows_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "esr", "0x93830046"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "ESR_EL2 <63:0> 0x93830046  data abort"
    assert "ISS <24:0> 0x1830046  data abort, stage 2: translation fault, level 2, write, 4 bytes from W3" in shown
    for part in ("EC <31:26> 0b100100", "IL <25> 0b1", "SAS <23:22> 0b10  word", "DFSC <5:0> 0b000110", "RES0 <63:56>"):
        assert part in shown


@pytest.mark.parametrize("value", ["0x62300460", "1647314016", "0b1100010001100000000010001100000", "0x6230_0460"])
def test_a_value_may_be_written_in_several_ways(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "esr", value, "--el", "1"]) == 0
    assert "write of SCTLR_EL1 from X3" in capsys.readouterr().out


def test_json_has_the_whole_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "esr", "0x93830046", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["name"], tree["value"], tree["meaning"]) == ("ESR_EL2", 0x9383_0046, "data abort")
    parts = {part["name"]: part for part in tree["children"]}
    assert (parts["EC"]["msb"], parts["EC"]["lsb"], parts["EC"]["value"]) == (31, 26, 0x24)
    fields = {part["name"]: part["value"] for part in parts["ISS"]["children"]}
    assert (fields["SAS"], fields["WnR"], fields["DFSC"]) == (2, 1, 6)


def test_reserved_bits_that_are_set_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "esr", "0xffffffffffffffff"]) == 0
    assert "reserved bits that should be zero are set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["0xzz"], ["'0xzz'", "not a number", "write it as"]),
        (["9600004f"], ["'9600004f'", "not a number", "0x9600004f"]),
        ([""], ["''", "not a number", "write it as"]),
        (["0x10000000000000000"], ["0x10000000000000000", "does not fit in 64 bits"]),
        (["--", "-5"], ["'-5'", "does not fit in 64 bits"]),
        (["0x0", "--el", "0"], ["--el 0", "EL1, EL2 or EL3"]),
        (["0x0", "--el", "two"], ["--el two", "EL1, EL2 or EL3"]),
        ([], ["VALUE"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "esr", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    for part in parts:
        assert part in captured.err
