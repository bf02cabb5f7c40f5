"""The process that Keystone runs in, from the outside: started ahead of its work, asked once, ended.

Read `cpu/assembler_child.py` before this file and `cpu/assembler.py` after it. Half of what assembling a short program
takes is this process getting ready, so whoever knows that a source will come calls `started_ahead` first.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

WALL_SECONDS: Final = 30

_ready: list[subprocess.Popen[bytes]] = []
"""Processes that were started ahead and not asked yet."""


@contextmanager
def started_ahead() -> Iterator[None]:
    """Have a process get ready meanwhile; if nobody asks it, it is ended."""
    process = _start()
    _ready.append(process)
    try:
        yield
    finally:
        if process in _ready:
            _ready.remove(process)
            process.kill()
            process.communicate()


def ask(request: dict[str, Any], dots_at_most: int) -> tuple[dict[str, Any] | None, int]:
    """Return what a process answers, or None if it did not, and how many instructions it had tried alone."""
    process = _ready.pop() if _ready else _start()
    try:
        output, _ = process.communicate(json.dumps(request).encode(), timeout=WALL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    dots = output[:dots_at_most].count(b".") if output.startswith(b".") else 0
    body = output.lstrip(b".")
    return (json.loads(body), dots) if process.returncode == 0 and body else (None, dots)


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-S", "-m", "arm_hyp.cpu.assembler_child"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=_environment(), cwd="/")


def _environment() -> dict[str, str]:
    """Let the child find this package and Keystone without running `site`, which costs half its start-up time."""
    roots = [Path(__file__).resolve().parents[2]]
    spec = importlib.util.find_spec("keystone")
    if spec is not None and spec.origin is not None:
        roots.append(Path(spec.origin).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))}
