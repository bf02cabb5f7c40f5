"""A verdict in lines: what stands there of tasks that pass, and of those behind the first that fails."""

from arm_hyp.course.verdict import CheckResult, Feedback, LessonResult, Remark, TaskResult
from arm_hyp.timeline.position import Position
from arm_hyp.tui.lessons.verdict import verdict_lines
from arm_hyp.tui.look import Look

REMARK = Remark(code="HYP012", text="a TLBI without DSB", at=Position(7), place="0x40080000 <f>, EL2: isb (f.s:8)")


def task(name: str, status: str, *remarks: Remark) -> TaskResult:
    feedback = None if status == "passed" else Feedback(got=f"{name} is wrong", expected="it is right")
    check = CheckResult(name=name, title=f"{name} works", points=1, status=status, feedback=feedback)  # type: ignore[arg-type]
    return TaskResult(task=name, title=name, points=1, checks=(check,), remarks=remarks)


def test_every_task_tells_its_remarks_but_only_the_first_that_fails_its_feedback():
    tasks = (task("one", "passed", REMARK), task("two", "failed"), task("three", "failed", REMARK))
    made = LessonResult(lesson="01-x", lesson_version=1, library_version="1", seed=0, tasks=tasks)
    lines = [line.plain.strip() for line in verdict_lines(made, 78, Look()) if line.plain.strip()]
    told = [f"remark:   HYP012 at {REMARK.place}", REMARK.text, "more: i HYP012"]
    at = lines.index(told[0])
    assert lines[at : at + 3] == told
    assert lines[-3:] == told
    assert "happened: two is wrong" in lines
    assert "happened: three is wrong" not in lines
