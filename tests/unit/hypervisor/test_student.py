"""A user's handlers under the real hypervisor: what they can do, and what is said of each failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntFlag
from pathlib import Path

import pytest
from guest_support import Guest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.hypervisor import EC
from arm_hyp.hypervisor.dispatch import dispatch
from arm_hyp.hypervisor.exits import SyncExit
from arm_hyp.hypervisor.student.code import StudentCode
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.hypervisor.student.loading import load_handlers
from arm_hyp.hypervisor.student.plain_data import account
from arm_hyp.kvm_events import HandlerOutput

IMPORTS = "from arm_hyp.hypervisor import *\n"
WFI = "@handler(EC.WFX)\ndef f(vcpu, exit):\n "
CALL = "@hypercall(0xC6000001)\ndef f(vcpu, call):\n "
READ = '@sysreg("ID_AA64PFR0_EL1")\ndef f(vcpu, access):\n '
WRITE = '@sysreg("ACTLR_EL1")\ndef f(vcpu, access):\n '
DEVICE = "@mmio(range(0x0B000000, 0x0B001000))\ndef f(vcpu, access):\n "
GUESTS = {
    WFI: "wfi",
    CALL: "ldr x0, =0xC6000001\n mov x1, #40\n mov x2, #2\n hvc #0\n mov x20, x0",
    READ: "mrs x20, ID_AA64PFR0_EL1",
    WRITE: "mov x20, #5\n msr ACTLR_EL1, x20",
    DEVICE: "mov x10, #0x0B000000\n ldrh w20, [x10, #4]",
}
STORE = "mov x10, #0x0B000000\n mov x20, #7\n strh w20, [x10, #4]"


class Run:
    """A guest under handlers, run to its end or a failure."""

    def __init__(self, path: Path, source: str, guest: str) -> None:
        (path / "h.py").write_text(IMPORTS + source)
        self.guest = Guest(guest + "\n", run=False)
        self.code = StudentCode(load_handlers(path / "h.py"), dispatch)
        self.code.attach(self.guest.vm)
        self.guest.hypervisor.dispatch = self.code.dispatch
        self._path = path

    def ends(self) -> Run:
        assert self.guest.run().reason == "guest"
        return self

    def fails(self) -> str:
        with pytest.raises(HandlerFailure) as caught:
            self.guest.run()
        return str(caught.value).replace(f"{self._path}/", "")

    def x(self, number: int) -> int:
        return self.guest.vcpu().x(number)


def test_handlers_of_all_kinds_answer(tmp_path: Path) -> None:
    source = (
        f"{WFI}vcpu.skip_instruction()\n{CALL}return call.args[0] + call.args[1]\n"
        f"{READ}return access.is_read * 9\n{DEVICE}return access.offset * 2"
    )
    guest = "\n".join(f"{GUESTS[kind]}\n mov x2{index}, x20" for index, kind in enumerate((WFI, CALL, READ, DEVICE), 1))
    run = Run(tmp_path, source, guest).ends()
    assert [run.x(22), run.x(23), run.x(24)] == [42, 9, 8]


def test_next_is_what_would_have_run(tmp_path: Path) -> None:
    source = (
        '@sysreg("ID_AA64PFR0_EL1")\ndef a(vcpu, access, next):\n return next(vcpu, access) | 1 << 63\n'
        "@hypercall(0x84000000)\ndef b(vcpu, call, next):\n return next(vcpu, call) + 1\n"
        "@mmio(range(0x09000000, 0x09001000))\ndef c(vcpu, access, next):\n return next(vcpu, access) + 1\n"
        "@handler(EC.SYSREG)\ndef d(vcpu, exit, next):\n vcpu.data['seen'] = exit.name\n next(vcpu, exit)\n"
    )
    guest = (
        "mrs x20, ID_AA64PFR0_EL1\n ldr x0, =0x84000000\n hvc #0\n mov x21, x0\n"
        "mov x10, #0x09000000\n ldr w22, [x10, #0xFE0]"
    )
    run = Run(tmp_path, source, guest).ends()
    assert run.x(20) >> 63 == 1 and run.x(20) & 0xFF == 0x11
    assert (run.x(21), run.x(22)) == (0x10002, 0x12)
    assert run.guest.vcpu().data == {"seen": "ID_AA64PFR0_EL1"}


def test_a_negative_answer_is_in_twos_complement_and_none_leaves_the_registers(tmp_path: Path) -> None:
    assert Run(tmp_path, f"{CALL}return -1", GUESTS[CALL]).ends().x(20) == (1 << 64) - 1
    assert Run(tmp_path, f"{CALL}vcpu.set_x(0, 77)", GUESTS[CALL]).ends().x(20) == 77


def test_a_device_may_refuse(tmp_path: Path) -> None:
    run = Run(tmp_path, f"{DEVICE}raise BusError('no')", GUESTS[DEVICE]).ends()
    assert run.x(27) == 1 and run.x(28) & 0x3F == 0x10


def test_what_a_handler_prints_is_an_event_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path, f"{WFI}print('a', 1)\n print('b\\nc')\n vcpu.skip_instruction()", GUESTS[WFI]).ends()
    assert [(e.text, e.line) for e in run.guest.events(HandlerOutput)] == [("a 1", 4), ("b", 5), ("c", 5)]
    assert capsys.readouterr() == ("", "")


AT_WFI = "  exit of vm0/vcpu0 at 0x40080008: WFx: trapped WFI (TI=0b00)"
AT_CALL = "  exit of vm0/vcpu0 at 0x40080014: HVC #0x0"
AT_READ = "  exit of vm0/vcpu0 at 0x40080008: MRS: read of ID_AA64PFR0_EL1 to X20"
AT_WRITE = "  exit of vm0/vcpu0 at 0x4008000c: MSR: write of ACTLR_EL1 from X20"
PLAIN = "  to mend it: keep plain data (int, str, bytes, list, dict ...) in vcpu.data, which snapshots carry"
W, C, R, M, D = (
    f"in f, {decorator}:"
    for decorator in (
        "@handler(EC.WFX)",
        "@hypercall(0xc6000001)",
        '@sysreg("ID_AA64PFR0_EL1")',
        '@sysreg("ACTLR_EL1")',
        "@mmio(range(0xb000000, 0xb001000))",
    )
)
FAILURES = [
    (WFI, "1 / 0", 4, f"{W} ZeroDivisionError: division by zero", AT_WFI, ""),
    (
        WFI,
        "vcpu.skip_instuction()",
        4,
        f"{W} AttributeError: 'Vcpu' object has no attribute 'skip_instuction'",
        AT_WFI,
        "  to mend it: did you mean skip_instruction?",
    ),
    (WFI, "vcp.skip()", 4, f"{W} NameError: name 'vcp' is not defined", AT_WFI, "  to mend it: did you mean vcpu?"),
    (
        WFI,
        "pass",
        2,
        f"{W} the same exit came again, nothing executed between",
        AT_WFI,
        "  to mend it: call vcpu.skip_instruction() when the handler has done the instruction's work",
    ),
    (
        WFI,
        "vcpu.skip_instruction()\n vcpu.skip_instruction()",
        5,
        f"{W} skip_instruction a second time in one exit",
        AT_WFI,
        "  to mend it: skip once; next() skips what it handles",
    ),
    (
        WFI,
        "while True: pass",
        4,
        f"{W} the handler loops for ever",
        AT_WFI,
        "  to mend it: it ran 3000000 bytecodes in this exit: end the loop",
    ),
    (
        WFI,
        "sum(1 for x in iter(int, 1))",
        4,
        f"{W.replace('in f', 'in <genexpr>')} the handler loops for ever",
        AT_WFI,
        "  to mend it: it ran 3000000 bytecodes in this exit: end the loop",
    ),
    (
        WFI,
        "raise SystemExit",
        4,
        f"{W} SystemExit",
        AT_WFI,
        '  to mend it: a handler cannot end the run: let the guest power off, or vcpu.vm.power_off("why")',
    ),
    (
        WFI,
        "import os; os._exit(3)",
        4,
        f"{W} SystemExit: 3",
        AT_WFI,
        '  to mend it: a handler cannot end the run: let the guest power off, or vcpu.vm.power_off("why")',
    ),
    (WFI, "input()", 4, f"{W} RuntimeError: input(): lost sys.stdin", AT_WFI, ""),
    (
        WFI,
        "vcpu.read_va(0xF00000, 4)",
        4,
        None,
        AT_WFI,
        "  to mend it: the guest gives any address: catch GuestMemoryError and inject_data_abort(va)",
    ),
    (WFI, "return 5", 2, f"{W} returned 5", AT_WFI, "  to mend it: return nothing: a handler acts through vcpu"),
    (
        CALL,
        "vcpu.skip_instruction()",
        4,
        f"{C} skip_instruction after an HVC",
        AT_CALL,
        "  to mend it: leave it out: an HVC has completed, ELR_EL2 is behind it already",
    ),
    (
        CALL,
        "return 'no'",
        2,
        f"{C} returned 'no' for call 0xc6000001",
        AT_CALL,
        "  to mend it: return the value, an int",
    ),
    (
        CALL,
        "return 1 << 64",
        2,
        f"{C} returned 0x10000000000000000 for call 0xc6000001: it does not fit into 64 bits",
        AT_CALL,
        "  to mend it: cut it to size: value & 0xffffffffffffffff",
    ),
    (
        READ,
        "pass",
        2,
        f"{R} returned nothing for a read of ID_AA64PFR0_EL1",
        AT_READ,
        "  to mend it: return the value, an int",
    ),
    (
        READ,
        "vcpu.skip_instruction(); return 1",
        4,
        f"{R} skip_instruction where the instruction is skipped for you",
        AT_READ,
        "  to mend it: leave it out, and return the answer",
    ),
    (
        WRITE,
        "return 3",
        2,
        f"{M} returned 3 for a write of ACTLR_EL1",
        AT_WRITE,
        "  to mend it: return nothing: a write has no answer",
    ),
    (
        DEVICE,
        "return -1",
        2,
        f"{D} returned -0x1 for a read of 2 bytes at 0xb000004: it does not fit into 16 bits",
        None,
        "  to mend it: cut it to size: value & 0xffff",
    ),
    (
        WFI,
        "vcpu.data['o'] = [object()]; vcpu.skip_instruction()",
        2,
        f"{W} vcpu.data['o'][0] is a object, no plain data",
        AT_WFI,
        PLAIN,
    ),
]


@pytest.mark.parametrize(("kind", "body", "line", "said", "exit", "mend"), FAILURES, ids=[row[1] for row in FAILURES])
def test_each_failure_says_where_and_how_to_mend_it(
    tmp_path: Path, kind: str, body: str, line: int, said: str | None, exit: str | None, mend: str
) -> None:
    text = Run(tmp_path, kind + body, GUESTS[kind]).fails().splitlines()
    assert text[0].startswith(f"h.py:{line}: ")
    assert said is None or text[0] == f"h.py:{line}: {said}"
    assert exit is None or text[1] == exit
    assert text[2:] == [mend] * bool(mend)


GLOBALS = [
    ("class State:\n count = 0\n", "State.count += 1", "State"),
    ("import collections\nq = collections.deque()\n", "q.append(1)", "q"),
    ("def g(seen=[]):\n seen.append(1)\n", "g()", "g"),
    ("def g(): pass\n", "g.calls = 1", "g"),
    ("class Timer:\n pass\ntimer = Timer()\n", "timer.deadline = 5", "timer"),
]


class Way(IntFlag):
    IN = 1
    OUT = 2
    BOTH = 3


@pytest.mark.parametrize("use", [lambda: ~Way.BOTH, lambda: Way.BOTH in Way, lambda: hash(Way.BOTH | Way.IN)])
def test_a_member_of_an_enum_is_the_same_after_it_was_used(use: Callable[[], object]) -> None:
    before = account(Way.BOTH, frozenset(), set())
    use()
    assert account(Way.BOTH, frozenset(), set()) == before
    assert account(Way.IN, frozenset(), set()) != before


def test_what_a_user_keeps_in_a_member_of_an_enum_is_accounted_for() -> None:
    class Kept(IntFlag):
        ONE = 1

    before = account(Kept.ONE, frozenset(), set())
    Kept.ONE.calls = 1  # type: ignore[attr-defined]
    assert account(Kept.ONE, frozenset(), set()) != before


@pytest.mark.parametrize(("before", "body", "name"), GLOBALS)
def test_globals_that_snapshots_cannot_carry_must_not_change(tmp_path: Path, before: str, body: str, name: str) -> None:
    text = Run(tmp_path, f"{before}{WFI}vcpu.skip_instruction(); {body}", "wfi").fails()
    line = 3 + before.count("\n") - 1
    assert text == f"h.py:{line}: {W} {name} is no plain data, and changed\n{AT_WFI}\n{PLAIN}"


def test_plain_globals_change_and_come_back(tmp_path: Path) -> None:
    source = (
        f"count, seen = 0, {{}}\n{WFI}global count\n count += 1\n seen[count] = (exit.pc,)\n vcpu.skip_instruction()"
    )
    run = Run(tmp_path, source, "wfi")
    before = run.code.snapshot()
    run.ends()
    module = run.code.handlers.modules[0]
    assert (module.count, module.seen) == (1, {1: (0x40080008,)})
    after = run.code.snapshot()
    run.code.restore(before)
    assert (module.count, module.seen) == (0, {})
    run.code.restore(after)
    assert (module.count, module.seen) == (1, {1: (0x40080008,)})


def test_a_failure_puts_the_registers_back_and_the_state_stays_readable(tmp_path: Path) -> None:
    run = Run(tmp_path, f"{WFI}vcpu.set_x(3, 1); vcpu.pc = 0; vcpu.pstate = 0x3C4; 1 / 0", "mov x3, #9\n wfi")
    run.fails()
    vcpu = run.guest.vcpu()
    assert (vcpu.x(3), vcpu.pc, vcpu.pstate & 0xF) == (9, 0x4008000C, 5)


def test_a_users_except_does_not_swallow_a_failure(tmp_path: Path) -> None:
    source = f"{WFI}try:\n  vcpu.skip_instruction(); vcpu.skip_instruction()\n except:\n  pass"
    assert "a second time in one exit" in Run(tmp_path, source, "wfi").fails()
    inner = f"{READ}pass\n@handler(EC.SYSREG)\ndef g(vcpu, exit, next):\n try: next(vcpu, exit)\n except: pass"
    assert "returned nothing for a read" in Run(tmp_path, inner, GUESTS[READ]).fails()


def test_endless_recursion(tmp_path: Path) -> None:
    text = Run(tmp_path, f"{WFI}f(vcpu, exit)", "wfi").fails()
    assert f"{W} RecursionError: maximum recursion depth exceeded" in text
    assert text.endswith("  to mend it: let the recursion end")


def test_next_and_then_a_skip_is_one_too_many(tmp_path: Path) -> None:
    source = "@handler(EC.WFX)\ndef f(vcpu, exit, next):\n next(vcpu, exit)\n vcpu.skip_instruction()"
    assert Run(tmp_path, source, "wfi").fails().startswith(f"h.py:5: {W} skip_instruction a second time")


def test_a_handler_that_counts_and_forgets_the_skip_is_found_too(tmp_path: Path) -> None:
    run = Run(tmp_path, f"{WFI}vcpu.data['n'] = vcpu.data.get('n', 0) + 1", "wfi")
    assert "the same exit came again" in run.fails()


def test_an_exit_that_is_tried_again_may_succeed(tmp_path: Path) -> None:
    source = f"{WFI}n = vcpu.data['n'] = vcpu.data.get('n', 0) + 1\n if n == 3: vcpu.skip_instruction()"
    assert Run(tmp_path, source, "wfi").ends().guest.vcpu().data == {"n": 3}


def test_a_loop_around_one_wfi_is_no_forgotten_skip(tmp_path: Path) -> None:
    Run(tmp_path, f"{WFI}vcpu.skip_instruction()", "mov x1, #9\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b").ends()


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    examples = Path(__file__).parents[3] / "docs" / "examples"
    code = StudentCode(load_handlers(examples / "handlers.py"), dispatch)
    guest = Guest((examples / "handlers.s").read_text(), run=False)
    code.attach(guest.vm)
    guest.hypervisor.dispatch = code.dispatch
    assert guest.run().reason == "guest"
    assert guest.vm.devices.console == b"the sum is right\nthe device counts\n"
    assert [event.text for event in guest.events(HandlerOutput)] == ["WFI at 0x40080030"]
    assert guest.vm.data == {"count": 2}
    source = (examples / "handlers.py").read_text()
    assert source in (examples.parent / "handlers.md").read_text()


def test_a_device_in_ram_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"h\.py:2: @mmio\(range\(0x40000000, 0x40001000\)\) overlaps RAM of vm0"):
        Run(tmp_path, DEVICE.replace("0x0B00", "0x4000") + "return 0", "wfi")


def test_ctrl_c_passes_and_all_is_as_before(tmp_path: Path) -> None:
    before = (sys.stdout, sys.stdin, sys.gettrace())
    run = Run(tmp_path, f"{WFI}raise KeyboardInterrupt", "wfi")
    with pytest.raises(KeyboardInterrupt):
        run.guest.run()
    assert (sys.stdout, sys.stdin, sys.gettrace()) == before


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 65), 1 << 65), st.floats(), st.text(), st.binary(),
    st.lists(st.integers()), st.builds(object),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "guest"), [*GUESTS.items(), (DEVICE, STORE)])
def test_whatever_is_returned_works_or_is_a_failure(tmp_path: Path, kind: str, guest: str) -> None:
    body = "vcpu.skip_instruction(); return vcpu.vm.answer" if kind is WFI else "return vcpu.vm.answer"
    run, seen = Run(tmp_path, kind + body, guest), list[SyncExit]()
    vm, vcpu = run.guest.vm, run.guest.vcpu()
    vm.answer = None if kind in (WFI, WRITE) else 0  # type: ignore[attr-defined]
    run.guest.hypervisor.dispatch = lambda vcpu, exit: (seen.append(exit), run.code.dispatch(vcpu, exit))[1]
    run.ends()
    exit = next(exit for exit in seen if exit.ec != EC.INSTRUCTION_ABORT_LOWER)

    @settings(max_examples=100, deadline=None)
    @given(ANYTHING)
    def answer_with(answer: object) -> None:
        vm.answer = answer  # type: ignore[attr-defined]
        vcpu.skips = 0
        vcpu.pc = exit.pc + 4 * (kind is CALL)
        vcpu.set_x(0, 0xC6000001)
        vcpu.set_x(10, 0x0B000000)
        try:
            run.code.dispatch(vcpu, exit)
        except HandlerFailure as failure:
            assert failure.report.problem.startswith("returned ")
        else:
            assert vcpu.pc == exit.pc + 4

    answer_with()
