"""An initramfs for Linux: a cpio archive with busybox, the names of its applets, and a script that runs as /init.

Read this file before `guests/linux/fetch.py`. Names, order, times and inode numbers are fixed: equal input,
equal bytes.

Ref: Linux, Documentation/driver-api/early-userspace/buffer-format.rst (the "newc" format).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DIRECTORY: Final = 0o040755
EXECUTABLE: Final = 0o100755
FILE: Final = 0o100644
SYMLINK: Final = 0o120777
CHARACTER_DEVICE: Final = 0o020600

_APPLETS: Final = """
    ash awk basename cat chmod chown chroot chvt clear cmp cp cut date dd df dirname dmesg du echo egrep env expr
    false fgrep find free grep gunzip gzip halt head hexdump hostname id insmod kill killall less ln losetup ls lsmod
    md5sum mkdir mknod mktemp modprobe more mount mv nproc od pidof ping poweroff printf ps pwd readlink reboot
    renice reset rm rmdir rmmod sed seq setsid sh sha256sum sleep sort stat strings stty sync tail tar taskset tee
    test time timeout top touch tr true truncate tty umount uname uniq uptime vi watch wc which xargs yes zcat
"""

_PREPARE: Final = """#!/bin/busybox sh
export PATH=/bin HOME=/ PS1='# '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
for module in /lib/modules/*.ko; do [ -f "$module" ] && insmod "$module"; done
"""

GREETING: Final = """echo "Hello from userland"
uname -a
cat /proc/interrupts
"""

SHELL: Final = """echo "Type 'poweroff -f' to leave."
setsid -c sh </dev/ttyAMA0 >/dev/ttyAMA0 2>&1
"""

_POWER_OFF: Final = "poweroff -f\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive. `device` is (major, minor) of a device node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def init_script(body: str) -> str:
    """Return an /init that mounts what a shell needs, loads the archive's modules, runs `body`, and powers off."""
    return f"{_PREPARE}{body.rstrip()}\n{_POWER_OFF}"


def initramfs(busybox: bytes, init: str, *, modules: Mapping[str, bytes] | None = None) -> bytes:
    """Return the archive. Modules are loaded in the order given: their names get a number in front."""
    entries = [Entry(name, DIRECTORY) for name in ("bin", "dev", "lib", "lib/modules", "mnt", "proc", "sys", "tmp")]
    entries += [
        Entry("dev/console", CHARACTER_DEVICE, device=(5, 1)),
        Entry("dev/null", CHARACTER_DEVICE, device=(1, 3)),
    ]
    entries += [Entry("bin/busybox", EXECUTABLE, busybox)]
    entries += [Entry(f"bin/{applet}", SYMLINK, b"busybox") for applet in _APPLETS.split()]
    numbered = enumerate((modules or {}).items())
    entries += [Entry(f"lib/modules/{number:02}-{name}", FILE, data) for number, (name, data) in numbered]
    entries += [Entry("init", EXECUTABLE, init.encode())]
    return cpio(entries)


def cpio(entries: list[Entry]) -> bytes:
    """Return a cpio archive in the newc format."""
    records = [_record(number, entry) for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1)]
    return b"".join(records)


def _record(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if entry.mode == DIRECTORY else 1
    size = len(entry.data)
    fields = (number, entry.mode, 0, 0, links, 0, size, 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"".join(b"%08x" % value for value in fields)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
