"""State of a user's code that can come back: plain data, and a watch over what is not.

Read this before `hypervisor/student/code.py`. `vcpu.data`, `vm.data` and the globals of a user's modules are carried by
snapshots, so they must be plain: None, bool, int, float, str, bytes, and list, tuple, dict, set, frozenset of these.
Functions, classes and modules may be there too, as long as nothing in them changes.

Simplified: a change is not seen inside a generator, nor inside an object that gives no account of itself to `copyreg`
(most types of C extensions). Two names for one list are two lists after a restore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


class Data:
    """Watches one dict that must be plain (`vcpu.data`). `where` is its name in messages."""

    def __init__(self, where: str, live: dict[str, Any]) -> None:
        self.where, self.live = where, live
        self._last: dict[str, Any] = copy(live, where)

    def changed(self) -> bool:
        """Tell whether it changed since the last time. Raises: NotPlain if it is not plain any more."""
        if self._last == self.live:
            return False
        self._last = copy(self.live, self.where)
        return True


class Globals:
    """Watches the globals of a user's modules: plain ones may change, others may not."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._modules = {module.__name__: module.__dict__ for module in modules}
        others = {key: value for key, value in self._items() if not is_plain(value)}
        self._foreign = {key: value for key, value in others.items() if self._is_foreign(value)}
        self._others = {key: self._account(value) for key, value in others.items() if key not in self._foreign}
        self._last = self._plain()

    def _is_foreign(self, value: Any) -> bool:
        """Tell whether it is another's function, class or module: nothing in it is the user's state."""
        if isinstance(value, FunctionType | type):
            return value.__module__ not in self._modules
        return isinstance(value, ModuleType | BuiltinFunctionType)

    def _items(self) -> list[tuple[tuple[str, str], Any]]:
        """Return every global as ((module, name), value), but for Python's own."""
        return [
            ((module, name), value)
            for module, names in self._modules.items()
            for name, value in names.items()
            if not name.startswith("__")
        ]

    def changed(self) -> bool:
        """Tell whether a plain global changed since the last time. Raises: NotPlain if another one did, or came."""
        self._check_others()
        now = {key: value for key, value in self._items() if key not in self._others and key not in self._foreign}
        if now == self._last:
            return False
        self._last = {key: copy(value, key[1]) for key, value in now.items()}
        return True

    def _check_others(self) -> None:
        for (module, name), value in self._foreign.items():
            if self._modules[module].get(name) is not value:
                raise NotPlain(name, "is no plain data, and changed")
        for (module, name), before in self._others.items():
            if self._account(self._modules[module].get(name)) != before:
                raise NotPlain(name, "is no plain data, and changed")

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the plain globals by module and name."""
        state: dict[str, dict[str, Any]] = {module: {} for module in self._modules}
        for (module, name), value in self._plain().items():
            state[module][name] = value
        return state

    def restore(self, state: dict[str, dict[str, Any]]) -> None:
        """Take the plain globals back; those that were made later go."""
        for module, name in self._plain():
            del self._modules[module][name]
        for module, values in state.items():
            self._modules[module].update(copy(values, module))
        self._last = self._plain()

    def _plain(self) -> dict[tuple[str, str], Any]:
        fixed = self._others.keys() | self._foreign.keys()
        return {key: copy(value, key[1]) for key, value in self._items() if key not in fixed}

    def _account(self, value: Any) -> Any:
        return account(value, frozenset(self._modules), set())


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
