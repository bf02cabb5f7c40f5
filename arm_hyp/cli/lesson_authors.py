"""`arm-hyp lesson lint`, `new` and `handout`: for those who write lessons, and teach with them.

Read `course/lint.py`, `course/new.py` and `course/handout.py` before this file.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer.main import get_group

from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.lesson_lines import print_json
from arm_hyp.course.catalogue import Catalogue, open_catalogue
from arm_hyp.course.files import put
from arm_hyp.course.new import make_lesson
from arm_hyp.errors import UserError

if TYPE_CHECKING:
    from arm_hyp.course.lint import Known

FAILED: Final = 1


def lint_(
    names: Annotated[list[str] | None, typer.Argument(metavar="[LESSON]...", help="[default: all]")] = None,
    lessons: Annotated[
        str | None, typer.Option(metavar="DIR", help="Your lessons. [default: those that ship with arm-hyp]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with lessons: every start must fail, every solution pass, every mutant be told its mistake.

    LESSON is a name in the course, or a folder. Exit status: 0 if nothing is wrong, 1 if something is.
    """
    from arm_hyp.course.lint import lint  # here: it runs machines, and other commands of the group start without

    found = {str(folder): [*lint(folder, known(), order)] for folder, order in _chosen(names or [], lessons)}
    if as_json:
        print_json(found)
    for folder, problems in () if as_json else found.items():
        print(f"{Path(folder).name}: {'nothing is wrong' if not problems else ''}".rstrip())
        for problem in problems:
            print(f"  {problem}")
    raise typer.Exit(FAILED if any(found.values()) else 0)


def _chosen(names: list[str], lessons: str | None) -> list[tuple[Path, tuple[str, ...]]]:
    """Return folders of lessons, each with the names of its course in order. Raises: UserError."""
    folders = [Path(name) for name in names if Path(name, "lesson.toml").is_file()]
    others = [name for name in names if Path(name) not in folders]
    made: list[tuple[Path, tuple[str, ...]]] = [
        (each.resolve(), Catalogue(each.resolve().parent).names) for each in folders
    ]
    if others or not names:
        course = open_catalogue(lessons)
        made += [(course.folder / name, course.names) for name in map(course.full_name, others or course.names)]
    return made


def known() -> Known:
    """Return the keys, panels and commands of this program, and how steps are drawn."""
    from arm_hyp.cli.lesson_snapshots import snapshot_problems  # here: only lint needs these
    from arm_hyp.course.lint import Known
    from arm_hyp.tui.keys import known_keys
    from arm_hyp.tui.panels.catalogue import NAMES

    return Known(known_keys(), frozenset(NAMES), is_command, snapshot_problems)


def is_command(words: Sequence[str]) -> bool:
    """Tell whether the first of some words behind `arm-hyp` is a command, and in a group the second."""
    from arm_hyp.cli.main import COMMANDS  # here: it imports this module by name

    command = COMMANDS.get(words[0])
    if command is None or not command.is_group or len(words) == 1 or words[1].startswith("-"):
        return command is not None
    group = get_group(importlib.import_module(command.module).app)
    try:
        group.resolve_command(typer.Context(group), list(words[1:]))
    except typer.TyperException:
        return False
    return True


def handout(
    name: Annotated[str, typer.Argument(metavar="LESSON", help="Its name or number.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page. [default: LESSON.html]")
    ] = "",
    lessons: Annotated[
        str | None, typer.Option(metavar="DIR", help="Your lessons. [default: those that ship with arm-hyp]")
    ] = None,
) -> None:
    """Write a lesson as a page to print, in HTML: its text and tasks, without hints and answers."""
    from arm_hyp.course.handout import handout as page_of  # here: nothing else makes pages

    chosen = open_catalogue(lessons).lesson(name)
    path = Path(output or f"{chosen.name}.html")
    put(path, page_of(chosen).encode())
    print(path)


def new(
    name: Annotated[str, typer.Argument(metavar="NN-NAME", help="The folder of the new lesson; it must not be there.")],
) -> None:
    """Begin a lesson of your own: a folder with a task that works, to be changed."""
    folder = Path(name).expanduser()
    try:
        made = make_lesson(folder)
    except OSError as error:
        raise UserError(str(folder), f"cannot be made: {error.strerror}") from None
    for path in made:
        print(path)
    print(f"next: arm-hyp lesson lint {folder}")
