"""What goes into the sandbox and what comes out: a good run, each way to fail, and what is not graded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sandbox_support import GOOD, QUICK, job, run

from arm_hyp.course.sandbox import Limits, run_student
from arm_hyp.course.sandbox import run as outside
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Runner

HELD = sys.platform == "linux"
linux_only = pytest.mark.skipif(not HELD, reason="seccomp and Landlock are Linux's")


def test_what_comes_back_repeats_the_run_without_the_students_code(tmp_path: Path) -> None:
    made = job(tmp_path, GOOD)
    outcome = run_student(made, QUICK)
    assert (outcome.status, outcome.reason, len(outcome.effects)) == ("ran", "", 2)
    (tmp_path / "handlers.py").unlink()
    runner = Runner(made.replayed(), recorded=outcome.handlers())
    assert runner.send(Run(made.limit))["reason"] == "guest"
    assert runner.machine.core.x(20) == 42


def test_the_replay_is_bit_for_bit_the_run_that_live_handlers_make(tmp_path: Path) -> None:
    from msgspec.structs import replace

    made = job(tmp_path, GOOD)
    live = Runner(replace(made.configuration, hypervisor=made.handlers))
    replayed = Runner(made.replayed(), recorded=run_student(made, QUICK).handlers())
    assert live.send(Run(made.limit)) == replayed.send(Run(made.limit))
    assert live.snapshot() == replayed.snapshot()


def test_modules_beside_the_file_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def plus(a, b):\n    return a + b\n")
    text = GOOD.replace("call.args[0] + call.args[1]", "mine.plus(*call.args[:2])")
    assert run(tmp_path, "import mine, random, math\n" + text).status == "ran"


def test_a_failing_handler_is_a_run_whose_replay_shows_it(tmp_path: Path) -> None:
    made = job(tmp_path, GOOD.replace("vcpu.skip_instruction()", "vcpu.nothing()"))
    outcome = run_student(made, QUICK)
    assert outcome.status == "ran"
    answer = Runner(made.replayed(), recorded=outcome.handlers()).send(Run(made.limit))
    assert answer["reason"] == "handler" and "has no attribute 'nothing'" in answer["text"]


BAD = {
    "no Python": ("def f(:\n", "failed", "handlers.py:1: no Python"),
    "nothing registered": ("x = 1\n", "failed", "registers no handler"),
    "exception": ("import nothing_there\n", "failed", "No module named 'nothing_there'"),
    "sys.exit": ("import sys\nsys.exit(0)\n", "failed", "handlers.py:2: SystemExit: 0"),
    "ends itself": ("import posix\nposix._exit(0)\n", "failed", "it ended its process before the run was over"),
    "interrupts": ("raise KeyboardInterrupt\n", "failed", "it brought the machine down: KeyboardInterrupt"),
    "crash": ("import ctypes\nctypes.string_at(0)\n", "killed", "it crashed (SIGSEGV)"),
    "loop in C": ("sum(range(10**12))\n", "timeout", "its 1 s of CPU time are used up"),
    "memory": ("x = bytearray(1 << 40)\n", "failed", "handlers.py:1: MemoryError"),
    "output": ("import os\nwhile True: os.write(1, b'x' * 9999)\n", "killed", "it wrote more than 262,144 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_does_not_load_fails_with_one_clear_line(tmp_path: Path, name: str) -> None:
    text, status, reason = BAD[name]
    outcome = run(tmp_path, text, Limits(cpu_s=1))
    assert (outcome.status, outcome.registrations, outcome.effects) == (status, None, ())
    assert reason in outcome.reason and "\n" not in outcome.reason


def test_a_handler_that_never_comes_back_is_named_and_what_was_done_before_it_is_there(tmp_path: Path) -> None:
    outcome = run(tmp_path, GOOD.replace("vcpu.skip_instruction()", "sum(range(10**12))"), Limits(cpu_s=1))
    assert outcome.status == "timeout"
    assert outcome.where == "handlers.py:8: in on_wfx" and outcome.reason.startswith(outcome.where)
    assert len(outcome.effects) == 1


def test_too_many_exits_and_too_many_effects_end_the_run(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD, Limits(exits=1)).reason == "its handlers were asked at more than 1 exits"
    text = GOOD.replace("    vcpu.skip", "    vcpu.data['x'] = bytes(4_000_000)\n    vcpu.skip")
    outcome = run(tmp_path, text, Limits(effects_bytes=10_000))
    assert (outcome.status, outcome.reason) == ("failed", "its handlers did more than 10,000 bytes can hold")


def test_who_gets_no_time_from_the_host_is_not_graded(tmp_path: Path) -> None:
    outcome = run(tmp_path, "sum(range(10**12))\n", Limits(cpu_s=60, wall_s=0.5))
    assert outcome.status == "not graded"
    assert "run it again" in outcome.reason


def test_a_server_that_has_gone_is_started_again(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD).status == "ran"
    outside._here[0]._process.kill()
    outside._here[0]._process.wait()
    assert run(tmp_path, GOOD).status == "ran"


def test_writing_the_console_or_the_trace_needs_leave(tmp_path: Path) -> None:
    text = GOOD.replace("    vcpu.skip", "    vcpu.vm.devices.put('pl011', b'passed')\n    vcpu.skip")
    refused = "@handler(EC.WFX) calls VmDevices.put, which a handler of this task may not"
    assert run(tmp_path, text).reason == refused
    assert run(tmp_path, text, also=("VmDevices.put",)).status == "ran"


def test_chance_and_the_order_of_sets_are_the_same_in_every_run(tmp_path: Path) -> None:
    text = "import random\n" + GOOD.replace("call.args[0] +", "random.getrandbits(60) + hash('x') % 1000 +")
    assert run(tmp_path, text).effects == run(tmp_path, text).effects


# --- what holds it on Linux -------------------------------------------------------------------------------------------

REFUSED = {
    "fork": "import os\nos.fork()",
    "subprocess": "import subprocess\nsubprocess.run(['true'])",
    "threads": "import threading\nthreading.Thread(target=print).start()",
    "network": "import socket\nsocket.socket()",
    "write a file": "open('new', 'w')",
    "append to one": "open(__file__, 'a')",
    "delete": "import os\nos.unlink(__file__)",
    "rename": "import os\nos.rename(__file__, 'other')",
    "make a folder": "import os\nos.mkdir('new')",
    "chmod": "import os\nos.chmod(__file__, 0)",
    "symlink": "import os\nos.symlink('a', 'b')",
    "truncate": "import os\nos.truncate(__file__, 0)",
    "kill the judge": "import os\nos.kill(os.getppid(), 9)",
    "kill the group": "import os\nos.kill(0, 9)",
    "sleep": "import time\ntime.sleep(100)",
    "wait for input": "import select\nselect.select([0], [], [])",
    "change the folder": "import os\nos.chdir('/')",
    "read the system's files": "open('/etc/passwd').read()",
    "read what is beside it": "open(__file__.replace('handlers.py', 'guest.s')).read()",
    "read the judge's memory": "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "raise its limits": "import resource\nresource.prlimit(0, resource.RLIMIT_CPU, (1, 1))",
}


@linux_only
@pytest.mark.parametrize("name", REFUSED)
def test_the_kernel_refuses(tmp_path: Path, name: str) -> None:
    outcome = run(tmp_path, REFUSED[name] + "\n" + GOOD)
    assert outcome.status == "failed"
    assert outcome.reason.startswith("handlers.py:") and "Error" in outcome.reason
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guest.s", "handlers.py"]


@linux_only
def test_a_report_says_what_holds(tmp_path: Path) -> None:
    words = run(tmp_path, GOOD).confinement
    assert len(words) == 3
    assert words[0] == "limited: CPU time, memory, output"
    assert "(seccomp)" in words[2] and "NOT" not in words[2]
