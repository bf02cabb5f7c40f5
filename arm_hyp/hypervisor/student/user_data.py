"""All the data of a user's handlers, watched: what an exit changed in them, and the same change made again.

Read `hypervisor/student/plain_data.py` and `hypervisor/student/changes.py` before this file,
`hypervisor/student/code.py` after it. The data are the dict of each vCPU and VM, and the globals of the user's modules.
The globals of handlers that are only replayed are plain data without a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from arm_hyp.hypervisor.student import changes
from arm_hyp.hypervisor.student.plain_data import NotPlain, account, copy, is_plain
from arm_hyp.hypervisor.student.wire import Malformed, Wire

if TYPE_CHECKING:
    from arm_hyp.hypervisor.hypervisor import Hypervisor

Names = dict[str, Any]


class _HasData(Protocol):
    data: dict[str, Any]


class Watched:
    """A dict that must stay plain, and how it was when it was last looked at. `where` is its name in messages."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.last: Names = {}

    def live(self) -> Names:
        """Return the dict as it is now."""
        raise NotImplementedError

    def put(self, value: Names) -> None:
        """Make the dict hold this, and nothing else."""
        raise NotImplementedError

    def look(self) -> None:
        """Take it as it is. Raises: NotPlain."""
        self.last = copy(self.live(), self.where)

    def change(self) -> Wire | None:
        """Return what changed since the last time, or None. Raises: NotPlain if it is not plain any more."""
        return changes.change(self.last, self.live(), self.where)

    def accept(self, wire: Wire) -> None:
        """Count a change as seen."""
        self.last = changes.apply(self.last, wire)

    def take(self, wire: Wire) -> None:
        """Make a change. Raises: Malformed."""
        try:
            changed = changes.apply(self.live(), wire)
            if type(changed) is not dict:
                raise Malformed(f"{self.where} would be no dict")
            self.put(changed)
            self.look()
        except NotPlain as error:
            raise Malformed(f"{error.where} {error.cause}") from None

    def put_back(self) -> None:
        """Undo what changed since the last time."""
        self.put(copy(self.last, self.where))


class Data(Watched):
    """`vcpu.data` or `vm.data`: the user may put another dict in its place."""

    def __init__(self, where: str, owner: _HasData) -> None:
        super().__init__(where)
        self._owner = owner
        self.look()

    def live(self) -> Names:
        """Return the dict as it is now. Raises: NotPlain if it is none."""
        if type(self._owner.data) is not dict:
            raise NotPlain(self.where, "is no dict")
        return self._owner.data

    def put(self, value: Names) -> None:
        """Make the dict hold this."""
        live = self._owner.data
        if type(live) is not dict:
            self._owner.data = value
        elif live is not value:
            live.clear()
            live.update(value)


class Globals(Watched):
    """The plain globals of one module; the others, and what belongs to others, must not change."""

    def __init__(self, names: Names, modules: frozenset[str]) -> None:
        super().__init__("")
        self._names, self._modules = names, modules
        others = {name: value for name, value in self._own() if not is_plain(value)}
        self._foreign = {name: value for name, value in others.items() if self._is_foreign(value)}
        self._others = {name: self._account(value) for name, value in others.items() if name not in self._foreign}
        self.look()

    def _own(self) -> list[tuple[str, Any]]:
        """Return every global but Python's own."""
        return [(name, value) for name, value in self._names.items() if not name.startswith("__")]

    def _is_foreign(self, value: Any) -> bool:
        """Tell whether it is another's function, class or module: nothing in it is the user's state."""
        if isinstance(value, FunctionType | type):
            return value.__module__ not in self._modules
        return isinstance(value, ModuleType | BuiltinFunctionType)

    def _account(self, value: Any) -> Any:
        return account(value, self._modules, set())

    def live(self) -> Names:
        """Return the plain ones, and those that ought to be."""
        return {name: value for name, value in self._own() if name not in self._others and name not in self._foreign}

    def put(self, value: Names) -> None:
        """Have these plain ones, and no other. Raises: Malformed for a name that no plain global can have."""
        for name in value:
            if type(name) is not str or name.startswith("__") or name in self._others or name in self._foreign:
                raise Malformed(f"no plain global is called {name!r:.40}")
        for name in self.live():
            if name not in value:
                del self._names[name]
        self._names.update(value)

    def check(self) -> None:
        """Look at those that are not plain. Raises: NotPlain if one changed."""
        for name, value in self._foreign.items():
            if self._names.get(name) is not value:
                raise NotPlain(name, "is no plain data, and changed")
        for name, before in self._others.items():
            if self._account(self._names.get(name)) != before:
                raise NotPlain(name, "is no plain data, and changed")


class UserData:
    """All of it: `namespaces` are the globals of each module by its name."""

    def __init__(self, namespaces: Mapping[str, Names]) -> None:
        modules = frozenset(namespaces)
        self._globals = {name: Globals(names, modules) for name, names in namespaces.items()}
        self._watched: dict[str, Watched] = {}

    def look(self, hypervisor: Hypervisor) -> None:
        """Take the data of all VMs as they are, if that was not done before. Raises: NotPlain."""
        if self._watched:
            return
        watched: dict[str, Watched] = {f"globals {name}": each for name, each in self._globals.items()}
        for vm in hypervisor.vms:
            watched[f"vm {vm.index}"] = Data("vm.data", vm)
            watched |= {f"vcpu {vm.index}.{vcpu.index}": Data("vcpu.data", vcpu) for vcpu in vm.vcpus}
        self._watched = watched

    def changes(self) -> list[tuple[str, Wire]]:
        """Return what changed since the last time. Raises: NotPlain; what was plain is then as it was before."""
        try:
            for each in self._globals.values():
                each.check()
            all_of_them = [(name, each.change()) for name, each in self._watched.items()]
        except NotPlain:
            for watched in self._watched.values():
                watched.put_back()
            raise
        found = [(name, wire) for name, wire in all_of_them if wire is not None]
        for name, wire in found:
            self._watched[name].accept(wire)
        return found

    def take(self, changed: list[tuple[str, Wire]]) -> None:
        """Make the changes of an exit. Raises: Malformed."""
        for name, wire in changed:
            if name not in self._watched:
                raise Malformed(f"there is no {name}")
            self._watched[name].take(wire)

    def snapshot(self) -> dict[str, Names]:
        """Return the plain globals by module and name."""
        return {name: copy(each.live(), "") for name, each in self._globals.items()}

    def restore(self, state: dict[str, Names]) -> None:
        """Take the plain globals back; those that were made later go. The VMs have their data already."""
        for name, each in self._globals.items():
            each.put(copy(state[name], name))
            each.look()
        self._watched = {}
