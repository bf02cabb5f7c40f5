"""Tasks that are answered by numbers: bits to configure, and translation tables built by values.

Read `course/kinds/kind.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from arm_hyp.course.answers import Value
from arm_hyp.course.kinds.kind import Change, Kind
from arm_hyp.course.manifest import Task
from arm_hyp.errors import UserError
from arm_hyp.runner.settings import parse_setting

_WORD_BYTES: Final = 8


class _ByName(Kind):
    """A number for each of some names; what is not named is left as it is."""

    has_answer = True

    def read(self, task: Task, words: Sequence[str]) -> Value:
        """Return numbers by name, from NAME=NUMBER. Raises: UserError."""
        made = {}
        for word in words:
            name, _, number = word.partition("=")
            try:
                made[name.strip()] = int(number.strip().replace("_", ""), 0)
            except ValueError:
                raise UserError(f"{task.name}: {word}", "is not NAME=NUMBER", self.asks(task)[-1]) from None
        if not made:
            raise UserError(task.name, "nothing was answered", self.asks(task)[-1])
        self.change(task, made)
        return made


class Configure(_ByName):
    """Bits to set until the guest behaves: `bits` names the fields that may be set."""

    def mistakes(self, task: Task) -> Iterator[str]:
        """Give what is wrong with a task's table."""
        yield from super().mistakes(task)
        if not task.bits:
            yield "bits: names no field to configure"

    def change(self, task: Task, value: Value) -> Change:
        """Return the settings. Raises: UserError for a field that is not to be set, or a value that does not fit."""
        if not isinstance(value, dict):
            raise UserError(f"{task.name}: {value}", "is no table of fields", self.asks(task)[-1])
        for name in value:
            if name not in task.bits:
                raise UserError(f"{task.name}: {name}", "cannot be set here", self.asks(task)[-1])
        return Change(tuple(parse_setting(f"{name}={number}").text for name, number in value.items()))

    def asks(self, task: Task) -> tuple[str, ...]:
        """Name the fields."""
        return tuple(filter(None, (task.question, f"set any of {', '.join(task.bits)}, as {task.bits[0]}=1")))


class Tables(_ByName):
    """A table of descriptors by values: entry by index, in RAM from `base` on. With `files` it is built by a guest."""

    def mistakes(self, task: Task) -> Iterator[str]:
        """Give what is wrong with a task's table."""
        if not task.files and task.base is None:
            yield "base: is missing: where is the table? Or name files, if a guest builds it"

    def read(self, task: Task, words: Sequence[str]) -> Value:
        """Return descriptors by index. Raises: UserError."""
        return Kind.read(self, task, words) if task.files else super().read(task, words)

    def change(self, task: Task, value: Value) -> Change:
        """Return the words to be put into RAM. Raises: UserError for an index or value that there cannot be."""
        if task.base is None:
            return Change()
        if not isinstance(value, dict):
            raise UserError(f"{task.name}: {value}", "is no table of descriptors", self.asks(task)[-1])
        return Change(words=tuple(_word(task, task.base, name, number) for name, number in value.items()))

    def asks(self, task: Task) -> tuple[str, ...]:
        """Say how entries are written."""
        if task.files:
            return super().asks(task)
        return tuple(filter(None, (task.question, "give descriptors by index, as 0=0x40000743 1=0x0")))


def _word(task: Task, base: int, name: str, number: int) -> tuple[int, int]:
    index = int(name) if name.isdigit() else -1
    if not 0 <= index < task.entries:
        raise UserError(f"{task.name}: {name}", "is no entry of the table", f"there are 0 to {task.entries - 1}")
    if not 0 <= number < 1 << 64:
        raise UserError(f"{task.name}: entry {name}", f"{number:#x} does not fit in 64 bits")
    return base + _WORD_BYTES * index, number
