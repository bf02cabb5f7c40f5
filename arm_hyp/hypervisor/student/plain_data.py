"""State of a user's code that can come back: plain data, and an account of what is not.

Read this before `hypervisor/student/user_data.py`. Snapshots carry `vcpu.data`, `vm.data` and the globals of a user's
modules, so they must be plain: None, bool, int, float, str, bytes, and list, tuple, dict, set, frozenset of these.
Functions, classes and modules may be there too, as long as nothing in them changes.

Simplified: a change is not seen inside a generator, nor inside an object that gives no account of itself to `copyreg`
(most types of C extensions). Two names for one list are two lists after a restore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any, Final

ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
_DEPTH: Final = 50
_SEQUENCES: Final[dict[type, Callable[[list[Any]], Any]]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


class NotPlain(Exception):
    """A value is, or holds, something that a snapshot cannot carry; `where` names it, as Python would."""

    def __init__(self, where: str, cause: str) -> None:
        super().__init__(where, cause)
        self.where, self.cause = where, cause


def copy(value: Any, where: str, depth: int = 0) -> Any:
    """Return a deep copy of plain data. Raises: NotPlain."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if depth == _DEPTH:
        raise NotPlain(where, f"is nested deeper than {_DEPTH} levels")
    if kind is dict:
        items = list(value.items())
        return {copy(k, f"a key of {where}", depth + 1): copy(v, f"{where}[{k!r}]", depth + 1) for k, v in items}
    if kind in _SEQUENCES:
        return _SEQUENCES[kind]([copy(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)])
    raise NotPlain(where, f"is a {kind.__name__}, no plain data")


def is_plain(value: Any) -> bool:
    """Tell whether a value is plain data."""
    try:
        copy(value, "")
    except NotPlain:
        return False
    return True


def account(value: Any, modules: frozenset[str], seen: set[int]) -> Any:
    """Return all state in a value as something to compare: it differs after a change. `modules`: the user's own."""
    if type(value) in ATOMS or id(value) in seen:
        return value if type(value) in ATOMS else id(value)
    seen.add(id(value))
    parts = _parts(value, modules)
    identity = type(value) if isinstance(value, _CONTAINERS) else id(value)
    return identity, [account(part, modules, seen) for part in parts]


_CONTAINERS: Final = (list, tuple, dict, set, frozenset)


def _parts(value: Any, modules: frozenset[str]) -> list[Any]:
    """Return what a value holds: nothing for what belongs to others, or gives no account of itself."""
    if isinstance(value, FunctionType | type):
        return _definition(value) if value.__module__ in modules else []
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, _CONTAINERS):
        return list(value)
    if isinstance(value, ModuleType | BuiltinFunctionType):
        return []
    if isinstance(value, Enum):  # what Python keeps in one changes when it is used first
        return [value.value, {name: part for name, part in vars(value).items() if not name.startswith("_")}]
    try:
        reduced = value.__reduce_ex__(2)
    except TypeError:
        return []
    return [list(part) if isinstance(part, Iterator) else part for part in reduced] if type(reduced) is tuple else []


_OF_PYTHON: Final = frozenset({"__dict__", "__weakref__", "__doc__", "__slotnames__"})
"""Attributes of a class that Python makes, the last by `copyreg`."""


def _definition(value: FunctionType | type) -> list[Any]:
    """Return what a function or class keeps: attributes, defaults, the variables of the function around it."""
    if isinstance(value, type):
        return [part for name, part in vars(value).items() if name not in _OF_PYTHON]
    cells = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
    return [value.__defaults__, value.__kwdefaults__, value.__dict__, cells]
