"""Checks judge the run of the real machine: what they say of good work, bad work, and work that cannot run."""

from pathlib import Path

import pytest
from course_support import (
    ANSWERS_CALL,
    CHECKS,
    FILES,
    HANDLER,
    HEAD,
    HINTS,
    both,
    failed,
    judged,
    make,
    write,
)

from arm_hyp.course.build import drawn
from arm_hyp.course.checking import check_lesson
from arm_hyp.course.divergence import FAILED_MARK, MARK
from arm_hyp.course.judged_run import MAX_EVENTS
from arm_hyp.course.sandbox import Limits
from arm_hyp.course.verdict import LessonResult
from arm_hyp.errors import UserError
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import open_timeline

RIGHT = ANSWERS_CALL.format("call.args[0] + 1")


def one(folder: Path, handlers: str, seed: int = 0, **others: str) -> LessonResult:
    lesson = make(folder / "01-call", HEAD + HANDLER, FILES | others)
    return check_lesson(
        lesson, write(folder / "mine", {"handlers.py": handlers}), seed=seed, recordings=folder / "runs"
    )


def test_right_work_earns_all_points_with_any_seed(tmp_path: Path):
    for seed in (0, 1):
        result = one(tmp_path, RIGHT, seed)
        assert (result.status, result.earned, result.points, result.seed) == ("passed", 2, 2, seed)
    assert not (tmp_path / "runs").exists()


def test_a_number_that_was_seen_once_is_right_with_one_seed_only(tmp_path: Path):
    lesson = make(tmp_path / "01-call", HEAD + HANDLER)
    numbers = [drawn(lesson, lesson.tasks[0], seed)["SEED_NUMBER"] for seed in (0, 1)]
    assert numbers[0] != numbers[1]
    seen = ANSWERS_CALL.format(numbers[0] + 1)
    assert [one(tmp_path, seen, seed).status for seed in (0, 1)] == ["passed", "failed"]


def test_wrong_work_is_told_where_and_why_and_its_run_is_kept(tmp_path: Path):
    task = one(tmp_path, ANSWERS_CALL.format("call.args[0]")).tasks[0]
    assert (task.status, task.earned) == ("failed", 1)
    feedback = failed(task).feedback
    assert feedback is not None
    assert (feedback.got, feedback.expected, feedback.why) == (
        "the console shows nothing; the run ends: the guest powered off (PSCI SYSTEM_OFF)",
        'it shows "yes"',
        "X0 is the answer",
    )
    assert feedback.divergence[0] == "first divergence from the solution, at 3.3:"
    assert feedback.divergence[1].startswith("  CPU 0 X0: ")
    assert feedback.divergence[2] == "it shows at 7.1:"
    with Replay.open(str(tmp_path / "runs" / feedback.recording)) as replay:
        marks = open_timeline(replay).timeline.marks
        assert feedback.mark == MARK
        assert marks[MARK] < marks[FAILED_MARK] == feedback.at


def test_a_handler_that_fails_is_told_once_by_its_line(tmp_path: Path):
    task = one(tmp_path, ANSWERS_CALL.format("1 // 0")).tasks[0]
    feedback, second = (check.feedback for check in task.checks)
    assert feedback is not None and second is not None
    assert feedback.divergence and not second.divergence
    assert (second.got, second.mark) == (feedback.got, feedback.mark)
    assert feedback.got.startswith("handlers.py:5: in on_call, @hypercall(0xc6000001): ZeroDivisionError")
    assert str(tmp_path) not in "\n".join(feedback.lines())


