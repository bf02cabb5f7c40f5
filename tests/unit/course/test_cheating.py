"""Ways to get points without the work: all of them come to nothing, and the student is told why.

Each is a file of handlers whose author wants `X20` of the guest to be a sum that nobody has computed. What matters is
that no code of the student's runs where the verdict is made, and that the replay has only what a handler can do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cheating_support import SOLUTION, judged, make_lesson, told

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="most of these are held off by Linux's kernel")

HEAD = "from arm_hyp.hypervisor import *\n"
WRONG = """
@hypercall(0xC600_0001)
def add(vcpu, call):
    {}
    return 0
"""
CORE = "core = vcpu.cpu.core"
UNSEEN = "import sys; sys.settrace(None)"
DIFFERENT = "X20 is 0x0"


def body(*lines: str) -> str:
    """Return handlers whose call does this, and answers 0."""
    return HEAD + WRONG.format("\n    ".join(lines))


def loaded(*lines: str) -> str:
    """Return handlers that do this as they are loaded."""
    return "\n".join(lines) + "\n" + body("pass")


FORGE = """
import os, struct, msgspec
def send(*frame):
    raw(msgspec.msgpack.encode(frame))
def raw(data):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, struct.pack("<I", len(data)) + data)
        except OSError:
            pass
"""

CHEATS = {
    "imports the judge": (loaded("import arm_hyp.course.judged_run"), "Permission denied"),
    "prints the expected result": (
        body('print(\'{"status": "passed", "earned": 4}\')', 'vcpu.vm.data["status"] = "passed"'),
        DIFFERENT,
    ),
    "writes the guest's console": (
        body('vcpu.vm.devices.put("pl011", b"passed")'),
        "calls VmDevices.put, which a handler of this task may not",
    ),
    "writes the trace": (
        body("from arm_hyp import kvm_events", "vcpu.emit(kvm_events.VcpuBlocked)"),
        "calls Vcpu.emit, which a handler of this task may not",
    ),
    "ends the VM as if all were well": (body('vcpu.vm.power_off("passed")'), "the run ends: passed"),
    "exits with 0, early": (loaded("import posix", "posix._exit(0)"), "ended its process before the run was over"),
    "exits with 0, in a handler": (body("import posix", "posix._exit(0)"), "in add: it ended its process before"),
    "exits the polite way": (body("raise SystemExit(0)"), "SystemExit: 0"),
    "patches the checks": (
        loaded(
            "import arm_hyp.course.sandbox.verdict as verdict",
            "verdict._RULES = (lambda seen: ('ran', ''),)",
            "from arm_hyp.runner.runner import Runner",
            "Runner._read = lambda *_: {'x': [1] * 31}",
        ),
        DIFFERENT,
    ),
    "patches the hypervisor": (
        loaded(
            "from arm_hyp.hypervisor.student.code import StudentCode",
            "StudentCode._hypercall = lambda self, vcpu, exit: vcpu.set_x(20, 1)",
        ),
        "does not happen again",
    ),
    "patches what is sent": (
        loaded(
            "from arm_hyp.course.sandbox.child import SentLog",
            "SentLog.put = lambda self, index, effect: None",
        ),
        "does not happen again",
    ),
    "forges the end of the run": (
        FORGE + body('send("over", "guest")'),
        "wrote to the judge's pipe",
    ),
    "forges that it was loaded": (
        FORGE
        + "from arm_hyp.course.sandbox import wire\n"
        + "send('loaded', None); send('over', 'guest'); wire.put = lambda *_: None\n"
        + body("pass"),
        "wrote to the judge's pipe",
    ),
    "forges a verdict": (
        FORGE + body('send("passed", {"earned": 4})'),
        "wrote to the judge's pipe",
    ),
    "forges an effect that no handler can have": (
        FORGE
        + "import zlib\n"
        + body(
            "x = zlib.crc32(struct.pack('<31Q', *map(vcpu.x, range(31))))",
            "act = ['Machine.write_memory', [0, b'x'], None, False]",
            "send('did', msgspec.msgpack.encode([4, 0, 0, vcpu.pc, 0x5A000000, x,"
            " [['@hypercall(0xc6000001)', [act], 0, None, None, {}, {}]]]))",
        ),
        "calls Machine.write_memory, which a handler of this task may not",
    ),
    "knows the numbers of the check that it was tried with": (
        HEAD + "@hypercall(0xC600_0001)\ndef add(vcpu, call):\n    return {known}\n",
        "X20 is",
    ),
    "writes to the lesson": (loaded("open('{lesson}/checks.py', 'w')"), "Permission denied"),
    "reads the solution": (loaded("exec(open('{lesson}/solution/handlers.py').read())"), "Permission denied"),
    "reads the checks in a handler": (body("open('{lesson}/checks.py').read()"), "Permission denied"),
    "writes answers": (loaded("open('answers.toml', 'w').write('sum = 1')"), "Permission denied"),
    "links to the solution": (
        loaded("import os", "os.symlink('{lesson}/solution/handlers.py', 'handlers.py')"),
        "Operation not permitted",
    ),
    "sleeps past the budget": (body("import time", "time.sleep(1000)"), "Operation not permitted"),
    "changes the clock": (
        body("import time", "time.monotonic = time.time = lambda: 0", "sum(range(10 ** 12))"),
        "its 1 s of CPU time are used up",
    ),
    "raises its limits": (
        loaded("import resource", "resource.prlimit(0, resource.RLIMIT_CPU, (99, 99))"),
        "Operation not permitted",
    ),
    "answers with a number that equals every other": (
        HEAD
        + "class Any(int):\n"
        + "    __eq__ = lambda self, other: True\n"
        + "    __hash__ = int.__hash__\n"
        + "    __index__ = lambda self: 1\n"
        + "@hypercall(0xC600_0001)\ndef add(vcpu, call):\n    return Any(0)\n",
        DIFFERENT,
    ),
    "writes the core's registers": (body(CORE, "core.set_x(20, 1)"), "which no recording can hold"),
    "writes them where nobody sees it": (body(UNSEEN, CORE, "core.set_x(20, 1)"), DIFFERENT),
    "uses the vCPU where nobody sees it": (body(UNSEEN, "vcpu.set_x(20, 1)"), DIFFERENT),
    "hunts for the machine": (
        body(
            UNSEEN,
            "import gc",
            "from arm_hyp.machine.machine import Machine",
            "found = [one for one in gc.get_objects() if isinstance(one, Machine)]",
            "found[0].cpus.cores[0].set_x(20, 1)",
            "found[0].console += b'....'",
        ),
        DIFFERENT,
    ),
    "writes the guest's code behind the machine's back": (
        body(
            UNSEEN,
            "import gc",
            "for one in gc.get_objects():",
            "    if type(one).__name__ == 'Machine':",
            "        memory = one.write_memory",
            "memory(vcpu.pc, bytes.fromhex('340080d2'))",  # mov x20, #1
        ),
        "X20 is",
    ),
    "gives the judge what it cannot take": (
        FORGE + body("raw(bytes.fromhex('92a3646964') + bytes([0x91]) * 100_000 + bytes([0xc0]))"),
        "wrote to the judge's pipe",
    ),
    "goes on after its time": (
        body("import signal, os", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)", "sum(range(10 ** 12))"),
        "its 1 s of CPU time are used up",
    ),
    "waits until the end": (
        loaded("import atexit", "atexit.register(lambda: open('answers.toml', 'w'))"),
        DIFFERENT,
    ),
    "starts a thread": (
        loaded("import threading", "threading.Thread(target=print).start()"),
        "can't start new thread",
    ),
    "forks": (body("import os", "os.fork()"), "Operation not permitted"),
    "is a fork bomb": (loaded("import os", "while True: os.fork()"), "Operation not permitted"),
    "is a memory bomb": (loaded("x = []", "while True: x.append(bytes(1 << 22))"), "MemoryError"),
    "asks the network": (loaded("import socket", "socket.create_connection(('127.0.0.1', 80))"), "not permitted"),
    "ends the judge": (loaded("import os", "os.kill(os.getppid(), 9)"), "Operation not permitted"),
    "gives the judge too deep data": (
        body("x = []", "for _ in range(5000): x = [x]", "vcpu.data['x'] = x"),
        "is nested deeper than 50 levels",
    ),
    "swallows what ends it": (
        body("try:", "    vcpu.vm.hypervisor.machine.request_stop('passed', 0)", "except BaseException: pass"),
        "which no recording can hold",
    ),
    "has the judge repeat more than anybody waits for": (
        body("for _ in range(10): vcpu.vm.stage2.unmap(0x4000_0000, 1 << 38)"),
        "its handlers did as much as",
    ),
    "asks for ranges where nobody sees it": (
        FORGE
        + "import zlib\n"
        + body(
            "x = zlib.crc32(struct.pack('<31Q', *map(vcpu.x, range(31))))",
            "act = ['Stage2.age', [0, 1 << 40, False], None, False]",
            "send('did', msgspec.msgpack.encode([4, 0, 0, vcpu.pc, 0x5A000000, x,"
            " [['@hypercall(0xc6000001)', [act] * 1000, 0, None, None, {}, {}]]]))",
        ),
        "its handlers did as much as",
    ),
    "fills the pipe": (
        FORGE + body("while True: raw(bytes(1 << 20))"),
        "wrote to the judge's pipe",
    ),
    "announces a frame that never comes": (
        FORGE + body("for one in range(3, 64):", "    try: os.write(one, b'\\xff' * 4)", "    except OSError: pass"),
        "ended its process before the run was over",
    ),
    "writes to the pipe from C": (
        loaded("import ctypes", "[ctypes.CDLL(None).write(one, bytes(8), 8) for one in range(3, 64)]"),
        "wrote to the judge's pipe",
    ),
    "leads the pipe elsewhere": (
        loaded("import os", "[os.dup2(1, one) for one in range(3, 20)]"),
        "ended its process before the run was over",
    ),
    "writes its own memory as a file": (loaded("open('/proc/self/mem', 'r+b')"), "Permission denied"),
    "sets an alarm": (loaded("import signal", "signal.setitimer(signal.ITIMER_REAL, 0.1)"), "not permitted"),
    "becomes another program": (
        loaded("import os, sys", "os.execv(sys.executable, [sys.executable, '-c', 'print(1)'])"),
        "Operation not permitted",
    ),
    "crashes in C": (loaded("import ctypes", "ctypes.string_at(0)"), "it crashed (SIGSEGV)"),
    "asks the environment": (
        loaded("import os", "print(sorted(os.environ))", "os.environ['PYTHONPATH'] = '.'"),
        DIFFERENT,
    ),
    "forgets all modules": (
        loaded("import sys", "sys.modules.clear()"),
        "module 'sys' has no attribute",
    ),
    "is read in another encoding": ("# coding: rot13\n" + body("pass"), "no Python"),
    "stops the machine where nobody sees it": (
        body(UNSEEN, "vcpu.vm.hypervisor.machine.request_stop('passed', 0)"),
        "X20 is",
    ),
}


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lesson(tmp_path_factory.mktemp("lessons"))


def test_honest_work_earns_all_points(lesson: Path, tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text(SOLUTION)
    result = judged(lesson, tmp_path)
    assert (result.status, result.earned) == ("passed", 4), told(result)


@pytest.mark.parametrize("name", CHEATS)
def test_cheating_earns_nothing_and_says_why(lesson: Path, tmp_path: Path, name: str) -> None:
    from arm_hyp.course.build import drawn
    from arm_hyp.course.manifest import read_lesson

    text, reason = CHEATS[name]
    made = read_lesson(lesson)
    known = sum(drawn(made, made.tasks[0], 0).values())
    (tmp_path / "handlers.py").write_text(text.replace("{lesson}", str(lesson)).replace("{known}", str(known)))
    before = {path: path.read_bytes() for path in lesson.rglob("*") if path.is_file()}
    result = judged(lesson, tmp_path)
    assert (result.status, result.earned) == ("failed", 0), told(result)
    assert reason in told(result)
    assert [path.name for path in tmp_path.iterdir()] == ["handlers.py"]
    assert {path: path.read_bytes() for path in lesson.rglob("*") if path.is_file()} == before


ESCAPES = "\\x1b[2J\\r\\u202e\\x07"


@pytest.mark.parametrize(
    "text",
    [
        body(f"raise ValueError('{ESCAPES}')"),
        body(f"vcpu.vm.power_off('{ESCAPES}')"),
        body(f"vcpu.vm.crash('{ESCAPES}')"),
        body("call.number.x").replace("def add", "add = None\ndef f").replace(
            "return 0", f"return 0\nf.__code__ = f.__code__.replace(co_name='{ESCAPES}')"
        ),
        HEAD + f"exec(compile('1 // 0', '{ESCAPES}', 'exec'))",
        body(f"print('{ESCAPES}')"),
    ],
)  # fmt: skip
def test_what_is_told_holds_no_control_characters(lesson: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "handlers.py").write_text(text)
    result = judged(lesson, tmp_path)
    assert result.status == "failed"
    assert told(result).replace("\n", "").isprintable()


def test_what_is_told_has_an_end(lesson: Path, tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text(body("vcpu.vm.power_off('x' * 1_000_000)"))
    assert len(told(judged(lesson, tmp_path))) < 10_000


def test_a_task_can_allow_what_others_may_not(lesson: Path, tmp_path: Path) -> None:
    allowing = make_lesson(tmp_path / "lessons")
    manifest = allowing / "lesson.toml"
    manifest.write_text(manifest.read_text().replace("limit =", 'allows = ["VmDevices.put"]\nlimit ='))
    (tmp_path / "work").mkdir()
    text = SOLUTION.replace("    return", "    vcpu.vm.devices.put('pl011', b'')\n    return")
    (tmp_path / "work" / "handlers.py").write_text(text)
    assert judged(allowing, tmp_path / "work").status == "passed"
    assert judged(lesson, tmp_path / "work").status == "failed"


def test_what_else_lies_in_the_folder_decides_nothing(lesson: Path, tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text(body("pass"))
    (tmp_path / "arm-hyp-course.json").write_text('{"version": 1, "passed": {"01-sum": ["sum"]}}')
    (tmp_path / "answers.toml").write_text('sum = "passed"\n')
    (tmp_path / "checks.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "seed.inc").write_text("        .equ SEED_A, 0\n        .equ SEED_B, 0\n")
    (tmp_path / "sum.s").write_text("_start: wfi\n")
    for name in ("msgspec.py", "random.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit(0)\n")
    result = judged(lesson, tmp_path)
    assert (result.status, result.earned) == ("failed", 0)
    assert DIFFERENT in told(result)


def test_a_link_to_the_solution_is_not_followed(lesson: Path, tmp_path: Path) -> None:
    (tmp_path / "handlers.py").symlink_to(lesson / "solution" / "handlers.py")
    result = judged(lesson, tmp_path)
    assert (result.status, result.earned) == ("failed", 0)
    assert "leads out of its folder" in told(result)
