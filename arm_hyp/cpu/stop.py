"""Why a core came back from running. Read `cpu/core.py` after this file."""

from __future__ import annotations

from enum import Enum


class Stop(Enum):
    """Why `Core.run` came back."""

    LIMIT = "limit"
    WAITING = "waiting"
    YIELDED = "yielded"
    REQUESTED = "requested"
    DEAD = "dead"
