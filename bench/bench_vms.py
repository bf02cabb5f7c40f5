"""Benchmarks of the hypervisor: Debian's kernel as a VM against the same kernel bare, and what exits cost.

Read `bench/README.md` before this file, and `arm_hyp/hypervisor/hypervisor.py`. The two ways to boot take turns, each
in a process of its own, and the shortest time of each counts. An exit's guest is a loop in assembly at EL1 that counts
down X19 and then powers off; a rate is what the loop causes by the time of the whole run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import pytest
from bench_linux import BENCH, BOOTS, MEMORY_BYTES, Participant, linux_images
from bench_traps import GIC, POWER_OFF
from loops import LOAD_ADDRESS
from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.cpu.assembler import assemble
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.machine import board
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine

Report = Callable[..., None]

ROUNDS: Final = 3
VM_AIM: Final = 1.4
EXITS: Final = 10_000
WAITS: Final = 2_000
VM_BYTES: Final = 64 << 20
PAGES: Final = 4_000
NO_LIMIT: Final = 1 << 62

# --- Linux ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", BOOTS)
def test_linux_in_a_vm(benchmark: BenchmarkFixture, report: Report, boot: str) -> None:
    found = linux_images()
    command = [sys.executable, str(BENCH / "boot_linux.py"), str(found.kernel), str(found.initramfs), BOOTS[boot]]
    bare = Participant([*command, str(MEMORY_BYTES)], "auto")
    in_vm = Participant([*command, str(MEMORY_BYTES), "--hypervisor"], "auto")

    def take_turns() -> None:
        bare.boot()
        in_vm.boot()

    benchmark.pedantic(take_turns, rounds=ROUNDS)
    name = f"Linux as a VM, {boot}"
    report(name, min(in_vm.wall_s), "s")
    aim = VM_AIM if boot == "full boot" else None
    report(f"{name}: to bare", min(in_vm.wall_s) / min(bare.wall_s), "times", aim, True)
    report(f"{name}: to bare, CPU time of the run", min(in_vm.run_s) / min(bare.run_s), "times")


# --- exits ------------------------------------------------------------------------------------------------------------

_SET_UP, _ACKNOWLEDGE, _END = GIC[2]


def _repeated(body: str, times: int = EXITS, before: str = "") -> str:
    return f"{before}\nldr x19, ={times}\nagain:\n{body}\nsubs x19, x19, #1\nb.ne again\n{POWER_OFF}"


_HVC: Final = _repeated("ldr w0, =0x84000000\nhvc #0")  # PSCI_VERSION
_MMIO: Final = _repeated("ldr w2, [x1]", before=f"ldr x1, ={board.PL011_BASE + 0x18:#x}")
_ID_REGISTER: Final = _repeated("mrs x2, id_aa64mmfr0_el1")
_WFI: Final = _repeated(
    f"msr cntv_tval_el0, x5\nmsr cntv_ctl_el0, x6\nwfi\n{_ACKNOWLEDGE}\nmsr cntv_ctl_el0, xzr\n{_END}",
    times=WAITS,
    before=f"{_SET_UP}\nmov x5, #100\nmov x6, #1",
)
_PAGE_FAULT: Final = _repeated("str x2, [x1]\nadd x1, x1, #4096", PAGES, f"ldr x1, ={board.RAM_BASE + (16 << 20):#x}")
_WFE: Final = _repeated("wfe\nwfe", WAITS)  # the first finds the Event Register set by an ERET, the second traps

EXIT_KINDS: Final = {
    "HVC: PSCI_VERSION": (_HVC, EXITS),
    "ID register": (_ID_REGISTER, EXITS),
    "device: PL011 UARTFR read": (_MMIO, EXITS),
    "WFI: block, timer interrupt, wake, acknowledge, end": (_WFI, WAITS),
    "stage-2 fault: a new page, dirty log on": (_PAGE_FAULT, PAGES),
}


def _hypervisor(source: str, vms: int) -> Hypervisor:
    """Return VMs that run a piece of assembly each, on one CPU."""
    plan = BootPlan(
        (Segment(LOAD_ADDRESS, assemble(source, filename="bench.s", base=LOAD_ADDRESS).code),), LOAD_ADDRESS
    )
    machine = Machine(start_el=2, memory_bytes=(vms + 1) * VM_BYTES)
    made = [VmConfiguration(name=f"vm{index}", memory_bytes=VM_BYTES, plan=plan) for index in range(vms)]
    result = Hypervisor(machine, made)
    for vm in result.vms:
        vm.memory.start_logging(vm.memory.slots[-1])
    return result


def _measure(benchmark: BenchmarkFixture, source: str, vms: int = 1) -> float:
    """Run a guest in fresh VMs each round. Return runs a second, by the shortest time."""
    reasons: list[str] = []

    def fresh() -> tuple[tuple[Machine], dict[str, object]]:
        return (_hypervisor(source, vms).machine,), {}

    benchmark.pedantic(lambda machine: reasons.append(machine.run(NO_LIMIT).reason), setup=fresh, rounds=ROUNDS)
    assert reasons == ["guest"] * ROUNDS
    return 1 / float(benchmark.stats.stats.min)


@pytest.mark.parametrize("kind", EXIT_KINDS)
def test_exits(benchmark: BenchmarkFixture, report: Report, kind: str) -> None:
    source, count = EXIT_KINDS[kind]
    report(f"exits: {kind}", count * _measure(benchmark, source), "/s")


def test_vcpu_switches(benchmark: BenchmarkFixture, report: Report) -> None:
    """Two VMs that only yield to each other: every second WFE is a switch."""
    report("exits: WFE, switch to a vCPU of another VM", 2 * WAITS * _measure(benchmark, _WFE, vms=2), "/s")
