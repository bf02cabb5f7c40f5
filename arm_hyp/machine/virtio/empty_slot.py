"""A virtio-mmio slot without a device, and what every slot says of itself.

Read `machine/virtio/__init__.py` before this file and `mmio.py` after it. Most runs have empty slots only: nothing else
of the package is needed for these.
"""

from __future__ import annotations

from typing import Any, Final

MAGIC: Final = int.from_bytes(b"virt", "little")
VERSION: Final = 2
VENDOR_ID: Final = int.from_bytes(b"QEMU", "little")
"""The vendor that QEMU's `virt` shows: some drivers look for it."""

_MAGIC_VALUE, _VERSION, _VENDOR_ID = 0x000, 0x004, 0x00C
"""Offsets. Ref: VIRTIO 1.2, 4.2.2, table 4.1."""


class EmptySlot:
    """A transport with no device behind it: DeviceID is 0, and a driver must go away. Ref: VIRTIO 1.2, 4.2.3.1.1."""

    _VALUES: Final[dict[int, int]] = {_MAGIC_VALUE: MAGIC, _VERSION: VERSION, _VENDOR_ID: VENDOR_ID}

    def read(self, offset: int, size_bytes: int) -> int:
        """Read MagicValue, Version or VendorID; all else is zero."""
        return self._VALUES.get(offset, 0) if size_bytes == 4 else 0

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Ignore a write."""

    def snapshot(self) -> dict[str, Any]:
        """Return the state: there is none."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. Raises: ValueError if it is of a device."""
        if state:
            raise ValueError("the state is of a virtio device, but the slot is empty")
