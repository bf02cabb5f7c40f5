"""What a run of a check is made of: the lesson's guest, the student's files and this check's numbers, in one folder.

Read `course/machine_table.py` before this file, `course/judge.py` after it.

A student's file counts only where a task names it in `files`; all else is the lesson's own, whatever lies in the
student's folder. Numbers that vary are symbols in `seed.inc`, which the guest includes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from arm_hyp.course.files import read_inside
from arm_hyp.course.manifest import MACHINE, Lesson, Task
from arm_hyp.resources import guests_directory

SEED_FILE: Final = "seed.inc"
INCLUDE: Final = "include"


def drawn(lesson: Lesson, task: Task, seed: int) -> dict[str, int]:
    """Return the value of each symbol of a task, the same for a seed on every machine and in every version.

    A symbol has one value in all tasks of a lesson: a student's folder has one `seed.inc`.
    """
    first = {name: each.name for each in reversed(lesson.tasks) for name in each.seed}
    return {name: _draw(f"{seed} {first[name]} {name}", *limits) for name, limits in task.seed.items()}


def _draw(text: str, low: int, high: int) -> int:
    return low + int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") % (high - low + 1)


def seed_text(values: Mapping[str, int], seed: int) -> str:
    """Return the text of `seed.inc`."""
    return f"// seed {seed}\n" + "".join(f"        .equ {name}, {value:#x}\n" for name, value in values.items())


class Build:
    """A private folder with all files of a run. Close it, or use it in `with`."""

    def __init__(self, lesson: Lesson, task: Task, submission: Path, seed: int) -> None:
        """Put the files there. Raises: UserError if one of the student's is not there or cannot be read."""
        self._kept = tempfile.TemporaryDirectory(prefix="arm-hyp-check-")
        self.folder = Path(self._kept.name).resolve()
        try:
            put_machine(lesson, self.folder)
            self.put(SEED_FILE, seed_text(drawn(lesson, task, seed), seed))
            for name, text in student_files(lesson, task, submission):
                self.put(name, text)
        except BaseException:
            self.close()
            raise

    def put(self, name: str, text: str | bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def shown(self, text: str) -> str:
        """Return a text with the student's names of files in place of those here."""
        return text.replace(f"{self.folder}/", "").replace(str(self.folder), ".")

    def close(self) -> None:
        """Remove the folder."""
        self._kept.cleanup()

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def put_machine(lesson: Lesson, folder: Path) -> None:
    """Copy a lesson's own guest, and what guests share, into a folder."""
    shutil.copytree(guests_directory() / INCLUDE, folder / INCLUDE, dirs_exist_ok=True)
    if (lesson.folder / MACHINE).is_dir():
        shutil.copytree(lesson.folder / MACHINE, folder, dirs_exist_ok=True)


def student_files(lesson: Lesson, task: Task, submission: Path) -> Iterable[tuple[str, str]]:
    """Give the student's files of a task with their texts. Raises: UserError."""
    way_out = f"if it was deleted or renamed: arm-hyp lesson reset {lesson.name}"
    return [(name, read_inside(submission, name, way_out)) for name in task.files]
