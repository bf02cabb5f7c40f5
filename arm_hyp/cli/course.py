"""`arm-hyp` alone, in a terminal: the course, where the student was last.

Read `tui/lessons/app.py` and `course/classroom.py` before this file; `cli/lesson.py` is the same in plain lines.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from arm_hyp.cli.run_options import one_of
from arm_hyp.cli.tui import THEMES, has_screen, has_unicode
from arm_hyp.course.catalogue import open_catalogue
from arm_hyp.course.classroom import Classroom
from arm_hyp.course.files import write_whole
from arm_hyp.course.manifest import Lesson
from arm_hyp.course.progress import PROGRESS
from arm_hyp.course.workspace import Workspace
from arm_hyp.errors import UserError

app = typer.Typer(add_completion=False)

FOLDER: Final = "arm-hyp-course"
"""The folder that is offered to be made."""
_REMEMBERED: Final = "course-folder"


@app.command()
def course(
    folder: Annotated[
        str | None, typer.Option("--dir", metavar="DIR", help="Your folder. [default: here, or where you were last]")
    ] = None,
    lesson: Annotated[
        str | None, typer.Option("--lesson", "-l", metavar="NAME", help="[default: where you were]")
    ] = None,
    lessons: Annotated[
        str | None, typer.Option(metavar="DIR", help="Lessons, in place of those of your folder.")
    ] = None,
    theme: Annotated[str | None, typer.Option(help="dark, light, projector or mono (no colours).")] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII alone.")] = False,
    reduced_motion: Annotated[bool, typer.Option("--reduced-motion", help="Nothing moves by itself.")] = False,
) -> None:
    """Open the course in the terminal, where you were last: texts, tasks, and the run beside them.

    Without a terminal: arm-hyp lesson has the same in plain lines.
    """
    chosen = None if theme is None else one_of("--theme", theme, THEMES, "theme")
    if not has_screen():
        raise UserError("arm-hyp course", "there is no terminal", "run it in one, or use arm-hyp lesson")
    classroom = _opened(folder, lessons)
    remember(classroom.workspace.folder)
    raise typer.Exit(_show(classroom, classroom.lesson(lesson), chosen, ascii_only, not reduced_motion))


def _show(classroom: Classroom, lesson: Lesson, theme: str | None, ascii_only: bool, has_motion: bool) -> int:
    from arm_hyp.tui.app import Options  # here: who is asked for a folder first needs no screen yet
    from arm_hyp.tui.lessons.app import LessonApp
    from arm_hyp.tui.lessons.study import Study
    from arm_hyp.tui.look import ASCII, PALETTES, UNICODE, Look

    chosen = theme or ("mono" if os.environ.get("NO_COLOR") else "dark")
    look = Look(PALETTES[chosen], ASCII if ascii_only or not has_unicode() else UNICODE, has_motion)
    screen = LessonApp(Study(classroom, lesson), Options(look=look))
    screen.run()
    if screen.failure is not None:
        raise screen.failure
    print(f"your work is in {classroom.workspace.folder}; arm-hyp goes on where you were")
    return screen.return_code or 0


def _opened(folder: str | None, lessons: str | None) -> Classroom:
    where = str(Path(lessons).expanduser().resolve()) if lessons else ""
    found = Path(folder).expanduser() if folder is not None else known_folder(Path.cwd())
    workspace = Workspace.make((found or asked_for()).absolute(), where)
    return Classroom(open_catalogue(where or workspace.progress.lessons), workspace)


def known_folder(here: Path) -> Path | None:
    """Return the student's folder: the one that one stands in, the one offered there, or the one of last time."""
    offered = here / FOLDER
    remembered = [Path(line) for line in _remembered()]
    places = (*(here, *here.parents), offered, *remembered)
    return next((place for place in places if (place / PROGRESS).is_file()), None)


def asked_for() -> Path:
    """Ask where the student's work is to be. Raises: UserError."""
    print("Welcome. This course keeps your work in a folder: what you write there, and how far you are.")
    try:
        given = input(f"Enter makes ./{FOLDER}, or type another name: ").strip()
    except EOFError:
        raise UserError("the folder of your work", "nothing was said", "name one with --dir DIR") from None
    return Path(given or FOLDER).expanduser()


def _config_file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "arm-hyp" / _REMEMBERED


def _remembered() -> list[str]:
    try:
        return _config_file().read_text(encoding="utf-8").splitlines()[:1]
    except (OSError, ValueError):
        return []


def remember(folder: Path) -> None:
    """Remember where the student was; where nothing can be written, it is not."""
    try:
        write_whole(_config_file(), f"{folder}\n".encode())
    except OSError:
        return
