"""`arm-hyp lesson ...`: the course in plain lines.

Read `course/classroom.py` before this file, `cli/lesson_lines.py` (what is printed) and `cli/lesson_authors.py` (lint,
new) beside it.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from arm_hyp.cli import lesson_lines as lines
from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.lesson_authors import handout, lint_, new
from arm_hyp.course.classroom import Classroom, open_classroom
from arm_hyp.course.manifest import Lesson, Task
from arm_hyp.course.text import read_steps
from arm_hyp.errors import UserError

app = typer.Typer(add_completion=False)
app.command("lint")(lint_)
app.command("new")(new)
app.command("handout")(handout)

EXIT: Final = {"passed": 0, "failed": 1, "not graded": 3}
DirOption = Annotated[
    str, typer.Option("--dir", metavar="DIR", help="Your folder, if you are not in it. [default: here]")
]
LessonsOption = Annotated[str | None, typer.Option(metavar="DIR", help="Lessons, in place of those of your folder.")]
NameOption = Annotated[str | None, typer.Option("--lesson", "-l", metavar="NAME", help="[default: the current one]")]
SeedOption = Annotated[
    int | None, typer.Option(help="The guest's numbers vary with it. [default: another one each time]", min=0)
]
_SEEDS: Final = 10_000
_WAKE_MS: Final = 1000
"""So often is looked without being told of a save: not every file system tells."""


def _opened(folder: str, lessons: str | None) -> Classroom:
    classroom = open_classroom(Path(folder), lessons)
    kept = classroom.workspace.kept
    if kept is not None:
        print(f"arm-hyp: what you had done cannot be read, and begins anew; it is kept as {kept}", file=sys.stderr)
    return classroom


@app.callback()
def lesson() -> None:
    """Work through the course: lessons with tasks that the real machine checks."""


@app.command("list")
def list_(folder: DirOption = ".", lessons: LessonsOption = None, as_json: JsonOption = False) -> None:
    """List the lessons, and how far you are in each."""
    standings = _opened(folder, lessons).standings()
    if as_json:
        lines.print_json([standing._asdict() | {"is_passed": standing.is_passed} for standing in standings])
    else:
        lines.print_lines(lines.standings(standings))


@app.command()
def start(
    name: Annotated[str, typer.Argument(metavar="LESSON", help="Its name or number.")],
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Begin a lesson, or go back to it: what it starts with is copied into your folder, if it is not there."""
    classroom = _opened(folder, lessons)
    _begin(classroom, classroom.lesson(name))


@app.command("next")
def next_(folder: DirOption = ".", lessons: LessonsOption = None) -> None:
    """Begin the lesson behind the current one."""
    classroom = _opened(folder, lessons)
    following = classroom.next_lesson(_here(classroom, folder))
    if following is None:
        print("this was the last lesson")
    else:
        _begin(classroom, following)


def _begin(classroom: Classroom, lesson: Lesson) -> None:
    made = classroom.begin(lesson)
    lines.print_lines(lines.begun(lesson, classroom.workspace.of(lesson), made))


def _here(classroom: Classroom, folder: str) -> Lesson:
    return classroom.at(Path.cwd() if folder == "." else Path(folder))


def _chosen(classroom: Classroom, folder: str, name: str | None) -> Lesson:
    return _here(classroom, folder) if name is None else classroom.lesson(name)


@app.command()
def show(
    step: Annotated[
        int | None, typer.Argument(metavar="[STEP]", help="Only this step; another lesson by -l.", min=1)
    ] = None,
    name: NameOption = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Print the text of a lesson, and its tasks."""
    classroom = _opened(folder, lessons)
    chosen = _chosen(classroom, folder, name)
    steps = read_steps(chosen)
    if step is not None and step > len(steps):
        raise UserError(f"step {step}", "there is no such step", f"{chosen.name} has {len(steps)}")
    lines.print_text(chosen, steps if step is None else steps[step - 1 : step])


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="[default: all]")] = None,
    name: NameOption = None,
    seed: SeedOption = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check what you have done. What fails is told with its place in the run, and the run is kept in runs/.

    Exit status: 0 passed, 1 failed, 2 bad input, 3 not graded: the computer was too slow, or could not run it.
    """
    classroom = _opened(folder, lessons)
    chosen = _chosen(classroom, folder, name)
    if not classroom.workspace.of(chosen).is_dir():
        classroom.begin(chosen)
    result = classroom.check(chosen, seed=_drawn(seed), tasks=names or None)
    if as_json:
        lines.print_json(lines.plain(result))
    else:
        lines.print_lines(lines.result(classroom, chosen, result))
    raise typer.Exit(EXIT[result.status])


@app.command()
def hint(
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="[default: the next one to do]")] = None,
    name: NameOption = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Give a hint for a task; each time a plainer one."""
    classroom = _opened(folder, lessons)
    chosen = _chosen(classroom, folder, name)
    found = classroom.hint(chosen, _task(classroom, chosen, task))
    lines.print_lines([f"{found.task}, hint {found.number} of {found.of}: {found.text}"])


def _drawn(seed: int | None) -> int:
    return secrets.randbelow(_SEEDS) if seed is None else seed


def _task(classroom: Classroom, lesson: Lesson, name: str | None) -> Task:
    return classroom.next_task(lesson) if name is None else lesson.task(name)


@app.command()
def answer(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Which task.")],
    value: Annotated[list[str], typer.Argument(metavar="VALUE...", help="A choice, a text, or NAME=NUMBER...")],
    name: NameOption = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Answer a task: it is written to answers.toml, and checked."""
    classroom = _opened(folder, lessons)
    chosen = _chosen(classroom, folder, name)
    classroom.answer(chosen, chosen.task(task), value)
    result = classroom.check(chosen, tasks=[task])
    lines.print_lines(lines.result(classroom, chosen, result))
    raise typer.Exit(EXIT[result.status])


@app.command()
def reset(
    name: Annotated[str | None, typer.Argument(metavar="[LESSON]", help="[default: the current one]")] = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Put back what a lesson starts with. What you had is kept beside it, as FILE.kept-N."""
    classroom = _opened(folder, lessons)
    chosen = _chosen(classroom, folder, name)
    kept = classroom.reset(chosen)
    print(f"{chosen.name} is as it starts")
    for path in kept:
        print(f"what you had is kept: {path}")


@app.command()
def solution(
    name: Annotated[str | None, typer.Argument(metavar="[LESSON]", help="[default: the current one]")] = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Show the solution, after passing, or after asking twice."""
    classroom = _opened(folder, lessons)
    for file, text in classroom.solution(_chosen(classroom, folder, name)).items():
        print(f"--- {file}\n{text}")


@app.command()
def watch(
    name: NameOption = None,
    seed: SeedOption = None,
    folder: DirOption = ".",
    lessons: LessonsOption = None,
) -> None:
    """Check at every save, until Ctrl-C, or until the lesson is passed."""
    from watchfiles import watch as changes  # here: nothing else needs it

    from arm_hyp.course.watching import watch_lesson

    classroom = _opened(folder, lessons)
    chosen = _chosen(classroom, folder, name)
    classroom.begin(chosen)
    place = classroom.workspace.of(chosen)
    print(f"watching {place}; Ctrl-C ends it", flush=True)
    wakes = changes(place, debounce=50, step=20, rust_timeout=_WAKE_MS, yield_on_timeout=True, raise_interrupt=True)
    for result in watch_lesson(classroom, chosen, wakes, seed=_drawn(seed)):
        lines.print_lines(lines.result(classroom, chosen, result))
