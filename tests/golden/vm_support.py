"""The guests for VMs as test cases: each by name, with the machine and the VMs that it runs in."""

from dataclasses import dataclass
from typing import Any

from golden_support import BASE, code_of, trace

from arm_hyp.events import EventSink, RecordingSink
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine, Outcome

LIMIT = 40_000
SLICE_NS = 30_000
"""Short slices, so that short guests change places."""


@dataclass(frozen=True)
class VmCase:
    """One run of a guest in each of `vms` VMs. `name` is the golden file's."""

    name: str
    guest: str
    gic: int = 3
    vms: int = 1
    vcpus: int = 1
    cpus: int = 1
    model: str = "a72"
    list_registers: int = 4


def _both_gics(name: str, guest: str, **options: Any) -> tuple[VmCase, VmCase]:
    return VmCase(f"{name}-gicv2", guest, gic=2, **options), VmCase(f"{name}-gicv3", guest, gic=3, **options)


CASES = (
    VmCase("25-demand-paging", "25-demand-paging"),
    *_both_gics("26-virtual-timer", "26-virtual-timer"),
    *_both_gics("26-two-virtual-timers", "26-virtual-timer", vms=2),
    VmCase("27-neighbours", "27-neighbours", vms=2),
    VmCase("27-neighbours-max", "27-neighbours", vms=3, cpus=2, model="max"),
    *_both_gics("28-vm-smp-1cpu", "28-vm-smp", vcpus=2),
    *_both_gics("28-vm-smp-2cpus", "28-vm-smp", vcpus=2, cpus=2),
    VmCase("29-mmio-forms", "29-mmio-forms"),
    VmCase("30-vm-lazy-fp", "30-vm-lazy-fp", vcpus=2),
    *_both_gics("31-many-spis", "31-many-spis"),
)


def hypervisor_for(case: VmCase, sink: EventSink) -> Hypervisor:
    """Make a machine with a hypervisor whose VMs are about to run the case."""
    machine = Machine(
        sink=sink,
        memory_bytes=32 << 20,
        gic=case.gic,
        cpus=case.cpus,
        model=case.model,
        start_el=2,
        list_registers=case.list_registers,
    )
    plan = BootPlan((Segment(BASE, code_of(case.guest)),), BASE)
    made = [
        VmConfiguration(name=f"vm{index}", memory_bytes=16 << 20, plan=plan, vcpus=case.vcpus)
        for index in range(case.vms)
    ]
    hypervisor = Hypervisor(machine, made)
    hypervisor.scheduler.slice_ns = SLICE_NS
    return hypervisor


def run(case: VmCase) -> tuple[Machine, Hypervisor, Outcome, list[str]]:
    """Run a case to its end; return its trace, one JSON object an event, without the control registers."""
    sink = RecordingSink()
    hypervisor = hypervisor_for(case, sink)
    outcome = hypervisor.machine.run(LIMIT)
    return hypervisor.machine, hypervisor, outcome, trace(sink)


def saved(hypervisor: Hypervisor) -> dict[str, Any]:
    """Return the whole state of a machine and of the hypervisor on it."""
    return {"machine": hypervisor.machine.snapshot(), "hypervisor": hypervisor.snapshot()}


def restore(hypervisor: Hypervisor, kept: dict[str, Any]) -> None:
    """Take back what `saved` gave."""
    hypervisor.machine.restore(kept["machine"])
    hypervisor.restore(kept["hypervisor"])
