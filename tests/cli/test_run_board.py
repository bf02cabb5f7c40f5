"""`arm-hyp run` with the board's options: their effect, statuses, and bad input in one line."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios

import pytest
from test_run import OFF, run, source

from arm_hyp.cli.run_options import parse_epoch, parse_module
from arm_hyp.cli.statistics import device_rows
from arm_hyp.cli.terminal import EscapeKeys, Printer
from arm_hyp.machine.device_tree import parse
from arm_hyp.runner.configuration import Drive, Module, parse_drive
from arm_hyp.timeline.statistics import Statistics

ECHO = """
    mov  x19, #0x09000000
    mov  w0, #0x10
    str  w0, [x19, #0x2c]
    mov  w0, #'>'
    strb w0, [x19]
wait:
    ldr  w0, [x19, #0x18]
    tbnz w0, #4, wait
    ldr  w0, [x19]
    strb w0, [x19]
    cmp  w0, #'.'
    b.ne wait
"""
MODULE = [sys.executable, "-m", "arm_hyp.cli.main", "run"]


def test_until_and_input(tmp_path):
    (tmp_path / "typed").write_bytes(b"h\xc3\xa9llo.")
    guest = source(tmp_path, ECHO + OFF)
    done = run(guest, "--input", str(tmp_path / "typed"))
    assert (done.returncode, done.stdout) == (0, ">héllo.")
    done = run(guest, "--input", str(tmp_path / "typed"), "--until", "llo")
    assert (done.returncode, done.stdout) == (0, ">héllo")
    done = run(guest, "--input", str(tmp_path / "typed"), "--until", "bye")
    assert done.returncode == 1 and "never showed 'bye'" in done.stderr


def test_piped_input_is_read_only_when_asked_for(tmp_path):
    guest = source(tmp_path, ECHO + OFF)
    ends = ("--max-instructions", "200000")
    silent = subprocess.run([*MODULE, guest, *ends], input=b"ab.", capture_output=True, timeout=60, check=False)
    assert (silent.returncode, silent.stdout) == (1, b">")
    heard = subprocess.run([*MODULE, guest, "--input", "-"], input=b"ab.", capture_output=True, timeout=60, check=False)
    assert (heard.returncode, heard.stdout) == (0, b">ab.")


def test_stat_changes_nothing_and_counts(tmp_path):
    (tmp_path / "typed").write_bytes(b"ab.")
    arguments = (source(tmp_path, ECHO + OFF), "--input", str(tmp_path / "typed"), "--trace-format", "jsonl")
    plain = run(*arguments, "--trace", str(tmp_path / "one"))
    counted = run(*arguments, "--trace", str(tmp_path / "two"), "--stat")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert plain.stderr.splitlines()[-1] == counted.stderr.splitlines()[-1]
    assert "pl011" in counted.stderr and "instructions a second" in counted.stderr


def test_dump_dtb_writes_the_tree_and_runs_nothing(tmp_path):
    done = run(source(tmp_path, OFF), "--dump-dtb", str(tmp_path / "dtb"), "--cpus", "2", "--append", "hello")
    assert (done.returncode, done.stderr) == (0, "")
    tree = parse("dtb", (tmp_path / "dtb").read_bytes())
    assert tree.get_property("bootargs", "chosen").value == "hello" and tree.exist_node("cpus/cpu@1")


def test_dump_dtb_writes_to_standard_output(tmp_path):
    command = [*MODULE, source(tmp_path, OFF), "--dump-dtb", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0 and parse("dtb", done.stdout).exist_node("memory@40000000")
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("options", [(), ("--trace", "-")])
def test_output_that_has_no_room_is_one_line(tmp_path, options):
    guest = source(tmp_path, "ldr x1, =0x09000000\n mov w0, #10\n1: str w0, [x1]\n b 1b\n")
    with open("/dev/full", "wb") as full:
        command = [*MODULE, guest, *options]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("arm-hyp: standard output: No space left")
    assert len(done.stderr.splitlines()) == 1


def test_the_table_of_devices_has_one_row_for_those_alike_in_a_fixed_order():
    counted = Statistics()
    for number in range(32):
        counted.devices[f"virtio-{number}", False] += 3 if number else 5
    counted.devices["gicd", True] += 4
    counted.devices["pl011", False] += 4
    rows = [("virtio-0", 5, 0), ("gicd", 0, 4), ("pl011", 4, 0), ("each of 31 virtio", 3, 0)]
    assert device_rows(counted) == rows


def test_load_puts_a_file_into_ram(tmp_path):
    (tmp_path / "letter").write_bytes(b"Z")
    text = "ldr x1, =0x40f00000\n ldrb w0, [x1]\n ldr x1, =0x09000000\n strb w0, [x1]\n" + OFF
    done = run(source(tmp_path, text), "--load", f"0x40f00000={tmp_path / 'letter'}")
    assert (done.returncode, done.stdout) == (0, "Z")


def test_console_none_shows_nothing(tmp_path):
    done = run(source(tmp_path, "ldr x1, =0x09000000\n mov w0, #'A'\n str w0, [x1]\n" + OFF), "--console", "none")
    assert (done.returncode, done.stdout) == (0, "")


def test_warnings_go_to_standard_error(tmp_path):
    done = run(source(tmp_path, OFF), "--load-address", "0x40000000")
    assert done.returncode == 0 and done.stderr.startswith("warning: ")


BAD = {
    "nothing": ([], "nothing to run"),
    "cpus": (["good.s", "--cpus", "9"], "--cpus"),
    "gic": (["good.s", "--gic", "4"], "--gic"),
    "list registers": (["good.s", "--list-registers", "17"], "--list-registers"),
    "console": (["good.s", "--console", "vga"], "vga"),
    "initrd": (["good.s", "--initrd", "nowhere"], "nowhere"),
    "input": (["good.s", "--input", "nowhere"], "nowhere"),
    "tree": (["good.s", "--dtb", "good.s"], "good.s"),
    "load": (["good.s", "--load", "good.s"], "ADDR=FILE"),
    "overlap": (["good.s", "--load", "0x40080000=good.s"], "overlaps"),
    "drive": (["good.s", "--drive", "odd"], "truncated"),
    "module": (["good.s", "--module", "initrd=good.s"], "KIND=FILE"),
    "rtc": (["good.s", "--rtc", "noon"], "not a time"),
    "empty text": (["good.s", "--until", ""], "--until"),
    "empty console": (["good.s", "--console", ""], "--console"),
    "empty name of a file": (["good.s", "--input", ""], "a file name: is empty"),
    "empty name of a trace": (["good.s", "--trace", ""], "--trace"),
    "empty name of a drive": (["good.s", "--drive", ""], "--drive"),
    "mode without a drive": (["good.s", "--drive", ",ro"], "--drive ,ro"),
    "no such drive": (["good.s", "--drive", "nowhere"], "nowhere"),
    "address of flash": (["--bios", "good.s", "--load-address", "0x40080000"], "flash starts at address 0"),
    "truncated tree": (["good.s", "--dtb", "short.dtb"], "not a sound device tree"),
    "little memory": (["good.s", "--memory", "1M", "--load", "0x40200000=good.s"], "more --memory"),
    "much memory": (["good.s", "--memory", "16G"], "8 GiB"),
    "full device": (["good.s", "--trace", "/dev/full"], "--trace /dev/full: No space left"),
    "two programs": (["good.s", "--bios", "good.s"], "cannot both"),
    "dump": (["good.s", "--dump-dtb", "no/such/directory"], "no/such/directory"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(name, tmp_path):
    arguments, expected = BAD[name]
    (tmp_path / "good.s").write_text(OFF)
    (tmp_path / "odd").write_bytes(bytes(700))
    (tmp_path / "short.dtb").write_bytes(b"\xd0\x0d\xfe\xed\0\0\x10\0" + bytes(80))
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_forms_of_options():
    assert parse_drive("a,b.img") == Drive("a,b.img")
    assert parse_drive("a.img,ro") == Drive("a.img", True) and parse_drive("a.img,cow") == Drive("a.img")
    assert parse_module("kernel=Image,console=hvc0,x") == Module("kernel", "Image", "console=hvc0,x")
    assert parse_epoch("5") == 5 and parse_epoch("1970-01-02T00:00:00") == 86400


def test_escape_keys():
    asked = []
    keys = EscapeKeys(lambda: asked.append("quit"), lambda: asked.append("help"))
    assert keys.filter(b"a\x01\x01b\x01") == b"a\x01b"
    assert keys.filter(b"hc\x01zd\x01x") == b"cd" and asked == ["help", "quit"]


def test_the_printer_writes_lines_at_once_and_the_rest_when_flushed(tmp_path):
    with (tmp_path / "out").open("wb", buffering=0) as file:
        printer = Printer(file)
        for byte in b"one\n\xfftwo":
            printer.put(bytes((byte,)))
        assert (tmp_path / "out").read_bytes() == b"one\n" and printer.is_inside_line
        printer.flush()
        assert printer.is_inside_line
        printer.put(b"\n")
        assert not printer.is_inside_line
    assert (tmp_path / "out").read_bytes() == b"one\n\xfftwo\n"


def read_until(terminal: int, text: bytes) -> bytes:
    got = b""
    while text not in got:
        assert select.select([terminal], [], [], 60)[0], got
        got += os.read(terminal, 1024)
    return got


@pytest.mark.parametrize("ends", ["guest", "escape", "signal"])
def test_a_terminal_is_raw_while_the_guest_runs_and_put_back(tmp_path, ends):
    guest, (ours, theirs) = source(tmp_path, ECHO + OFF), pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [*MODULE, guest, "--console", "pl011"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as process:
        read_until(ours, b">")
        assert not termios.tcgetattr(theirs)[3] & termios.ICANON
        os.write(ours, b"a\x03")
        read_until(ours, b"a\x03")
        expected = {"guest": 0, "escape": 130, "signal": 143}[ends]
        if ends == "signal":
            process.send_signal(signal.SIGTERM)
        else:
            os.write(ours, b"." if ends == "guest" else b"\x01x")
        assert process.wait(60) == expected
        assert process.stderr is not None
        assert b" helps\n\n" in process.stderr.read(), "the end is told on a line of its own"
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_ctrl_c_ends_a_run_with_the_statistics(tmp_path):
    loop = source(tmp_path, "ldr x1, =0x09000000\n mov w0, #10\n str w0, [x1]\n b .\n")
    command = [*MODULE, loop, "--max-instructions", str(1 << 50), "--stat"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        told = process.stderr.read()
    assert "interrupted" in told and "pl011" in told and "Traceback" not in told


def test_a_raw_program_has_its_exceptions_counted(tmp_path):
    guest = tmp_path / "svc.bin"
    guest.write_bytes(b"".join(word.to_bytes(4, "little") for word in (0xD4000002, 0x52800100, 0x72B08000, 0xD4000003)))
    ended = subprocess.run(
        [sys.executable, "-m", "arm_hyp.cli.main", "run", str(guest)], capture_output=True, text=True
    )
    assert "Exceptions" in ended.stderr and "HVC" in ended.stderr
