"""`answers.toml`: what a student answers where no source text does: a value for each task, by its name.

Read `course/files.py` before this file, `course/kinds/` after it. The program writes it; it may be edited by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from arm_hyp.course.files import read_inside, read_toml, write_whole
from arm_hyp.course.manifest import ANSWERS
from arm_hyp.errors import UserError

Value = str | int | list[str] | dict[str, int]
"""What an answer can be: a text or choice, a number, several texts, or numbers by name."""
_AS_HEX: Final = 10
_MEND: Final = "mend it, or begin a new one: arm-hyp lesson reset keeps this one beside it"
_HEAD: Final = "# What you answered: arm-hyp lesson answer TASK VALUE writes it, and you may edit it.\n\n"


def read_answers(folder: Path) -> dict[str, Value]:
    """Return all answers in a folder, none without the file. Raises: UserError."""
    path = folder / ANSWERS
    if not path.exists() and not path.is_symlink():
        return {}
    read_inside(folder, ANSWERS)
    try:
        found = read_toml(path)
    except UserError as error:
        raise UserError(error.thing, error.cause, error.way_out or _MEND) from None
    for name, value in found.items():
        if not _is_value(value):
            raise UserError(f"{path}: {name}", "is no answer", "give a text, a number, a list of texts or a table")
    return found


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(type(part) is str for part in value)
    if isinstance(value, dict):
        return all(type(part) is int for part in value.values())
    return type(value) in (str, int)


def write_answer(folder: Path, task: str, value: Value) -> None:
    """Put an answer into the file, in place of an older one for this task. Raises: UserError, OSError."""
    answers = read_answers(folder) | {task: value}
    try:
        data = answers_text(answers).encode()
    except UnicodeEncodeError:
        raise UserError(f"the answer to {task}", "is no text", "write it in UTF-8") from None
    write_whole(folder / ANSWERS, data)


def answers_text(answers: Mapping[str, Value]) -> str:
    """Return the text of a file with these answers."""
    return _HEAD + "".join(f"{_quoted(name)} = {_written(value)}\n" for name, value in sorted(answers.items()))


def _written(value: Value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_quoted(name)} = {_number(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    return _number(value) if isinstance(value, int) else _quoted(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(value: int) -> str:
    return hex(value) if value >= _AS_HEX else str(value)
