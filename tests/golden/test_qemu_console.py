"""The guests of the board print the same on QEMU's `virt`, and say PASS."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from golden_support import BOARD_CASES, Case, code_of, run

QEMU = "qemu-system-aarch64"
QEMU_BASE = 0x4020_0000
"""QEMU puts its device tree into the first MiB of RAM, where the guests lie on our machine."""
CPUS = {"a72": "cortex-a72", "max": "max"}
SECONDS = 60


def on_qemu(case: Case, directory: Path, seconds: int = SECONDS) -> bytes:
    """Run a case on QEMU; return its console. Raises: subprocess.TimeoutExpired if it does not power off in time."""
    image, console = directory / "guest.bin", directory / "console"
    image.write_bytes(code_of(case.guest, QEMU_BASE))
    machine = f"virt,virtualization=on,gic-version={case.gic}"
    command = [QEMU, "-M", machine, "-cpu", CPUS[case.model], "-smp", str(case.cpus), "-m", "64M", "-net", "none"]
    command += ["-device", f"loader,file={image},addr={QEMU_BASE:#x},cpu-num=0,force-raw=on"]
    command += ["-display", "none", "-monitor", "none", "-serial", f"file:{console}"]
    subprocess.run(command, check=True, timeout=seconds, stdin=subprocess.DEVNULL)
    return console.read_bytes()


@pytest.mark.qemu
@pytest.mark.parametrize("case", [case for case in BOARD_CASES if not case.not_on_qemu], ids=lambda case: case.name)
def test_a_guest_of_the_board_prints_the_same_on_qemu(case: Case, tmp_path: Path):
    if shutil.which(QEMU) is None:
        assert os.environ.get("CI") is None, f"{QEMU} is not installed"
        pytest.skip(f"{QEMU} is not installed (Debian: qemu-system-arm)")
    assert on_qemu(case, tmp_path) == bytes(run(case)[0].console)


@pytest.mark.parametrize("case", BOARD_CASES, ids=lambda case: case.name)
def test_a_guest_of_the_board_passes(case: Case):
    assert run(case)[0].console.endswith(b"PASS\n")
