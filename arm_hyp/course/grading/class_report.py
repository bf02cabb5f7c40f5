"""Who is where, and which check fails most: for a teacher, as tables and as CSV.

Read `course/grading/formats.py` before this file, `cli/grade.py` after it.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from arm_hyp.course.grading.formats import Row, printable, rows
from arm_hyp.course.grading.results import Report, SubmissionResult

_SHOWN_CHECKS: Final = 10
_STYLES: Final = {"passed": "green", "failed": "", "not graded": "yellow"}


class Failing(NamedTuple):
    """One check, and how many submissions fail it, or were not graded."""

    name: str
    title: str
    failed: int
    ungraded: int
    of: int


def failing(report: Report) -> tuple[Failing, ...]:
    """Return the checks that somebody fails, the most failed first."""
    titles, failed, ungraded = dict[str, str](), Counter[str](), Counter[str]()
    for row in (row for one in report.submissions for row in rows(one)):
        titles.setdefault(row.name, row.check.title)
        failed[row.name] += row.check.status == "failed"
        ungraded[row.name] += row.check.status == "not graded"
    of = len(report.submissions)
    found = (Failing(name, title, failed[name], ungraded[name], of) for name, title in titles.items())
    return tuple(sorted((one for one in found if one.failed or one.ungraded), key=lambda one: -one.failed))


def tables(report: Report) -> Group:
    """Return the report as it is printed."""
    return Group(_submissions(report), *_failing(report), _versions(report), *_unheld(report))


def _submissions(report: Report) -> Table:
    table = Table(title=printable(report.title) or None, title_justify="left")
    table.add_column("submission", overflow="fold")
    for name in report.versions:
        table.add_column(name, justify="right")
    table.add_column("points", justify="right")
    table.add_column("status", overflow="fold")
    for one in report.submissions:
        by_lesson = {lesson.lesson: f"{lesson.earned:g}" for lesson in one.lessons}
        earned = (by_lesson.get(name, "-") for name in report.versions)
        table.add_row(Text(printable(one.name)), *earned, f"{one.earned:g} of {one.points:g}", _status(one))
    return table


def _status(one: SubmissionResult) -> Text:
    if one.problem:
        return Text(printable(one.problem), style="red")
    text = one.status if one.is_graded or one.status == "not graded" else f"{one.status}, and not all graded"
    return Text(text, style=_STYLES[one.status] if one.is_graded else "yellow")


def _failing(report: Report) -> Iterator[Table]:
    found = failing(report)
    if not found or len(report.submissions) == 1:
        return
    table = Table(title="which check fails most", title_justify="left")
    table.add_column("check", overflow="fold")
    table.add_column("it expects", overflow="fold")
    table.add_column("failed", justify="right")
    table.add_column("not graded", justify="right")
    for one in found[:_SHOWN_CHECKS]:
        share = f"{one.failed} of {one.of}"
        table.add_row(Text(one.name), Text(one.title), share, str(one.ungraded) if one.ungraded else "")
    yield table


def _versions(report: Report) -> Text:
    lessons = ", ".join(f"{name} version {version}" for name, version in report.versions.items())
    return Text(f"arm-hyp {report.library_version}; {lessons}; --seed {report.seed}")


def _unheld(report: Report) -> Iterator[Text]:
    """Give what did not hold the students' processes on this host."""
    tasks = (task for one in report.submissions for lesson in one.lessons for task in lesson.tasks)
    found = dict.fromkeys(text for task in tasks for text in task.confinement if "NOT" in text)
    return (Text(f"students' processes: {text}", style="yellow") for text in found)


def details(one: SubmissionResult) -> str:
    """Return what every check of a submission said, in lines."""
    return "".join(f"{_mark(row)} {row.name}: {row.check.title}\n{_indented(row.text)}" for row in rows(one))


def _mark(row: Row) -> str:
    return f"{row.check.status:<10} {row.earned:g}/{row.points:g}"


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def to_csv(report: Report) -> str:
    """Return a line for each submission and a column for each check: its points, empty where it was not graded."""
    names = dict.fromkeys(row.name for one in report.submissions for row in rows(one))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ("submission", "status", "earned", "points", "problem", *names, "library_version", "seed")
    writer.writerow((*head, *(f"version of {name}" for name in report.versions)))
    for one in report.submissions:
        writer.writerow(_csv_row(one, names, report))
    return stream.getvalue()


def _csv_row(one: SubmissionResult, names: dict[str, Any], report: Report) -> Iterator[object]:
    found = {row.name: "" if row.check.status == "not graded" else f"{row.earned:g}" for row in rows(one)}
    yield from (_cell(one.name), one.status, f"{one.earned:g}", f"{one.points:g}", _cell(one.problem))
    yield from (found.get(name, "") for name in names)
    yield from (report.library_version, report.seed, *report.versions.values())


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = printable(text).replace("\n", " ")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
