"""What a user's module registers: the four decorators, and the handlers that they collect.

Read `hypervisor/exits.py` before this file, `hypervisor/student/loading.py` (how a module gets here) and
`hypervisor/student/code.py` (how its handlers are called) after it. `docs/handlers.md` is the guide for users.

    @handler(EC.WFX)            f(vcpu, exit[, next]) -> None
    @sysreg("MIDR_EL1")         f(vcpu, access[, next]) -> int for a read, None for a write
    @hypercall(0xC600_0001)     f(vcpu, call[, next]) -> int for X0, or None
    @mmio(range(0x0B00_0000, 0x0B00_1000))   f(vcpu, access[, next]) -> int for a read, None for a write

While a module is loaded, the decorators fill the registry of that load. At any other time (a test that imports the
module) they check their arguments and register nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeVar

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.hypervisor.exits import SysregExit
from arm_hyp.hypervisor.student.failures import Place

IPA_BITS: Final = 48
_FUNCTION_ID_BITS: Final = 32
ARGUMENTS: Final = 6
"""How many arguments a call has: X1 to X6. Ref: DEN0028 (SMCCC) 2.6."""


class Misuse(Exception):
    """A decorator was given what it cannot take; `way_out` is what it takes."""

    def __init__(self, cause: str, way_out: str = "") -> None:
        super().__init__(cause, way_out)
        self.cause, self.way_out = cause, way_out


class SysregAccess(NamedTuple):
    """A trapped access that `@sysreg` handles: `value` is what is written, 0 for a read. A read's answer goes to Xt."""

    exit: SysregExit
    value: int = 0

    @property
    def name(self) -> str:
        """Arm's name of the register or operation."""
        return self.exit.name

    @property
    def is_read(self) -> bool:
        """Whether it is an MRS."""
        return self.exit.is_read

    @property
    def is_write(self) -> bool:
        """Whether it is an MSR, or a system instruction."""
        return not self.exit.is_read


class Hypercall(NamedTuple):
    """An HVC or SMC that `@hypercall` handles: `number` is W0, `args` are X1 to X6."""

    number: int
    args: tuple[int, ...]


Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Registered(NamedTuple):
    """One handler: its decorator in words, the function, and whether that takes `next`.

    A handler that is only replayed has no function. `source` is where it is: file, first line, name.
    """

    decorator: str
    function: Function | None
    takes_next: bool
    source: Place

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.source.file}:{self.source.line}"


class Handlers:
    """What one load registered. `modules` are the user's: the one that was loaded, and those that it imported.

    `namespaces` are their globals, `files` their files by a short name: what is beside the first is named from there.
    `texts` are what was in these files. Handlers that are only replayed have no modules, no texts, and plain globals.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.modules: tuple[ModuleType, ...] = ()
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.classes: dict[EC, Registered] = {}
        self.sysregs: dict[Encoding, Registered] = {}
        self.hypercalls: dict[int, Registered] = {}
        self.mmio: dict[range, Registered] = {}

    def own(self, modules: tuple[ModuleType, ...], files: dict[str, str]) -> None:
        """Take the modules that were loaded, and their files by name."""
        self.modules, self.files = modules, files
        self.namespaces = {module.__name__: module.__dict__ for module in modules}

    def __len__(self) -> int:
        return len(self.classes) + len(self.sysregs) + len(self.hypercalls) + len(self.mmio)


_open: list[Handlers] = []


@contextmanager
def registering(handlers: Handlers) -> Iterator[None]:
    """Have the decorators fill `handlers`."""
    _open.append(handlers)
    try:
        yield
    finally:
        _open.pop()


def handler(*classes: EC) -> Callable[[F], F]:
    """Handle the exits of one or more exception classes: `f(vcpu, exit[, next])`, which returns nothing."""
    if not classes or not all(isinstance(ec, EC) for ec in classes):
        raise Misuse("@handler takes exception classes", "write @handler(EC.WFX)")

    def register(function: F) -> F:
        for ec in classes:
            _add("classes", ec, f"@handler(EC.{ec.name})", function)
        return function

    return register


def sysreg(name: str) -> Callable[[F], F]:
    """Handle the trapped accesses of a system register or operation, by Arm's name: `f(vcpu, access[, next])`."""
    if not isinstance(name, str):
        raise Misuse("@sysreg takes the name of a register", 'write @sysreg("MIDR_EL1")')
    try:
        encoding = sysregs.parse_name(name)
    except KeyError as error:
        raise Misuse(str(error.args[0])) from None
    return lambda function: _add("sysregs", encoding, f'@sysreg("{name}")', function)


