"""`arm-hyp init DIR`: a folder for a student's work, where their editor is.

Read `course/workspace.py` before this file.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from arm_hyp.course.catalogue import open_catalogue
from arm_hyp.course.classroom import Classroom
from arm_hyp.course.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def init(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Your folder; it is made if it is not there.")],
    lessons: Annotated[
        str, typer.Option(metavar="DIR", help="Your teacher's lessons, in place of those that ship with arm-hyp.")
    ] = "",
) -> None:
    """Make a folder for your work, with a copy of what the first lesson starts with.

    In a folder that is one already only what is missing is copied. Nothing in it is overwritten.
    """
    where = str(Path(lessons).expanduser().resolve()) if lessons else ""
    course = open_catalogue(where)
    workspace = Workspace.make(Path(folder).expanduser(), where)
    if lessons:
        workspace.progress.lessons = where
    classroom = Classroom(course, workspace)
    lesson = classroom.current
    classroom.begin(lesson)
    print(f"{workspace.of(lesson)}: {lesson.head.title}")
    print(f"next: cd {shlex.quote(str(Path(folder) / lesson.name))}, then arm-hyp lesson show")
