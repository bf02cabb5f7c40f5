"""Which files go into a recording: all of them, those that are small, or none.

Read nothing before this file, `timeline/recordings/files.py`, which does it, after it.
"""

from __future__ import annotations

from typing import Literal

Embed = Literal["all", "small", "none"]
"""What is not in a recording is known there by its hash."""
