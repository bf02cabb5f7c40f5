"""All kinds of tasks, by name.

Read the other files of this package before this one, `course/judge.py` after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from arm_hyp.course.kinds.answered import Answered, Bug
from arm_hyp.course.kinds.kind import Kind
from arm_hyp.course.kinds.sources import Guest, Handler
from arm_hyp.course.kinds.valued import Configure, Tables
from arm_hyp.course.manifest import KindName

KINDS: Final[Mapping[KindName, Kind]] = {
    "predict": Answered(),
    "configure": Configure(),
    "handler": Handler(),
    "guest": Guest(),
    "tables": Tables(),
    "bug": Bug(),
    "quiz": Answered(),
}
