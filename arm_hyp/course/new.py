"""A new lesson for its author: a folder with every file that a lesson has, and a task that works.

Read `docs/lessons.md` before this file. The guest, checks and solution run as they are, so an author can change one
thing at a time; `arm-hyp lesson lint` says what is still missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from arm_hyp.course.manifest import is_lesson_name
from arm_hyp.errors import UserError

_MANIFEST: Final = """\
[lesson]
title = "TITLE"
part = "PART"
goal = "What a student knows behind it."
version = 1
requires = "0.1.0"
needs = []
references = ["DDI 0487, HVC: Hypervisor Call"]

[[task]]
name = "call"
kind = "handler"
title = "Answer the call"
points = 1
files = ["handlers.py"]
limit = 100_000
hints = ["A first hint: where to look.", "A second one: what is missing there.", "A third one: what to write."]

[task.machine]
image = "guest.s"
hypervisor = "handlers.py"

[task.seed]
SEED_NUMBER = [3, 99]
"""
_TEXT: Final = """\
# TITLE

Why this matters, in a few sentences.

## A first step

What there is to know, and to look at. The guest is `guest.s`.

@task call
@go EC=HVC64
"""
_GUEST: Final = """\
// Calls its hypervisor with a number, and prints "yes" if the answer is one more.

        .include "seed.inc"

_start: ldr     x0, =0xC6000001
        mov     x1, #SEED_NUMBER
call:   hvc     #0
        cmp     x0, #SEED_NUMBER + 1
        b.ne    off
        adr     x8, yes
        bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

yes:    .asciz  "yes\\n"
        .balign 4
        .include "include/puts.inc"
"""
_HANDLERS: Final = """\
from arm_hyp.hypervisor import Hypercall, Vcpu, hypercall


@hypercall(0xC600_0001)
def on_call(vcpu: Vcpu, call: Hypercall) -> int:
    return {}
"""
_CHECKS: Final = '''\
"""The checks of this lesson."""

from arm_hyp.course.checks import EC, Judge, check


@check("call", points=1, title="the call is answered with one more")
def answered(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.HVC64, why="a call is an exception to EL2")
    run.expect_end()
    run.expect_console("yes\\n", why="X0 is the answer, and X1 was the number")
'''
_FEEDBACK: Final = "X0 is the answer\n"
FILES: Final[Mapping[str, str]] = {
    "lesson.toml": _MANIFEST,
    "text.md": _TEXT,
    "checks.py": _CHECKS,
    "machine/guest.s": _GUEST,
    "start/handlers.py": _HANDLERS.format("0  # TODO: one more than the number that was given"),
    "solution/handlers.py": _HANDLERS.format("call.args[0] + 1"),
    "wrong/same-number/handlers.py": _HANDLERS.format("call.args[0]"),
    "wrong/same-number/feedback.txt": _FEEDBACK,
}


def make_lesson(folder: Path) -> list[Path]:
    """Write the files of a new lesson, and return them. Raises: UserError if there is something already; OSError."""
    if not is_lesson_name(folder.name):
        raise UserError(folder.name, "is no name of a lesson", "write it as 04-wfi: two digits, small letters, hyphens")
    if folder.exists():
        raise UserError(str(folder), "is there already", "give another name")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in FILES]
