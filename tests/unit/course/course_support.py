"""Small lessons from texts, and a student's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from arm_hyp.course.checking import check_lesson
from arm_hyp.course.manifest import Lesson, read_lesson
from arm_hyp.course.verdict import CheckResult, TaskResult

HEAD = """
[lesson]
title = "A title"
part = "A part"
goal = "A goal."
references = ["DDI 0487, D19.2.48: HCR_EL2"]
"""
HINTS = 'hints = ["one", "two", "three"]\n'
OFF = """
off:    ldr     x0, =0x84000008
        smc     #0
        b       .
        .include "include/puts.inc"
"""
"""The end of a guest on a bare machine."""
QUIZ = f"""
[[task]]
name = "quiz"
kind = "quiz"
title = "A quiz"
points = 1
question = "Which?"
choices = {{ a = "this", b = "that" }}
why = {{ a = "this is not it" }}
{HINTS}
"""
HANDLER = f"""
[[task]]
name = "call"
kind = "handler"
title = "A call"
points = 2
files = ["handlers.py"]
limit = 20_000
machine = {{ image = "guest.s", hypervisor = "handlers.py" }}
seed = {{ SEED_NUMBER = [3, 99] }}
{HINTS}
"""
CALLING = """
        .include "seed.inc"
_start: ldr     x0, =0xC6000001
        mov     x1, #SEED_NUMBER
call:   hvc     #0
        cmp     x0, #SEED_NUMBER + 1
        b.ne    off
        adr     x8, yes
        bl      puts
off:    ldr     x0, =0x84000008
        hvc     #0
yes:    .asciz  "yes"
        .balign 4
        .include "include/puts.inc"
"""
ANSWERS_CALL = """
from arm_hyp.hypervisor import *
@hypercall(0xC600_0001)
def on_call(vcpu, call):
    return {}
"""
CHECKS = """
from arm_hyp.course.checks import EC, Judge, check

@check("call", points=1, title="it ends")
def ends(judge: Judge) -> None:
    judge.run().expect_end()

@check("call", points=1, title="the answer is right")
def answered(judge: Judge) -> None:
    judge.run().expect_console("yes", why="X0 is the answer")
"""
FILES = {
    "machine/guest.s": CALLING,
    "checks.py": CHECKS,
    "text.md": "# A title\n\nWords.\n\n## First\n\nMore.\n\n@task quiz\n\n## Second\n\n@task call\n@go EC=HVC64\n",
    "start/handlers.py": ANSWERS_CALL.format("0"),
    "solution/handlers.py": ANSWERS_CALL.format("call.args[0] + 1"),
    "solution/answers.toml": 'quiz = "b"\n',
}
"""The files of a lesson with QUIZ and HANDLER."""


def make(folder: Path, manifest: str, files: Mapping[str, str] = FILES) -> Lesson:
    """Write a lesson and read it."""
    write(folder, {"lesson.toml": manifest, **files})
    return read_lesson(folder)


def both(folder: Path) -> Lesson:
    """Write the lesson with QUIZ and HANDLER."""
    return make(folder / "01-both", HEAD + QUIZ + HANDLER)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files into a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def judged(lesson: Lesson, submission: Path, seed: int = 0, recordings: Path | None = None) -> TaskResult:
    """Check the only task of a lesson."""
    (task,) = check_lesson(lesson, submission, seed=seed, recordings=recordings).tasks
    return task


def failed(task: TaskResult) -> CheckResult:
    """Return the only check of a task, which failed."""
    (check,) = (check for check in task.checks if check.status == "failed")
    return check
