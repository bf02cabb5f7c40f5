"""Debian's u-boot reaches its prompt from flash and answers; Debian's Xen starts a dom0."""

import pytest

from arm_hyp.runner.configuration import Configuration, Module
from arm_hyp.runner.runner import Run, Runner, Type

LIMIT = 4_000_000_000
pytestmark = pytest.mark.long


@pytest.mark.parametrize("el", [1, 2])
def test_uboot_answers_version(uboot_image, el):
    runner = Runner(Configuration(bios=str(uboot_image), el=el))
    assert runner.send(Run(LIMIT, until="Hit any key to stop autoboot"))["status"] == 0
    runner.send(Type(b"\n"))
    assert runner.send(Run(LIMIT, until="=> "))["status"] == 0
    runner.send(Type(b"version\n"))
    assert runner.send(Run(LIMIT, until="GNU ld"))["status"] == 0
    assert b"Flash: 64 MiB" in runner.machine.console


@pytest.mark.parametrize("gic", [2, 3])
def test_xen_starts_dom0(xen_image, linux_images, gic):
    runner = Runner(
        Configuration(
            image=str(xen_image),
            gic=gic,
            memory_bytes=1 << 30,
            append="console=dtuart dtuart=/pl011@9000000 dom0_mem=512M",
            modules=(
                Module("kernel", str(linux_images.kernel), "console=hvc0 cryptomgr.notests=1"),
                Module("ramdisk", str(linux_images.initramfs)),
            ),
        )
    )
    answer = runner.send(Run(LIMIT, until="Hello from userland"))
    assert answer["status"] == 0, bytes(runner.machine.console)[-2000:].decode(errors="replace")
