"""`arm-hyp explain trap`, `bit` and `insn`: what is printed, JSON, and bad input in one line."""

from __future__ import annotations

import json

import pytest

from arm_hyp.cli.main import main


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_the_sentence_comes_first_then_the_change_and_the_chain(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "trap", "wfi", "--el", "1", "--set", "HCR_EL2.TWI=1")
    lines = out.splitlines()
    assert lines[0].startswith("WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1:")
    assert "With HCR_EL2.TWI = 0 it would not trap." in lines
    assert any(line.split()[:2] == ["applies", "HCR_EL2.TWI"] for line in lines)
    assert "ESR_EL2 <63:0> 0x7e00000  WFx" in lines


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["trap", "wfi"], ["WFI at EL1 does not trap", "With HCR_EL2.TWI = 1 it would trap to EL2"]),
        (["trap", "mrs", "x0,", "SCTLR_EL1"], ["With HCR_EL2.TRVM = 1"]),
        (["trap", "0xd503207f", "--el", "EL0"], ["SCTLR_EL1.nTWI is 1"]),
        (["trap", "smc"], ["is a call to EL3", "HCR_EL2.TSC"]),
        (["trap", "fadd d0, d1, d2", "--set", "CPACR_EL1.FPEN=3", "--set", "CPTR_EL2.TFP=1"], ["CPTR_EL2.TFP is 1"]),
        (["trap", "mrs x0, SCTLR_EL1", "--set", "HFGRTR_EL2.SCTLR_EL1=1"], ["because HFGRTR_EL2.SCTLR_EL1 is 1"]),
        (["trap", "mrs x0, CCSIDR_EL1", "--feature", "evt", "--set", "HCR_EL2.TID4=1"], ["HCR_EL2.TID4 is 1"]),
        (["trap", "msr ICC_PMR_EL1, x0", "--set", "ICH_HCR_EL2.TC=1"], ["GICv3", "ICH_HCR_EL2.TC is 1"]),
        (["trap", "mrs x0, ICC_PMR_EL1", "--gic", "2"], ["GICv3 is not claimed", "--gic 3 has it"]),
        (["trap", "mrs x0, CNTVCT_EL0", "--el", "0", "--cpu", "max", "--set", "HCR_EL2=0x408000000"], ["CNTHCTL_EL2"]),
        (["bit", "HCR_EL2.TVM"], ["Catches: SCTLR_EL1, TTBR0_EL1", "arm-hyp explain trap 'msr SCTLR_EL1, x0'"]),
        (["bit", "HCR_EL2.TGE"], ["more rules of other bits ask for it: --all shows them."]),
        (["bit", "HCR_EL2.VM"], ["traps nothing"]),
        (["insn", "msr tcr_el1, x0"], ["2 rules can touch it", "At EL1:", "HFGWTR_EL2.TCR_EL1 (FGT)"]),
        (["insn", "0xd5182040"], ["msr TCR_EL1, x0".upper()[:3], "0xd5182040"]),
    ],
)
def test_answers(arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, *arguments)
    for part in parts:
        assert part in out


def test_every_example_command_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "bit", "HCR_EL2.TID4")
    command = next(line for line in out.splitlines() if line.startswith("  arm-hyp"))
    assert command == "  arm-hyp explain trap 'mrs x0, CCSIDR_EL1' --el 1 --set HCR_EL2.TID4=1 --feature EVT"


def test_json_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    trap = json.loads(printed(capsys, "trap", "wfi", "--set", "HCR_EL2.TWI=1", "--json"))
    assert (trap["outcome"], trap["target_el"], trap["esr"], trap["rule"]) == ("trap", 2, 0x7E0_0000, "HCR_EL2.TWI")
    assert trap["syndrome"]["name"] == "ESR_EL2"
    assert trap["alternatives"][0]["settings"] == ["HCR_EL2.TWI=0"]
    bit = json.loads(printed(capsys, "bit", "HCR_EL2.TVM", "--json"))
    assert bit["caught"][0]["rule"] == "HCR_EL2.TVM"
    insn = json.loads(printed(capsys, "insn", "wfi", "--json"))
    assert [one["rule"] for one in insn["rules"]["2"]] == ["WFI.pending", "SCR_EL3.TWI"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["trap", "mrs x0, SCTLR_EL9"], ["no system register is called SCTLR_EL9", "near names"]),
        (["trap", "bogus"], ["is not an instruction"]),
        (["trap", "0x100000000"], ["does not fit in the 32 bits"]),
        (["trap", "ldr x0, =0x123456789"], ["give one instruction"]),
        (["trap", "wfi", "--el", "4"], ["--el 4", "0, 1, 2 or 3"]),
        (["trap", "wfi", "--set", "HCR_EL2.TWX=1"], ["no field TWX", "TWI"]),
        (["trap", "wfi", "--set", "HCR_EL2.TWI=2"], ["does not fit"]),
        (["trap", "wfi", "--set", "X0=1"], ["no trap rule asks for a register X0"]),
        (["trap", "wfi", "--set", "HCR_EL2.TWI"], ["this is not REG[.FIELD]=VALUE"]),
        (["trap", "wfi", "--feature", "xyz"], ["no trap rule asks for such a feature"]),
        (["trap", "wfi", "--cpu", "a53"], ["--cpu a53", "a72, max"]),
        (["trap", "wfi", "--gic", "4"], ["--gic 4"]),
        (["bit", "HCR_EL2.TWX"], ["near names: TWI"]),
        (["bit", "TTBR0_EL1.ASID"], ["no trap rule asks for a register TTBR0_EL1"]),
        (["insn", "tlbi vmalle9"], ["there is no operation"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    for part in parts:
        assert part in captured.err
