"""`--gdb` with Debian's gdb-multiarch: scripted dialogues, on bare machines and with VMs; and what is refused."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arm_hyp.cli.main import main
from arm_hyp.debug.gdb.packets import Decoder, Packet
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Runner

GDB = "gdb-multiarch"
WFI = str(guests_directory() / "02-wfi.s")
TWI = ("--set", "HCR_EL2.TWI=1")
PATIENCE_S = 120
STORES = """
_start: ldr     x1, =0x40081000
        mov     x2, #3
again:  str     x2, [x1]
        subs    x2, x2, #1
        b.ne    again
        ldr     x0, =0x84000008
        smc     #0
        .ltorg
"""
EVER = "_start: b _start\n"


@pytest.fixture
def gdb() -> str:
    path = shutil.which(GDB)
    if path is None:
        message = f"{GDB} is not installed (Debian: {GDB})"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    return path


class Target:
    """A run that waits for gdb: its port, and what it says in the end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        self.first = process.stderr.readline()
        match = re.search(r"waiting on 127\.0\.0\.1:(\d+)", self.first)
        assert match is not None, self.first
        self.port = int(match[1])
        self.output, self.errors, self.status = "", "", -1

    def end(self) -> None:
        """Wait for its end."""
        self.output, self.errors = self.process.communicate(timeout=PATIENCE_S)
        self.status = self.process.returncode


