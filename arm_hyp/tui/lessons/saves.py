"""What tells the terminal that a student has saved something.

Read `course/watching.py` (what has changed then) before this file, `tui/lessons/app.py` after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

_WAKE_MS: Final = 1000
"""So often is looked without being told of a save: not every file system tells."""


async def saves_in(folder: Path) -> AsyncIterator[object]:
    """Wake at every change in a folder, and from time to time."""
    from watchfiles import awatch  # here: the first picture needs none

    async for changes in awatch(folder, debounce=50, step=20, rust_timeout=_WAKE_MS, yield_on_timeout=True):
        yield changes
