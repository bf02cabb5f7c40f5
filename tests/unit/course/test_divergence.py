"""Where runs differ from the start, what a student is told first is what can be seen, and never the answer."""

from pathlib import Path

import pytest
from course_support import ANSWERS_CALL, FILES, HANDLER, HEAD, HINTS, OFF, failed, judged, make, write

SAYS = f"""
_start: {{}}
        adr     x8, text
        bl      puts
        {{}}
        b       off
text:   .asciz  "{{}}\\n"
        .balign 4
{OFF}
"""
TASK = f"""
[[task]]
name = "it"
title = "It"
points = 1
limit = 10_000
{HINTS}
"""
GUEST = TASK + 'kind = "guest"\nfiles = ["mine.s"]\nmachine = {{ image = "mine.s", hypervisor = "" }}\n'.format()
CONFIGURE = TASK + 'kind = "configure"\nbits = ["SPSR_EL2"]\nmachine = { image = "guest.s" }\n'
LANDS = f"""
_start: adr     x0, el1
        msr     elr_el2, x0
        adr     x0, vectors
        msr     vbar_el1, x0
        msr     vbar_el2, x0
        eret
el1:    svc     #7
        .balign 2048
vectors: .rept 16
        b       off
        .balign 128
        .endr
{OFF}
"""
CHECK = """
from arm_hyp.course.checks import check

@check("it", title="it is right")
def right(judge):
    judge.run().fail("this", "that")
"""


def told(folder: Path, table: str, files: dict[str, str], mine: dict[str, str]) -> tuple[str, ...]:
    """Return the divergence of a student's work whose check fails."""
    lesson = make(folder / "01-it", HEAD + table, {"checks.py": CHECK} | files)
    feedback = failed(judged(lesson, write(folder / "mine", mine), recordings=folder / "runs")).feedback
    assert feedback is not None
    return feedback.divergence


@pytest.mark.parametrize(
    ("mine", "sides"),
    [
        (SAYS.format("nop\n        nop", "", "yes"), ()),
        (SAYS.format("nop", "", "no"), ('yours:    prints "no\\n"', 'expected: prints "yes\\n"')),
        (
            SAYS.format("nop", "hvc #1", "yes"),
            ("yours:    HVC #0x1, from EL1 to EL2", "expected: SMC #0x0, from EL1 to EL2"),
        ),
    ],
)
def test_a_guest_of_another_length_parts_where_that_can_be_seen(tmp_path: Path, mine: str, sides: tuple[str, ...]):
    found = told(tmp_path, GUEST, {"solution/mine.s": SAYS.format("", "", "yes")}, {"mine.s": mine})
    assert tuple(line.strip() for line in found[1:]) == sides


def test_a_wrong_configuration_is_not_told_the_right_one(tmp_path: Path):
    files = {"machine/guest.s": LANDS, "solution/answers.toml": "it = { SPSR_EL2 = 0x3c5 }"}
    found = told(tmp_path, CONFIGURE, files, {"answers.toml": "it = { SPSR_EL2 = 0x3c9 }"})
    assert [line.strip() for line in found[1:]] == [
        "yours:    SVC #0x7, from EL2 to EL2",
        "expected: SVC #0x7, from EL1 to EL1",
    ]


def test_globals_of_a_file_of_handlers_are_no_divergence(tmp_path: Path):
    right = "LIMIT = 5\n" + ANSWERS_CALL.format("call.args[0] + 1")
    files = FILES | {"solution/handlers.py": right}
    lesson = make(tmp_path / "01-call", HEAD + HANDLER, files)
    mine = write(tmp_path / "mine", {"handlers.py": ANSWERS_CALL.format("0")})
    feedback = failed(judged(lesson, mine, recordings=tmp_path / "runs")).feedback
    assert feedback is not None
    assert "LIMIT" not in str(feedback.divergence)
    assert [line.strip() for line in feedback.divergence[1:]] == [
        "yours:    HVC #0x0, from EL1 to EL2",
        'expected: prints "yes"',
    ]


TWO_RUNS = """
from arm_hyp.course.checks import check

@check("it", title="with this")
def first(judge):
    judge.run().fail("this", "that")

@check("it", title="with that")
def second(judge):
    judge.run(settings=("SPSR_EL2=0x3c5",)).fail("this", "that")

@check("it", title="with this again")
def third(judge):
    judge.run().fail("this", "that")
"""


def test_each_run_that_fails_is_kept(tmp_path: Path):
    files = {"checks.py": TWO_RUNS, "machine/guest.s": LANDS, "solution/answers.toml": "it = { SPSR_EL2 = 0x3c5 }"}
    lesson = make(tmp_path / "01-it", HEAD + CONFIGURE, files)
    mine = write(tmp_path / "mine", {"answers.toml": "it = { SPSR_EL2 = 0x3c9 }"})
    made = judged(lesson, mine, recordings=tmp_path / "runs")
    kept = [check.feedback.recording for check in made.checks if check.feedback is not None]
    assert kept == ["it.hyp", "it-2.hyp", "it.hyp"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["it-2.hyp", "it.hyp"]
