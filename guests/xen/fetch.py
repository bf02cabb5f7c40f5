"""Fetch Debian's Xen for arm64: `python guests/xen/fetch.py`. It is an arm64 Image that starts at EL2.

Read `guests/debian.py` before this file. Without apt-get, any Xen of version 4.14 or later for arm64 will do. Its dom0
is the kernel of `guests/linux/fetch.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from guests.debian import Archive, cache_directory, files_in, keep, parser, run

META_PACKAGE: Final = "xen-system-arm64"
WAY_OUT: Final = "any xen for arm64 (4.14 or later) will do: give it to arm-hyp run"


def image() -> Path:
    """Return the place in the cache; the file need not be there."""
    return cache_directory() / "xen" / "xen"


def main() -> None:
    """Fetch, and print the path."""
    options = parser("Fetch Debian's Xen for arm64, and print its path.").parse_args()
    if options.refresh or not image().is_file():
        archive = Archive(WAY_OUT, options.sources)
        package = archive.package(archive.dependency(META_PACKAGE, "xen-hypervisor-*-arm64"))
        (content,) = files_in(package, "boot/xen-*-arm64").values()
        keep(image(), content)
    print(image())


if __name__ == "__main__":
    sys.exit(run(main))
