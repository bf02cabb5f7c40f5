"""Benchmark of a real system: Debian's kernel to power-off, against QEMU's TCG and against the thinnest hooks.

Read `bench/README.md` before this file, then `bench/boot_linux.py` and `bench/thinnest.py`. Every participant is a
process of its own, which ends when the guest powers off. They take turns, and the shortest time of each counts. QEMU is
compared by the time of the whole process (and by its CPU time, which other work on the machine spoils less), the
thinnest hooks by the CPU time from the first instruction to power-off.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

import pytest
from installed import environment
from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.cpu import counting

BENCH: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent))

from guests.linux.fetch import LinuxImages, images  # noqa: E402

Report = Callable[..., None]

ROUNDS: Final = 3
MIB: Final = 1 << 20
MEMORY_BYTES: Final = 256 * MIB
MEMORY_AIM_BYTES: Final = MEMORY_BYTES + 250 * 1000 * 1000
THINNEST_AIMS: Final = {"c": 1.15}
"""By way of counting, at most: our time to that of the thinnest hooks."""
QEMU_AIMS: Final = {"c": 2.2, "code": 4.5}
"""By way of counting, at most: our time to QEMU's, with the counting helper and on a host that did not build it."""
WAYS: Final = (*counting.BY_BLOCK, "python")
BOOTS: Final = {"full boot": "console=ttyAMA0", "no crypto tests": "console=ttyAMA0 cryptomgr.notests=1"}
QEMU: Final = "qemu-system-aarch64"
TIMEOUT_S: Final = 120


@dataclass
class Participant:
    """One way to boot: its command, the way of counting it is told to use, and what was measured."""

    command: list[str]
    counting_way: str = ""
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    run_s: list[float] = field(default_factory=list)
    peaks_bytes: list[int] = field(default_factory=list)

    def boot(self) -> None:
        """Boot once. Raises: AssertionError, if the kernel does not power off."""
        way = {counting.SWITCH: self.counting_way} if self.counting_way else {}
        start, cpu_start = perf_counter(), _children_s()
        ended = subprocess.run(
            self.command,
            env=environment(**way),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.wall_s.append(perf_counter() - start)
        self.cpu_s.append(_children_s() - cpu_start)
        assert ended.returncode == 0 and b"reboot: Power down" in ended.stdout, ended.stderr.decode()
        if self.counting_way:
            measured = json.loads(ended.stdout)
            self.run_s.append(measured["seconds"])
            self.peaks_bytes.append(measured["peak_bytes"])


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def linux_images() -> LinuxImages:
    """Return the images from the cache; without them the benchmark is skipped."""
    found = images()
    if not found.are_complete:
        pytest.skip("Debian's arm64 kernel is not in the cache: run `python guests/linux/fetch.py`")
    return found


def _ways() -> list[str]:
    return [way for way in WAYS if way == "python" or counting.is_usable(way)]


def _participants(found: LinuxImages, append: str, directory: Path) -> dict[str, Participant]:
    """Return QEMU, if it is installed, and for each way of counting this machine and the thinnest hooks."""
    kernel, initrd, size = str(found.kernel), str(found.initramfs), str(MEMORY_BYTES)
    ours = [sys.executable, str(BENCH / "boot_linux.py"), kernel, initrd, append, size]
    tree = directory / "tree.dtb"
    subprocess.run([*ours, "--tree", str(tree)], check=True)
    thinnest = [sys.executable, str(BENCH / "thinnest.py"), kernel, initrd, str(tree), size]
    result = {"qemu": Participant(_qemu(kernel, initrd, append))} if shutil.which(QEMU) else {}
    for way in _ways():
        result[f"ours {way}"] = Participant(ours, way)
        result[f"thinnest {way}"] = Participant(thinnest, way)
    return result


def _qemu(kernel: str, initrd: str, append: str) -> list[str]:
    board = ["-M", "virt,gic-version=2", "-cpu", "cortex-a72", "-smp", "1", "-m", str(MEMORY_BYTES // MIB)]
    console = ["-accel", "tcg", "-nodefaults", "-display", "none", "-serial", "stdio"]
    return [QEMU, *board, *console, "-kernel", kernel, "-initrd", initrd, "-append", append]


@pytest.mark.parametrize("boot", BOOTS)
def test_linux(benchmark: BenchmarkFixture, report: Report, tmp_path: Path, boot: str) -> None:
    participants = _participants(linux_images(), BOOTS[boot], tmp_path)

    def take_turns() -> None:
        for one in participants.values():
            one.boot()

    benchmark.pedantic(take_turns, rounds=ROUNDS)
    qemu = participants.get("qemu")
    if qemu is None:
        report(f"Linux, {boot}: QEMU", None, f"{QEMU} is not installed")
    else:
        report(f"Linux, {boot}: QEMU", min(qemu.wall_s), "s")
    for way in WAYS:
        if f"ours {way}" in participants:
            _report_way(report, boot, way, participants)
        else:
            report(f"Linux, {boot}, counting in {way}", None, "there is no such way here")


def _report_way(report: Report, boot: str, way: str, participants: dict[str, Participant]) -> None:
    ours, thinnest, qemu = participants[f"ours {way}"], participants[f"thinnest {way}"], participants.get("qemu")
    name = f"Linux, {boot}, counting in {way}"
    report(name, min(ours.wall_s), "s")
    if qemu is not None:
        aim = QEMU_AIMS.get(way) if boot == "full boot" else None
        report(f"{name}: to QEMU", min(ours.wall_s) / min(qemu.wall_s), "times", aim, True)
        report(f"{name}: to QEMU, CPU time", min(ours.cpu_s) / min(qemu.cpu_s), "times")
    report(f"{name}: to the thinnest", min(ours.run_s) / min(thinnest.run_s), "times", THINNEST_AIMS.get(way), True)
    report(f"{name}: memory", max(ours.peaks_bytes) / MIB, "MiB", round(MEMORY_AIM_BYTES / MIB), True)
