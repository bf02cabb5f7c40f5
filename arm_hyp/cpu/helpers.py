"""Load the optional C helpers, which are built beside the modules at installation; and what two of them offer.

Read `docs/adr/004-counting.md` before this file, `cpu/counting.py`, `cpu/scanning.py` and `cpu/access_exits.py` after.
"""

from __future__ import annotations

import ctypes
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Protocol


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


class Counting(Protocol):
    """A way to run for an exact number of instructions other than Unicorn's own: `cpu/counting.py`."""

    is_in_c: bool
    """Whether the callbacks are in C: then the other C helpers work with them."""

    def start(self, pc: int, count: int, masks: int) -> int:
        """Run at most `count` instructions from `pc`; return Unicorn's status code (0 when fine)."""

    @property
    def count_address(self) -> int:
        """Address of the counts of the block that runs."""

    def leave(self) -> None:
        """Stop before the next block."""

    def started(self) -> int:
        """Tell how many instructions were started since `start`."""

    def left_before(self, pc: int) -> None:
        """Count nothing from `pc` on of the block that the last exception left."""

    def begin_access(self) -> bool:
        """Note that a device access is being answered; tell whether it is of the same instruction as the one before."""

    def end_access(self) -> None:
        """Note that the device access has been answered."""

    def forget_access(self) -> None:
        """Have the next device access be of another instruction."""

    def locate(self) -> None:
        """Have the PC be that of the instruction whose device access is being answered."""


class Exits(Protocol):
    """A way to leave a core from within an access: `cpu/access_exits.py`."""

    def device(self, read: Any, write: Any) -> tuple[Any, Any, Any]:
        """Return what Unicorn is to call in place of these two C functions, and with which data."""

    def begin(self, base: int, size_bytes: int) -> None:
        """Have no exit checks behind accesses from now on. Stores to a range of physical addresses, RAM, never fail."""

    def look_behind_accesses(self, wanted: bool) -> None:
        """Have exit checks behind accesses and hooks, or none, in what is translated from now on."""

    def notice_writes_to(self, address: int) -> None:
        """Have what is stored into the page of a virtual address noticed."""
