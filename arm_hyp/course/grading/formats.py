"""A report as programs want it: JSON, Gradescope's results, JUnit's XML, check50's JSON.

Read `course/grading/results.py` before this file, `course/grading/class_report.py` beside it. All are functions of the
report alone: no time, no host, the same bytes for the same work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

import msgspec

from arm_hyp.course.grading.results import Report, SubmissionResult
from arm_hyp.course.verdict import CheckResult, LessonResult, TaskResult, printable
from arm_hyp.errors import UserError

_ERROR_STATUS: Final = "not graded"


class Row(NamedTuple):
    """One check of a submission, with all that it belongs to."""

    lesson: LessonResult
    task: TaskResult
    check: CheckResult

    @property
    def name(self) -> str:
        """LESSON/TASK/CHECK."""
        return f"{self.lesson.lesson}/{self.task.task}/{self.check.name}"

    @property
    def points(self) -> float:
        """What the check is worth in the course."""
        return round(self.task.points * self.check.points / sum(each.points for each in self.task.checks), 2)

    @property
    def earned(self) -> float:
        """What was earned."""
        return self.points if self.check.status == "passed" else 0.0

    @property
    def text(self) -> str:
        """The feedback in lines, with letters only that every terminal and format can take."""
        lines = () if self.check.feedback is None else self.check.feedback.lines()
        return "\n".join(map(printable, (*lines, *self.remarks)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks about the task, in lines: told once, with its first check."""
        return () if self.check is not self.task.checks[0] else tuple(map(printable, self.task.remark_lines))


def rows(submission: SubmissionResult) -> Iterator[Row]:
    """Give all checks of a submission, in order."""
    return (Row(lesson, task, check) for lesson in submission.lessons for task in lesson.tasks for check in task.checks)


def _only(report: Report, name: str) -> SubmissionResult:
    if len(report.submissions) != 1:
        raise UserError(f"--format {name}", f"is for one submission, and there are {len(report.submissions)}")
    return report.submissions[0]


def _written(plain: Any) -> str:
    return json.dumps(plain, indent=1, ensure_ascii=True) + "\n"


# --- our own ----------------------------------------------------------------------------------------------------------


def to_json(report: Report) -> str:
    """Return the whole report as JSON."""
    head = {
        "course": report.title,
        "library_version": report.library_version,
        "lesson_versions": report.versions,
        "seed": report.seed,
    }
    return _written(head | {"submissions": [_submission(each, report) for each in report.submissions]})


def _submission(one: SubmissionResult, report: Report) -> dict[str, Any]:
    return {
        "name": printable(one.name),
        "status": one.status,
        "is_graded": one.is_graded,
        "earned": one.earned,
        "points": one.points,
        "problem": printable(one.problem),
        "lessons": [_lesson(lesson, report) for lesson in one.lessons],
    }


def _lesson(lesson: LessonResult, report: Report) -> dict[str, Any]:
    return {
        "lesson": lesson.lesson,
        "lesson_version": lesson.lesson_version,
        "library_version": lesson.library_version,
        "seed": lesson.seed,
        "status": lesson.status,
        "earned": lesson.earned,
        "points": lesson.points,
        "tasks": [_task(lesson, task, report) for task in lesson.tasks],
    }


def _task(lesson: LessonResult, task: TaskResult, report: Report) -> dict[str, Any]:
    return {
        "task": task.task,
        "title": task.title,
        "status": task.status,
        "earned": task.earned,
        "points": task.points,
        "printed": printable(task.printed),
        "confinement": list(task.confinement),
        "remarks": msgspec.to_builtins(task.remarks),
        "checks": [_check(Row(lesson, task, check), report) for check in task.checks],
    }


def _check(row: Row, report: Report) -> dict[str, Any]:
    feedback = msgspec.to_builtins(row.check.feedback)
    return {
        "check": row.check.name,
        "title": row.check.title,
        "status": row.check.status,
        "earned": row.earned,
        "points": row.points,
        "is_hidden": row.name in report.hidden,
        "feedback": feedback,
    }


# --- others' ----------------------------------------------------------------------------------------------------------


