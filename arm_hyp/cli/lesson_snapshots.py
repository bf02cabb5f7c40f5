"""Each step of a lesson drawn as students see it: in plain lines, on paper, and in the terminal beside its run.

Read `course/lint.py`, which asks for this, and `tui/picture.py` before this file.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from arm_hyp.cli.lesson_lines import step_text
from arm_hyp.course.catalogue import Catalogue
from arm_hyp.course.classroom import Classroom
from arm_hyp.course.handout import handout
from arm_hyp.course.manifest import SOLUTION, Lesson
from arm_hyp.course.text import Step
from arm_hyp.course.workspace import Workspace
from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.position import START, parse_position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.lessons.markdown import drawn
from arm_hyp.tui.lessons.page import LessonPage, page_of
from arm_hyp.tui.lessons.study import Study
from arm_hyp.tui.look import Look
from arm_hyp.tui.picture import Painter, Size, Wanted
from arm_hyp.tui.session_link import SessionLink

COLUMNS: Final = 80
_SIZE: Final = Size(COLUMNS, 24)
_PAGE_COLUMNS: Final = 44
"""Of a page beside a run, in the smallest terminal that has both."""
_CUT: Final = "\u2026"


def snapshot_problems(lesson: Lesson, steps: Sequence[Step]) -> Iterator[str]:
    """Give the steps that cannot be drawn, or not whole, in words."""
    yield from _tried("handout", lambda: _on_paper(lesson, steps))
    for step in steps:
        yield from _tried(f"text.md: {step.title}: in plain lines", lambda: _in_lines(lesson, step))  # noqa: B023
    with tempfile.TemporaryDirectory(prefix="arm-hyp-lint-") as name:
        yield from _tried("text.md: in the terminal", lambda: _in_terminal(lesson, Path(name)))


def _tried(what: str, draw: Callable[[], list[str]]) -> Iterator[str]:
    try:
        yield from (f"{what}: {problem}" for problem in draw())
    except Exception as error:  # whatever stands in a student's way there
        yield f"{what}: cannot be drawn: {type(error).__name__}: {error}"


def _on_paper(lesson: Lesson, steps: Sequence[Step]) -> list[str]:
    page = handout(lesson)
    return [f"{step.title} is missing" for step in steps if escape(step.title) not in page]


def _in_lines(lesson: Lesson, step: Step) -> list[str]:
    text = step_text(lesson, step, COLUMNS)
    wide = [line for line in text.splitlines() if len(line.rstrip()) > COLUMNS]
    code = [line for line in _code(step.body) if line.rstrip() and line.strip() not in text]
    return [f"is broken or too wide at {COLUMNS} columns: {line.strip()}" for line in (*wide, *code)]


def _code(body: str) -> Iterator[str]:
    """Give the lines of a text that are code, which may not be broken."""
    is_code = False
    for line in body.splitlines():
        if line.startswith("```"):
            is_code = not is_code
        elif is_code:
            yield line


# --- the terminal -----------------------------------------------------------------------------------------------------


def _in_terminal(lesson: Lesson, folder: Path) -> list[str]:
    classroom = Classroom(Catalogue(lesson.folder.parent), Workspace.make(folder))
    study = Study(classroom, lesson)
    for path in (path for path in (lesson.folder / SOLUTION).glob("*") if path.is_file()):
        (study.folder / path.name).write_bytes(path.read_bytes())
    return asyncio.run(_drawn(study))


async def _drawn(study: Study) -> list[str]:
    """Draw every step beside its run, and its panel alone; return what is cut off, in words."""
    problems, shown = list[str](), object()
    painters: Mapping[str, Painter] = {}
    for index, step in enumerate(study.steps):
        study.index = index
        if shown is not study.shown:
            shown, painters = study.shown, await _painters(study)
        for painter in painters.values():
            await _go(painter, study.place, study.limit)
        problems += [f"{step.title}: {problem}" for problem in _step(study, step, painters)]
    return problems


async def _painters(study: Study) -> Mapping[str, Painter]:
    """Return who draws this machine: the whole screen, and each panel that a step with it asks for."""
    link = SessionLink(Session(study.machine()))
    names = {step.panel for step in study.steps if step.panel}
    made = {name: Painter(link, Wanted(_SIZE, Look(), name or None)) for name in sorted({"", "page", *names})}
    for painter in made.values():
        await painter.open()
    return made


async def _go(painter: Painter, place: str, limit: int) -> None:
    driver = painter.driver
    await driver.go(START)
    if place == "end":
        await driver.end()
    elif place[:1].isdigit():
        await driver.go(parse_position(place))
    elif place not in ("", "start"):
        parse_condition(place)
        await driver.ask(ask.Find((), (place,), is_back=False, limit=limit))
    await driver.look()


def _step(study: Study, step: Step, painters: Mapping[str, Painter]) -> Iterator[str]:
    page = LessonPage()
    page.page = page_of(study)
    for painter in painters.values():
        painter.panels["page"] = page
    for name in ("", step.panel or "", "page"):
        painters[name].lines()
    cut = (line.plain.strip() for line in drawn(step.body, _PAGE_COLUMNS, Look()) if line.plain.endswith(_CUT))
    yield from (f"is cut off at {_PAGE_COLUMNS} columns: {text}" for text in cut)
