"""Guests in which vCPUs, CPUs and levels take turns, and what a run of each tells."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from arm_hyp.events import Event, RecordingSink
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.timeline import Timeline

SMALL = 2 << 20
LIMIT = 1500


def guest(name: str, **options: Any) -> Configuration:
    return Configuration(**{"image": str(guests_directory() / f"{name}.s"), "memory_bytes": SMALL} | options)


def vms(name: str, count: int = 1, vcpus: int = 1, **options: Any) -> Configuration:
    image = str(guests_directory() / f"{name}.s")
    made = tuple(VirtualMachine(name=f"vm{i}", image=image, memory_bytes=SMALL, vcpus=vcpus) for i in range(count))
    return Configuration(hypervisor="", vms=made, machine_memory_bytes=16 << 20, **options)


BARE = {
    "virq": guest("08-virq"),
    "illegal": guest("09-illegal-return"),
    "preemption": guest("16-preemption", gic=3),
    "smp": guest("19-smp", cpus=2),
    "vhe": guest("22-vhe", cpu="max"),
    "reset": guest("24-reset"),
}
OF_VMS = {
    "timers": vms("26-virtual-timer", 2),
    "neighbours": vms("27-neighbours", 2, cpus=2, gic=3),
    "vm-smp": vms("28-vm-smp", vcpus=2, cpus=2),
    "lazy-fp": vms("30-vm-lazy-fp", vcpus=2),
}
ALL = BARE | OF_VMS


class Run(NamedTuple):
    """A run that went straight on, and its events."""

    timeline: Timeline
    events: list[Event]


@cache
def straight(name: str, limit: int = LIMIT) -> Run:
    sink = RecordingSink()
    timeline = Timeline(ALL[name], sink=sink)
    timeline.seek(Position(limit))
    return Run(timeline, sink.events)
