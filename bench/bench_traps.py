"""Benchmark of what a guest can ask for most often: interrupts, device accesses, trapped system registers.

Read `arm_hyp/machine/machine.py` before this file. Each guest is a loop in assembly at EL1 that counts down X19
and then powers off; a rate is what the loop asks for by the time of the whole run. The few instructions of a loop cost
nothing beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from loops import LOAD_ADDRESS, MEMORY_BYTES
from pytest_benchmark.fixture import BenchmarkFixture

from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.sysregs import by_name
from arm_hyp.cpu.assembler import assemble
from arm_hyp.cpu.core import Core
from arm_hyp.machine import board
from arm_hyp.machine.machine import Machine

Report = Callable[..., None]

EVENTS: Final = 20_000
INTERRUPTS: Final = 4_000
ROUNDS: Final = 3
UNROLLED: Final = 8

POWER_OFF: Final = "ldr w0, =0x84000008\nhvc #0\n"

GIC: Final = {
    2: (
        """
        ldr x1, =0x08000000
        mov w2, #1
        str w2, [x1]            // GICD_CTLR.EnableGrp0
        mov w2, #1 << 27
        str w2, [x1, #0x100]    // GICD_ISENABLER0: the virtual timer
        ldr x3, =0x08010000
        mov w2, #0xff
        str w2, [x3, #4]        // GICC_PMR
        mov w2, #1
        str w2, [x3]            // GICC_CTLR
        """,
        "ldr w4, [x3, #0xc]",
        "str w4, [x3, #0x10]",
    ),
    3: (
        """
        ldr x1, =0x08000000
        mov w2, #0x12
        str w2, [x1]            // GICD_CTLR.ARE_NS, EnableGrp1
        ldr x1, =0x080b0000     // the SGI frame of GICR
        mov w2, #-1
        str w2, [x1, #0x80]     // GICR_IGROUPR0
        mov w2, #1 << 27
        str w2, [x1, #0x100]    // GICR_ISENABLER0: the virtual timer
        mov x2, #0xff
        msr s3_0_c4_c6_0, x2    // ICC_PMR_EL1
        mov x2, #1
        msr s3_0_c12_c12_7, x2  // ICC_IGRPEN1_EL1
        isb
        """,
        "mrs x4, s3_0_c12_c12_0",  # ICC_IAR1_EL1
        "msr s3_0_c12_c12_1, x4",  # ICC_EOIR1_EL1
    ),
}
"""How to switch a GIC on, how to acknowledge an interrupt to X4, and how to end it."""


def _timer_guest(gic: int) -> str:
    """Take interrupts of a timer whose handler sets it to the next tick."""
    set_up, acknowledge, end = GIC[gic]
    return f"""
        ldr x19, ={INTERRUPTS}
        adr x1, vectors
        msr vbar_el1, x1
        {set_up}
        mov x5, #1
        msr cntv_tval_el0, x5
        msr cntv_ctl_el0, x5
        msr daifclr, #2
    here:
        b here
    .balign 2048
    vectors:
        .space 0x280
        {acknowledge}
        msr cntv_tval_el0, x5
        {end}
        subs x19, x19, #1
        b.eq done
        eret
    done:
        {POWER_OFF}
    """


def _loop_guest(instruction: str, address: int) -> str:
    """Execute an instruction many times, X1 being an address."""
    body = "\n".join([instruction] * UNROLLED)
    return f"""
        ldr x19, ={EVENTS // UNROLLED}
        ldr x1, ={address:#x}
    again:
        {body}
        subs x19, x19, #1
        b.ne again
        {POWER_OFF}
    """


def _trapping_guest(instruction: str) -> str:
    """Execute, at EL1, an instruction that HCR_EL2.TID3 traps; the handler at EL2 steps over it."""
    return f"""
        ldr x2, ={HCR_EL2.of(RW=1, TID3=1):#x}
        msr hcr_el2, x2
        adr x2, vectors
        msr vbar_el2, x2
        mov x2, #0x3c5
        msr spsr_el2, x2
        adr x2, guest
        msr elr_el2, x2
        eret
    guest:
        {_loop_guest(instruction, 0)}
    .balign 2048
    vectors:
        .space 0x400
        mrs x2, elr_el2
        add x2, x2, #4
        msr elr_el2, x2
        eret
    """


Prepare = Callable[[Machine], None]


def _measure(
    benchmark: BenchmarkFixture, source: str, *, gic: int = 2, start_el: int = 1, prepare: Prepare | None = None
) -> float:
    """Run a guest on a fresh machine each round. Return runs a second, by the shortest time."""
    code = assemble(source, filename="bench.s", base=LOAD_ADDRESS).code
    reasons: list[str] = []

    def fresh() -> tuple[tuple[Machine], dict[str, object]]:
        machine = Machine(start_el=start_el, memory_bytes=MEMORY_BYTES, gic=gic)
        machine.write_memory(LOAD_ADDRESS, code)
        machine.core.pc, machine.core.conduit = LOAD_ADDRESS, "hvc"
        if prepare is not None:
            prepare(machine)
        return (machine,), {}

    benchmark.pedantic(lambda machine: reasons.append(machine.run(EVENTS * 100).reason), setup=fresh, rounds=ROUNDS)
    assert reasons == ["guest"] * ROUNDS
    return 1 / float(benchmark.stats.stats.min)


@pytest.mark.parametrize("gic", GIC)
def test_timer_interrupts(benchmark: BenchmarkFixture, report: Report, gic: int) -> None:
    rate = INTERRUPTS * _measure(benchmark, _timer_guest(gic), gic=gic)
    report(f"timer interrupts, GICv{gic}: acknowledge, set again, end, ERET", rate, "/s")


@pytest.mark.parametrize(
    ("name", "address"), [("PL011 UARTFR", board.PL011_BASE + 0x18), ("GICD_ISENABLER0", board.GICD_BASE + 0x100)]
)
def test_device_reads(benchmark: BenchmarkFixture, report: Report, name: str, address: int) -> None:
    report(f"device accesses: {name} read", EVENTS * _measure(benchmark, _loop_guest("ldr w2, [x1]", address)), "/s")


@pytest.mark.parametrize(
    ("name", "gic"), [("CNTVCT_EL0", 2), ("ICC_PMR_EL1", 3), ("ICC_HPPIR1_EL1", 3), ("ID_AA64MMFR0_EL1", 2)]
)
def test_register_reads(benchmark: BenchmarkFixture, report: Report, name: str, gic: int) -> None:
    instruction = f"mrs x2, {by_name(name).encoding.generic_name}"
    report(f"system registers: {name} read", EVENTS * _measure(benchmark, _loop_guest(instruction, 0), gic=gic), "/s")


def test_traps_to_assembly(benchmark: BenchmarkFixture, report: Report) -> None:
    rate = EVENTS * _measure(benchmark, _trapping_guest("mrs x2, id_aa64mmfr0_el1"), start_el=2)
    report("ID register trapped to assembly at EL2, three more registers, ERET", rate, "/s")


def test_traps_to_python(benchmark: BenchmarkFixture, report: Report) -> None:
    def trap_to_python(machine: Machine) -> None:
        machine.core.registers.write(by_name("HCR_EL2").encoding, HCR_EL2.of(RW=1, TID3=1))
        machine.core.python_el2 = _step_over

    source = _loop_guest("mrs x2, id_aa64mmfr0_el1", 0)
    report("ID register trapped to Python at EL2", EVENTS * _measure(benchmark, source, prepare=trap_to_python), "/s")


def _step_over(core: Core, event: object) -> None:
    elr = by_name("ELR_EL2").encoding
    address = core.registers.read(elr)
    assert address is not None
    core.registers.write(elr, address + 4)
