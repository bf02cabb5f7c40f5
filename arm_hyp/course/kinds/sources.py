"""Tasks that are done in source texts: handlers in Python, and guests in assembly.

Read `course/kinds/kind.py` before this file.
"""

from __future__ import annotations

from collections.abc import Iterator

from arm_hyp.course.kinds.kind import Kind
from arm_hyp.course.manifest import Task


class Handler(Kind):
    """A file of handlers, which `hypervisor` of the machine names. It runs in the sandbox only."""

    needs_files = True

    def mistakes(self, task: Task) -> Iterator[str]:
        """Give what is wrong with a task's table."""
        yield from super().mistakes(task)
        if not any(name.endswith(".py") for name in task.files):
            yield "files: names no file of handlers (.py)"


class Guest(Kind):
    """A guest in assembly, at EL1 or EL2: the image of the machine, or included by it."""

    needs_files = True
