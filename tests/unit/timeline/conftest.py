"""Guests from source, and machine processes that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from process_support import SMALL

from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.process.process import MachineProcess


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Configuration]:
    """Make a configuration of a guest's source."""

    def write(source: str) -> Configuration:
        (tmp_path / "g.s").write_text(source)
        return Configuration(image=str(tmp_path / "g.s"), memory_bytes=SMALL)

    return write


@pytest.fixture
def start() -> Iterator[Callable[..., MachineProcess]]:
    """Start processes that are ended with the test."""
    started: list[MachineProcess] = []

    def begin(configuration: Configuration | RecordingFile, **options: float) -> MachineProcess:
        started.append(MachineProcess(configuration, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for process in started:
        process.close()
