"""Fetch Debian's arm64 kernel and busybox, and build an initramfs: `python guests/linux/fetch.py`.

Read `guests/debian.py` and `guests/linux/initramfs.py` before this file. Everything goes to a cache directory outside
the repository ($ARM_HYP_CACHE, else arm-hyp in $XDG_CACHE_HOME or ~/.cache). Without apt-get, any arm64 Image and any
static arm64 busybox will do: `--kernel FILE --busybox FILE`; or any arm64 Image and cpio, straight to `arm-hyp run`.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arm_hyp.errors import UserError
from guests.debian import Archive, cache_directory, files_if_any, files_in, keep, parser, read_given, run, say
from guests.linux.initramfs import GREETING, SHELL, init_script, initramfs

META_PACKAGE: Final = "linux-image-cloud-arm64"
WAY_OUT: Final = (
    "any arm64 Image and static arm64 busybox will do: --kernel FILE --busybox FILE; "
    "or give an Image and a cpio archive to arm-hyp run"
)
MODULES: Final = ("virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "virtio_console", "virtio-rng")
"""The kernel's modules that the disk, the console and the random numbers of virtio need, in the order of loading. What
of them a kernel has built in is no module."""
_PARTS: Final = ("linux-binary-*", "linux-modules-*")
"""The packages that hold the parts of a kernel from Linux 7 on."""
_KERNELS: Final = ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz")
"""Where a package has the kernel: before Linux 7, and since."""
_SUFFIXES: Final = (".ko", ".ko.xz")
"""A module as it is, and as packages have them since Linux 6.12."""


@dataclass(frozen=True, slots=True)
class LinuxImages:
    """Where the cache has the parts of a Linux guest."""

    directory: Path

    @property
    def kernel(self) -> Path:
        """The kernel, an uncompressed arm64 Image."""
        return self.directory / "Image"

    @property
    def busybox(self) -> Path:
        """A static busybox."""
        return self.directory / "busybox"

    @property
    def initramfs(self) -> Path:
        """Print a greeting, and power off."""
        return self.directory / "initramfs.cpio"

    @property
    def shell(self) -> Path:
        """Load the virtio modules, and start an interactive shell."""
        return self.directory / "shell.cpio"

    @property
    def modules(self) -> dict[str, bytes]:
        """The virtio modules, in the order of loading; empty for a kernel of the user's own."""
        paths = [self.directory / "modules" / f"{name}.ko" for name in MODULES]
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    @property
    def own_kernel(self) -> Path:
        """A mark: the kernel is the user's own, and there are no modules for it."""
        return self.directory / "own-kernel"

    @property
    def are_complete(self) -> bool:
        """Whether all the files are there."""
        files = (self.kernel, self.busybox, self.initramfs, self.shell)
        return (self.own_kernel.is_file() or bool(self.modules)) and all(path.is_file() for path in files)

    def with_script(self, body: str, *, modules: bool = False) -> bytes:
        """Return an initramfs that runs a shell script and powers off."""
        chosen = self.modules if modules else None
        return initramfs(self.busybox.read_bytes(), init_script(body), modules=chosen)


def images() -> LinuxImages:
    """Return the places in the cache; the files need not be there."""
    return LinuxImages(cache_directory() / "linux")


def main() -> None:
    """Fetch, build, and print the paths."""
    options = _options()
    found = images()
    if options.refresh or options.kernel or options.busybox or not found.are_complete:
        _fetch(found, options)
    if options.shell:
        print(found.kernel, found.shell, sep="\n")
    elif options.script:
        script = read_given(options.script).decode(errors="replace")
        own = keep(found.directory / "script.cpio", found.with_script(script, modules=options.modules))
        print(found.kernel, own, sep="\n")
    else:
        print(found.kernel, found.initramfs, sep="\n")


