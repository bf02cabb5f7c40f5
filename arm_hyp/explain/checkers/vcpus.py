"""Whose instructions a CPU runs: its own, or those of the vCPU that a hypervisor in Python has loaded on it.

Read `kvm_events.py` before this file.
"""

from __future__ import annotations

from arm_hyp.events import Event
from arm_hyp.kvm_events import KvmEntry

Cpu = int | tuple[str, int | None]
"""A physical CPU by its index, or a vCPU by its VM's name and its index."""


class Loaded:
    """Which vCPU is loaded on each CPU, as `kvm_entry` tells."""

    def __init__(self) -> None:
        self._vcpus: dict[int, Cpu] = {}

    def enter(self, event: KvmEntry) -> None:
        """Take a vCPU that is about to run."""
        self._vcpus[event.cpu] = event.vm, event.vcpu

    def at(self, event: Event) -> Cpu:
        """Return who caused an event that came from EL0 or EL1; without VMs the CPU itself."""
        return self._vcpus.get(event.cpu, event.cpu)
