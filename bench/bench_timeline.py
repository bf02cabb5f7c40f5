"""Benchmark of recordings: what it costs to record Debian's kernel to power-off, how large that is, and its replay.

Read `bench/README.md` and `bench/boot_linux.py` before this file. Each participant is a process of its own; they take
turns, and the shortest CPU time of each counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from bench_linux import BENCH, BOOTS, MEMORY_BYTES, ROUNDS, TIMEOUT_S, linux_images
from installed import environment
from pytest_benchmark.fixture import BenchmarkFixture

Report = Callable[..., None]

RECORDING_AIM: Final = 1.15
SIZE_AIM_BYTES: Final = 1 << 20
FORMS: Final = {"bare": [], "as a VM": ["--hypervisor"]}


def _boot(append: str, *options: str) -> float:
    """Boot once; return the CPU seconds from the first look at a file to the end of what is asked for."""
    found = linux_images()
    files = [str(found.kernel), str(found.initramfs), append, str(MEMORY_BYTES)]
    command = [sys.executable, str(BENCH / "boot_linux.py"), *files, *options]
    ended = subprocess.run(command, env=environment(), capture_output=True, timeout=TIMEOUT_S, check=True)
    measured = json.loads(ended.stdout)
    assert "reboot: Power down" in measured["end"], measured
    return float(measured["seconds"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boot", BOOTS)
def test_recording(benchmark: BenchmarkFixture, report: Report, tmp_path: Path, boot: str, form: str) -> None:
    path, append = tmp_path / "run.hyp", BOOTS[boot]
    ways = {"plain": (), "recorded": ("--record", str(path)), "replayed": ("--replay", str(path))}
    times: dict[str, list[float]] = {way: [] for way in ways}

    def take_turns() -> None:
        for way, options in ways.items():
            times[way].append(_boot(append, *FORMS[form], *options))

    benchmark.pedantic(take_turns, rounds=ROUNDS)
    name, best = f"Linux, {boot}, {form}", {way: min(seconds) for way, seconds in times.items()}
    report(f"{name}: recorded, to plain", best["recorded"] / best["plain"], "times", RECORDING_AIM, True)
    report(f"{name}: replayed, to plain", best["replayed"] / best["plain"], "times")
    report(f"{name}: size of the recording", path.stat().st_size, "bytes", SIZE_AIM_BYTES, True)
