"""What is wrong with a lesson: for authors, and for the tests, which lint every lesson that ships.

Read `course/manifest.py` and `course/text.py` before this file, `course/lint_runs.py` (what needs runs) after it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.course.checks import read_checks
from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.lint_runs import run_problems
from arm_hyp.course.manifest import Lesson, Task, read_lesson
from arm_hyp.course.text import Step, commands_in, keys_in, read_steps, words_in
from arm_hyp.errors import UserError
from arm_hyp.timeline.conditions import parse_condition
from arm_hyp.timeline.position import parse_position

LEAST_HINTS: Final = 3
WORDS: Final = range(300, 901)
_REFERENCE: Final = re.compile(
    r"(DDI|IHI|DEN|DUI) ?[0-9]{4}[A-Z.a-z]*, ([A-Z]?[0-9]+(?:\.[0-9]+)*|[A-Z][A-Z0-9_]*): \S.*"
)
_REGISTER: Final = re.compile(r"[A-Z0-9_]+_EL[0-3]")
_TEACHING: Final = ("predict", "quiz")


IsCommand = Callable[[Sequence[str]], bool]
Snapshots = Callable[[Lesson, Sequence[Step]], Iterator[str]]


class Known(NamedTuple):
    """What a text may mention: keys, panels, and commands, as words behind `arm-hyp`.

    `snapshots` draws each step as students see it, and gives what is wrong with that.
    """

    keys: frozenset[str] = frozenset()
    panels: frozenset[str] = frozenset()
    is_command: IsCommand = lambda words: True
    snapshots: Snapshots = lambda lesson, steps: iter(())


def lint(folder: Path, known: Known, names: Sequence[str] = (), seeds: Sequence[int] = (0, 1, 2)) -> Iterator[str]:
    """Give all that is wrong with a lesson, in words. `names` are the lessons of the course, in order."""
    try:
        lesson = read_lesson(folder)
        steps = read_steps(lesson)
        found = [*_problems(lesson, steps, known, names)]
        yield from found
        yield from run_problems(lesson, steps, seeds)
        yield from known.snapshots(lesson, steps)
    except UserError as error:
        yield str(error)


def _problems(lesson: Lesson, steps: tuple[Step, ...], known: Known, names: Sequence[str]) -> Iterator[str]:
    yield from _head(lesson, names)
    for task in lesson.tasks:
        yield from (f"task {task.name}: {problem}" for problem in _task(task))
    yield from _seeds(lesson)
    yield from _points(lesson)
    yield from _text(lesson, steps, known)


def _head(lesson: Lesson, names: Sequence[str]) -> Iterator[str]:
    if not lesson.head.references:
        yield "references: names no section of an Arm document"
    for reference in lesson.head.references:
        yield from _reference(reference)
    before = names[: names.index(lesson.name)] if lesson.name in names else ()
    for needed in lesson.head.needs:
        if needed not in before:
            yield f"needs: {needed} is no lesson before this one"
    if len({task.kind for task in lesson.tasks}) == 1:
        yield "all tasks are of one kind; mix two"


def _seeds(lesson: Lesson) -> Iterator[str]:
    """Give the symbols to which tasks give different ranges: a student's `seed.inc` can hold one number for each."""
    ranges = {(name, limits) for task in lesson.tasks for name, limits in task.seed.items()}
    for name, count in sorted(Counter(name for name, _ in ranges).items()):
        if count > 1:
            yield f"seed: {name} has {count} ranges; give each task a symbol of its own, or all the same range"


def _reference(text: str) -> Iterator[str]:
    """Give what is wrong with a reference: its form, or a register that there is not."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        yield f"references: {text!r} is not as 'DDI 0487, HCR_EL2: TITLE' or 'DDI 0487, D1.3: TITLE'"
    elif _REGISTER.fullmatch(match[2]) and not _is_register(match[2]):
        yield f"references: there is no register {match[2]}"


def _is_register(name: str) -> bool:
    try:
        sysregs.by_name(name)
    except KeyError:
        return False
    return True


def _task(task: Task) -> Iterator[str]:
    yield from KINDS[task.kind].mistakes(task)
    hints = [hint.strip() for hint in task.hints]
    if len(hints) < LEAST_HINTS or "" in hints or len(set(hints)) < len(hints):
        yield f"hints: {LEAST_HINTS} different ones are needed, each plainer"
    if task.kind in _TEACHING and len(task.why) < len(task.choices) - 1:
        yield "why: says not of every wrong choice what is wrong with it"


def _points(lesson: Lesson) -> Iterator[str]:
    for name, checks in read_checks(lesson).items():
        points = sum(check.points for check in checks)
        if points != lesson.task(name).points:
            yield f"task {name}: its checks are worth {points}, and it says {lesson.task(name).points}"


# --- the text ---------------------------------------------------------------------------------------------------------


def _text(lesson: Lesson, steps: tuple[Step, ...], known: Known) -> Iterator[str]:
    text = "\n".join(step.body for step in steps)
    count = words_in(text)
    if count not in WORDS:
        yield f"text.md: has {count} words; {WORDS.start} to {WORDS.stop - 1} are right"
    yield from _tasks_in(lesson, steps)
    for step in steps:
        yield from (f"text.md: {step.title}: {problem}" for problem in _step(lesson, step, known))
    hints = [hint for task in lesson.tasks for hint in (*task.hints, task.question)]
    yield from _mentions("\n".join((text, *hints)), known)


def _tasks_in(lesson: Lesson, steps: tuple[Step, ...]) -> Iterator[str]:
    named = [step.task for step in steps]
    for task in lesson.tasks:
        if named.count(task.name) != 1:
            yield f"text.md: @task {task.name} is there {named.count(task.name)} times"


def _step(lesson: Lesson, step: Step, known: Known) -> Iterator[str]:
    names = [task.name for task in lesson.tasks]
    for directive, name in (("task", step.task), ("run", step.run)):
        if name and name not in names:
            yield f"@{directive} {name}: there is no such task"
    if step.go and not (step.task or step.run):
        yield f"@go {step.go}: say in whose run, by @task or @run"
    if step.go and not _is_place(step.go):
        yield f"@go {step.go}: is no position and no condition"
    if step.panel and known.panels and step.panel not in known.panels:
        yield f"@panel {step.panel}: there is no such panel"


def _is_place(text: str) -> bool:
    return text in ("start", "end") or _parses(parse_position, text) or _parses(parse_condition, text)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except UserError:
        return False
    return True


def _mentions(text: str, known: Known) -> Iterator[str]:
    """Give the keys and commands that are mentioned and do not exist."""
    for key in keys_in(text):
        if known.keys and key not in known.keys:
            yield f"mentions the key {key}, which does nothing"
    for words in commands_in(text):
        if words and not words[0].startswith("-") and not known.is_command(words):
            wrong = words[:2] if known.is_command(words[:1]) else words[:1]
            yield f"mentions arm-hyp {' '.join(wrong)}, which is no command"