@pytest.mark.parametrize(
    ("handlers", "told"),
    [
        ("x = (", "handlers.py:1: no Python: '(' was never closed"),
        ("x = 1", "handlers.py: registers no handler"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_by_its_own_name(tmp_path: Path, handlers: str, told: str):
    task = one(tmp_path, handlers).tasks[0]
    assert task.earned == 0
    assert task.checks[0].feedback is not None
    assert told in task.checks[0].feedback.got
    assert str(tmp_path) not in task.checks[0].feedback.got


def test_what_a_file_and_its_handlers_print_is_told_with_the_verdict(tmp_path: Path):
    prints = (
        RIGHT.replace("    return", "    print('asked', call.args[0], 'x' * 300)\n    return", 1) + "print('loaded')\n"
    )
    task = one(tmp_path, prints).tasks[0]
    assert task.status == "passed"
    loaded, asked = task.printed.splitlines()
    assert loaded == "loaded"
    assert asked.startswith("handlers.py:5: asked ") and len(asked) == 200


def test_a_file_that_is_gone_or_another_encoding_is_told(tmp_path: Path):
    lesson = make(tmp_path / "01-call", HEAD + HANDLER)
    mine = tmp_path / "mine"
    mine.mkdir()
    gone = judged(lesson, mine).checks[0].feedback
    assert gone is not None
    assert (gone.got, gone.expected) == (
        "handlers.py: no such file or directory",
        "if it was deleted or renamed: arm-hyp lesson reset 01-call",
    )
    (mine / "handlers.py").write_bytes(RIGHT.encode("utf-16"))
    other = judged(lesson, mine).checks[0].feedback
    assert other is not None and other.got == "handlers.py: is not UTF-8 text from byte 0 on"


def test_crlf_changes_nothing(tmp_path: Path):
    lesson = make(tmp_path / "01-call", HEAD + HANDLER)
    mine = write(tmp_path / "mine", {})
    mine.mkdir()
    (mine / "handlers.py").write_bytes(RIGHT.replace("\n", "\r\n").encode())
    assert judged(lesson, mine).status == "passed"


def test_the_lessons_guest_counts_and_not_one_in_the_students_folder(tmp_path: Path):
    lesson = make(tmp_path / "01-call", HEAD + HANDLER)
    mine = write(tmp_path / "mine", {"handlers.py": ANSWERS_CALL.format("0"), "guest.s": "_start: b ."})
    feedback = failed(judged(lesson, mine)).feedback
    assert feedback is not None and feedback.expected == 'it shows "yes"'


def test_a_student_who_was_given_no_time_is_not_graded(tmp_path: Path):
    lesson = make(tmp_path / "01-call", HEAD + HANDLER)
    mine = write(tmp_path / "mine", {"handlers.py": RIGHT})
    result = check_lesson(lesson, mine, limits=Limits(wall_s=0.0))
    assert (result.status, result.earned) == ("not graded", 0)


def test_a_guest_that_only_traps_is_ended_and_told(tmp_path: Path):
    guest = f"""
[[task]]
name = "guest"
kind = "guest"
title = "A guest"
points = 1
files = ["mine.s"]
machine = {{ image = "mine.s", hypervisor = "" }}
{HINTS}
"""
    check = '@check("guest", title="it ends")\ndef ends(judge):\n    judge.run().expect_end()\n'
    lesson = make(
        tmp_path / "01-guest", HEAD + guest, {"checks.py": "from arm_hyp.course.checks import check\n" + check}
    )
    mine = write(tmp_path / "mine", {"mine.s": "_start: hvc #0\n        b _start\n"})
    feedback = failed(judged(lesson, mine)).feedback
    assert feedback is not None
    assert feedback.got == f"it was ended after {MAX_EVENTS:,} events: the guest does not get to its end"
    write(mine, {"mine.s": "_start: nonsense x0\n"})
    feedback = failed(judged(lesson, mine)).feedback
    assert feedback is not None and feedback.got == "mine.s:1:9: `nonsense` is not an instruction or macro"


def test_hidden_checks_count_beside_the_lessons_own(tmp_path: Path):
    lesson = make(tmp_path / "01-call", HEAD + HANDLER)
    hidden = write(
        tmp_path, {"hidden.py": CHECKS.replace("def ends", "def never").replace("expect_end()", 'expect_end("idle")')}
    )
    mine = write(tmp_path / "mine", {"handlers.py": RIGHT})
    (task,) = check_lesson(lesson, mine, extra=hidden / "hidden.py").tasks
    assert [check.status for check in task.checks] == ["passed", "passed", "failed", "passed"]
    assert task.earned == 1.5


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ("raise ValueError('x')", "checks.py: fails: ValueError: x"),
        (CHECKS.replace('"call"', '"cal"'), "checks.py: ends: checks cal, and there is no such task"),
        (CHECKS.replace("points=1", "points=0"), "checks.py: ends: 0 is no number of points"),
        (CHECKS.replace("judge.run()", "judge.rum()"), "checks.py: ends: fails itself: AttributeError"),
        ("", "checks.py: has no check of call"),
    ],
)
def test_mistakes_of_the_author_are_no_mistakes_of_the_student(tmp_path: Path, checks: str, told: str):
    with pytest.raises(UserError) as error:
        one(tmp_path, RIGHT, **{"checks.py": checks})
    assert told in str(error.value)


def test_only_the_tasks_that_are_asked_for_are_checked(tmp_path: Path):
    lesson = both(tmp_path)
    result = check_lesson(lesson, write(tmp_path / "mine", {"answers.toml": 'quiz = "b"'}), tasks=["quiz"])
    assert [(task.task, task.status) for task in result.tasks] == [("quiz", "passed")]


def test_a_run_that_the_host_has_no_time_for_is_not_graded(tmp_path: Path):
    table = """
[[task]]
name = "it"
kind = "guest"
title = "It"
points = 1
files = ["mine.s"]
limit = 1_000_000_000_000
machine = { image = "mine.s", hypervisor = "" }
"""
    checks = """
from arm_hyp.course.checks import check

@check("it", title="it ends")
def ends(judge):
    judge.run().expect_end()
"""
    lesson = make(tmp_path / "01-it", HEAD + table + HINTS, {"checks.py": checks})
    mine = write(tmp_path / "mine", {"mine.s": "_start: add x0, x0, #1\n b _start\n"})
    result = check_lesson(lesson, mine, limits=Limits(wall_s=0.0))
    assert (result.status, result.earned) == ("not graded", 0)
    (check,) = result.tasks[0].checks
    assert check.feedback is not None and "not through with the run after 0 s" in check.feedback.got
