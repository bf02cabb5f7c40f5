"""What `arm-hyp run` says of a guest that gets nowhere: at its limit, when it idles for ever, on Ctrl-C, on request."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_run import OFF, run, source

from arm_hyp.resources import guests_directory

HANGS = guests_directory() / "hangs"
LINUX = Path.home() / ".cache" / "arm-hyp" / "linux"
COMMAND = [sys.executable, "-m", "arm_hyp.cli.main", "run"]


def lines_of(guest: str, *arguments: str) -> tuple[int, list[str]]:
    done = run(str(HANGS / f"{guest}.s"), *arguments)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()


def test_a_run_that_idles_for_ever_says_why():
    status, lines = lines_of("timer", "--set", "X19=5")
    assert status == 1
    assert lines[-3].startswith("CPU 0 waits in WFI at EL2 (0x400800a8 <wait>) for ever: the EL2 physical timer")
    assert lines[-2] == "  what to do: write 0xff to GICC_PMR, or give it a lower priority value"
    assert lines[-1].endswith(" instructions")


def test_a_run_at_its_limit_says_what_it_does():
    status, lines = lines_of("poll", "--max-instructions", "10000")
    assert status == 1
    assert lines[0].startswith("CPU 0 repeats 2 instructions at EL2 for ever (0x4008000c <poll>): it polls pl011+0x18")
    assert lines[1] == "  0x4008000c  ldr w0, [x1, #0x18]"


def test_the_end_of_a_dead_guest_is_told_once():
    _, lines = lines_of("vbar")
    assert sum("VBAR_EL2 was never written" in line for line in lines) == 1
    assert any(line.startswith("  It began at 0x4008000c <_start+0xc>: HVC #0") for line in lines)


def test_a_guest_that_ends_well_says_nothing_unless_asked(tmp_path):
    guest = source(tmp_path, OFF)
    assert run(guest).stderr.splitlines() == ["the guest powered off (PSCI SYSTEM_OFF); 2 instructions"]
    assert run(guest, "--diagnose").stderr.splitlines() == run(guest).stderr.splitlines()


def test_what_the_user_waited_for_needs_no_diagnosis_unless_asked(tmp_path):
    guest = source(tmp_path, "ldr x1, =0x09000000\n mov w0, #'A'\n str w0, [x1]\nhere: b here\n")
    assert run(guest, "--until", "A").stderr.splitlines() == ["the console shows 'A'; 3 instructions"]
    asked = run(guest, "--until", "A", "--diagnose")
    assert asked.returncode == 0
    assert "for ever (0x4008000c <here>): it branches to itself, and no interrupt is pending." in asked.stderr


def test_a_vm_that_waits_is_diagnosed_by_vcpu():
    _, lines = lines_of("vm-timer", "--hypervisor", "--gic", "3")
    assert any(
        line.startswith("vm0/vcpu0 is blocked in WFI at EL1") and line.endswith("GICR_ISENABLER0<27> is 0.")
        for line in lines
    )


def test_a_diagnosis_leaves_the_trace_as_it_is():
    arguments = ("--trace", "-", "--trace-format", "jsonl", "--max-instructions", "2000")
    guest = str(HANGS / "lock.s")
    plain, asked = (run(guest, "--cpus", "2", *arguments, *more) for more in ((), ("--diagnose",)))
    assert plain.stdout == asked.stdout


def test_ctrl_c_says_what_the_guest_does(tmp_path):
    guest = source(
        tmp_path, "ldr x1, =0x09000000\n mov w0, #'A'\n str w0, [x1]\n mov w0, #10\n str w0, [x1]\nend: b end\n"
    )
    with subprocess.Popen(
        [*COMMAND, guest, "--max-instructions", "1000000000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"A\n"  # it runs now
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        assert process.wait(60) == 130
    assert "CPU 0 repeats one instruction at EL2 for ever" in said and "<end>" in said
    assert said.splitlines()[-1].startswith("interrupted; ")


def _until(terminal: int, text: bytes) -> bytes:
    shown = b""
    while text not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_a_key_asks_during_the_run_which_goes_on():
    command = [*COMMAND, str(HANGS / "poll.s"), "--console", "pl011", "--max-instructions", "1000000000000"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command)
    _until(terminal, b"Ctrl-A h helps")
    os.write(terminal, b"\x01d")
    _until(terminal, b"UARTFR<4> says that no byte has come")
    os.write(terminal, b"!")  # what the guest waits for
    _until(terminal, b"SYSTEM_OFF")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)


@pytest.mark.long
@pytest.mark.skipif(not (LINUX / "shell.cpio").exists(), reason="the images are not cached: guests/linux/fetch.py")
def test_linux_at_a_prompt_waits_for_its_timer_or_the_console():
    kernel = ("--initrd", str(LINUX / "shell.cpio"), "--append", "console=ttyAMA0 cryptomgr.notests=1")
    done = run(str(LINUX / "Image"), *kernel, "--el", "1", "--max-instructions", "400000000")
    said = done.stderr.splitlines()[-2]
    assert said.startswith("CPU 0 waits ")
    assert "input at the console (pl011, INTID 33)" in said and "timer (CNT" in said
