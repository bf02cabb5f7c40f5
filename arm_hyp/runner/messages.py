"""What a Runner can be asked: one frozen type a message.

Read this file before `runner/runner.py`, which answers each with plain data.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Run until the guest ends, `limit` instructions have retired in all, or the console shows the text `until`."""

    limit: int
    until: str = ""


class Step(msgspec.Struct, frozen=True, tag="step"):
    """Run `count` further instructions."""

    count: int = 1


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Read the whole state, or `size_bytes` of RAM at `address`: an IPA of a VM, or a PA."""

    address: int | None = None
    size_bytes: int = 0
    vm: int | None = None


class Edit(msgspec.Struct, frozen=True, tag="edit"):
    """Apply settings, `REG[.FIELD]=VALUE`, to a CPU, or to a vCPU of a VM where there are any: by `index`."""

    settings: tuple[str, ...]
    vm: int = 0
    index: int = 0


class Poke(msgspec.Struct, frozen=True, tag="poke"):
    """Write RAM at `address`: an IPA of a VM, or a PA."""

    address: int
    data: bytes
    vm: int | None = None


class Type(msgspec.Struct, frozen=True, tag="type"):
    """Type on the console, of a VM where there are any: the bytes enter as the guest makes room for them."""

    data: bytes
    vm: int = 0


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Take the whole state, RAM included."""


class Restore(msgspec.Struct, frozen=True, tag="restore"):
    """Take a state back."""

    state: dict[str, Any]


Message = Run | Step | Read | Edit | Poke | Type | Snapshot | Restore
