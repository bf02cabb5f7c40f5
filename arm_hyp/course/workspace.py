"""The student's folder: copies of what each lesson starts with, where their editor is.

Read `course/progress.py` and `course/build.py` before this file, `course/classroom.py` after it. Nothing of the
student's is ever overwritten: what would be is kept as FILE.kept-N.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from arm_hyp.course.build import INCLUDE, SEED_FILE, drawn, seed_text
from arm_hyp.course.files import put, read_text
from arm_hyp.course.manifest import DEFAULT_SEED, MACHINE, START, Lesson
from arm_hyp.course.progress import PROGRESS, Progress, keep_damaged, read_progress, write_progress
from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory

RUNS: Final = "runs"
"""Where recordings of failed checks are, in a lesson's folder."""
_IGNORED: Final = ("__pycache__",)


class Workspace:
    """A student's folder. `progress` is what was done there, and `kept` a file that said so and is damaged, or None."""

    def __init__(self, folder: Path) -> None:
        """Open a folder. Raises: UserError if it is none of ours."""
        self.kept = keep_damaged(folder)
        self.folder, self.progress = folder, read_progress(folder)

    @classmethod
    def make(cls, folder: Path, lessons: str = "") -> Workspace:
        """Make a folder, or open it where it is one already. Raises: UserError, OSError."""
        if folder.exists() and not folder.is_dir():
            raise UserError(str(folder), "is a file", "name a folder")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / PROGRESS).exists():
            write_progress(folder, Progress(lessons=lessons))
        return cls(folder)

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """Return the folder that `start` is, or lies in. Raises: UserError."""
        for folder in (start.absolute(), *start.absolute().parents):
            if (folder / PROGRESS).is_file():
                return cls(folder)
        raise UserError(
            str(start.absolute()),
            "is no folder of the course",
            "make one: arm-hyp init DIR; then go there, or --dir DIR",
        )

    def save(self) -> None:
        """Keep what was done. Raises: OSError."""
        write_progress(self.folder, self.progress)

    @contextmanager
    def changing(self) -> Iterator[Progress]:
        """Give what was done as the file has it now, to be changed and kept. Raises: UserError, OSError.

        Another terminal may have written it since this folder was opened.
        """
        self.kept = keep_damaged(self.folder) or self.kept
        self.progress = read_progress(self.folder)
        yield self.progress
        self.save()

    def of(self, lesson: Lesson) -> Path:
        """Return the folder of a lesson."""
        return self.folder / lesson.name

    def runs(self, lesson: Lesson) -> Path:
        """Return the folder of the recordings of a lesson's failed checks."""
        return self.of(lesson) / RUNS

    def begin(self, lesson: Lesson) -> list[str]:
        """Copy what a lesson starts with, where it is not there yet; return what was copied.

        Raises: UserError, OSError.
        """
        target, made = self.of(lesson), []
        if target.exists() and not target.is_dir():
            raise UserError(str(target), "is a file, and the lesson needs a folder of this name", "rename the file")
        for name, data in _started(lesson).items():
            if not (target / name).exists():
                put(target / name, data)
                made.append(name)
        self._put_machine(lesson)
        return made

    def reset(self, lesson: Lesson) -> list[Path]:
        """Put back what a lesson starts with; return the files that were kept beside it. Raises: OSError."""
        kept = [put(self.of(lesson) / name, data) for name, data in _started(lesson).items()]
        answers = self.of(lesson) / "answers.toml"
        if answers.exists():
            kept.append(put(answers, b""))
        self._put_machine(lesson)
        return [path for path in kept if path is not None]

    def _put_machine(self, lesson: Lesson) -> None:
        """Copy the lesson's guest beside the student's files, to be read and run; checks take the lesson's own."""
        target, machine = self.of(lesson), lesson.folder / MACHINE
        if not machine.is_dir():
            return
        shutil.copytree(guests_directory() / INCLUDE, target / INCLUDE, dirs_exist_ok=True)
        for path in _files(machine):
            if not (target / path.relative_to(machine)).exists():
                put(target / path.relative_to(machine), path.read_bytes())
        numbers = {name: number for task in lesson.tasks for name, number in drawn(lesson, task, DEFAULT_SEED).items()}
        if not (target / SEED_FILE).exists():
            put(target / SEED_FILE, seed_text(numbers, DEFAULT_SEED).encode())


def _started(lesson: Lesson) -> dict[str, bytes]:
    """Return what a lesson starts with: files by name, its text with them."""
    start = lesson.folder / START
    files = {str(path.relative_to(start)): path.read_bytes() for path in _files(start)} if start.is_dir() else {}
    return files | {"text.md": read_text(lesson.text, "a lesson has a text").encode()}


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if not set(path.parts) & set(_IGNORED)]
