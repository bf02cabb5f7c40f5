"""`arm-hyp whatif`: side by side or below each other, as JSON, and bad input in one line."""

import json
import os
import subprocess
import sys

import pytest

from arm_hyp.resources import guests_directory

WFI = str(guests_directory() / "02-wfi.s")
VMS = str(guests_directory() / "vms" / "counting.toml")
TWI = ("--set", "HCR_EL2.TWI=1")
HANDLERS = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def on_wfx(vcpu, exit, next):
    next()
"""


def whatif(*arguments: str, columns: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arm_hyp.cli.main", "whatif", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"NO_COLOR": "1"}
    environment |= {"COLUMNS": str(columns)} if columns else {}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_wide_screens_have_the_runs_side_by_side():
    done = whatif(WFI, *TWI, columns=100)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("The runs part after 10 instructions, at 0x40080028 <el1>, EL1: ")
    assert any("without the change" in line and "HCR_EL2.TWI=1" in line and line[0] == "╭" for line in lines)
    assert max(map(len, lines)) <= 100
    assert lines[-1] == 'The console differs from line 1 on: nothing | "trapped WFI"'


def test_narrow_screens_have_them_below_each_other():
    lines = whatif(WFI, *TWI, columns=80).stdout.splitlines()
    titles = [line for line in lines if line.startswith("╭")]
    assert ["without the change" in line for line in titles] == [True, False]
    assert max(map(len, lines)) <= 80


def test_the_ends_are_told():
    text = " ".join(whatif(WFI, *TWI, columns=80).stdout.replace("│", " ").split())
    assert "the end: WFI waits for ever: nothing is to come that would end it (status 1), 11 instructions" in text
    assert "the end: the guest powered off (PSCI SYSTEM_OFF) (status 0), 153 instructions" in text


def test_json_has_everything():
    found = json.loads(whatif(WFI, *TWI, "--json", "--events", "2").stdout)
    assert found["has_parted"] and found["change"] == ["HCR_EL2.TWI=1"]
    assert found["sentence"].startswith("The runs part after 10 instructions")
    assert [event["event"] for event in found["first"]] == ["waited", "exception_taken"]
    assert [event["event"] for event in found["changed"]["events"]] == ["exception_taken", "console_output"]
    assert found["without"]["end"]["reason"] == "idle" and found["changed"]["end"]["status"] == 0


def test_settings_of_both_runs_and_options_of_run():
    guest = str(guests_directory() / "03-wfe.s")
    same = whatif(guest, "--both", "X19=1", "--set", "X28=1", "--gic", "3")
    assert same.stdout.startswith("Both runs do the same: ")
    assert "WFE waits for ever" in same.stdout


def test_the_change_is_of_a_vm_from_a_file_by_name():
    done = whatif(VMS, "--set", "HCR_EL2.VM=0", "--vm", "light", "--both", "X28=1", "--max-instructions", "4000000")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert ", EL1 of light/vcpu0: without the change an instruction that cannot be fetched at EL1 " in lines[0]
    assert lines[-2] == "The console of heavy is the same."
    assert lines[-1] == 'The console of light differs from line 1 on: "line 1" | nothing'


def test_a_guest_that_takes_the_setting_back_is_told():
    done = whatif(str(guests_directory() / "hangs" / "timer-trap.s"), "--both", "X19=1", "--set", "HCR_EL2.TWE=1")
    assert done.stdout.splitlines()[0] == (
        "Both runs do the same, because the guest takes back what was set: after 6 instructions, at 0x40080014, it "
        "writes 0x80000000 to HCR_EL2."
    )


# --- in a recording ---------------------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arm_hyp.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a recording of a WFI that traps, with a mark before it."""
    file = str(tmp_path_factory.mktemp("recorded") / "run.hyp")
    assert run("run", WFI, *TWI, "--record", file).returncode == 0
    assert run("marks", file, "--add", "before", "8").returncode == 0
    return file


@pytest.mark.parametrize("at", ["8", "before", "HCR_EL2.TWI==1 and event==exception_returned"])
def test_the_change_is_made_where_it_is_asked_for(recorded: str, at: str):
    found = json.loads(whatif(recorded, "--at", at, "--set", "HCR_EL2.TWI=0", "--json").stdout)
    assert found["at"] == ([10, 1] if "==" in at else [8, 0])
    assert [event["event"] for event in found["first"]] == ["exception_taken", "waited"]
    assert found["without"]["end"]["n"] == 153


def test_a_recording_keeps_the_branch_that_is_named(recorded: str):
    done = whatif(recorded, "--at", "before", "--set", "HCR_EL2.TWI=0", "--keep", "waits")
    assert done.returncode == 0, done.stderr
    assert " HCR_EL2.TWI=0 at 8 " in done.stdout
    parted = run("diff", recorded, "--branch", "waits", "--json")
    assert json.loads(parted.stdout)["last_same"] == "8.0"
    again = whatif(recorded, "--at", "before", "--set", "HCR_EL2.TWI=0", "--keep", "waits")
    assert again.returncode == 2 and "is there already" in again.stderr
    assert "the same as recorded" in run("replay", recorded).stderr


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("--at", "EC=0x3f"), 1, "never"),
        (("--at", "nowhere"), 2, "marks: before"),
        (("--at", "154"), 2, "the run ends at 153"),
        (("--at", "EC=="), 2, "EC=="),
        (("--gic", "3"), 2, "a recording has its own options"),
        (("--cpu-index", "1"), 2, "there is only CPU 0"),
        (("--keep", ""), 2, "a branch needs a name"),
    ],
)
def test_no_such_place_in_a_recording(recorded: str, arguments: tuple[str, ...], status: int, expected: str):
    done = whatif(recorded, *TWI, *arguments)
    assert done.returncode == status and expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_recording_of_handlers_does_not_know_what_else_they_would_do(tmp_path):
    (tmp_path / "mine.py").write_text(HANDLERS)
    file, guest = str(tmp_path / "run.hyp"), str(guests_directory() / "25-demand-paging.s")
    assert run("run", guest, "--hypervisor", str(tmp_path / "mine.py"), "--record", file).returncode == 0
    done = whatif(file, "--set", "X0=1")
    assert done.returncode == 2 and "not their code; name the guest and the handlers" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((WFI, *TWI, "--keep", "x"), "only a recording keeps branches"),
        ((WFI,), "--set"),
        ((WFI, "--set", "HCR_EL2.NONE=1"), "no field NONE"),
        ((WFI, *TWI, "--until", "x"), "--until"),
        ((WFI, *TWI, "--trace", "-"), "--trace"),
        ((WFI, *TWI, "--gic", "4"), "--gic"),
        (("nowhere.s", *TWI), "does not exist"),
        ((*TWI,), "nothing to run"),
        ((WFI, *TWI, "--vm", "vm1"), "there is no such VM"),
        ((VMS, *TWI, "--vm", "dark"), "name one of heavy, light"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, expected):
    done = whatif(*arguments)
    assert done.returncode == 2, done.stdout
    assert expected in done.stderr and len(done.stderr.strip().splitlines()) == 1
