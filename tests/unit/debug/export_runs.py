"""Runs of guests of ours, on a machine of their own or in VMs, for the tests of exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arm_hyp.debug.exports.virtual_time import Clock, clock_of
from arm_hyp.events import Event, EventSink, FanOut
from arm_hyp.resources import guests_directory
from arm_hyp.runner.runner import Configuration, Run, Runner

LIMIT = 20_000


@dataclass(frozen=True)
class Case:
    """A guest, on a machine of its own or in a VM."""

    guest: str
    gic: int = 2
    cpus: int = 1
    vcpus: int = 0

    @property
    def is_vm(self) -> bool:
        return self.vcpus > 0


CASES = (
    Case("01-ladder"),
    Case("02-wfi"),
    Case("03-wfe"),
    Case("05-stage2-faults"),
    Case("06-tge"),
    Case("09-illegal-return"),
    Case("14-timer-gicv2"),
    Case("18-inject-gicv3", gic=3),
    Case("19-smp", cpus=2),
    Case("24-reset"),
    Case("25-demand-paging", vcpus=1),
    Case("26-virtual-timer", gic=3, vcpus=1),
    Case("28-vm-smp", vcpus=2),
    Case("28-vm-smp", gic=3, vcpus=2, cpus=2),
    Case("29-mmio-forms", vcpus=1),
    Case("30-vm-lazy-fp", vcpus=2),
)


class TimedSink:
    """Keeps every event with its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.events: list[tuple[Event, int]] = []

    def emit(self, event: Event) -> None:
        self.events.append((event, self._clock(event)))


def run(case: Case, make: Callable[[Clock, Runner], tuple[EventSink, ...]]) -> None:
    """Run a guest; the sinks are made with its clock."""
    fan = FanOut()
    runner = Runner(
        Configuration(
            image=str(guests_directory() / f"{case.guest}.s"),
            hypervisor="" if case.is_vm else None,
            gic=case.gic,
            cpus=case.cpus,
            vcpus=case.vcpus,
            memory_bytes=16 << 20,
        ),
        fan,
    )
    fan.sinks = make(clock_of(lambda: runner), runner)
    runner.send(Run(LIMIT))


def name_of(case: Case) -> str:
    """Return the name of a case as a test's parameter."""
    return f"{case.guest}-{'vm' if case.is_vm else 'bare'}-gicv{case.gic}-{case.cpus}cpus"
