"""What a student has done: kept as a file in the folder of their copies.

Read `course/files.py` before this file, `course/workspace.py` after it. The file decides nothing about points: grading
checks anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from arm_hyp.course.files import put, write_whole
from arm_hyp.errors import UserError

PROGRESS: Final = "arm-hyp-course.json"
_VERSION: Final = 1
_DAMAGES: Final = (ValueError, RecursionError)
"""What reading a damaged file raises: msgspec's errors are ValueErrors."""


class Progress(msgspec.Struct, kw_only=True):
    """`lessons` is the folder of the course, "" for the program's own. `current` is the lesson that is worked on.

    `passed` has the tasks by lesson, `hints` how many were shown by "LESSON/TASK", `asked` how often the solution was
    asked for, `step` where the text was left, by lesson. `earned` has the points of the last check by "LESSON/TASK".
    """

    version: int = _VERSION
    lessons: str = ""
    current: str = ""
    passed: dict[str, list[str]] = {}
    hints: dict[str, int] = {}
    asked: dict[str, int] = {}
    step: dict[str, int] = {}
    earned: dict[str, float] = {}


def read_progress(folder: Path) -> Progress:
    """Return what was done, nothing if the file is damaged. Raises: UserError."""
    path = folder / PROGRESS
    try:
        made = msgspec.json.decode(path.read_bytes(), type=Progress)
    except OSError as error:
        cause = (error.strerror or "cannot be read").lower()
        raise UserError(str(path), cause, "arm-hyp init DIR makes a folder for your work") from None
    except _DAMAGES:
        return Progress()
    if made.version > _VERSION:
        raise UserError(str(path), "is of a later arm-hyp", "install a newer arm-hyp")
    return made


def keep_damaged(folder: Path) -> Path | None:
    """Put a damaged file aside, and begin a new one; return where it is kept, None if it was sound. Raises: OSError."""
    path = folder / PROGRESS
    try:
        msgspec.json.decode(path.read_bytes(), type=Progress)
    except OSError:
        return None
    except _DAMAGES:
        return put(path, msgspec.json.encode(Progress()))
    return None


def write_progress(folder: Path, progress: Progress) -> None:
    """Keep what was done. Raises: OSError."""
    write_whole(folder / PROGRESS, msgspec.json.format(msgspec.json.encode(progress), indent=1) + b"\n")
