"""What a check can ask of a run, and what it says when that is not so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from course_support import HEAD, HINTS, OFF, make, write

from arm_hyp.course.checks import EC, Judge
from arm_hyp.course.judged_run import CheckFailed, JudgedRun
from arm_hyp.events import ExceptionTaken
from arm_hyp.timeline.position import Position

GUEST = f"""
_start: mov     x19, #0
again:  add     x19, x19, #1
        hvc     #0
        cmp     x19, #3
        b.ne    again
        adr     x8, text
        bl      puts
        b       off
text:   .asciz  "three\\n"
        .balign 4
        .balign 2048
vectors: .skip  0x400
        eret
{OFF}
"""
TASK = f"""
[[task]]
name = "guest"
kind = "guest"
title = "A guest"
points = 1
files = ["mine.s"]
limit = 10_000
{HINTS}
"""
VM = TASK + 'machine = { image = "mine.s", hypervisor = "" }\n'


@pytest.fixture
def run(tmp_path: Path) -> JudgedRun:
    """Return a run in a VM: three calls, a line of output, and the end."""
    lesson = make(tmp_path / "01-guest", HEAD + VM, {})
    return Judge(lesson, lesson.tasks[0], write(tmp_path / "mine", {"mine.s": GUEST}), 0).run()


def test_facts_of_a_run(run: JudgedRun):
    assert (run.reason, run.console()) == ("guest", "three\n")
    assert [event.pc for event in run.traps(EC.HVC64, "again")] == []
    calls = run.traps(EC.HVC64, run.address("again") + 4)
    assert len(calls) == 3
    assert [run.register("X19", Position(call.n, call.seq), vcpu=0) for call in calls] == [1, 2, 3]
    assert run.memory(run.address("text"), 5, ipa=True) == b"three"
    assert any(one.ipa <= run.address("_start") < one.ipa + one.size_bytes for one in run.stage2())
    with pytest.raises(KeyError, match="no symbol 'agian'"):
        run.address("agian")


def test_what_is_as_expected_passes(run: JudgedRun):
    run.expect_end()
    assert len(run.expect_trap(EC.HVC64)) == 3
    run.expect_trap(EC.HVC64, count=3)
    run.expect_no_trap(EC.WFX)
    run.expect_no_trap(EC.HVC64, to_el=1)
    run.expect_console("three\n")
    run.expect_register("X19", 3, vcpu=0)
    run.expect(True, "", "")


@pytest.mark.parametrize(
    ("expect", "got", "expected", "place"),
    [
        (
            lambda run: run.expect_end("idle"),
            "the guest powered off (PSCI SYSTEM_OFF)",
            "the guest waits for ever",
            "",
        ),
        (
            lambda run: run.expect_trap(EC.HVC64, count=2),
            "there are 3: HVC #0 at EL1 is a call to EL2: no control bit has to ask for it.",
            "2 exceptions to EL2 of class HVC64",
            "<again+0x4>, EL1: hvc #0 (mine.s:4)",
        ),
        (
            lambda run: run.expect_trap(EC.HVC64, "text"),
            "there is none; the run ends: the guest powered off (PSCI SYSTEM_OFF)",
            "a trap to EL2 of class HVC64 at text",
            "",
        ),
        (
            lambda run: run.expect_no_trap(EC.HVC64),
            "HVC #0 at EL1 is a call to EL2: no control bit has to ask for it.",
            "it runs without a trap",
            "<again+0x4>, EL1: hvc #0 (mine.s:4)",
        ),
        (
            lambda run: run.expect_console("thrEe\n"),
            r'the console shows "three\n"',
            r'it shows "thrEe\n"',
            'prints "e"',
        ),
        (
            lambda run: run.expect_console("three\nfour\n"),
            r'the console shows "three\n"',
            r'it shows "three\nfour\n"',
            "",
        ),
        (lambda run: run.expect_register("X19", 4, vcpu=0), "X19 is 0x3", "X19 is 0x4", ""),
        (lambda run: run.expect(False, "this", "that"), "this", "that", ""),
    ],
)
def test_what_is_not_is_told_with_its_place(
    run: JudgedRun, expect: Callable[[JudgedRun], None], got: str, expected: str, place: str
):
    with pytest.raises(CheckFailed) as error:
        expect(run)
    feedback = error.value.feedback
    assert (feedback.got, feedback.expected) == (got, expected)
    assert place in feedback.place
    assert feedback.at is not None and error.value.run is run


def test_a_failure_at_an_event_is_where_the_event_is(run: JudgedRun):
    event = next(run.of_type(ExceptionTaken))
    with pytest.raises(CheckFailed) as error:
        run.fail("a", "b", "c", event=event)
    assert error.value.feedback.at == Position(event.n, event.seq)
    assert error.value.feedback.why == "c"


def test_another_run_of_the_same_work_has_other_settings_and_the_same_is_not_run_again(tmp_path: Path):
    guest = "_start: mov x0, x7\nloop: b loop\n"
    lesson = make(tmp_path / "01-guest", HEAD + TASK + 'machine = { image = "mine.s" }\n', {})
    judge = Judge(lesson, lesson.tasks[0], write(tmp_path / "mine", {"mine.s": guest}), 0)
    first, second = judge.run(limit=10), judge.run(limit=10, settings=("X7=5",))
    assert (first.reason, first.end.n) == ("limit", 10)
    assert [run.register("X0") for run in (first, second)] == [0, 5]
    assert judge.run(limit=10) is first
