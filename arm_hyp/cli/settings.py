"""What the user wants of a run at the command line, beside the machine. It needs nothing that runs.

Read `cli/run.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arm_hyp.timeline.embedding import Embed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user wants of a run, beside the machine. `limit` in instructions; `has_limit`: the user gave it."""

    limit: int
    has_limit: bool = False
    until: str = ""
    trace: str | None = None
    trace_format: str = "text"
    is_realtime: bool = False
    has_statistics: bool = False
    always_diagnoses: bool = False
    dumps: tuple[str, ...] = ()
    counts_exceptions: bool = True
    input_path: str | None = None
    wants_terminal: bool = True
    checks: frozenset[str] = frozenset()
    record: str | None = None
    embed: Embed = "small"
    branch: str | None = None
    gdb: str | None = None
    symbols: tuple[str, ...] = ()
