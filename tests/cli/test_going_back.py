"""`arm-hyp find`, `who`, `show`, `marks`: at the command line a run can be searched, and looked at anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arm_hyp.cli.main import main
from arm_hyp.resources import guests_directory
from arm_hyp.timeline.recordings.recording import read_recording, write_recording

GUESTS = guests_directory()
LADDER = str(GUESTS / "01-ladder.s")
VM = (str(GUESTS / "25-demand-paging.s"), "--hypervisor")
HVC_5 = 72
"""Instructions of the ladder up to its last HVC, itself included."""


@pytest.fixture
def ladder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    file = str(tmp_path / "ladder.hyp")
    assert main(["run", LADDER, "--record", file]) == 0
    capsys.readouterr()
    return file


@pytest.fixture
def vm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    file = str(tmp_path / "vm.hyp")
    assert main(["run", *VM, "--record", file]) == 0
    capsys.readouterr()
    return file


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(arguments) == status
    return capsys.readouterr().out


def plain(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(said(capsys, *arguments, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
    return shown.err


def places(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


# --- find -------------------------------------------------------------------------------------------------------------


def test_find_tells_the_first_all_the_last_and_some(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    every = places(said(capsys, "find", ladder, "event==exception_taken", "--all"))
    assert every == ["13.1", "30.1", "37.1", "45.1", "60.1", "72.1"]
    assert places(said(capsys, "find", ladder, "event==exception_taken")) == every[:1]
    assert places(said(capsys, "find", ladder, "event==exception_taken", "--count", "2")) == every[:2]
    assert places(said(capsys, "find", ladder, "event==exception_taken", "--last")) == every[-1:]
    backwards = said(capsys, "find", ladder, "event==exception_taken", "--last", "--count", "99")
    assert places(backwards) == every[::-1]


def test_find_between_two_positions_leaves_both_out(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    between = ("--after", "30.1", "--before", "60.1")
    expected = ["37.1", "45.1"]
    assert places(said(capsys, "find", ladder, "event==exception_taken", "--all", *between)) == expected
    last = said(capsys, "find", ladder, "event==exception_taken", "--last", "--count", "9", *between)
    assert places(last) == expected[::-1]


def test_find_says_who_where_and_what(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "find", vm, "EC=0x24 and ipa==0x40400008")
    assert line.split()[:4] == ["4.1", "vm0/vcpu0", "EL1", "0x40080010"]
    assert "<_start+0x10>  str x0, [x19, #8]  -> EL2 data abort" in line


def test_find_as_json_has_the_whole_event(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = plain(capsys, "find", vm, "EC=0x24")
    assert (found["position"], found["cpu"], found["vcpu"]) == ("4.1", 0, "vm0/vcpu0")
    assert found["event"]["event"] == "exception_taken"
    assert found["event"]["far"] == 0x40400008


def test_find_in_a_guest_finds_what_is_in_its_recording(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    condition = "event==exception_taken"
    recorded = said(capsys, "find", vm, condition, "--all")
    assert said(capsys, "find", VM[0], condition, "--all", "--hypervisor") == recorded != ""


def test_what_never_happened_is_status_1(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ((), ("--all",), ("--last",), ("--before", "13.1"), ("--after", "72.1")):
        assert main(["find", LADDER, "EC=0x3f", *options]) == 1
        capsys.readouterr()
        assert main(["find", ladder, "event==exception_taken and EC=HVC64 and imm==9", *options]) == 1
        shown = capsys.readouterr()
        assert shown.out == "" and ": never" in shown.err


def test_find_finds_what_was_printed_with_its_last_character(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = [
        json.loads(line) for line in said(capsys, "find", vm, "event==console_output", "--all", "--json").splitlines()
    ]
    assert [one["event"]["text"] for one in printed] == list("PASS\n")
    for options in ((), ("--last",)):
        found = plain(capsys, "find", vm, 'event==console_output and text~"pas"', *options)
        assert (found["position"], found["event"]["text"]) == (printed[2]["position"], "PAS")
    assert places(said(capsys, "find", vm, 'text~"ss"', "--all")) == [printed[3]["position"].partition(".0")[0]]


# --- who --------------------------------------------------------------------------------------------------------------


def test_who_names_the_instruction_and_the_bit(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "who", ladder, "HCR_EL2")
    assert "0x80000000 -> 0x80080000 at position 58, by `msr hcr_el2, x2` at 0x400800b0 <at_el2+0x2c>" in text
    assert "TSC<19>" in text and "0x0 -> 0x1" in text
    assert text.count("\n") == 2


def test_who_looks_back_from_where_it_is_told(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    (last,) = plain(capsys, "who", ladder, "ESR_EL2")
    (before,) = plain(capsys, "who", ladder, "ESR_EL2", "--before", str(HVC_5 - 1))
    assert (last["position"], last["syndrome"]) == ("72.1", "HVC #0x5")
    assert (before["position"], before["new"]) == ("60.1", last["old"])


def test_who_at_a_position_counts_what_happens_there_and_before_it_does_not(
    ladder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (at,) = plain(capsys, "who", ladder, "HCR_EL2.TSC", "--at", "58")
    assert (at["position"], at["old"], at["new"]) == ("58.0", 0, 1)
    assert main(["who", ladder, "HCR_EL2.TSC", "--before", "58"]) == 1


def test_who_tells_the_last_few_changes_of_a_value(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    changes = plain(capsys, "who", ladder, "ESR_EL2", "--count", "99")
    assert [change["position"] for change in changes] == ["72.1", "60.1", "45.1", "13.1"]
    assert [change["old"] for change in changes[:-1]] == [change["new"] for change in changes[1:]]


def test_who_finds_the_hypervisor_in_python(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    (change,) = plain(capsys, "who", vm, "s2pte:0x40400000")
    assert change["position"] == "4.2"
    assert change["old"] == 0 and change["new"] & 1
    assert "the hypervisor, which handled the exception to EL2 (DATA_ABORT_LOWER)" in change["who"]
    fields = {field["name"]: field for field in change["fields"]}
    assert (fields["VALID"]["old"], fields["VALID"]["new"]) == (0, 1)
    assert fields["XN"]["meaning"] == "nobody may execute"


def test_who_decodes_a_list_register(capsys: pytest.CaptureFixture[str]) -> None:
    guest = (str(GUESTS / "18-inject-gicv3.s"), "--gic", "3")
    changes = plain(capsys, "who", guest[0], "LR0", "--count", "9", *guest[1:])
    first = {field["name"]: field["new"] for field in changes[-1]["fields"]}
    assert first["State"] == 1 and first["vINTID"] != 0
    assert changes[-1]["old"] == 0


def test_nobody_is_status_1(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", ladder, "X28"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "nobody has changed X28 of CPU 0 up to 137\n")


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_tells_the_place_the_registers_and_the_exception(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = plain(capsys, "show", ladder, "--at", "58")
    assert told["place"]["words"] == "eret"
    assert told["registers"]["x2"] == 0x80080000
    assert told["last_exception"]["place"]["position"] == "45.1"
    assert told["last_exception"]["why"] == "HVC #4 at EL1 is a call to EL2: no control bit has to ask for it."
    text = said(capsys, "show", ladder, "--at", "58")
    assert text.split()[:4] == ["58", "cpu0", "EL2", "0x400800b4"]
    assert "X2 0x0000000080080000" in text
    assert all(len(line) <= 80 for line in text.splitlines() if line.lstrip().startswith(("X", "PSTATE")))


@pytest.mark.parametrize(
    ("steps", "position"),
    [
        (("--back", "instruction"), "136.0"),
        (("--back", "exception"), "72.1"),
        (("--back", "exit", "--back", "exit"), "60.1"),
        (("--at", "60", "--back", "return"), "59.1"),
        (("--at", "60", "--next", "exception"), "60.1"),
        (("--at", "start", "--next", "exit"), "13.1"),
    ],
)
def test_show_steps_back_and_on(
    ladder: str, capsys: pytest.CaptureFixture[str], steps: tuple[str, ...], position: str
) -> None:
    assert plain(capsys, "show", ladder, *steps)["place"]["position"] == position


def test_show_goes_back_to_the_last_switch(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plain(capsys, "show", vm, "--back", "switch")["place"]["position"].startswith("0.")


def test_where_there_is_no_step_the_status_is_1(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", ladder, "--at", "11", "--back", "exception"]) == 1
    assert capsys.readouterr().err == "there is no exception before 11\n"


def test_show_says_how_the_run_ended_only_at_its_end(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "powered off" in plain(capsys, "show", ladder)["end"]
    assert plain(capsys, "show", ladder, "--at", "136")["end"] == ""


def test_show_has_parts(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = plain(
        capsys, "show", vm, "--back", "exit", "--why", "--registers", "--walk", "0x40080000", "--dump", "stage2,exits"
    )
    assert told["syndrome"]["children"][1]["meaning"] != ""
    assert told["system_registers"]["ESR_EL2"] == told["last_exception"]["event"]["esr"]
    assert 0 not in told["system_registers"].values()
    assert told["walk"]["va"] == 0x40080000
    assert set(told["dumps"]) == {"stage2", "exits"} and "Guest IPA" in told["dumps"]["stage2"]
    text = said(capsys, "show", vm, "--back", "exit", "--why", "--walk", "0x40080000", "--dump", "stage2")
    assert "ESR_EL2" in text and "--- stage2 ---" in text and "the hypervisor in Python runs" in text


def test_show_counts_up_to_the_place(vm: str, capsys: pytest.CaptureFixture[str]) -> None:
    counts = [plain(capsys, "show", vm, "--at", at, "--stat")["statistics"] for at in ("11", "11.1")]
    aborts = [[row["count"] for row in each["exceptions"] if row["ec"] == 0x24] for each in counts]
    assert aborts == [[1], [2]]
    exits = [{row["name"]: row["count"] for row in each["exits"]} for each in counts]
    assert exits[0] == exits[1] == {"IABT_LOW": 1, "DABT_LOW": 1}, "the second one has not ended"
    back = plain(capsys, "show", vm, "--at", "end", "--back", "exit", "--stat")["statistics"]
    assert back != plain(capsys, "show", vm, "--stat")["statistics"]
    text = said(capsys, "show", vm, "--stat")
    assert "Exits of vm0, in instructions" in text and "host time" not in text and "Exceptions" in text


def test_show_is_the_same_however_one_comes_there(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    there = said(capsys, "show", ladder, "--at", "60.1")
    assert said(capsys, "show", ladder, "--back", "exit", "--back", "exit") == there
    assert said(capsys, "show", LADDER, "--at", "60.1").replace(f"{LADDER}:", "01-ladder.s:") == there


def test_symbols_come_from_a_file(vm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    map_file = tmp_path / "System.map"
    map_file.write_text("0000000009000000 D uart_data\n0000000040400008 D stored\n")
    (change,) = plain(capsys, "who", vm, "stored", "--at", "80", "--symbols", str(map_file))
    assert "(VA 0x40400008)" in change["target"] and "`str x0, [x19, #8]`" in change["who"]
    assert "no symbol" in refused(capsys, "who", vm, "stored")


# --- marks ------------------------------------------------------------------------------------------------------------


def test_marks_are_positions_and_stay_in_the_recording(ladder: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_recording(ladder)
    said(capsys, "marks", ladder, "--add", "smc", "60.1")
    said(capsys, "marks", ladder, "--add", "hvc", str(HVC_5))
    assert plain(capsys, "marks", ladder) == [{"name": "smc", "position": "60.1"}, {"name": "hvc", "position": "72.0"}]
    assert plain(capsys, "show", ladder, "--at", "smc")["place"]["position"] == "60.1"
    assert places(said(capsys, "find", ladder, "EC=HVC64", "--last", "--before", "smc")) == ["45.1"]
    (change,) = plain(capsys, "who", ladder, "ESR_EL2", "--before", "hvc")
    assert change["position"] == "60.1"
    said(capsys, "marks", ladder, "--remove", "smc")
    said(capsys, "marks", ladder, "--remove", "hvc")
    assert read_recording(ladder).run == before.run and read_recording(ladder).trace == before.trace
    assert main(["replay", ladder]) == 0


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("find", "{run}", "EC=1 und"), "column 6"),
        (("find", "{run}", "EC=1", "--all", "--last"), "leave out"),
        (("find", "{run}", "EC=1", "--after", "nowhere"), "no mark"),
        (("find", "{run}", "EC=1", "--gic", "3"), "a recording has its own options"),
        (("find", "no.hyp", "EC=1"), "does not exist"),
        (("find", "no.s", "EC=1"), "no.s"),
        (("find", LADDER, "EC=1", "--files", "."), "no recording"),
        (("find", LADDER, "EC=1", "--nonsense"), "--nonsense"),
        (("who", "{run}", "HCR_EL2.TWX"), "no field TWX"),
        (("who", "{run}", "HRC_EL2"), "did you mean"),
        (("who", "{run}", "pa:0x9000000+4"), "is not RAM"),
        (("show", "{run}", "--at", "138"), "the run ends at 137"),
        (("show", "{run}", "--back", "sideways"), "there is no such step"),
        (("show", "{run}", "--next", "caller"), "there is no such step"),
        (("show", "{run}", "--dump", "nothing"), "there is no such dump"),
        (("show", "{run}", "--dump", "vcpus"), "there is no VM"),
        (("show", "{run}", "--cpu-index", "1"), "no such CPU"),
        (("show", "{run}", "--walk", "here"), "not a number"),
        (("marks", "{run}", "--remove", "x"), "there are none"),
        (("marks", "{run}", "--add", "x", "1000"), "the run ends at 137"),
        (("marks", "{run}", "--add", "1", "2"), "taken for a position"),
        (("marks", "{run}", "--add", "end", "2"), "taken for a position"),
        (("marks", LADDER), "no recording"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    ladder: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert told in refused(capsys, *(word.replace("{run}", ladder) for word in arguments))


def test_a_recording_that_was_stopped_has_nothing_behind_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "stopped.hyp")
    assert main(["run", LADDER, "--max-instructions", "50", "--record", file]) == 1
    capsys.readouterr()
    assert "the run ends at 50" in refused(capsys, "show", file, "--at", "51")


def test_a_run_ends_where_a_handler_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guest, handlers = tmp_path / "calls.s", tmp_path / "fails.py"
    guest.write_text("    hvc #0\nagain:\n    b again\n")
    handlers.write_text(
        "from arm_hyp.arch.syndromes import EC\nfrom arm_hyp.hypervisor import handler\n\n"
        "@handler(EC.HVC64)\ndef fails(vcpu, exit):\n    raise ZeroDivisionError\n"
    )
    run = (str(guest), "--hypervisor", str(handlers))
    shown = plain(capsys, "show", *run)
    assert shown["place"]["position"] == "1.2" and "ZeroDivisionError" in shown["end"]
    assert places(said(capsys, "find", run[0], "EC=HVC64", *run[1:], "--all")) == ["1.1"]


def test_ctrl_c_ends_a_search_at_once(tmp_path: Path) -> None:
    guest = tmp_path / "loops.s"
    guest.write_text("    mov x0, #0\nagain:\n    add x0, x0, #1\n    b again\n")
    command = [sys.executable, "-m", "arm_hyp.cli.main", "find", str(guest), "EC=0", "--max-instructions", str(1 << 40)]
    terminal, child_end = os.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child_end) as child:
        os.close(child_end)
        shown = os.read(terminal, 1000)  # progress: it runs
        child.send_signal(signal.SIGINT)
        while b"interrupted" not in shown:
            shown += os.read(terminal, 1000)
        assert child.wait(timeout=60) == 130
    os.close(terminal)


@pytest.mark.parametrize("command", [("find", "EC=99"), ("who", "HCR_EL2"), ("show",)])
def test_a_run_that_is_not_the_recorded_one_is_status_3(
    ladder: str, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    made = read_recording(ladder)
    checks = bytearray(made.trace.checks)
    checks[3] ^= 1
    trace = type(made.trace)(
        **{**{f: getattr(made.trace, f) for f in made.trace.__struct_fields__}, "checks": bytes(checks)}
    )
    write_recording(ladder, replace(made, trace=trace))
    name, *rest = command
    assert main([name, ladder, *rest]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "the run differs from the recording: event 4 of 12" in shown.err
