"""Runs that somebody stops, wherever that is, end at the same place and time in their replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from recording_support import replay, saved

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.runner.runner import Run, Runner
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import Recording

LIMIT = 3_000


def two_vms(cpus: int) -> Configuration:
    """Return two VMs with timers: their exits, which retire nothing, set and end deadlines at one position."""
    image = str(guests_directory() / "26-virtual-timer.s")
    vms = tuple(VirtualMachine(name=name, image=image, memory_bytes=2 << 20) for name in ("one", "other"))
    return Configuration(hypervisor="", vms=vms, gic=3, cpus=cpus, memory_bytes=16 << 20)


def stopped_at(configuration: Configuration, number: int, *, at_once: bool) -> tuple[Recording, int]:
    """Record a run that somebody asks to stop at an exception or return, by its number; how many there were."""
    recorder = Recorder(configuration)
    runner = Runner(configuration)
    recorder.started(runner)
    where = runner.machine.cpus.where
    note, count = where.journal, 0

    def noted(told: object) -> None:
        nonlocal count
        note(told)
        count += 1
        if count == number:
            runner.machine.request_stop("ended by SIGINT", 130, at_once=at_once)

    where.journal = noted
    answer = runner.send(Run(LIMIT))
    return recorder.recording(runner, answer, LIMIT), count


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_run_that_is_stopped_between_two_events_ends_there_again(tmp_path: Path, cpus: int, at_once: bool) -> None:
    """A signal is heard at the end of a piece of the run, which a replay need not have there."""
    configuration = two_vms(cpus)
    _, events = stopped_at(configuration, 0, at_once=at_once)
    ends = set()
    for number in range(1, events, 13):
        recording, _ = stopped_at(configuration, number, at_once=at_once)
        end = recording.run.end
        if end.reason == "stopped":
            ends.add((end.n, end.seq, end.time_ns))
            saved(tmp_path / "run.hyp", recording)
            difference, runner, _ = replay(tmp_path / "run.hyp")
            assert difference == "", number
            assert runner.machine.clock.now_ns == end.time_ns
    assert len(ends) >= 5 and any(seq for _, seq, _ in ends)
