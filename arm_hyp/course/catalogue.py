"""A course: a folder of lessons, and `course.toml` if its teacher chose which, in which order, for how many points.

Read `course/manifest.py` before this file, `course/classroom.py` after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from arm_hyp.course.files import read_toml, typed
from arm_hyp.course.manifest import MANIFEST, Lesson, is_lesson_name, read_lesson
from arm_hyp.errors import UserError
from arm_hyp.resources import lessons_directory

COURSE: Final = "course.toml"


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `course.toml` says. `points` is what a lesson is worth, or one of its tasks as "LESSON/TASK"."""

    title: str = ""
    lessons: tuple[str, ...] = ()
    points: dict[str, float] = {}


class Catalogue:
    """The lessons of a course, in order. A lesson is read when it is asked for: a broken one hides no other."""

    def __init__(self, folder: Path) -> None:
        """Find the lessons in a folder. Raises: UserError."""
        self.folder = folder
        if not folder.is_dir():
            raise UserError(str(folder), "is no folder of lessons", "name one with --lessons DIR")
        path = folder / COURSE
        self.selection = typed(path, read_toml(path), Selection) if path.exists() else Selection()
        self.names = self.selection.lessons or _found(folder)
        if not self.names:
            raise UserError(str(folder), "has no lessons", f"each is a folder NN-name with a {MANIFEST}")
        self._check()

    def _check(self) -> None:
        path = self.folder / COURSE
        for name in self.names:
            if not is_lesson_name(name) or not (self.folder / name).is_dir():
                raise UserError(f"{path}: lessons: {name}", "there is no such lesson", _near(name, _found(self.folder)))
        for name, points in self.selection.points.items():
            if name.partition("/")[0] not in self.names:
                raise UserError(f"{path}: points: {name}", "is no lesson of this course", _near(name, self.names))
            if not 0 < points < 1 << 20:
                raise UserError(f"{path}: points: {name}", f"{points} is no number of points")

    def full_name(self, name: str) -> str:
        """Return a lesson's name by its number, or by its name without the number. Raises: UserError."""
        found = [each for each in self.names if name in (each, each[:2], each[3:]) or f"{name:0>2}" == each[:2]]
        if len(found) != 1:
            raise UserError(f"lesson {name}", "there is no such lesson", _near(name, self.names))
        return found[0]

    def lesson(self, name: str) -> Lesson:
        """Return a lesson, by any form of its name. Raises: UserError."""
        return read_lesson(self.folder / self.full_name(name))

    def points(self, lesson: Lesson) -> Mapping[str, float]:
        """Return what each task of a lesson is worth in this course."""
        chosen = self.selection.points
        factor = chosen.get(lesson.name, lesson.points) / lesson.points
        return {
            task.name: chosen.get(f"{lesson.name}/{task.name}", round(task.points * factor, 2)) for task in lesson.tasks
        }


def open_catalogue(folder: str | None = None) -> Catalogue:
    """Return the course of a folder, or the one that ships with the program. Raises: UserError."""
    return Catalogue(lessons_directory() if not folder else Path(folder).expanduser())


def _found(folder: Path) -> tuple[str, ...]:
    inside = (each.name for each in folder.iterdir() if (each / MANIFEST).is_file())
    return tuple(sorted(name for name in inside if is_lesson_name(name)))


def _near(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
