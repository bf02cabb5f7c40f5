"""Which files this process may still read, for good: Linux's Landlock, which needs no rights.

Read `course/sandbox/seccomp.py` (which cannot look at paths) before this file, `course/sandbox/confine.py` after it.
Ref: Linux, landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import arm_hyp

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION: Final = 1
_BENEATH: Final = 1
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_RIGHTS_BY_VERSION: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files a version of Landlock knows: bits <n-1:0>. All of them are taken away."""
_NETWORK: Final = 0b11  # since version 4: bind and connect TCP
_SCOPES: Final = 0b11  # since version 6: abstract sockets and signals
_MOST_FILES: Final = 1000
_OTHERS: Final = frozenset({"site-packages", "dist-packages", "__pycache__"})


def version() -> int:
    """Return the version of Landlock that this kernel has, 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE_RULESET, None, 0, _VERSION))


def readable(own: Path) -> Iterator[tuple[Path, int]]:
    """Give what a student's code needs, with rights: its Python files, Python's library, this package.

    Beside the student's files may lie those of a check, and in the folders of libraries other packages and lessons with
    their solutions: those are left out.
    """
    own = own.resolve()
    yield own, _READ_DIRECTORY
    for path in islice(own.rglob("*.py"), _MOST_FILES):
        if path.resolve().is_relative_to(own):
            yield path, _READ_FILE
    libraries = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    package = Path(arm_hyp.__file__).resolve().parent
    for path in (*_inside(libraries, _OTHERS), *_inside((package,), frozenset({"data"}))):
        yield path, _READ_FILE | _READ_DIRECTORY


def _inside(folders: Iterable[Path], without: frozenset[str]) -> Iterator[Path]:
    return (one for folder in folders if folder.is_dir() for one in folder.iterdir() if one.name not in without)


def restrict(rules: Iterable[tuple[Path, int]], known: int) -> None:
    """Let this process use what is beneath these paths by these rights, and nothing else. Raises: OSError."""
    rights = (1 << _RIGHTS_BY_VERSION.get(known, 16)) - 1
    packed = struct.pack("=QQQ", rights, _NETWORK, _SCOPES)[: 8 if known < 4 else 16 if known < 6 else 24]
    ruleset = _checked(_call(_CREATE_RULESET, packed, len(packed), 0))
    try:
        for path, allowed in rules:
            _allow(ruleset, path, allowed)
        _checked(_call(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it has gone: nothing to be read
    try:
        if not path.is_dir():
            rights &= _READ_FILE
        _checked(_call(_ADD_RULE, ruleset, _BENEATH, struct.pack("=Qi", rights, opened), 0))
    finally:
        os.close(opened)


def _call(number: int, *arguments: int | bytes | None) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(library.syscall(ctypes.c_long(number), *given))


def _checked(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
