"""A lesson with one task for handlers, judged as any lesson is, and what a submission comes to."""

from __future__ import annotations

from pathlib import Path

from arm_hyp.course.checking import check_lesson
from arm_hyp.course.manifest import read_lesson
from arm_hyp.course.sandbox import Limits
from arm_hyp.course.verdict import LessonResult

NAME = "01-sum"
SEED = 7
_LESSON = """
[lesson]
title = "A sum"
part = "None"
goal = "Add two numbers."
references = ["DDI 0487, C6.2.124: HVC"]

[[task]]
name = "sum"
kind = "handler"
title = "Add"
points = 4
files = ["handlers.py"]
limit = 100_000
hints = ["a", "b", "c"]

[task.machine]
image = "sum.s"
hypervisor = "handlers.py"

[task.seed]
SEED_A = [1, 100_000]
SEED_B = [1, 100_000]
"""
_GUEST = """
        .include "seed.inc"
_start: ldr     x0, =0xC6000001         // a call: X0 = X1 + X2
        ldr     x1, =SEED_A
        ldr     x2, =SEED_B
        hvc     #0
        mov     x20, x0
        mov     x10, #0x09000000        // UARTDR of the PL011
        mov     w11, #'.'
        str     w11, [x10]
        ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
"""
_CHECKS = """
from arm_hyp.course.checks import Judge, check

@check("sum", points=1, title="the guest gets its sum")
def right(judge: Judge) -> None:
    run = judge.run()
    run.expect_end()
    run.expect_console(".")
    run.expect_register("X20", judge.seeds["SEED_A"] + judge.seeds["SEED_B"], vcpu=0)
"""
SOLUTION = """
from arm_hyp.hypervisor import *

@hypercall(0xC600_0001)
def add(vcpu, call):
    return call.args[0] + call.args[1]
"""


def make_lesson(folder: Path) -> Path:
    """Write the lesson into a folder of lessons, and return its own."""
    lesson = folder / NAME
    for name in ("machine", "solution", "start"):
        (lesson / name).mkdir(parents=True)
    (lesson / "lesson.toml").write_text(_LESSON)
    (lesson / "machine" / "sum.s").write_text(_GUEST)
    (lesson / "checks.py").write_text(_CHECKS)
    (lesson / "solution" / "handlers.py").write_text(SOLUTION)
    return lesson


def judged(lesson: Path, submission: Path, seed: int = SEED) -> LessonResult:
    """Return what a submission comes to."""
    return check_lesson(read_lesson(lesson), submission, seed=seed, limits=Limits(cpu_s=1))


def told(result: LessonResult) -> str:
    """Return all that the student is told."""
    feedback = [check.feedback for task in result.tasks for check in task.checks if check.feedback]
    return "\n".join(line for each in feedback for line in each.lines())