def _options() -> argparse.Namespace:
    result = parser("Fetch Debian's arm64 kernel and busybox, build an initramfs, and print the paths of both.")
    result.add_argument("--kernel", type=Path, metavar="FILE", help="an arm64 Image (or .gz) of your own")
    result.add_argument("--busybox", type=Path, metavar="FILE", help="a static arm64 busybox of your own")
    variant = result.add_mutually_exclusive_group()
    variant.add_argument("--shell", action="store_true", help="print the initramfs with an interactive shell")
    variant.add_argument("--script", type=Path, metavar="FILE", help="build an initramfs that runs this shell script")
    result.add_argument("--modules", action="store_true", help="with --script: load the virtio modules first")
    return result.parse_args()


def _fetch(found: LinuxImages, options: argparse.Namespace) -> None:
    archive = Archive(WAY_OUT, options.sources)
    _take_kernel(found, archive, options.kernel)
    keep(found.busybox, _own_busybox(options.busybox) if options.busybox else _debian_busybox(archive))
    keep(found.initramfs, found.with_script(GREETING))
    keep(found.shell, found.with_script(GREETING + SHELL, modules=True))
    say(f"all in {found.directory}")


def _take_kernel(found: LinuxImages, archive: Archive, own: Path | None) -> None:
    if own is not None:
        keep(found.kernel, uncompressed(str(own), read_given(own)))
        keep(found.own_kernel, b"")
        _forget_modules(found)
        return
    kernel, modules = _debian_kernel(archive)
    _forget_modules(found)
    keep(found.kernel, kernel)
    for name, content in modules.items():
        keep(found.directory / "modules" / name, content)
    found.own_kernel.unlink(missing_ok=True)


def _forget_modules(found: LinuxImages) -> None:
    for old in (found.directory / "modules").glob("*.ko"):
        old.unlink()


def _debian_kernel(archive: Archive) -> tuple[bytes, dict[str, bytes]]:
    """Fetch Debian's kernel and its modules, of the release that the package sources are of. Raises: UserError."""
    image = archive.dependency(META_PACKAGE, "linux-image-*")
    wanted = (*_KERNELS, *(f"*/{name}{suffix}" for name in MODULES for suffix in _SUFFIXES))
    files: dict[str, bytes] = {}
    for name in (image, *archive.dependencies(image, *_PARTS)):
        files |= files_if_any(archive.package(name), *wanted)
    modules = {Path(name).name.removesuffix(".xz"): files.pop(name) for name in list(files) if ".ko" in name}
    if len(files) != 1 or not modules:
        raise UserError(image, "holds no kernel with modules for virtio where it used to", WAY_OUT)
    ((name, kernel),) = files.items()
    return uncompressed(name, kernel), {name: _unpacked(name, module) for name, module in modules.items()}


def _unpacked(name: str, module: bytes) -> bytes:
    if module.startswith(b"\x7fELF"):
        return module
    try:
        return lzma.decompress(module)
    except (lzma.LZMAError, EOFError) as error:
        raise UserError(name, f"is damaged: {error}", WAY_OUT) from None


def _debian_busybox(archive: Archive) -> bytes:
    (content,) = files_in(archive.package("busybox-static"), "*bin/busybox").values()
    return content


def _own_busybox(path: Path) -> bytes:
    content = read_given(path)
    if content[:5] != b"\x7fELF\x02" or content[18:20] != b"\xb7\0":
        raise UserError(str(path), "is not an AArch64 executable", WAY_OUT)
    return content


def uncompressed(name: str, kernel: bytes) -> bytes:
    """Return an arm64 Image as it is, or out of gzip. Raises: UserError, for anything else."""
    if kernel[:2] == b"\x1f\x8b":
        try:
            kernel = gzip.decompress(kernel)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(name, f"is damaged gzip: {error}", WAY_OUT) from None
    if kernel[56:60] != b"ARM\x64":
        raise UserError(name, "is not an arm64 Image", WAY_OUT)
    return kernel


if __name__ == "__main__":
    sys.exit(run(main))
