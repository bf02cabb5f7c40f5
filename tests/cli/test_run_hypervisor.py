"""`arm-hyp run` with VMs: the forms of `--hypervisor`, files of VMs, several consoles, and what is refused."""

import os
import pty
import subprocess

import pytest
from test_run import run
from test_run_board import MODULE, read_until

from arm_hyp.cli.consoles import Consoles, coloured
from arm_hyp.cli.terminal import EscapeKeys, Printer
from arm_hyp.machine.device_tree import parse

OFF = " ldr x0, =0x84000008\n hvc #0\n"
TELL = """
    ldr x1, =0x09000000
    mrs x2, CurrentEL
    lsr x2, x2, #2
    add w2, w2, #'0'
    str w2, [x1]
    mov w2, #10
    str w2, [x1]
"""
CALL = " ldr x0, =0xC6000001\n hvc #0\n and w0, w0, #0x7f\n ldr x1, =0x09000000\n str w0, [x1]\n"
HANDLERS = """
from arm_hyp.hypervisor import hypercall

@hypercall(0xC600_0001)
def answer(vcpu, call):
    print("asked")
    return ord("!")
"""
TWO = """
[machine]
hypervisor = "handlers.py"
[[vm]]
name = "alpha"
image = "guest.s"
memory = "2M"
load-address = 0x40100000
[[vm]]
name = "beta"
image = "call.s"
memory = "2M"
load-address = 0x40100000
"""
SMALL = ("--memory", "2M", "--load-address", "0x40100000")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "guest.s").write_text(TELL + OFF)
    (tmp_path / "call.s").write_text(CALL + OFF)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "two.toml").write_text(TWO)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("guest.s", "--hypervisor"),
        ("--hypervisor", "guest.s"),
        ("--hypervisor=", "guest.s"),
        ("--hypervisor", "handlers.py", "guest.s"),
        ("guest.s", "--hypervisor", "handlers.py"),
        ("guest.s", "--hypervisor=handlers.py"),
        ("--hypervisor", "--", "guest.s"),
        ("guest.s", "--hypervisor", "--el", "1", "--vcpus", "2", "--gic", "3"),
    ],
    ids=" ".join,
)
def test_the_image_runs_at_el1_however_it_is_said(folder, arguments):
    done = run(*SMALL, *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_a_file_of_handlers_is_used_and_what_it_prints_is_shown(folder):
    done = run("call.s", "--hypervisor", "handlers.py", *SMALL, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "!")
    assert "handlers.py:6: asked\n" in done.stderr
    done = run("call.s", "--hypervisor", *SMALL, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "\x7f"), "NOT_SUPPORTED is -1"


def test_several_vms_have_prefixes_and_the_command_line_overrides_the_machine(folder):
    for more in ((), ("--cpus", "2"), ("--gic", "3", "--cpu", "max")):
        done = run("two.toml", *more, cwd=folder)
        assert (done.returncode, sorted(done.stdout.splitlines())) == (0, ["[alpha] 1", "[beta] !"]), done.stderr
        assert "\nalpha: " in done.stderr and "\nbeta: " in done.stderr


def test_a_file_in_another_folder_finds_its_files(folder, tmp_path_factory):
    done = run(str(folder / "two.toml"), "--until", "!", cwd=tmp_path_factory.mktemp("elsewhere"))
    assert done.returncode == 0, done.stderr


def test_set_applies_to_the_vcpu(folder):
    (folder / "wfe.s").write_text(" wfe\n wfe\n" + OFF)
    counts = []
    for twe in "01":
        trace = folder / "trace"
        done = run("wfe.s", "--hypervisor", "--set", f"HCR_EL2.TWE={twe}", "--trace", str(trace),
                   "--trace-format", "kvm", "--max-instructions", "100", *SMALL, cwd=folder)  # fmt: skip
        assert done.returncode in (0, 1)
        counts.append(trace.read_text().count("kvm_wfx_arm64"))
    assert counts[0] == 0 < counts[1]


def test_the_tree_of_the_vm_is_dumped(folder):
    done = run("guest.s", "--hypervisor", "--vcpus", "3", "--dump-dtb", "tree", cwd=folder)
    assert done.returncode == 0, done.stderr
    tree = parse("tree", (folder / "tree").read_bytes())
    assert tree.exist_node("cpus/cpu@2") and tree.get_property("method", "psci").value == "hvc"


BAD = {
    "EL2": (["guest.s", "--hypervisor", "--el", "2"], "--el 2: a VM starts at EL1"),
    "flash": (["--bios", "guest.s", "--hypervisor"], "--bios with --hypervisor: it starts a machine, not a VM"),
    "Xen": (["guest.s", "--hypervisor", "--module", "kernel=guest.s"], "which needs EL2"),
    "vcpus alone": (["guest.s", "--vcpus", "2"], "--vcpus: there is no VM; add --hypervisor"),
    "no handlers": (["guest.s", "--hypervisor", "no.py"], "no.py"),
    "only handlers": (["--hypervisor", "handlers.py"], "nothing to run"),
    "register": (["guest.s", "--hypervisor", "--set", "HCR_EL3=1"], "--set HCR_EL3=1: a vCPU has no register"),
    "of a VM": (["two.toml", "--initrd", "guest.s"], "--initrd: two.toml describes the VMs; write it there"),
    "of a VM, two words": (["two.toml", "--load-address", "0"], "--load-address: two.toml describes the VMs"),
    "setting": (["two.toml", "--set", "X0=1"], "--set: two.toml describes the VMs"),
    "no file": (["no.toml"], "no.toml: does not exist"),
    "key": (["bad.toml"], "bad.toml: [[vm]] a: imag: there is no such key; did you mean image?"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(name, folder):
    (folder / "bad.toml").write_text('[[vm]]\nname = "a"\nimag = "guest.s"\n')
    arguments, expected = BAD[name]
    done = run(*arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr and len(done.stderr.strip().splitlines()) == 1


ECHO = """
    mov  x19, #0x09000000
    mov  w0, #'>'
    strb w0, [x19]
wait:
    mov  x9, #3000
pause:
    subs x9, x9, #1
    b.ne pause
    ldr  w0, [x19, #0x18]
    tbnz w0, #4, wait
    ldr  w0, [x19]
    strb w0, [x19]
    cmp  w0, #'.'
    b.ne wait
"""


def test_keys_go_to_the_vm_that_ctrl_a_n_chooses(folder):
    for name in ("guest.s", "call.s"):
        (folder / name).write_text(ECHO + OFF)
    ours, theirs = pty.openpty()
    command = [*MODULE, "two.toml", "--max-instructions", str(1 << 40)]
    plain = {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, cwd=folder, env=plain
    ) as process:
        read_until(ours, b">")
        os.write(ours, b"a\x01nb")
        read_until(ours, b"b")
        os.write(ours, b".\x01n.")
        assert process.wait(60) == 0
        shown = read_until(ours, b"[alpha] .")
        assert process.stderr is not None
        told = process.stderr.read()
    assert b"you type to beta now" in told and b"you type to alpha now" in told and b"b" not in shown
    os.close(ours)
    os.close(theirs)


# --- the screen -------------------------------------------------------------------------------------------------------


class Screen:
    """Consoles that write to a file, and what is there."""

    def __init__(self, path, *prefixes):
        self.path = path / "screen"
        self.consoles = Consoles(Printer(self.path.open("wb")), prefixes)
        self.put, self.flush = self.consoles.put, self.consoles.flush

    @property
    def text(self):
        return self.path.read_bytes().decode()


def test_lines_of_two_vms_do_not_mix(tmp_path):
    screen = Screen(tmp_path, b"[a] ", b"[b] ")
    for vm, data in ((0, b"on"), (1, b"tw"), (0, b"e\r\nthree"), (1, b"o\n\n"), (1, b"four")):
        screen.put(vm, data)
    assert screen.text == "[a] one\r\n[b] two\n[b] \n"
    screen.consoles.close()
    assert screen.text.endswith("[a] three\n[b] four") and screen.consoles.is_inside_line


def test_a_prompt_is_shown_once_it_waits_and_what_follows_it_at_once(tmp_path):
    screen = Screen(tmp_path, b"[a] ", b"[b] ")
    screen.put(0, b"$ ")
    screen.put(1, b"hidden")
    screen.flush()
    assert screen.text == ""
    screen.flush()
    assert screen.text == "[a] $ "
    screen.put(0, b"l")
    screen.flush()
    assert screen.text == "[a] $ l"
    screen.put(1, b"\n")
    screen.put(0, b"s\n")
    assert screen.text == "[a] $ l\n[b] hidden\n[a] s\n"


def test_one_console_is_as_it_is_and_a_silent_one_is_not_shown(tmp_path):
    one = Screen(tmp_path, b"")
    one.put(0, b"$ \xff")
    one.consoles.close()
    assert one.path.read_bytes() == b"$ \xff"
    silent = Screen(tmp_path, None, b"[b] ")
    silent.put(0, b"no\n")
    silent.put(1, b"yes\n")
    silent.consoles.close()
    assert silent.text == "[b] yes\n"


def test_prefixes_have_no_colours_in_a_pipe(capfd):
    assert coloured(["[a] ", "b> ", ""]) == [b"[a] ", b"b> ", b""]


def test_ctrl_a_n_comes_between_what_is_typed_to_two_vms():
    typed = []
    keys = EscapeKeys(lambda: None, lambda: None, typed.append)
    assert keys.filter(b"one\x01ntwo\x01N\x01\x01three") == b"\x01three"
    assert typed == [b"one", b"two"]
