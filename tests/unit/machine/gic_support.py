"""A GIC on a bench: it drives recorded lines, and is reached through its registers only."""

from __future__ import annotations

from typing import Any, Final, Protocol

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.cpu_interface import CpuLines
from arm_hyp.machine.gic.gicv2 import Gicv2
from arm_hyp.machine.gic.gicv3 import Gicv3
from arm_hyp.machine.seams import Device

ALL: Final = 0xFFFF_FFFF
SPURIOUS: Final = 1023

GROUP, ENABLE, DISABLE, PEND, UNPEND, ACTIVATE, DEACTIVATE = range(0x80, 0x400, 0x80)
PRIORITY, TARGETS, CONFIG = 0x400, 0x800, 0xC00
SGI_BASE, CPU_BYTES = 0x1_0000, 0x2_0000


class View:
    """A CPU as the GIC sees it."""

    def __init__(self) -> None:
        self.el = 1
        self.controls: dict[str, int] = {"hcr_el2": 0}

    def control(self, name: str) -> int:
        return self.controls[name]

    def set_control(self, name: str, value: int) -> None:
        self.controls[name] = value


class Outputs:
    """The interrupt lines of all CPUs: `high` holds (cpu, name) of each that is high."""

    def __init__(self, cpus: int) -> None:
        self.high: set[tuple[int, str]] = set()
        self.calls = 0
        self.lines = [CpuLines(self._line(cpu, "irq"), self._line(cpu, "fiq")) for cpu in range(cpus)]

    def _line(self, cpu: int, name: str) -> Any:
        def drive(level: bool) -> None:
            self.calls += 1
            (self.high.add if level else self.high.discard)((cpu, name))

        return drive


class Bench(Protocol):
    """What both benches offer: one vocabulary for both GICs. Group 1 is the group unless told."""

    gic: Gicv2 | Gicv3
    outputs: Outputs

    def bits(self, register: int, intid: int, cpu: int = 0) -> bool: ...
    def set(self, register: int, intid: int, cpu: int = 0) -> None: ...
    def set_priority(self, intid: int, priority: int, cpu: int = 0) -> None: ...
    def set_edge(self, intid: int, cpu: int = 0) -> None: ...
    def open(self, pmr: int = 0xF8) -> None: ...
    def mask(self, pmr: int, cpu: int = 0) -> None: ...
    def split(self, cpu: int = 0) -> None: ...
    def acknowledge(self, cpu: int = 0) -> int: ...
    def end(self, intid: int, cpu: int = 0) -> None: ...
    def deactivate(self, intid: int, cpu: int = 0) -> None: ...
    def running(self, cpu: int = 0) -> int: ...
    def highest(self, cpu: int = 0) -> int: ...
    def binary_point(self, value: int, cpu: int = 0) -> None: ...


