"""The images of real guests, from the cache that `guests/*/fetch.py` fill; tests fetch nothing themselves.

Where an image is absent the test fails in CI, and is skipped with the reason elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guests.linux import fetch as linux
from guests.uboot import fetch as uboot
from guests.uefi import fetch as uefi
from guests.xen import fetch as xen


def _absent(what: str, script: str) -> None:
    message = f"{what} is not in the cache: run `python guests/{script}/fetch.py`"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def linux_images() -> linux.LinuxImages:
    """Debian's kernel, busybox, and the archives made of it: `.kernel`, `.initramfs`, `.shell`, `.with_script()`."""
    found = linux.images()
    if not found.are_complete:
        _absent("Debian's arm64 kernel", "linux")
    return found


@pytest.fixture(scope="session")
def uboot_image() -> Path:
    """Debian's u-boot, for flash."""
    if not uboot.image().is_file():
        _absent("Debian's u-boot", "uboot")
    return uboot.image()


@pytest.fixture(scope="session")
def uefi_image() -> Path:
    """Debian's UEFI firmware, for flash."""
    if not uefi.image().is_file():
        _absent("Debian's UEFI firmware", "uefi")
    return uefi.image()


@pytest.fixture(scope="session")
def xen_image() -> Path:
    """Debian's Xen, an arm64 Image."""
    if not xen.image().is_file():
        _absent("Debian's Xen", "xen")
    return xen.image()
