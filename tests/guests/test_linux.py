"""Debian's kernel reaches userland, runs a shell script from the initramfs, and powers off; twice the same way."""

import re
from pathlib import Path

import pytest
from hash_sink import HashSink

from arm_hyp.runner.configuration import Configuration, Drive
from arm_hyp.runner.runner import Run, Runner, Type

QUICK = "console=ttyAMA0 cryptomgr.notests=1"
"""Without the kernel's tests of its ciphers, which are two thirds of a boot."""
LIMIT = 4_000_000_000
long = pytest.mark.long

VARIANTS = [
    pytest.param(
        el, gic, cpus, "a72", marks=() if (el, gic, cpus) == (1, 2, 1) else long, id=f"el{el}-gicv{gic}-{cpus}cpu"
    )
    for el in (1, 2)
    for gic in (2, 3)
    for cpus in (1, 4)
]
VHE = [
    pytest.param(2, gic, cpus, "max", marks=long, id=f"vhe-gicv{gic}-{cpus}cpu") for gic in (2, 3) for cpus in (1, 4)
]
GREETINGS = {
    (1, "a72"): r"CPU: All CPU\(s\) started at EL1",
    (2, "a72"): "Hyp (nVHE )?mode initialized successfully",
    (2, "max"): "VHE mode initialized successfully",
}


def configuration(images, **changes: object) -> Configuration:
    made = {"image": str(images.kernel), "initrd": str(images.initramfs), "el": 1, "append": QUICK}
    return Configuration(**(made | changes))  # type: ignore[arg-type]


def boot(made: Configuration, sink: HashSink | None = None, typed: bytes = b"") -> tuple[dict[str, object], str]:
    runner = Runner(made, sink)
    runner.send(Type(typed))
    answer = runner.send(Run(LIMIT))
    return answer, bytes(runner.machine.console).decode()


def script(images, path: Path, body: str, *, modules: bool = False) -> str:
    file = path / "script.cpio"
    file.write_bytes(images.with_script(body, modules=modules))
    return str(file)


@pytest.mark.parametrize(("el", "gic", "cpus", "cpu"), [*VARIANTS, *VHE])
def test_it_runs_a_script_in_userland_and_powers_off(linux_images, el, gic, cpus, cpu):
    answer, console = boot(configuration(linux_images, el=el, gic=gic, cpus=cpus, cpu=cpu))
    assert answer["reason"] == "guest", f"{answer['text']}\n{console[-2000:]}"
    assert "Hello from userland" in console and "reboot: Power down" in console
    assert re.search(GREETINGS[el, cpu], console)
    assert f"Brought up 1 node, {cpus} CPU" in console
    timer = next(
        line.split() for line in console.splitlines() if line.rstrip().endswith("arch_timer") and "Level" in line
    )
    assert all(int(count) > 0 for count in timer[1 : 1 + cpus]), timer


@long
def test_a_full_boot_with_the_tests_of_the_ciphers(linux_images):
    answer, console = boot(configuration(linux_images, append="console=ttyAMA0"))
    assert answer["reason"] == "guest" and "Hello from userland" in console


@long
@pytest.mark.parametrize(("gic", "cpus"), [(2, 1), (3, 4)])
def test_runs_repeat_whoever_watches(linux_images, gic, cpus):
    made = configuration(linux_images, gic=gic, cpus=cpus, el=2)
    first, second = HashSink(), HashSink()
    watched = boot(made, first)
    assert boot(made, second) == watched
    assert first.digest == second.digest
    assert boot(made) == watched


@long
def test_a_virtio_disk_keeps_what_is_written(linux_images, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    body = "echo written >/dev/vda\nsync\ndd if=/dev/vda bs=7 count=1 2>/dev/null\ncat /sys/block/vda/size\n"
    made = configuration(
        linux_images, initrd=script(linux_images, tmp_path, body, modules=True), drives=(Drive(str(disk)),)
    )
    answer, console = boot(made)
    assert answer["reason"] == "guest" and "written" in console and "2048" in console
    assert disk.read_bytes() == bytes(1 << 20)


MOUNT = """
busybox mke2fs -F /dev/vda >/dev/null && mount -t ext2 /dev/vda /mnt && echo kept >/mnt/file && umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount -t ext2 -o ro /dev/vda /mnt && echo "the file says $(cat /mnt/file)"
grep vda /proc/mounts
"""


@long
def test_a_file_system_on_a_virtio_disk_mounts_and_keeps_a_file(linux_images, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    archive = script(linux_images, tmp_path, MOUNT, modules=True)
    answer, console = boot(configuration(linux_images, initrd=archive, drives=(Drive(str(disk)),)))
    assert answer["reason"] == "guest" and "the file says kept" in console
    assert "/dev/vda /mnt ext2 ro" in console
    assert disk.read_bytes() == bytes(1 << 20)


@long
def test_a_shell_answers_what_is_typed(linux_images):
    runner = Runner(configuration(linux_images, initrd=str(linux_images.shell)))
    assert runner.send(Run(LIMIT, until="\n# "))["status"] == 0
    runner.send(Type(b"echo six times seven is $((6*7))\n"))
    assert runner.send(Run(LIMIT, until="six times seven is 42"))["status"] == 0
    runner.send(Type(b"poweroff -f\n"))
    assert runner.send(Run(LIMIT))["reason"] == "guest"
