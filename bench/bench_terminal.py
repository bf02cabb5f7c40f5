"""Benchmarks of the terminal: from a key to what is written for it, the first frame, and memory over many steps.

Read `bench/README.md` and `arm_hyp/tui/app.py` before this file. The application runs as it does in a terminal, with
the machine in a process of its own; only the last step is a driver that notes when something is written. Measured is
the time on the clock: two processes take part. A key counts as answered with the last write before the next key,
once the queue of jobs is empty. The figure is the 95th percentile.
"""

from __future__ import annotations

import asyncio
import os
import pty
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from bench_linux import BOOTS, MEMORY_BYTES, linux_images
from pytest_benchmark.fixture import BenchmarkFixture
from textual import events
from textual.drivers.headless_driver import HeadlessDriver

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.driver import Driver
from arm_hyp.tui.link import ProcessLink, Source
from arm_hyp.tui.panels.catalogue import make_panels
from arm_hyp.tui.session_link import SessionLink

Report = Callable[..., None]

KEYS: Final = 100
LESSON_AIM_MS: Final = 50
KERNEL_AIM_MS: Final = 150
FIRST_FRAME_AIM_S: Final = 0.7
STEPS: Final = 100_000
GROWTH_AIM: Final = 1.05
_MOVES: Final = (("right", None), ("left", None), ("pagedown", None), ("pageup", None))


class NotingDriver(HeadlessDriver):
    """A driver that writes nowhere, and notes when."""

    last_write = 0.0

    @property
    def is_headless(self) -> bool:
        """Say that there is a screen, so that everything is drawn."""
        return False

    def write(self, data: str) -> None:
        """Note it."""
        NotingDriver.last_write = time.perf_counter()


def _latencies(source: Source, size: tuple[int, int], prepare: str = "") -> list[float]:
    """Press keys in an application, and return how long each took, in ms."""

    async def main() -> list[float]:
        app = ArmHypApp(ProcessLink(source), Options(runs_ahead=not prepare, is_recording=bool(prepare)))
        app.driver_class = NotingDriver
        found: list[float] = []

        async def press() -> None:
            while app.driver.view is None or app.work.waits() or not app.work.is_idle.is_set():
                await asyncio.sleep(0.01)
            if prepare:
                app.do("goto", lambda: app.driver.goto(prepare))
                await app.work.is_idle.wait()
            drawn = random.Random(7)
            for _ in range(KEYS):
                key, character = drawn.choice(_MOVES)
                await asyncio.sleep(0.02)
                begun = time.perf_counter()
                app.post_message(events.Key(key, character))
                while app.work.is_idle.is_set() and time.perf_counter() - begun < 1:
                    await asyncio.sleep(0.001)
                await app.work.is_idle.wait()
                await asyncio.sleep(0.1)  # the last write
                found.append(1000 * (NotingDriver.last_write - begun))
            app.exit()

        task = asyncio.create_task(press())
        await app.run_async(size=size, headless=False)
        await task
        return found

    return asyncio.run(main())


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def test_key_in_a_lesson_guest(benchmark: BenchmarkFixture, report: Report) -> None:
    """A step or a trap, on or back, with a guest of the size of a lesson, at 120x40."""
    source = Configuration(image=str(guests_directory() / "05-stage2-faults.s"))
    found = benchmark.pedantic(lambda: _latencies(source, (120, 40)), rounds=1)
    report("key to write, lesson guest, p95", _p95(found), "ms", LESSON_AIM_MS, at_most=True)


def test_key_in_a_vm_guest(benchmark: BenchmarkFixture, report: Report) -> None:
    """The same with a VM under the hypervisor in Python, at 200x60."""
    source = Configuration(image=str(guests_directory() / "25-demand-paging.s"), hypervisor="")
    found = benchmark.pedantic(lambda: _latencies(source, (200, 60)), rounds=1)
    report("key to write, VM guest, 200x60, p95", _p95(found), "ms", LESSON_AIM_MS, at_most=True)


@cache
def _recorded_boot(folder: str) -> str:
    found = linux_images()
    path = str(Path(folder) / "boot.hyp")
    subprocess.run(
        [
            *(sys.executable, "-m", "arm_hyp.cli.main", "run", str(found.kernel), "--initrd", str(found.initramfs)),
            *("--append", BOOTS["full boot"], "--memory", f"{MEMORY_BYTES >> 20}M", "--el", "1", "--record", path),
            *("--embed", "all"),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return path


def test_key_in_a_recorded_kernel_boot(benchmark: BenchmarkFixture, report: Report, tmp_path_factory: Any) -> None:
    """The same in the middle of a recorded boot of Debian's kernel."""
    path = _recorded_boot(str(tmp_path_factory.mktemp("boot")))
    found = benchmark.pedantic(lambda: _latencies(RecordingFile(path), (120, 40), "60%"), rounds=1)
    report("key to write, recorded kernel boot, p95", _p95(found), "ms", KERNEL_AIM_MS, at_most=True)


def test_first_frame(benchmark: BenchmarkFixture, report: Report) -> None:
    """From the start of the program to the first frame, in a pseudo-terminal."""
    benchmark.pedantic(_first_frame_s, rounds=5)
    report("first frame", min(benchmark.stats.stats.data), "s", FIRST_FRAME_AIM_S, at_most=True)


def _first_frame_s() -> None:
    ours, theirs = pty.openpty()
    guest = str(guests_directory() / "02-wfi.s")
    child = subprocess.Popen(
        [sys.executable, "-m", "arm_hyp.cli.main", "tui", guest],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
    )
    os.close(theirs)
    seen = b""
    while b"ladder" not in seen:
        readable, _, _ = select.select([ours], [], [], 20)
        assert readable, "no frame came"
        seen += os.read(ours, 65536)
    child.terminate()
    child.wait()
    os.close(ours)


def test_memory_over_many_steps(benchmark: BenchmarkFixture, report: Report) -> None:
    """The memory of both sides after STEPS steps, to that after a tenth of them: views are not kept."""
    ratio = benchmark.pedantic(_growth, rounds=1)
    report(f"memory after {STEPS:,} steps, to a tenth of them", ratio, "", GROWTH_AIM, at_most=True)


def _growth() -> float:
    image = str(guests_directory() / "16-preemption.s")
    session = Session(Configuration(image=image, gic=3))
    panels = make_panels()
    driver = Driver(
        SessionLink(session), lambda: [panels["ladder"], panels["code"], panels["trap"], panels["registers"]]
    )

    async def steps() -> float:
        await driver.open()
        await driver.run()
        end = driver.now.position
        first = 0
        for index in range(STEPS):
            before = driver.now.position
            await (driver.home() if before == end else driver.step())
            assert driver.now.position != before, "this step went nowhere"
            if index == STEPS // 10:
                first = _resident_bytes()
        return _resident_bytes() / first

    return asyncio.run(steps())


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