@contextmanager
def _target(*arguments: str, command: str = "run") -> Iterator[Target]:
    line = [sys.executable, "-m", "arm_hyp.cli.main", command, *arguments, "--gdb", "0"]
    process = subprocess.Popen(
        line, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield Target(process)
    finally:
        process.kill()
        process.communicate()


def _dialogue(gdb: str, target: Target, path: Path, commands: str) -> str:
    """Have gdb carry out commands; return what it prints, the answer to `echo NAME\\n` and so on in order."""
    script = path / "script.gdb"
    start = f"set confirm off\nset pagination off\nset architecture aarch64\ntarget remote :{target.port}\n"
    script.write_text(start + commands)
    run = subprocess.run(
        [gdb, "-nx", "-batch", "-x", str(script)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert "Error in sourced command file" not in run.stdout, run.stdout
    return run.stdout


def _symbol(image: str, name: str) -> int:
    address = Runner(Configuration(image=image)).symbols.address_of(name)
    assert address is not None
    return address


def test_from_the_vector_back_to_the_instruction_that_trapped(gdb: str, tmp_path: Path) -> None:
    trapped = _symbol(WFI, "el1")
    vector = (_symbol(WFI, "el2_vectors")) + 0x400
    with _target(WFI, *TWI) as target:
        printed = _dialogue(
            gdb, target, tmp_path,
            f"""
            break *{vector:#x}
            continue
            p/x $ESR_EL2
            p $ESR_EL2
            p/x $pc
            break *{trapped:#x}
            reverse-continue
            p/x $pc
            p $cpsr
            monitor why
            stepi
            monitor why
            p/x $ELR_EL2
            set $ELR_EL2 = $ELR_EL2 + 4
            set $pc = {_symbol(WFI, "at_el2"):#x}
            delete
            continue
            reverse-stepi
            continue
            continue
            """,
        )  # fmt: skip
        target.end()
    assert f"Breakpoint 1, {vector:#018x}" in printed
    assert "= 0x7e00000" in printed
    assert "EC=WFX" in printed
    assert f"= {trapped:#x}" in printed
    assert "EL=1" in printed
    assert "no exception has been taken yet" in printed
    assert "WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1" in printed
    assert "exited normally" in printed
    assert target.status == 0
    assert "the guest powered off" in target.errors


def test_what_gdb_sees_of_the_machine(gdb: str, tmp_path: Path) -> None:
    with _target(WFI, "--cpus", "2", "--cpu", "max", "--gic", "3") as target:
        printed = _dialogue(
            gdb, target, tmp_path,
            """
            info threads
            info registers el2
            p $HCR_EL2
            p/x $ICC_SRE_EL2
            p $v0.q.u
            x/i $pc
            thread 2
            p/x $MPIDR_EL1
            thread 1
            monitor help
            monitor gic
            monitor stage2
            monitor walk 0x40080000
            monitor phys on
            x/i 0x40080000
            monitor phys off
            monitor nonsense
            monitor exits
            kill
            """,
        )  # fmt: skip
        target.end()
    for text in (
        'Thread 1 "CPU 0" (at EL2, its turn)',
        'Thread 2 "CPU 1" (off)',
        "VBAR_EL2 ",
        "= {0}",
        "0x80000001",
        "GICv3 of CPU 0",
        "stage 2 is off",
        "VA 0x40080000 at EL2 reads PA 0x40080000",
        "addresses are physical",
        "there is no such command",
    ):
        assert text in printed, (text, printed)
    assert printed.count("0x40080000:") >= 2
    assert target.status == 137
    assert "killed by gdb" in target.errors


def test_a_watchpoint_forward_and_back(gdb: str, tmp_path: Path) -> None:
    image = tmp_path / "stores.s"
    image.write_text(STORES)
    with _target(str(image)) as target:
        printed = _dialogue(
            gdb, target, tmp_path,
            """
            watch *(long *) 0x40081000
            continue
            continue
            echo AND BACK\\n
            reverse-continue
            x/i $pc
            reverse-continue
            p/x $x2
            x/gx 0x40081000
            reverse-continue
            """,
        )  # fmt: skip
        target.end()
    forward, back = printed.split("AND BACK")
    changes = re.compile(r"Old value = (\d+)\s+New value = (\d+)")
    assert changes.findall(forward) == [("0", "3"), ("3", "2")]
    assert changes.findall(back) == [("2", "3"), ("3", "0")]
    assert "str\tx2, [x1]" in back
    assert "No more reverse-execution history" in back
    assert target.status == 0


def test_memory_and_registers_are_changed_and_the_run_goes_on_with_them(gdb: str, tmp_path: Path) -> None:
    text = _symbol(WFI, "text_trap")
    with _target(WFI, *TWI) as target:
        _dialogue(gdb, target, tmp_path, f"set *(char *) {text:#x} = 'T'\nset $x9 = 7\np $x9\ndetach\n")
        target.end()
    assert target.output.startswith("Trapped WFI")
    assert target.status == 0
    assert "it has left; the run goes on" in target.errors


def test_ctrl_c_stops_a_guest_that_never_ends(gdb: str, tmp_path: Path) -> None:
    image = tmp_path / "ever.s"
    image.write_text(EVER)
    with _target(str(image), "--max-instructions", str(1 << 50)) as target:
        connection = socket.create_connection(("127.0.0.1", target.port))
        connection.sendall(b"$c#63\x03")
        answer = b""
        while b"#" not in answer:
            answer += connection.recv(1 << 16)
        assert answer.startswith(b"+$T02")
        connection.sendall(b"$c#63")
        connection.close()  # in the middle of the motion: it waits for the next one
        printed = _dialogue(gdb, target, tmp_path, "p $pc\nkill\n")
        target.end()
    assert "0x40080000" in printed
    assert "the connection is lost" in target.errors


def test_a_machine_that_dies_in_the_middle_is_replaced(gdb: str, tmp_path: Path) -> None:
    image = tmp_path / "ever.s"
    image.write_text(EVER)
    with _target(str(image), "--max-instructions", str(1 << 50)) as target:
        (child,) = Path(f"/proc/{target.process.pid}/task/{target.process.pid}/children").read_text().split()
        with socket.create_connection(("127.0.0.1", target.port)) as connection:
            connection.sendall(b"$c#63")
            assert connection.recv(1) == b"+"  # it moves, or is about to
            os.kill(int(child), signal.SIGKILL)
            decoder, packets = Decoder(), list[bytes]()
            while not packets or packets[-1][:1] != b"T":
                items = decoder.feed(connection.recv(1 << 16))
                packets += [item.data for item in items if isinstance(item, Packet)]
        assert b"SIGKILL" in bytes.fromhex(packets[0].removeprefix(b"O").decode())
        assert packets[1].startswith(b"T06")
        printed = _dialogue(gdb, target, tmp_path, "stepi\np $pc\nkill\n")
        target.end()
    assert "0x40080000" in printed
    assert "the machine process was replaced: it was ended by SIGKILL" in target.errors


def test_all_that_runs_show_is_shown_under_gdb(gdb: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with _target(WFI, *TWI, "--stat", "--trace", str(trace), "--trace-format", "jsonl") as target:
        _dialogue(gdb, target, tmp_path, "stepi 5\nreverse-stepi\ndetach\n")
        target.end()
    alone = tmp_path / "alone.jsonl"
    assert main(["run", WFI, *TWI, "--trace", str(alone), "--trace-format", "jsonl"]) == 0
    assert trace.read_text() == alone.read_text()
    assert "0x16 HVC" in target.errors and "million instructions a second" in target.errors


def test_a_signal_ends_a_run_that_waits_for_gdb() -> None:
    with _target(WFI) as target:
        target.process.send_signal(signal.SIGTERM)
        target.end()
    assert target.status == 128 + signal.SIGTERM
    assert "ended by SIGTERM" in target.errors


def test_vcpus_are_threads(gdb: str, tmp_path: Path) -> None:
    image = tmp_path / "vm.s"
    image.write_text("_start: mov x0, #5\n        hvc #0\n        mov x1, #6\n        wfi\n        b .\n")
    with _target(str(image), "--hypervisor") as target:
        printed = _dialogue(
            gdb, target, tmp_path,
            """
            info threads
            thread 2
            p/x $pc
            p/x $HCR_EL2
            break *0x40080008
            continue
            p $x0
            set $x7 = 77
            stepi
            p $x1
            p $x7
            reverse-stepi
            reverse-stepi
            x/i $pc
            monitor gic
            monitor stage2
            kill
            """,
        )  # fmt: skip
    assert 'Thread 2 "vm0/vcpu0"' in printed
    assert "Breakpoint 1, 0x0000000040080008" in printed
    assert "= 6" in printed
    assert "= 77" in printed
    assert "hvc\t#0x0" in printed
    assert "nr_spis" in printed
    assert "RWX memory" in printed


def test_a_recording_is_debugged(gdb: str, tmp_path: Path) -> None:
    recording = str(tmp_path / "run.hyp")
    assert main(["run", WFI, *TWI, "--record", recording]) == 0
    with _target(recording, command="replay") as target:
        printed = _dialogue(
            gdb, target, tmp_path,
            f"""
            break *{_symbol(WFI, "at_el2"):#x}
            continue
            continue
            monitor exits
            reverse-continue
            monitor position
            delete
            continue
            continue
            """,
        )  # fmt: skip
        target.end()
    assert printed.count("Breakpoint 1, ") == 3
    assert "1  EL1 -> EL2  0x16 HVC" in printed
    assert "exited normally" in printed
    assert target.status == 0
    assert "trapped WFI" in target.output


def test_what_gdb_changes_is_recorded_as_a_branch(gdb: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recording, text = str(tmp_path / "run.hyp"), _symbol(WFI, "text_trap")
    with _target(WFI, *TWI, "--record", recording) as target:
        _dialogue(gdb, target, tmp_path, f"stepi 3\nset *(char *) {text:#x} = 'T'\ndetach\n")
        target.end()
    assert target.output.startswith("Trapped WFI")
    assert f"recorded in {recording}, with branch1" in target.errors
    assert main(["replay", recording, "--branch", "branch1"]) == 0
    replayed = capfd.readouterr()
    assert replayed.out.startswith("Trapped WFI") and "branch1 leaves main at 3" in replayed.err
    assert main(["replay", recording]) == 0
    assert "same as recorded" in capfd.readouterr().err
    with _target(recording, command="replay") as target:
        _dialogue(gdb, target, tmp_path, "stepi\nset $x9 = 1\nkill\n")
        target.end()
    assert f"kept in {recording}, with branch1 and branch2" in target.errors
    assert main(["replay", recording, "--branch", "branch9"]) == 2
    assert "there are main, branch1, branch2" in capfd.readouterr().err


def test_symbols_from_a_file_name_addresses(gdb: str, tmp_path: Path) -> None:
    table = tmp_path / "System.map"
    table.write_text(f"{_symbol(WFI, 'el1') - 4:x} T from_the_map\n")
    with _target(WFI, *TWI, "--symbols", str(table)) as target:
        commands = "monitor symbols from_the_map\nmonitor symbols\nkill\n"
        printed = _dialogue(gdb, target, tmp_path, commands)
        target.end()
    assert "from_the_map is at" in printed
    path = Path(re.findall(r"symbol-file (\S+)", printed)[0])
    assert path.read_bytes().startswith(b"\x7fELF")
    path.unlink()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--gdb", "99999"], "is no port"),
        (["--gdb=nowhere:"], "is no port"),
        (["--gdb", "0", "--record", WFI], "--record"),
        (["--gdb", "0", "--check", "all"], "gdb goes back"),
        (["--gdb=192.0.2.1:0"], "--gdb 192.0.2.1:0"),
    ],
)
def test_what_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert main(["run", WFI, *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["run", WFI, "--gdb", str(taken.getsockname()[1])]) == 2
    assert "--gdb 127.0.0.1" in capsys.readouterr().err
