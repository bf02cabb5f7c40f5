"""The driver of the machine's GIC, against the machine's GICs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from vgic_support import Memory, Registers

from arm_hyp.arch.sysregs import by_name
from arm_hyp.hypervisor.physical_gic import PPIS, PhysicalGic, PhysicalGicv2, PhysicalGicv3, read_register
from arm_hyp.machine import board
from arm_hyp.machine.gic.cpu_interface import CpuLines
from arm_hyp.machine.gic.gicv2 import Gicv2
from arm_hyp.machine.gic.gicv3 import Gicv3


class View:
    """A CPU at EL2, as the GIC sees it."""

    el = 2

    def __init__(self) -> None:
        self.values: dict[str, int] = {"hcr_el2": 0}

    def control(self, name: str) -> int:
        return self.values[name]

    def set_control(self, name: str, value: int) -> None:
        self.values[name] = value


class Bench(NamedTuple):
    gic: Any
    drivers: list[PhysicalGic]
    high: set[int]


def lines(high: set[int]) -> list[CpuLines]:
    def irq(cpu: int) -> Callable[[bool], None]:
        return lambda level: high.add(cpu) if level else high.discard(cpu)

    def fiq(level: bool) -> None:
        assert not level, "EL2's interrupts are IRQs"

    return [CpuLines(irq(cpu), fiq) for cpu in (0, 1)]


def gicv2() -> Bench:
    high: set[int] = set()
    gic = Gicv2(lines(high))
    memories = [
        Memory([(board.GICD_BASE, gic.distributor(cpu)), (board.GICC_BASE, gic.cpu_interface(cpu))]) for cpu in (0, 1)
    ]
    return Bench(gic, [PhysicalGicv2(memory, cpu) for cpu, memory in enumerate(memories)], high)


def gicv3() -> Bench:
    high: set[int] = set()
    gic = Gicv3(lines(high), [View(), View()])
    memory = Memory([(board.GICD_BASE, gic.distributor()), (board.GICR_BASE, gic.redistributors())])
    drivers: list[PhysicalGic] = []
    for cpu in (0, 1):
        registers = Registers()
        registers.ports = gic.ports(cpu)
        drivers.append(PhysicalGicv3(memory, registers, cpu))
    return Bench(gic, drivers, high)


@pytest.fixture(params=[gicv2, gicv3])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    for driver in made.drivers:
        driver.initialize()
    return made


@pytest.mark.parametrize("intid", PPIS)
@pytest.mark.parametrize("cpu", [0, 1])
def test_the_ppis_of_a_hypervisor_arrive_at_their_cpu(bench: Bench, intid: int, cpu: int) -> None:
    bench.gic.ppi(cpu, intid)(True)
    assert bench.high == {cpu}
    driver = bench.drivers[cpu]
    assert driver.acknowledge() == intid and driver.acknowledge() == 1023 and not bench.high
    driver.priority_drop(intid)
    assert not bench.high, "it is active still"
    driver.deactivate(intid)
    assert bench.high == {cpu}, "the line is high still"


def test_other_ppis_do_not_arrive_until_they_are_enabled(bench: Bench) -> None:
    bench.gic.ppi(0, 30)(True)
    assert not bench.high
    bench.drivers[0].set_enabled(30, True)
    assert bench.high == {0}
    bench.drivers[0].set_enabled(30, False)
    assert not bench.high


def test_an_interrupt_set_active_waits_until_it_is_set_inactive(bench: Bench) -> None:
    driver = bench.drivers[1]
    driver.set_active(27, True)
    bench.gic.ppi(1, 27)(True)
    assert not bench.high
    driver.set_active(27, False)
    assert bench.high == {1}


def test_an_spi_comes_to_the_cpu_that_enables_it(bench: Bench) -> None:
    bench.drivers[1].set_enabled(40, True)
    bench.gic.spi(40)(True)
    assert bench.high == {1} and bench.drivers[1].acknowledge() == 40


def test_a_dropped_priority_lets_the_next_interrupt_in(bench: Bench) -> None:
    driver = bench.drivers[0]
    bench.gic.ppi(0, 26)(True)
    assert driver.acknowledge() == 26
    bench.gic.ppi(0, 27)(True)
    assert not bench.high
    driver.priority_drop(26)
    assert bench.high == {0} and driver.acknowledge() == 27


def test_an_sgi_reaches_the_other_cpu(bench: Bench) -> None:
    bench.drivers[0].send_sgi(1, 5)
    assert bench.high == {1}
    receiver = bench.drivers[1]
    assert receiver.acknowledge() == 5
    receiver.priority_drop(5)
    receiver.deactivate(5)
    bench.drivers[1].send_sgi(1, 5)
    assert receiver.acknowledge() == 5, "it was deactivated"


def test_the_sender_of_an_sgi_is_given_back_at_its_end() -> None:
    """GICC_EOIR and GICC_DIR take the whole value of GICC_IAR. Ref: IHI 0048 4.4.5."""
    values: list[tuple[int, int]] = []

    class Recorder:
        def read(self, address: int, size_bytes: int) -> int:
            assert (address, size_bytes) == (board.GICC_BASE + 0xC, 4)
            return 3 << 10 | 7

        def write(self, address: int, size_bytes: int, value: int) -> None:
            values.append((address - board.GICC_BASE, value))

    driver = PhysicalGicv2(Recorder(), 0)
    assert driver.acknowledge() == 7
    driver.priority_drop(7)
    driver.deactivate(7)
    driver.deactivate(27)
    assert values == [(0x10, 3 << 10 | 7), (0x1000, 3 << 10 | 7), (0x1000, 27)]


def test_a_register_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="GICv3"):
        read_register(Registers(), by_name("ICC_IAR1_EL1").encoding)
