"""Fetch Debian's UEFI firmware for QEMU's `virt`: `python guests/uefi/fetch.py`. It is a flash image, for `--bios`.

Read `guests/debian.py` before this file. Without apt-get, any EDK2 built as ArmVirtQemu will do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from guests.debian import Archive, cache_directory, files_in, keep, parser, run

PACKAGE: Final = "qemu-efi-aarch64"
WAY_OUT: Final = "any QEMU_EFI.fd of EDK2's ArmVirtQemu will do: give it to arm-hyp run --bios"


def image() -> Path:
    """Return the place in the cache; the file need not be there."""
    return cache_directory() / "uefi" / "QEMU_EFI.fd"


def main() -> None:
    """Fetch, and print the path."""
    options = parser("Fetch Debian's UEFI firmware for QEMU's virt board, and print its path.").parse_args()
    if options.refresh or not image().is_file():
        package = Archive(WAY_OUT, options.sources).package(PACKAGE)
        (content,) = files_in(package, "usr/share/qemu-efi-aarch64/QEMU_EFI.fd").values()
        keep(image(), content)
    print(image())


if __name__ == "__main__":
    sys.exit(run(main))
