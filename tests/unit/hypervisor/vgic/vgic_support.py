"""A VM's interrupts on real hardware models: a vGIC, a physical CPU with list registers, and a guest that uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_SPECIAL
from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_LR_EL2
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.hypervisor.vgic.interfaces import Gicv2Interface, Gicv3Interface, VirtualCpuInterface
from arm_hyp.hypervisor.vgic.vgic import Vgic
from arm_hyp.machine import board
from arm_hyp.machine.gic.gich import Gich
from arm_hyp.machine.gic.gicv import Gicv
from arm_hyp.machine.gic.ich import ich_ports
from arm_hyp.machine.gic.icv import icv_ports
from arm_hyp.machine.gic.virtual import VirtualInterface
from arm_hyp.machine.gic.virtual_control import VirtualLines
from arm_hyp.machine.seams import Device

ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER = 0x100, 0x180, 0x200, 0x280, 0x300, 0x380
IGROUPR, IPRIORITYR, ITARGETSR, ICFGR, SGIR, IROUTER = 0x080, 0x400, 0x800, 0xC00, 0xF00, 0x6000
SGI_BASE: Final = 0x1_0000
CPU_BYTES: Final = 0x2_0000
TIMER: Final = 27
HCR: Final = by_name("ICH_HCR_EL2").encoding


class Registers:
    """The system registers of one CPU: ports, and ICH_HCR_EL2, which the core keeps."""

    el = 1

    def __init__(self) -> None:
        self.ports: dict[Encoding, RegisterPort] = {}
        self.hcr = 0
        self.written: Callable[[str], None] = lambda name: None

    def control(self, name: str) -> int:
        assert name == "ich_hcr_el2"
        return self.hcr

    def set_control(self, name: str, value: int) -> None:
        assert name == "ich_hcr_el2"
        self.hcr = value

    def read(self, encoding: Encoding) -> int | None:
        if encoding == HCR:
            return self.hcr
        port = self.ports.get(encoding)
        return port.read() if port is not None and port.read else None

    def write(self, encoding: Encoding, value: int) -> bool:
        if encoding == HCR:
            self.hcr = value
            self.written("ich_hcr_el2")
            return True
        port = self.ports.get(encoding)
        if port is None or port.write is None:
            return False
        port.write(value)
        return True


class Memory:
    """Devices by physical address."""

    def __init__(self, regions: list[tuple[int, Device]]) -> None:
        self.regions = sorted(regions, key=lambda region: -region[0])

    def _find(self, address: int) -> tuple[Device, int]:
        return next((device, address - base) for base, device in self.regions if base <= address)

    def read(self, address: int, size_bytes: int) -> int:
        device, offset = self._find(address)
        return device.read(offset, size_bytes)

    def write(self, address: int, size_bytes: int, value: int) -> None:
        device, offset = self._find(address)
        device.write(offset, size_bytes, value)


class FakePhysicalGic:
    """Keeps which physical interrupts are active."""

    def __init__(self) -> None:
        self.active: set[int] = set()

    def set_active(self, intid: int, is_active: bool) -> None:
        (self.active.add if is_active else self.active.discard)(intid)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the vGIC has no business with {name}")


class PhysicalCpu:
    """The virtual CPU interface of one physical CPU, with the hypervisor's and the guest's registers."""

    def __init__(self, version: int, list_registers: int) -> None:
        self.version = version
        self.levels: dict[str, bool] = {}
        self.physical = FakePhysicalGic()
        lines = VirtualLines(*(self._line(name) for name in ("virq", "vfiq", "maintenance")))
        self.registers = Registers()

        def deactivate(intid: int) -> None:
            self.physical.active.discard(intid)

        self.interface: VirtualCpuInterface
        if version == 3:
            self.hardware = VirtualInterface.gicv3(self.registers, lines, deactivate, list_registers)
            self.registers.ports = ich_ports(self.hardware)
            self.registers.written = self.hardware.control_written
            self.guest = icv_ports(self.hardware)
            self.interface = Gicv3Interface(self.registers, self.physical)
        else:
            self.hardware = VirtualInterface.gicv2(lines, deactivate, list_registers)
            self.gicv = Gicv(self.hardware)
            self.interface = Gicv2Interface(Memory([(board.GICH_BASE, Gich(self.hardware))]), self.physical)

    def _line(self, name: str) -> Callable[[bool], None]:
        def drive(level: bool) -> None:
            self.levels[name] = level

        return drive

    @property
    def signals(self) -> bool:
        return self.levels.get("virq", False) or self.levels.get("vfiq", False)

    @property
    def maintenance(self) -> bool:
        return self.levels.get("maintenance", False)

    # the guest's registers: GICV by offset, ICV by name

    def icv(self, name: str, value: int | None = None) -> int:
        port = self.guest[by_name(f"ICV_{name}_EL1").encoding]
        if value is None:
            assert port.read is not None
            return port.read()
        assert port.write is not None
        port.write(value)
        return 0

    def open(self, groups: int = 3, pmr: int = 0xF8) -> None:
        """Enable groups and priorities as a guest does. On GICv2 AckCtl lets one register acknowledge both groups."""
        if self.version == 3:
            self.icv("PMR", pmr)
            self.enable_groups(groups)
        else:
            self.gicv.write(4, 4, pmr)
            self.gicv.write(0, 4, groups | 1 << 2)

    def enable_groups(self, groups: int) -> None:
        if self.version == 3:
            self.icv("IGRPEN0", groups & 1)
            self.icv("IGRPEN1", groups >> 1)
        else:
            self.gicv.write(0, 4, self.gicv.read(0, 4) & ~3 | groups)

    def mask(self, pmr: int) -> None:
        """Write the priority mask."""
        if self.version == 3:
            self.icv("PMR", pmr)
        else:
            self.gicv.write(4, 4, pmr)

    def acknowledge(self) -> int | None:
        """Acknowledge what is signalled; return GICV_IAR or the INTID, or None."""
        if self.version == 2:
            value = self.gicv.read(0xC, 4)
            return None if value & 0x3FF >= FIRST_SPECIAL else value
        found = [intid for intid in (self.icv("IAR0"), self.icv("IAR1")) if intid < FIRST_SPECIAL]
        assert len(found) <= 2
        return found[0] if found else None

    def end(self, value: int, group: int = 1) -> None:
        if self.version == 2:
            self.gicv.write(0x10, 4, value)
        else:
            self.icv(f"EOIR{group}", value)

    def split(self) -> None:
        """Set EOImode: the end of an interrupt no longer deactivates it."""
        if self.version == 3:
            self.icv("CTLR", 1 << 1)
        else:
            self.gicv.write(0, 4, self.gicv.read(0, 4) | 1 << 9)

    @property
    def running_priority(self) -> int:
        return self.gicv.read(0x14, 4) if self.version == 2 else self.icv("RPR")


class GuestView:
    """The distributor's registers by interrupt, the same on a vGIC and on the machine's own."""

    version: int
    vcpus: int

    def place(self, intid: int, vcpu: int) -> tuple[Device, int]:
        """Return the frame with the registers of an interrupt, and what to add to their offsets."""
        raise NotImplementedError

    def read_d(self, offset: int, size_bytes: int = 4, vcpu: int = 0) -> int:
        return self.place(32, vcpu)[0].read(offset, size_bytes)

    def write_d(self, offset: int, value: int, size_bytes: int = 4, vcpu: int = 0) -> None:
        self.place(32, vcpu)[0].write(offset, size_bytes, value)

    def set(self, register: int, intid: int, vcpu: int = 0) -> None:
        device, base = self.place(intid, vcpu)
        device.write(base + register + intid // 32 * 4, 4, 1 << intid % 32)

    def get(self, register: int, intid: int, vcpu: int = 0) -> bool:
        device, base = self.place(intid, vcpu)
        return bool(device.read(base + register + intid // 32 * 4, 4) >> intid % 32 & 1)

    def set_priority(self, intid: int, priority: int, vcpu: int = 0) -> None:
        device, base = self.place(intid, vcpu)
        device.write(base + IPRIORITYR + intid, 1, priority)

    def set_group(self, intid: int, group: int, vcpu: int = 0) -> None:
        device, base = self.place(intid, vcpu)
        offset = base + IGROUPR + intid // 32 * 4
        old = device.read(offset, 4) & ~(1 << intid % 32)
        device.write(offset, 4, old | group << intid % 32)

    def set_edge(self, intid: int) -> None:
        offset = ICFGR + intid // 16 * 4
        self.write_d(offset, self.read_d(offset) | 2 << intid % 16 * 2)

    def route(self, intid: int, vcpu: int) -> None:
        if self.version == 3:
            self.write_d(IROUTER + 8 * intid, vcpu)
        elif self.vcpus > 1:
            self.write_d(ITARGETSR + intid, 1 << vcpu, 1)

    def enable(self, intid: int, priority: int = 0x80, group: int = 1, edge: bool = False, vcpu: int = 0) -> None:
        """Set an interrupt up as a guest does, an SPI at this vCPU."""
        self.set_group(intid, group, vcpu)
        self.set_priority(intid, priority, vcpu)
        if intid >= 32:
            self.route(intid, vcpu)
        if edge:
            self.set_edge(intid)
        self.set(ISENABLER, intid, vcpu)


class Board(GuestView):
    """One VM: a vGIC, and a physical CPU for each vCPU. `kicks` are the kicks not looked at yet.

    `timers[vcpu]` is the line of a timer, whose physical interrupt 27 the vCPU's interrupt 27 is linked to.
    """

    def __init__(self, version: int = 3, vcpus: int = 1, list_registers: int = 4, groups: int = 3) -> None:
        self.version, self.vcpus = version, vcpus
        self.kicks: list[int] = []
        self.reports: list[tuple[int, int, bool]] = []
        self.timers = [False] * vcpus
        self.cpus = [PhysicalCpu(version, list_registers) for _ in range(vcpus)]
        self.where: list[PhysicalCpu | None] = [None] * vcpus
        self.vgic = self._make()
        self.write_d(0, groups)

    def _make(self) -> Vgic:
        vgic = Vgic(self.version, self.vcpus, self.kicks.append, lambda *report: self.reports.append(report))
        for vcpu in range(self.vcpus):
            vgic.map_physical(vcpu, TIMER, TIMER, partial(self.timers.__getitem__, vcpu))
        self.frames = {frame.name: frame for frame in vgic.frames}
        return vgic

    def gicd(self, vcpu: int = 0) -> Device:
        return self.frames["vgic-dist"].device(vcpu)

    def place(self, intid: int, vcpu: int) -> tuple[Device, int]:
        if self.version == 3 and intid < 32:
            return self.frames["vgic-redist"].device(0), CPU_BYTES * vcpu + SGI_BASE
        return self.gicd(vcpu), 0

    def renew(self) -> None:
        """Go on with a new vGIC that was restored from a snapshot of this one."""
        saved = self.vgic.snapshot()
        assert saved == json.loads(json.dumps(saved)), "plain data"
        self.vgic = self._make()
        self.vgic.restore(saved)
        for vcpu, cpu in enumerate(self.where):
            self.vgic.attach(vcpu, None if cpu is None else cpu.interface)
        assert self.vgic.snapshot() == saved

    # --- the hypervisor's loop ---------------------------------------------------------------------------------------

    def load(self, vcpu: int = 0, cpu: int | None = None) -> PhysicalCpu:
        """Load a vCPU on a physical CPU and let its guest run."""
        physical = self.where[vcpu] = self.cpus[vcpu if cpu is None else cpu]
        self.vgic.load(vcpu, physical.interface)
        self.vgic.flush(vcpu)
        return physical

    def put(self, vcpu: int = 0) -> None:
        """Leave the guest and unload the vCPU."""
        self.vgic.sync(vcpu)
        self.vgic.put(vcpu)
        self.where[vcpu] = None

    def trip(self, vcpu: int = 0) -> None:
        """Leave the guest and enter it again."""
        self.vgic.sync(vcpu)
        self.vgic.flush(vcpu)

    def write_dir(self, vcpu: int, value: int) -> None:
        """Write GICC_DIR or ICC_DIR_EL1 as the guest does: both trap."""
        self.vgic.sync(vcpu)
        if self.version == 3:
            self.vgic.write_dir(vcpu, value)
        else:
            self.frames["vgic-dir"].device(vcpu).write(0, 4, value)
        self.vgic.flush(vcpu)

    def serve(self) -> None:
        """Take every exit that is due: timers, kicks, and maintenance interrupts. Nothing may be due for ever."""
        for _ in range(100):
            due = set(self.kicks)
            self.kicks.clear()
            for vcpu, cpu in enumerate(self.where):
                if cpu is not None and (cpu.maintenance or self._take_timer(vcpu, cpu)):
                    due.add(vcpu)
            if not due:
                return
            for vcpu in sorted(due):
                if self.where[vcpu] is not None:
                    self.trip(vcpu)
        raise AssertionError("the same exits are due for ever")

    def _take_timer(self, vcpu: int, cpu: PhysicalCpu) -> bool:
        """Take the physical interrupt of a timer as EL2 does: acknowledge, drop the priority, inject."""
        if not self.timers[vcpu] or TIMER in cpu.physical.active:
            return False
        cpu.physical.active.add(TIMER)
        self.vgic.sync(vcpu)
        self.vgic.inject(vcpu, TIMER, True)
        return True

    def drive(self, intid: int, level: bool, vcpu: int = 0) -> None:
        """Drive the input of an interrupt; the timer's comes through the machine's own GIC.

        Nobody tells EL2 that a timer's line falls while the guest runs: until the next exit, made here, the guest could
        see a spurious interrupt, as on KVM.
        """
        if intid == TIMER:
            self.timers[vcpu] = level
            if not level and self.where[vcpu] is not None:
                self.trip(vcpu)
        elif intid < 32:
            self.vgic.ppi(vcpu, intid)(level)
        else:
            self.vgic.spi(intid)(level)


def running(version: int, list_registers: int = 4, vcpus: int = 1) -> tuple[Board, PhysicalCpu]:
    """Return a board whose vCPUs all run, with their interfaces enabled, and the CPU of the first."""
    board = Board(version, vcpus, list_registers)
    for vcpu in range(vcpus):
        board.load(vcpu).open()
    first = board.where[0]
    assert first is not None
    return board, first


def list_register(cpu: PhysicalCpu, index: int) -> ICH_LR_EL2:
    return ICH_LR_EL2(cpu.interface.read_lr(index))


def hcr(cpu: PhysicalCpu) -> ICH_HCR_EL2:
    return ICH_HCR_EL2(cpu.interface.read_hcr())
