"""Remarks: rules that a student's run breaks are told beside the verdict, whether its checks pass or not."""

from pathlib import Path

import pytest
from course_support import HEAD, HINTS, OFF, judged, make, write

from arm_hyp.course.remarks import MOST_WATCHED
from arm_hyp.course.verdict import TaskResult
from arm_hyp.errors import UserError

CHECKS = """
from arm_hyp.course.checks import Judge, check
@check("do", points=1, title="it ends")
def ends(judge: Judge) -> None:
    judge.run().expect_end()
@check("do", points=1, title="it ends later, too")
def ends_later(judge: Judge) -> None:
    judge.run(limit=9_999).expect_end()
"""
TASK = f"""
[[task]]
name = "do"
kind = "guest"
title = "Do it"
points = 2
files = ["part.s"]
limit = 90_000
machine = {{ image = "guest.s" }}
{HINTS}
"""
PREDICT = TASK.replace('"guest"', '"predict"').replace('files = ["part.s"]', 'question = "What?"')
CARELESS = "        tlbi    alle1\n        isb\n"
TRAPS = """
        mov     x9, #{count}
1:      hvc     #0
        subs    x9, x9, #1
        b.ne    1b
        b       2f
        .include "include/vectors.inc"
        vectors el2_vectors, spx_sync=back
back:
unexpected:
        eret
2:
"""
FILES = {"machine/guest.s": '_start:\n        .include "part.s"\n' + OFF, "checks.py": CHECKS, "text.md": "# A title\n"}


def result(folder: Path, part: str, task: str = TASK) -> TaskResult:
    lesson = make(folder / "01-do", HEAD + task, FILES | {"machine/part.s": part})
    return judged(lesson, write(folder / "mine", {"part.s": part}))


def test_what_is_right_by_luck_passes_with_a_remark(tmp_path: Path):
    task = result(tmp_path, CARELESS)
    assert (task.status, task.earned) == ("passed", 2)
    (remark,) = task.remarks  # one, though the guest ran twice
    assert (remark.code, str(remark.at)) == ("HYP012", "1")
    assert remark.lines() == (
        "remark:   HYP012 at 0x40080000 <_start>, EL2: tlbi alle1 (part.s:1)\n"
        "          tlbi alle1 was not completed by a DSB, and an ISB follows: the old translations may still be used\n"
        "          more: arm-hyp explain HYP012",
    )


def test_what_is_right_has_none(tmp_path: Path):
    assert result(tmp_path, CARELESS.replace("isb", "dsb nsh\n        isb")).remarks == ()


@pytest.mark.parametrize("said", ["none", "HYP001, hyp013"])
def test_a_lesson_may_turn_rules_off(tmp_path: Path, said: str):
    assert result(tmp_path, CARELESS, f'{TASK}remarks = "{said}"\n').remarks == ()


def test_a_rule_that_there_is_not_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="remarks: HYP777: there is no such rule"):
        result(tmp_path, CARELESS, f'{TASK}remarks = "HYP777"\n')


def test_a_guest_that_is_only_asked_about_has_none(tmp_path: Path):
    lesson = make(tmp_path / "01-do", HEAD + PREDICT, FILES | {"machine/part.s": CARELESS})
    assert judged(lesson, write(tmp_path / "mine", {"answers.toml": 'do = "x"'})).remarks == ()


@pytest.mark.parametrize(("traps", "codes"), [(1, ["HYP012"]), (MOST_WATCHED, [])])
def test_a_guest_that_traps_for_ever_is_not_watched_to_its_end(tmp_path: Path, traps: int, codes: list[str]):
    vectors = "        adr     x0, el2_vectors\n        msr     vbar_el2, x0\n        isb\n"
    task = result(tmp_path, vectors + TRAPS.format(count=traps) + CARELESS)
    assert task.checks[0].status == "passed"
    assert [remark.code for remark in task.remarks] == codes
