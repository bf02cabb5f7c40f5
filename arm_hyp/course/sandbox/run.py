"""The sandbox from the outside: a process is started, given a job, and listened to. (No limits yet.)

Read `course/sandbox/types.py` before this file, `course/sandbox/child.py` (the inside) after it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

import arm_hyp
from arm_hyp.course.sandbox.types import Job, Limits, Outcome

_DEFAULT: Final = Limits()


def run_student(job: Job, limits: Limits = _DEFAULT) -> Outcome:
    """Run a student's handlers in a process of their own, and return what they did. Raises nothing they can cause."""
    command = [sys.executable, "-P", "-m", "arm_hyp.course.sandbox.child"]
    root = str(Path(arm_hyp.__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        answer, _ = child.communicate(msgspec.msgpack.encode((job, limits)), timeout=limits.wall_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return Outcome(status="not graded", reason=f"it was not done after {limits.wall_s:g} s")
    if child.returncode or not answer:
        return Outcome(status="killed", reason=f"the process ended with status {child.returncode}")
    plain: dict[str, Any] = msgspec.msgpack.decode(answer)
    return msgspec.convert(plain, Outcome)
