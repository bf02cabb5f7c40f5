"""A user's file made into handlers: a new module every time, an empty registry, and one line for whatever is wrong.

Read `registry.py` and `guard.py` before this file, `code.py` after it.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.failures import Problem
from arm_hyp.hypervisor.student.guard import Guard
from arm_hyp.hypervisor.student.registry import Handlers, Misuse, registering

_NAME = "arm_hyp_handlers_"


def load_handlers(path: str | Path) -> Handlers:
    """Run a user's file and return what it registered.

    Raises: UserError if there is no such file, it is no Python, fails, misuses a decorator, or registers nothing.
    """
    path = Path(path)
    code = _compile(path)
    handlers = Handlers(str(path))
    module = ModuleType(_NAME + path.stem)
    module.__file__ = str(path)
    with registering(handlers), _importable(path.parent.resolve(), module) as imported:
        _run(path, code, module)
    handlers.own((module, *imported), _files(path, imported))
    handlers.texts = {name: _text(file) for name, file in handlers.files.items()}
    if not len(handlers):
        raise UserError(str(path), "registers no handler", "write one under @handler(EC.WFX), for example")
    return handlers


def _files(path: Path, imported: list[ModuleType]) -> dict[str, str]:
    """Return the files of a user's modules by names that hold no directory of the user's."""
    files, directory = {path.name: str(path)}, path.parent.resolve()
    for module in imported:
        file = str(module.__file__)
        files[Path(file).resolve().relative_to(directory).as_posix()] = file
    return files


def _text(file: str) -> str:
    """Return what is in a file; nothing, if it is gone already."""
    try:
        return Path(file).read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


class _BareExcept(ast.NodeTransformer):
    """Make `except:` mean `except Exception:`, so that a loop with one ends with its budget, and by Ctrl-C."""

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.type is None:
            node.type = ast.copy_location(ast.Name("Exception", ast.Load()), node)
        return self.generic_visit(node)


def _compile(path: Path) -> object:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
        return compile(_BareExcept().visit(tree), str(path), "exec")
    except OSError as error:
        raise UserError(str(path), (error.strerror or "cannot be read").lower()) from None
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno or 1}", f"no Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(str(path), f"no Python: {error}") from None


def _run(path: Path, code: object, module: ModuleType) -> None:
    """Run the module. What it prints meanwhile goes to standard error: standard output is the guest's console."""
    guard = Guard(frozenset({str(path)}))
    try:
        guard.call(exec, code, module.__dict__)
    except Problem as problem:
        raise _user_error(path, problem) from None
    finally:
        for line in guard.output.take():
            print(line.text, file=sys.stderr)


def _user_error(path: Path, problem: Problem) -> UserError:
    place = f"{path}:{problem.place.line}" if problem.place else str(path)
    error = problem.__cause__
    if isinstance(error, Misuse):
        return UserError(place, error.cause, error.way_out)
    if error is None:
        return UserError(place, "the module loops for ever")
    return UserError(place, problem.problem, problem.mend if isinstance(error, NameError | AttributeError) else "")


@contextlib.contextmanager
def _importable(directory: Path, module: ModuleType) -> Iterator[list[ModuleType]]:
    """Let a module import those beside it, anew at every load; yield a list that gets them at the end."""
    before, imported = set(sys.modules), list[ModuleType]()
    sys.path.insert(0, str(directory))
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        yield imported
    finally:
        sys.path.remove(str(directory))
        for name in sorted(set(sys.modules) - before - {module.__name__}):
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).resolve().is_relative_to(directory):
                imported.append(sys.modules.pop(name))
