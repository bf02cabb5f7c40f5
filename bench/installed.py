"""The environment of a child process that stands for an installed program: its modules are compiled once and kept.

Read `bench/README.md` before this file. Where Python is told to write no bytecode, as in many containers, it compiles
every module at each start, which costs a third of it and which no user pays.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile


@functools.cache
def _bytecode_directory() -> str:
    directory = tempfile.mkdtemp(prefix="arm-hyp-bench-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a child: ours, with bytecode kept for the time of the benchmark."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": _bytecode_directory()} | more