def hypercall(number: int) -> Callable[[F], F]:
    """Handle the HVC and SMC with this function identifier in W0: `f(vcpu, call[, next])`. Ref: DEN0028 2.5."""
    if not isinstance(number, int) or not 0 <= number < 1 << _FUNCTION_ID_BITS:
        raise Misuse("@hypercall takes the 32 bits of W0", "write @hypercall(0xC600_0001)")
    return lambda function: _add("hypercalls", int(number), f"@hypercall({number:#x})", function)


def mmio(addresses: range) -> Callable[[F], F]:
    """Be the device at a range of IPAs: `f(vcpu, access[, next])`."""
    if not isinstance(addresses, range) or addresses.step != 1:
        raise Misuse("@mmio takes a range of addresses", "write @mmio(range(0x0B00_0000, 0x0B00_1000))")
    if not 0 <= addresses.start < addresses.stop <= 1 << IPA_BITS:
        raise Misuse(f"@mmio({_words(addresses)}) is no range of {IPA_BITS}-bit addresses", "low, then high")
    for lower in _open[-1].mmio if _open else ():
        if lower.start < addresses.stop and addresses.start < lower.stop:
            taken = _open[-1].mmio[lower]
            raise Misuse(f"@mmio({_words(addresses)}) overlaps {taken.decorator} at {taken.place}")
    return lambda function: _add("mmio", addresses, f"@mmio({_words(addresses)})", function)


def _words(addresses: range) -> str:
    return f"range({addresses.start:#x}, {addresses.stop:#x})"


def _add(table: str, key: object, decorator: str, function: F) -> F:
    """Register a function under a key of one of the tables. Raises: Misuse."""
    takes_next, code = _takes_next(decorator, function), function.__code__
    source = Place(code.co_filename, code.co_firstlineno, code.co_name)
    registered = Registered(decorator, function, takes_next, source)
    if not _open:
        return function
    handlers: dict[object, Registered] = getattr(_open[-1], table)
    if key in handlers:
        raise Misuse(f"{decorator} is there twice: {handlers[key].place} handles it already", "keep one of them")
    handlers[key] = registered
    return function


def _takes_next(decorator: str, function: Function) -> bool:
    """Tell whether a handler takes `next`. Raises: Misuse for what is no function of two or three parameters."""
    if not inspect.isfunction(function):
        raise Misuse(f"{decorator} must stand over a function", "one that is made by def or lambda")
    name = function.__name__
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Misuse(f"{name} has async or yield: calling it would run nothing", "make it a plain function")
    if "." in function.__qualname__.rpartition("<locals>.")[2]:
        raise Misuse(f"{name} is a method, and nobody would give it its self", "make it a plain function")
    parameters = inspect.signature(function).parameters.values()
    plain = all(p.kind <= p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)
    if not plain or len(parameters) not in (2, 3):
        second = {"@handler": "exit", "@hypercall": "call"}.get(decorator.partition("(")[0], "access")
        wanted = f"def {name}(vcpu, {second}) or def {name}(vcpu, {second}, next)"
        raise Misuse(f"{name}{inspect.signature(function)} has the wrong parameters", f"write {wanted}")
    return len(parameters) == 3
