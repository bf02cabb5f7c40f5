"""Benchmarks of going back: steps and searches in guests of the size of a lesson, and in Debian's kernel boot.

Read `bench/README.md` and `arm_hyp/timeline/search.py` before this file. Each guest runs once, forward; then the cursor
goes to places drawn with a fixed seed, which is not measured, and back from there, which is. Measured is CPU time,
which is what a user waits on a quiet machine: there is one thread, and it never sleeps. Of steps the figure is the 95th
percentile.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from time import process_time
from typing import Final

import pytest
from bench_linux import BOOTS, MEMORY_BYTES, linux_images
from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner
from arm_hyp.timeline.budget import DEFAULT_BUDGET_BYTES
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.search_changes import last_change
from arm_hyp.timeline.timeline import Timeline

Report = Callable[..., None]

NO_LIMIT: Final = 1 << 62
ROUNDS: Final = 100
LESSON_STEP_AIM_MS: Final = 5
STEP_AIM_MS: Final = 100
EXCEPTION_AIM_MS: Final = 200
DESCRIPTOR_AIM_S: Final = 5
SMALL_BUDGET_BYTES: Final = 48 << 20
"""Twice as much as the kernel, its initramfs and the last state take, compressed."""
LESSONS: Final[dict[str, dict[str, object]]] = {
    "01-ladder": {},
    "12-stale-tlb": {},
    "16-preemption": {"gic": 3},
    "19-smp": {"cpus": 2},
    "25-demand-paging": {"hypervisor": ""},
    "26-virtual-timer": {"hypervisor": ""},
    "28-vm-smp": {"hypervisor": "", "cpus": 2},
}
DESCRIPTORS: Final = {
    "of the stack, level 3": "pte:SP@3",
    "of the code, level 2": "pte:PC@2",
    "of the code, level 1": "pte:PC@1",
}


pytestmark = pytest.mark.benchmark(timer=process_time)


def _linux(boot: str) -> Configuration:
    found = linux_images()
    files = {"image": str(found.kernel), "initrd": str(found.initramfs), "append": BOOTS[boot]}
    return Configuration(**files, memory_bytes=MEMORY_BYTES, el=1, gic=2)


def _past(configuration: Configuration, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> Timeline:
    timeline = Timeline(configuration, budget_bytes=budget_bytes)
    timeline.run(NO_LIMIT)
    return timeline


@cache
def _boot() -> Timeline:
    return _past(_linux("full boot"))


def _p95_ms(benchmark: BenchmarkFixture, timeline: Timeline, go_back: Callable[[], object]) -> float:
    """Go to ROUNDS places and back from each; return what the slowest but one in twenty took, in ms."""
    drawn = random.Random(6)

    def somewhere() -> None:
        timeline.seek(Position(drawn.randrange(1, timeline.frontier.n + 1)))

    benchmark.pedantic(go_back, setup=somewhere, rounds=ROUNDS)
    assert benchmark.stats is not None
    return float(sorted(benchmark.stats.stats.data)[ROUNDS * 95 // 100 - 1]) * 1e3


@pytest.mark.parametrize("name", LESSONS)
def test_step_back_in_a_lesson(benchmark: BenchmarkFixture, report: Report, name: str) -> None:
    """Aim: 5 ms."""
    timeline = _past(Configuration(image=str(guests_directory() / f"{name}.s"), **LESSONS[name]))
    taken = _p95_ms(benchmark, timeline, timeline.step_back)
    report(f"step back in {name}, 95%", taken, "ms", LESSON_STEP_AIM_MS, True)


def test_step_back_in_a_boot(benchmark: BenchmarkFixture, report: Report) -> None:
    """Aim: 100 ms."""
    taken = _p95_ms(benchmark, _boot(), _boot().step_back)
    report("step back in Linux, full boot, 95%", taken, "ms", STEP_AIM_MS, True)


def test_previous_exception_in_a_boot(benchmark: BenchmarkFixture, report: Report) -> None:
    """Aim: 200 ms."""
    search = Search(_boot())
    taken = _p95_ms(benchmark, _boot(), lambda: search.previous("exception"))
    report("previous exception in Linux, full boot, 95%", taken, "ms", EXCEPTION_AIM_MS, True)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_who_changed_a_descriptor(benchmark: BenchmarkFixture, report: Report, name: str) -> None:
    """Aim: 5 s, over nine tenths of the boot."""
    timeline = _boot()
    timeline.seek(Position(timeline.frontier.n * 9 // 10))
    core = timeline.runner.machine.core
    wanted = DESCRIPTORS[name].replace("SP", hex(core.sp)).replace("PC", hex(core.pc))
    found = benchmark.pedantic(lambda: last_change(Search(timeline), wanted), rounds=1)
    assert found is not None
    assert benchmark.stats is not None
    report(f"who changed the descriptor {name}", float(benchmark.stats.stats.max), "s", DESCRIPTOR_AIM_S, True)


def test_what_checkpoints_cost(benchmark: BenchmarkFixture, report: Report) -> None:
    """Aim: at most the budget, however small it is."""
    configuration, seconds = _linux("no crypto tests"), []

    def both() -> None:
        start = process_time()
        Runner(configuration).send(Run(NO_LIMIT))
        plain_s, start = process_time() - start, process_time()
        small = _past(configuration, SMALL_BUDGET_BYTES)
        seconds.append((process_time() - start) / plain_s)
        kept = small.history.checkpoints.stored_bytes / SMALL_BUDGET_BYTES
        report("checkpoints of a boot under 48 MiB, to that", kept, "times", 1, True)

    benchmark.pedantic(both, rounds=1)
    report("a boot with checkpoints under 48 MiB, to without", seconds[0], "times")
    stored = _boot().history.checkpoints.stored_bytes / DEFAULT_BUDGET_BYTES
    report("checkpoints of the full boot, to the budget", stored, "times", 1, True)
