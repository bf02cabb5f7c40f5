"""Load the optional C helpers, which are built beside the modules when the project is installed.

Read `docs/adr/004-counting.md` before this file, `cpu/counting.py` and `cpu/scanning.py` after it.
"""

from __future__ import annotations

import ctypes
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path


def load_helper(name: str, size_symbol: str, size_bytes: int) -> ctypes.CDLL | None:
    """Load a helper; None if it was not built, for another machine, or from another version.

    `size_symbol` is what the library calls the size of the structure that both sides share.
    """
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"{name}{suffix}")
        if path.exists():
            return load_library(path, size_symbol, size_bytes)
    return None


def load_library(path: Path, size_symbol: str, size_bytes: int) -> ctypes.CDLL | None:
    """Load a helper from a file; None as `load_helper` says."""
    try:
        library = ctypes.CDLL(str(path))
        built_with = ctypes.c_uint64.in_dll(library, size_symbol).value
    except (OSError, ValueError):
        return None
    return library if built_with == size_bytes else None
