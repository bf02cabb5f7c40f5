"""The machine of a task, with what its student answered: for checks, and for whoever shows it.

Read `course/machine_table.py` and `course/kinds/kind.py` before this file, `course/judge.py` after it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from arm_hyp.course.answers import Value
from arm_hyp.course.kinds.kind import Change
from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.machine_table import configuration
from arm_hyp.course.manifest import Lesson, Task
from arm_hyp.runner.configuration import Configuration

_WORD_FILE: Final = ".word-{:x}.bin"


def is_answered_by_value(task: Task) -> bool:
    """Tell whether the machine of a task depends on its answer in answers.toml."""
    return KINDS[task.kind].has_answer and not task.files


def has_machine(lesson: Lesson, task: Task) -> bool:
    """Tell whether there is anything to run for a task."""
    return bool(lesson.machine or task.machine)


def configured(lesson: Lesson, task: Task, folder: Path, answer: Value | None) -> Configuration:
    """Return the machine of a task, whose files lie in a folder, with an answer in it if there is one.

    Raises: UserError, for a machine that cannot be made, or an answer that is none.
    """
    change = Change() if answer is None else KINDS[task.kind].change(task, answer)
    made = configuration(lesson.machine | task.machine, folder)
    loads = tuple(f"{address:#x}={_word_file(folder, address, word)}" for address, word in change.words)
    return replace(made, settings=(*made.settings, *change.settings), loads=(*made.loads, *loads))


def _word_file(folder: Path, address: int, word: int) -> Path:
    path = folder / _WORD_FILE.format(address)
    path.write_bytes(struct.pack("<Q", word))
    return path
