"""Benchmark of the start-up time: from the shell's `arm-hyp run` to the guest's first instruction.

Read `arm_hyp/cli/run.py` before this file. The guest is two instructions long and switches the machine off, so what is
measured is the whole process, which is more than the time to the first instruction: it includes the end. The
modules are compiled already, as in any program that is not run for the first time.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from installed import environment
from pytest_benchmark.fixture import BenchmarkFixture

POWER_OFF = "ldr w0, =0x84000008\nsmc #0\n"
"""PSCI SYSTEM_OFF."""


@pytest.mark.skipif(importlib.util.find_spec("arm_hyp.cli.run") is None, reason="arm_hyp/cli/run.py is not there yet")
@pytest.mark.parametrize("form", ["assembly", "raw"])
def test_start_of_run(benchmark: BenchmarkFixture, report: Callable[..., None], tmp_path: Path, form: str) -> None:
    guest = _guest(tmp_path, form)
    command = [sys.executable, "-m", "arm_hyp.cli.main", "run", str(guest)]

    def start() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, env=environment(), capture_output=True, check=False)

    finished = benchmark.pedantic(start, rounds=10, warmup_rounds=2)
    assert finished.returncode == 0, finished.stderr.decode()
    best = benchmark.stats.stats.min
    report(f"start and end of `arm-hyp run`, two instructions, {form}", best, "s", 0.4, True)


def _guest(directory: Path, form: str) -> Path:
    if form == "assembly":
        path = directory / "off.s"
        path.write_text(POWER_OFF)
    else:
        from arm_hyp.cpu.assembler import assemble

        path = directory / "off.bin"
        path.write_bytes(assemble(POWER_OFF, filename="off.s", base=0x4008_0000).code)
    return path
