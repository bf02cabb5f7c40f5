"""Who is where, and which check fails most: for a teacher, as tables and as CSV.

Read `course/grading/formats.py` before this file, `cli/grade.py` after it.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from arm_hyp.course.grading.formats import Row, rows
from arm_hyp.course.grading.results import Report, SubmissionResult
from arm_hyp.course.verdict import TaskResult, printable

_SHOWN_CHECKS: Final = 10
_SHOWN_LESSONS: Final = 3
_LEAST_NAME: Final = 10
_GAP: Final = 1
_ENDLESS: Final = 10_000
"""Columns of the console that only measures."""
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


def tables(report: Report, columns: int) -> Group:
    """Return the report as it is printed on so many columns."""
    return Group(_submissions(report, columns), *_failing(report), _versions(report), *_unheld(report))


def _submissions(report: Report, columns: int) -> RenderableType:
    """Return who has what: a row for each lesson of one submission, else the widest of the tables that fits."""
    if len(report.submissions) == 1 and not report.submissions[0].problem:
        return _lessons(report, report.submissions[0])
    names, numbers = [*report.versions], _numbers(report)
    tries = (names, _GAP), (numbers, _GAP), (numbers, 0)
    found = next((table for heads, gap in tries if _fits(table := _class(report, heads, gap), columns)), None)
    return found or Group(_class(report, [], _GAP), Text("points by lesson and check: --csv FILE"))


def _fits(table: Table, columns: int) -> bool:
    """Tell whether a table fits, if the names of submissions are folded."""
    console, names = Console(width=_ENDLESS), table.columns[0]
    names.max_width = _LEAST_NAME
    least = Measurement.get(console, console.options, table).minimum
    names.max_width = None
    return least <= columns


def _numbers(report: Report) -> list[str]:
    """Return the lessons by number alone, where that tells them apart."""
    numbers = [name.partition("-")[0] for name in report.versions]
    return numbers if len({*numbers}) == len(numbers) else [*report.versions]


def _class(report: Report, heads: Sequence[str], gap: int) -> Table:
    """Return a row for each submission, with a column for each lesson that `heads` names."""
    title = printable(report.title) or None
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, gap, 0, 0))
    table.add_column("submission", overflow="fold", min_width=_LEAST_NAME)
    for name in heads:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", overflow="fold")
    for one in report.submissions:
        by_lesson = {lesson.lesson: f"{lesson.earned:g}" for lesson in one.lessons}
        earned = [by_lesson.get(name, "-") for name in report.versions] if heads else []
        table.add_row(Text(printable(one.name)), *earned, f"{one.earned:g} of {one.points:g}", _status(one))
    return table


def _lessons(report: Report, one: SubmissionResult) -> Table:
    """Return a row for each lesson of one submission, and what they come to."""
    title = ": ".join(filter(None, (printable(report.title), printable(one.name))))
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, _GAP, 0, 0), show_footer=True)
    table.add_column("lesson", "in all", overflow="fold")
    tasks = [task for lesson in one.lessons for task in lesson.tasks]
    table.add_column("tasks passed", _passed(tasks), justify="right")
    table.add_column("points", f"{one.earned:g} of {one.points:g}", justify="right")
    table.add_column("status", _status(one))
    for lesson in one.lessons:
        status = Text(lesson.status, style=_STYLES[lesson.status])
        table.add_row(lesson.lesson, _passed(lesson.tasks), f"{lesson.earned:g} of {lesson.points:g}", status)
    return table


def _passed(tasks: Sequence[TaskResult]) -> str:
    return f"{sum(task.status == 'passed' for task in tasks)} of {len(tasks)}"


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
    by_version: dict[int, list[str]] = {}
    for name, version in report.versions.items():
        by_version.setdefault(version, []).append(name)
    lessons = "; ".join(f"version {version} of {_named(names)}" for version, names in sorted(by_version.items()))
    return Text(f"arm-hyp {report.library_version}; {lessons}; --seed {report.seed}")


def _named(lessons: Sequence[str]) -> str:
    return ", ".join(lessons) if len(lessons) <= _SHOWN_LESSONS else f"{len(lessons)} lessons"


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
