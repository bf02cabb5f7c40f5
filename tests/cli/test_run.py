"""`arm-hyp run`: exit statuses, traces that repeat byte for byte, and every kind of bad input in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arm_hyp.resources import guests_directory

OFF = "ldr x0, =0x84000008\n smc #0\n"


def run(*arguments: str, hash_seed: str = "0", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arm_hyp.cli.main", "run", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=120, check=False)


def source(path: Path, text: str) -> str:
    file = path / "guest.s"
    file.write_text(text)
    return str(file)


def test_a_guest_prints_and_powers_off(tmp_path):
    done = run(source(tmp_path, "ldr x1, =0x09000000\n mov w0, #'A'\n str w0, [x1]\n" + OFF))
    assert (done.returncode, done.stdout) == (0, "A")
    assert "SYSTEM_OFF" in done.stderr


def test_semihosting_gives_its_own_status(tmp_path):
    text = "adr x1, block\n mov w0, #0x18\n hlt #0xf000\n .balign 8\n block: .quad 0x20026, 7\n"
    assert run(source(tmp_path, text)).returncode == 7


def test_the_limit_gives_1(tmp_path):
    done = run(source(tmp_path, "b .\n"), "--max-instructions", "50")
    assert done.returncode == 1
    assert "the limit of 50 instructions was reached" in done.stderr


def test_an_unmapped_vector_is_diagnosed(tmp_path):
    done = run(source(tmp_path, "hvc #0\n"))
    assert done.returncode == 1
    assert "VBAR_EL2 was never written" in done.stderr


GUESTS = [path.name for path in sorted(guests_directory().glob("*.s"))]


@pytest.mark.parametrize(
    "guest",
    [pytest.param(name, marks=() if number % 6 == 0 else pytest.mark.long) for number, name in enumerate(GUESTS)],
)
def test_a_trace_is_the_same_byte_for_byte(guest):
    file = str(guests_directory() / guest)
    arguments = (file, "--trace", "-", "--trace-format", "jsonl", "--max-instructions", "5000")
    first, second = run(*arguments, hash_seed="1"), run(*arguments, hash_seed="2")
    assert first.stdout == second.stdout
    events = [json.loads(line) for line in first.stdout.splitlines()]
    assert events[0]["event"] == "started" and events[-1]["event"] == "ended"
    assert all({"event", "n", "seq", "cpu", "el", "pc"} <= event.keys() for event in events)
    positions = [(event["n"], event["seq"]) for event in events]
    assert positions == sorted(positions)


BAD = {
    "missing": (["nowhere.s"], "does not exist"),
    "empty": (["empty.s"], "empty"),
    "directory": (["."], "directory"),
    "not assembly": (["bad.s"], "bad.s:2:"),
    "truncated ELF": (["short.elf"], "short.elf"),
    "unknown register": (["good.s", "--set", "HCR_EL3.TWI=1"], "HCR_EL3"),
    "unknown field": (["good.s", "--set", "HCR_EL2.TWX=1"], "no field TWX"),
    "value too wide": (["good.s", "--set", "HCR_EL2.TWI=2"], "does not fit"),
    "value beyond 64 bits": (["good.s", "--set", "X0=0x10000000000000000"], "64 bits"),
    "not a setting": (["good.s", "--set", "HCR_EL2"], "REG[.FIELD]=VALUE"),
    "read-only register": (["good.s", "--set", "MIDR_EL1=1"], "cannot be written"),
    "outside RAM": (["good.s", "--load-address", "0x1000"], "RAM"),
    "address": (["good.s", "--load-address", "here"], "not a number"),
    "memory": (["good.s", "--memory", "lots"], "--memory lots"),
    "model": (["good.s", "--cpu", "a73"], "a73"),
    "format": (["good.s", "--trace", "-", "--trace-format", "xml"], "xml"),
    "trace file": (["good.s", "--trace", "no/such/directory"], "no/such/directory"),
    "limit": (["good.s", "--max-instructions", "0"], "max-instructions"),
    "level": (["good.s", "--el", "3"], "--el"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(name, tmp_path):
    arguments, expected = BAD[name]
    (tmp_path / "empty.s").write_bytes(b"")
    (tmp_path / "bad.s").write_text("nop\nfrobnicate x0\n")
    (tmp_path / "good.s").write_text(OFF)
    (tmp_path / "short.elf").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(20))
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
