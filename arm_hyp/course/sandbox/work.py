"""What it costs the judge to repeat what a student's handlers did, counted before it is done: in instructions.

Read `hypervisor/student/effects.py` before this file, `course/sandbox/verdict.py` after it. The count depends on the
effects alone, so it is the same on every host. What takes a few bytes to ask for, a large range, counts by its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from arm_hyp.hypervisor.student.actions import METHODS
from arm_hyp.hypervisor.student.effects import Action, Effect

EXIT: Final = 4_000
"""So many instructions run in the time that one exit takes; the others are measured in the same way."""
ACTION: Final = 1_000
PAGE: Final = 200
_PAGE_BITS: Final = 12
_DEAR: Final[Mapping[str, int]] = {"Vm.reset": 2_000_000}
_SIZE: Final = "size_bytes"


def work_of(effects: Iterable[Effect]) -> int:
    """Return what it takes to repeat effects, in instructions of a guest."""
    return sum(EXIT + sum(map(_action, _actions(effect))) for effect in effects)


def _actions(effect: Effect) -> list[Action]:
    return [action for call in effect.calls for action in call.actions]


def _action(action: Action) -> int:
    sizes = (value for name, value in zip(_names(action.name), action.arguments, strict=False) if name == _SIZE)
    return ACTION + _DEAR.get(action.name, 0) + sum(PAGE * _pages(size) for size in sizes)


def _names(action: str) -> tuple[str, ...]:
    """Return the parameters of an action behind the object that it is done to."""
    method = METHODS.get(action)
    return () if method is None else method.function.__code__.co_varnames[1:]


def _pages(size: Any) -> int:
    """Return how many pages a size may touch. One of more than 64 bits is a list here, and refused when it is done."""
    return size >> _PAGE_BITS if isinstance(size, int) and size > 0 else 0
