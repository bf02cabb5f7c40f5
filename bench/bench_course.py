"""Benchmarks of the course: 200 submissions of one lesson graded, and the time from a save to the verdict.

Read `bench/README.md` and `arm_hyp/course/grading/pool.py` before this file. A third of the submissions are the
lesson's solution, the others its start and its plausible mistakes, in turn.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.course.catalogue import open_catalogue
from arm_hyp.course.checking import check_lesson
from arm_hyp.course.grading.grade import Grader, Settings
from arm_hyp.course.grading.pool import Pool
from arm_hyp.course.grading.worker import Order
from arm_hyp.course.manifest import Lesson
from arm_hyp.course.sandbox import start_ahead

Report = Callable[..., None]

SUBMISSIONS: Final = 200
JOBS: Final = 2
GRADING_AIM_S: Final = 120.0
VERDICT_AIM_S: Final = 1.0
ROUNDS: Final = 3
LESSON: Final = "04-wfi"


def _handed_in(lesson: Lesson, folder: Path) -> list[Order]:
    others = [lesson.folder / "start", *sorted((lesson.folder / "wrong").iterdir())]
    sources = [part for other in others for part in (lesson.folder / "solution", other, other)]
    orders = []
    for number in range(SUBMISSIONS):
        name = f"student{number:03}"
        shutil.copytree(sources[number % len(sources)], folder / name / lesson.name)
        orders.append(Order(name, str(folder / name)))
    return orders


def test_grading(benchmark: BenchmarkFixture, report: Report, tmp_path: Path) -> None:
    orders = _handed_in(open_catalogue().lesson(LESSON), tmp_path)
    with Pool(Grader(Settings(lessons=(LESSON,))), JOBS) as pool:
        found = benchmark.pedantic(pool.grade, (orders,), rounds=1)
    assert all(one.is_graded for one in found)
    assert sum(one.status == "passed" for one in found) >= SUBMISSIONS // 4
    seconds = benchmark.stats.stats.max
    report(f"grade {SUBMISSIONS} submissions of {LESSON} with {JOBS} workers", seconds, "s", GRADING_AIM_S, True)


@pytest.mark.parametrize("name", open_catalogue().names)
def test_save_to_verdict(benchmark: BenchmarkFixture, report: Report, name: str, tmp_path: Path) -> None:
    """Measure a check of the whole lesson as `watch` does it, with everything imported and the sandbox up."""
    lesson = open_catalogue().lesson(name)
    start_ahead()
    check_lesson(lesson, lesson.folder / "solution")
    work = {"the solution": lesson.folder / "solution", "a mistake": sorted((lesson.folder / "wrong").iterdir())[0]}
    seconds = {what: _seconds(lesson, folder, tmp_path) for what, folder in work.items()}
    benchmark.pedantic(check_lesson, (lesson, work["the solution"]), {"recordings": tmp_path}, rounds=1)
    for what, worst in seconds.items():
        report(f"{name}: from a save to the verdict, all tasks, {what}", worst, "s", VERDICT_AIM_S, True)


def _seconds(lesson: Lesson, folder: Path, recordings: Path) -> float:
    """Return the longest time of several checks."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        check_lesson(lesson, folder, recordings=recordings)
        times.append(time.perf_counter() - begin)
    return max(times)