def to_gradescope(report: Report) -> str:
    """Return `results.json` for Gradescope. Ref: Gradescope, Autograder Specifications."""
    one = _only(report, "gradescope")
    tests = [
        {
            "name": f"{row.lesson.lesson}: {row.check.title}",
            "score": row.earned,
            "max_score": row.points,
            "status": "passed" if row.check.status == "passed" else "failed",
            "output": _told(row),
            "visibility": "after_published" if row.name in report.hidden else "visible",
        }
        for row in rows(one)
    ]
    versions = {"library_version": report.library_version, "lesson_versions": report.versions, "seed": report.seed}
    output = printable(one.problem) or ("" if one.is_graded else "Something was not graded: run the autograder again.")
    return _written({"score": one.earned, "output": output, "tests": tests, "extra_data": versions})


def _told(row: Row) -> str:
    return ("not graded\n" if row.check.status == _ERROR_STATUS else "") + row.text


def to_junit(report: Report) -> str:
    """Return JUnit's XML: a suite for each submission, a case for each check; what was not graded is an error."""
    root = ElementTree.Element("testsuites", name=report.title)
    for one in report.submissions:
        suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(one.name), **_counts(one)})
        properties = ElementTree.SubElement(suite, "properties")
        known = {"library_version": report.library_version, "seed": str(report.seed), **_versions(report)}
        for name, value in {**known, "earned": str(one.earned), "points": str(one.points)}.items():
            ElementTree.SubElement(properties, "property", name=name, value=value)
        if one.problem:
            case = ElementTree.SubElement(suite, "testcase", name="submission", classname=_xml(one.name))
            ElementTree.SubElement(case, "failure", message=_xml(one.problem))
        for row in rows(one):
            _junit_case(suite, row)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _versions(report: Report) -> dict[str, str]:
    return {f"lesson_version {name}": str(version) for name, version in report.versions.items()}


def _counts(one: SubmissionResult) -> dict[str, str]:
    found = [row.check.status for row in rows(one)]
    return {
        "tests": str(len(found) + bool(one.problem)),
        "failures": str(found.count("failed") + bool(one.problem)),
        "errors": str(found.count(_ERROR_STATUS)),
    }


_JUNIT: Final = {"failed": "failure", _ERROR_STATUS: "error"}


def _junit_case(suite: ElementTree.Element, row: Row) -> None:
    case = ElementTree.SubElement(suite, "testcase", name=row.check.title, classname=row.name)
    if row.check.status != "passed":
        got = "" if row.check.feedback is None else row.check.feedback.got
        told = ElementTree.SubElement(case, _JUNIT[row.check.status], message=_xml(got.splitlines()[0] if got else ""))
        told.text = _xml(row.text)
    elif row.remarks:
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(row.remarks))


def _xml(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return "".join(letter for letter in printable(text) if letter not in "\ufffe\uffff")


def to_check50(report: Report) -> str:
    """Return check50's JSON. What was not graded has `passed` null, as a check that did not run."""
    one = _only(report, "check50")
    passed: Mapping[str, bool | None] = {"passed": True, "failed": False}
    results = [
        {
            "name": row.name,
            "description": row.check.title,
            "passed": passed.get(row.check.status),
            "log": row.text.splitlines(),
            "cause": None if row.check.status == "passed" else _cause(row),
            "data": {"earned": row.earned, "points": row.points},
            "dependency": None,
        }
        for row in rows(one)
    ]
    slug = ",".join(f"{name}@{version}" for name, version in report.versions.items())
    made: dict[str, Any] = {"slug": slug, "results": results, "version": f"arm-hyp {report.library_version}"}
    if one.problem:
        made["error"] = {"type": "submission", "value": printable(one.problem)}
    return _written(made | {"seed": report.seed})


def _cause(row: Row) -> dict[str, str]:
    feedback = row.check.feedback
    if feedback is None:
        return {"rationale": row.check.status, "help": ""}
    return {"rationale": printable(feedback.got), "help": printable(f"expected: {feedback.expected}")}


FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "json": to_json,
    "gradescope": to_gradescope,
    "junit": to_junit,
    "check50": to_check50,
}
"""Each format by its name."""
