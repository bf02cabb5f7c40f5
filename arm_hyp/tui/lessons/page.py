"""The page of a lesson: how far one is, one step of the text, and the task that is done there.

Read `tui/panels/page.py` and `tui/lessons/markdown.py` before this file, `tui/lessons/app.py` after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.course.answers import Value
from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.manifest import Task
from arm_hyp.tui.keys import DIGITS, LESSON_ACTIONS
from arm_hyp.tui.lessons.commands import PANEL
from arm_hyp.tui.lessons.markdown import drawn, inline
from arm_hyp.tui.lessons.study import Study
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.bits import GROUPS
from arm_hyp.tui.panels.catalogue import NAMES
from arm_hyp.tui.panels.drawing import bar, visible
from arm_hyp.tui.panels.page import PagePanel
from arm_hyp.tui.text import flowed
from arm_hyp.tui.view import View

FIRST_SAY: Final = "say first what happens: d answers, then you see it"
"""What the bottom line says where a prediction is asked for."""
_BAR: Final = 12
_DO: Final = "do"
_KEYS: Final = frozenset(key for action in LESSON_ACTIONS for key in action.keys)
_BITS: Final = f"{DIGITS[NAMES.index('bits')]} w"


class Key(NamedTuple):
    """A key, what it does here, and the action that a click on it does."""

    shown: str
    words: str
    action: str


class Asked(NamedTuple):
    """A task as it is shown: `told` is how the last check went, `hints` those that were seen, of `all_hints`."""

    task: Task
    answer: str
    is_passed: bool
    told: str
    hints: tuple[str, ...]
    folder: str


class Page(NamedTuple):
    """One step of a lesson, ready to be drawn."""

    lesson: str
    title: str
    body: str
    number: int
    steps: int
    passed: int
    tasks: int
    asked: Asked | None
    keys: tuple[Key, ...]


def page_of(study: Study) -> Page:
    """Return the page of the step where a student is."""
    step = study.step
    return Page(
        lesson=f"{study.lesson.name[:2]} {study.lesson.head.title}",
        title=step.title or study.lesson.head.title,
        body=step.body,
        number=study.index + 1,
        steps=len(study.steps),
        passed=study.passed,
        tasks=len(study.lesson.tasks),
        asked=None if study.task is None else _asked(study, study.task),
        keys=tuple(_keys(study)),
    )


def _asked(study: Study, task: Task) -> Asked:
    result, is_passed = study.results.get(task.name), study.has_passed(task)
    told = "" if result is None or is_passed else f"{result.status}: {result.earned:g} of {result.points:g} points"
    return Asked(
        task, answer_text(study.answers.get(task.name)), is_passed, told, study.hints(task), _near(study.folder)
    )


def _near(folder: Path) -> str:
    """Return a folder as one types it here: from where one stands, if that is shorter."""
    return min(os.path.relpath(folder), str(folder), key=len)


def answer_text(value: Value | None) -> str:
    """Write an answer; empty if there is none."""
    if isinstance(value, dict):
        return " ".join(f"{name}={number:#x}" for name, number in value.items())
    return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def _keys(study: Study) -> Iterator[Key]:
    """Give the keys that lead on from here, the best first."""
    task = study.task
    if task is not None and not study.has_passed(task):
        letters = f" or {', '.join(direct_choices(task))}" if task.choices else ""
        yield Key(f"d{letters}", "edit the file" if task.files else "answer", _DO)
        if any(name.partition(".")[0] in GROUPS for name in task.bits):
            yield Key(_BITS, "in the grid", f"{PANEL}bits")
        if task.files or task.bits:
            yield Key("k", "check", "check")
        yield Key("h", "hint", "hint")
        return
    if study.is_last and study.passed == len(study.lesson.tasks):
        if study.classroom.next_lesson(study.lesson) is None:
            yield Key("L", "all lessons: this was the last one", "lessons")
        else:
            yield Key("Enter", "the next lesson", "go_on")
    elif not study.is_last:
        yield Key("Enter", "on", "go_on")
    else:
        yield Key("Enter", "to the task that is open", "go_on")
        yield Key("L", "all lessons", "lessons")


def direct_choices(task: Task) -> tuple[str, ...]:
    """Return the choices whose letter answers on the page itself: those that are no key of lessons."""
    return tuple(letter for letter in task.choices if letter not in _KEYS)


class LessonPage(PagePanel):
    """Draws a page. `turned` is where its keys lead: 1 to the next step, -1 to the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.page: Page | None = None
        self.turned = 0

    def heading(self, view: View) -> str:
        """Name the lesson, and say which step of how many this is."""
        return self.title if self.page is None else f"{self.page.lesson}, {self.page.number} of {self.page.steps}"

    def following(self, _view: View) -> None:
        """Go to the next step."""
        self.turned = 1

    def preceding(self, _view: View) -> None:
        """Go to the step before."""
        self.turned = -1

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw the step, its task below, and the keys that lead on."""
        return super().lines(view, width, height, look) if self.page is None else self.early_lines(width, look)

    def early_lines(self, width: int, look: Look) -> list[Text]:
        """Draw the same: a text needs no machine."""
        page = self.page
        if page is None:
            return []
        room = max(width - 2, 8)
        made = [_progress(page, look), Text(), Text(page.title, look.style("title")), Text()]
        made += [*drawn(page.body, room, look), Text()]
        if page.asked is not None:
            made += [*_task(page.asked, room, look), Text()]
        made += key_lines(page.keys, look, room)
        return [_within(line, width) for line in made]


def _within(line: Text, width: int) -> Text:
    text = Text(" ") + line
    text.truncate(width, overflow="ellipsis")
    return text


def _progress(page: Page, look: Look) -> Text:
    glyphs = look.glyphs
    tasks = f" {page.passed} of {page.tasks} task{'s' * (page.tasks != 1)} passed"
    full = bar(page.passed / max(page.tasks, 1), _BAR, look)
    return Text.assemble(
        (full.replace(" ", glyphs.quiet), look.style("good")), (tasks, look.style("dim")),
        (f"  {glyphs.fine} the lesson is passed" if page.passed == page.tasks else "", look.style("good")),
    )  # fmt: skip


def key_lines(keys: Sequence[Key], look: Look, width: int) -> list[Text]:
    """Return keys with what they do, each to be clicked on; where a line is full, the next key begins another."""
    lines: list[Text] = []
    for key in keys:
        one = Text.assemble(
            (key.shown, look.style("key", press=key.action)), (f" {key.words}", look.style("dim", press=key.action))
        )
        if lines and lines[-1].cell_len + 2 + one.cell_len <= width:
            lines[-1].append("  ").append_text(one)
        else:
            lines += flowed(one, width)
    return lines


def _task(asked: Asked, width: int, look: Look) -> Iterator[Text]:
    """Give the task: what it asks, the answer that was given, how it was judged, and the hints that were seen."""
    task, glyphs = asked.task, look.glyphs
    mark = (glyphs.fine, look.style("good")) if asked.is_passed else (glyphs.live, look.style("key"))
    points = f"  {task.points} point{'s' * (task.points != 1)}{', passed' if asked.is_passed else ''}"
    head = Text.assemble(mark, " ", (task.title, look.style("strong")), (points, look.style("dim")))
    yield from flowed(head, width, 2)
    for text in asking(task, look):
        yield from _indented(text, width)
    if task.files:
        files = Text.assemble(("your files: ", look.style("dim")), (visible(asked.folder), look.style("code")))
        yield from _indented(files, width)
    if asked.answer:
        yield from _indented(Text.assemble(("your answer: ", look.style("dim")), asked.answer), width)
    if asked.told:
        told = Text.assemble((f"{glyphs.fault} {asked.told}", look.style("bad")), ("   f says why", look.style("dim")))
        yield from _indented(told, width)
    for number, hint in enumerate(asked.hints, 1):
        lead = Text(f"hint {number} of {len(task.hints)}: ", look.style("changed"))
        yield from _indented(lead + inline(hint, look), width)


def asking(task: Task, look: Look) -> Iterator[Text]:
    """Give what a task asks: its question and choices, or its files."""
    if task.question:
        yield inline(task.question, look)
    for letter, words in task.choices.items():
        yield Text.assemble((letter, look.style("key")), "  ", inline(words, look))
    if not task.question and not task.choices:
        yield from (inline(line, look) for line in KINDS[task.kind].asks(task))


def _indented(text: Text, width: int) -> Iterator[Text]:
    return (Text("  ") + line for line in flowed(text, max(width - 2, 8), 3 if text.plain[1:3] == "  " else 0))
