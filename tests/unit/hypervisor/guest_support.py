"""A small guest under the real hypervisor, for the tests of handlers: assembly in, registers and events out."""

from __future__ import annotations

from typing import Any

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import RecordingSink
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.hypervisor.vm import Vm
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine, Outcome

BASE = 0x4008_0000
PROLOGUE = "adr x0, vectors\n msr VBAR_EL1, x0\n"
EPILOGUE = """
    ldr x0, =0x84000008
    hvc #0
.balign 2048
vectors:
.space 0x200
    mrs x28, ESR_EL1
    mrs x29, ELR_EL1
    add x29, x29, #4
    msr ELR_EL1, x29
    add x27, x27, #1
    eret
"""
"""The end: SYSTEM_OFF. A synchronous exception at EL1 counts in X27, leaves ESR_EL1 in X28, and skips."""


class Guest:
    """One VM that runs a piece of assembly at EL1, and how it ended."""

    def __init__(
        self,
        source: str,
        *,
        vcpus: int = 1,
        cpus: int = 1,
        model: str = "max",
        gic: int = 3,
        limit: int = 20_000,
        run: bool = True,
    ) -> None:
        self.sink = RecordingSink()
        self.machine = Machine(
            sink=self.sink, memory_bytes=64 << 20, model=model, gic=gic, cpus=cpus, start_el=2, list_registers=4
        )
        code = assemble(PROLOGUE + source + EPILOGUE, filename="guest.s", base=BASE).code
        plan = BootPlan((Segment(BASE, code),), BASE)
        made = VmConfiguration(name="vm0", memory_bytes=16 << 20, plan=plan, vcpus=vcpus)
        self.hypervisor = Hypervisor(self.machine, [made])
        self._limit = limit
        if run:
            self.run()

    def run(self) -> Outcome:
        """Run to the end, or for as many instructions as were allowed."""
        self.outcome = self.machine.run(self._limit)
        return self.outcome

    @property
    def vm(self) -> Vm:
        """The VM."""
        return self.hypervisor.vms[0]

    def vcpu(self, index: int = 0) -> Vcpu:
        """One of its vCPUs."""
        return self.vm.vcpus[index]

    def events(self, kind: type) -> list[Any]:
        """All events of a type."""
        return [event for event in self.sink.events if isinstance(event, kind)]