class _Banks:
    """Access to the bit and byte registers that both GICs lay out alike."""

    def frame(self, intid: int, cpu: int) -> tuple[Device, int]:
        raise NotImplementedError

    def bits(self, register: int, intid: int, cpu: int = 0) -> bool:
        device, base = self.frame(intid, cpu)
        return bool(device.read(base + register + intid // 32 * 4, 4) >> intid % 32 & 1)

    def set(self, register: int, intid: int, cpu: int = 0) -> None:
        device, base = self.frame(intid, cpu)
        device.write(base + register + intid // 32 * 4, 4, 1 << intid % 32)

    def set_priority(self, intid: int, priority: int, cpu: int = 0) -> None:
        device, base = self.frame(intid, cpu)
        device.write(base + PRIORITY + intid, 1, priority)

    def set_edge(self, intid: int, cpu: int = 0) -> None:
        device, base = self.frame(intid, cpu)
        offset = base + CONFIG + intid // 16 * 4
        device.write(offset, 4, device.read(offset, 4) | 2 << intid % 16 * 2)


class BenchV2(_Banks):
    """A GICv2. Everything is in Group 1 and is acknowledged by GICC_AIAR, until a test says otherwise."""

    def __init__(self, cpus: int = 2) -> None:
        self.outputs = Outputs(cpus)
        self.gic = Gicv2(self.outputs.lines)
        self.gicd = [self.gic.distributor(cpu) for cpu in range(cpus)]
        self.gicc = [self.gic.cpu_interface(cpu) for cpu in range(cpus)]

    def frame(self, intid: int, cpu: int) -> tuple[Device, int]:
        return self.gicd[cpu], 0

    def d(self, offset: int, cpu: int = 0) -> int:
        return self.gicd[cpu].read(offset, 4)

    def set_d(self, offset: int, value: int, cpu: int = 0) -> None:
        self.gicd[cpu].write(offset, 4, value)

    def c(self, offset: int, cpu: int = 0) -> int:
        return self.gicc[cpu].read(offset, 4)

    def set_c(self, offset: int, value: int, cpu: int = 0) -> None:
        self.gicc[cpu].write(offset, 4, value)

    def open(self, pmr: int = 0xF8) -> None:
        self.set_d(0, 3)
        for word in range(1, 9):
            self.set_d(GROUP + 4 * word, ALL)
        for n in range(32, 288, 4):
            self.set_d(TARGETS + n, 0x0101_0101)
        for cpu in range(len(self.gicd)):
            self.set_d(GROUP, ALL, cpu)
            self.set_c(0, 3, cpu)
            self.mask(pmr, cpu)

    def mask(self, pmr: int, cpu: int = 0) -> None:
        self.set_c(4, pmr, cpu)

    def split(self, cpu: int = 0) -> None:
        self.set_c(0, self.c(0, cpu) | 1 << 9, cpu)

    def acknowledge(self, cpu: int = 0) -> int:
        return self.c(0x20, cpu)

    def end(self, intid: int, cpu: int = 0) -> None:
        self.set_c(0x24, intid, cpu)

    def deactivate(self, intid: int, cpu: int = 0) -> None:
        self.set_c(0x1000, intid, cpu)

    def running(self, cpu: int = 0) -> int:
        return self.c(0x14, cpu)

    def highest(self, cpu: int = 0) -> int:
        return self.c(0x28, cpu)

    def binary_point(self, value: int, cpu: int = 0) -> None:
        self.set_c(0x1C, value, cpu)


class BenchV3(_Banks):
    """A GICv3. Everything is in Group 1, until a test says otherwise."""

    def __init__(self, cpus: int = 2, virtual: dict[Encoding, RegisterPort] | None = None) -> None:
        self.outputs = Outputs(cpus)
        self.views = [View() for _ in range(cpus)]
        self.gic = Gicv3(self.outputs.lines, self.views)
        if virtual is not None:
            self.gic.connect_virtual(0, virtual)
        self.gicd, self.gicr = self.gic.distributor(), self.gic.redistributors()
        self.ports = [self.gic.ports(cpu) for cpu in range(cpus)]

    def frame(self, intid: int, cpu: int) -> tuple[Device, int]:
        return (self.gicr, CPU_BYTES * cpu + SGI_BASE) if intid < 32 else (self.gicd, 0)

    def d(self, offset: int) -> int:
        return self.gicd.read(offset, 4)

    def set_d(self, offset: int, value: int) -> None:
        self.gicd.write(offset, 4, value)

    def r(self, offset: int, cpu: int = 0) -> int:
        return self.gicr.read(CPU_BYTES * cpu + offset, 4)

    def set_r(self, offset: int, value: int, cpu: int = 0) -> None:
        self.gicr.write(CPU_BYTES * cpu + offset, 4, value)

    def port(self, name: str, cpu: int = 0) -> RegisterPort:
        return self.ports[cpu][by_name(f"ICC_{name}_EL1").encoding]

    def icc(self, name: str, cpu: int = 0) -> int:
        read = self.port(name, cpu).read
        assert read is not None
        return read()

    def set_icc(self, name: str, value: int, cpu: int = 0) -> None:
        write = self.port(name, cpu).write
        assert write is not None
        write(value)

    def open(self, pmr: int = 0xF8) -> None:
        self.set_d(0, 3)
        for word in range(1, 9):
            self.set_d(GROUP + 4 * word, ALL)
        for cpu in range(len(self.views)):
            self.set_r(SGI_BASE + GROUP, ALL, cpu)
            self.set_r(SGI_BASE + ENABLE, 0xFFFF, cpu)
            self.set_icc("IGRPEN0", 1, cpu)
            self.set_icc("IGRPEN1", 1, cpu)
            self.mask(pmr, cpu)

    def mask(self, pmr: int, cpu: int = 0) -> None:
        self.set_icc("PMR", pmr, cpu)

    def split(self, cpu: int = 0) -> None:
        self.set_icc("CTLR", self.icc("CTLR", cpu) | 2, cpu)

    def acknowledge(self, cpu: int = 0) -> int:
        return self.icc("IAR1", cpu)

    def end(self, intid: int, cpu: int = 0) -> None:
        self.set_icc("EOIR1", intid, cpu)

    def deactivate(self, intid: int, cpu: int = 0) -> None:
        self.set_icc("DIR", intid, cpu)

    def running(self, cpu: int = 0) -> int:
        return self.icc("RPR", cpu)

    def highest(self, cpu: int = 0) -> int:
        return self.icc("HPPIR1", cpu)

    def binary_point(self, value: int, cpu: int = 0) -> None:
        self.set_icc("BPR1", value, cpu)


BENCHES: Final = {"v2": BenchV2, "v3": BenchV3}
