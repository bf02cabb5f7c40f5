"""What the fetching script takes out of Debian's packages, in the forms that releases 12 to 14 have them in."""

import lzma
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from arm_hyp.errors import UserError
from guests.debian import Archive
from guests.linux.fetch import _debian_kernel

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")

IMAGE = bytes(56) + b"ARM\x64" + b"a kernel"
MODULE = b"\x7fELF a module"
MODULES = "usr/lib/modules/1"
RELEASES = {
    "12": {"linux-image-1": {"boot/vmlinuz-1": IMAGE, "lib/modules/1/drivers/virtio_blk.ko": MODULE}},
    "13": {
        "linux-image-1": {
            "boot/vmlinuz-1": IMAGE,
            f"{MODULES}/virtio_blk.ko.xz": lzma.compress(MODULE),
            f"{MODULES}/virtio_net.ko.xz": lzma.compress(b"\x7fELF of no interest"),
        }
    },
    "14": {
        "linux-image-1": {"usr/share/doc/linux-image-1/copyright": b"as it is"},
        "linux-binary-1": {f"{MODULES}/vmlinuz": IMAGE},
        "linux-modules-1": {f"{MODULES}/virtio_blk.ko.xz": lzma.compress(MODULE)},
    },
}


class Packages(Archive):
    """An archive of packages that are made here."""

    def __init__(self, directory: Path, packages: Mapping[str, Mapping[str, bytes]]) -> None:
        super().__init__("give it by hand", directory=directory)
        self.packages = packages

    def dependencies(self, name: str, *patterns: str) -> list[str]:
        return [each for each in self.packages if any(Path(each).match(pattern) for pattern in patterns)]

    def package(self, name: str) -> Path:
        root = self.directory / name
        for path, content in self.packages[name].items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        control = root / "DEBIAN/control"
        control.parent.mkdir(parents=True)
        control.write_text(f"Package: {name}\nVersion: 1\nArchitecture: arm64\nMaintainer: nobody\nDescription: none\n")
        made = self.directory / f"{name}_1_arm64.deb"
        subprocess.run(["dpkg-deb", "--build", root, made], check=True, capture_output=True)
        return made


@pytest.mark.parametrize("release", RELEASES)
def test_the_kernel_and_its_modules_are_found_in_each_release(tmp_path: Path, release: str) -> None:
    assert _debian_kernel(Packages(tmp_path, RELEASES[release])) == (IMAGE, {"virtio_blk.ko": MODULE})


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"boot/vmlinuz-1": IMAGE}, "linux-image-1: holds no kernel with modules"),
        ({f"{MODULES}/virtio_blk.ko": MODULE}, "linux-image-1: holds no kernel with modules"),
        ({"boot/vmlinuz-1": IMAGE, f"{MODULES}/virtio_blk.ko.xz": b"junk"}, "virtio_blk.ko: is damaged"),
        ({"boot/vmlinuz-1": b"junk", f"{MODULES}/virtio_blk.ko": MODULE}, "boot/vmlinuz-1: is not an arm64 Image"),
    ],
)
def test_a_package_that_has_changed_is_named(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(UserError, match=said):
        _debian_kernel(Packages(tmp_path, {"linux-image-1": files}))
