"""How much memory the checkpoints of a run may take. A module of its own: who only names it needs no machine.

Read nothing before this file, `timeline/checkpoints.py` after it.
"""

from __future__ import annotations

from typing import Final

DEFAULT_BUDGET_BYTES: Final = 512 << 20
